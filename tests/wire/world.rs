//! One gate before one recording backend, and what every test holds it to at its end.
//!
//! A test sends through [`World`] and says of each request whether it was to be forwarded or
//! refused. [`World::end`] then holds the run as a whole to the promises that no single answer
//! shows: nothing reached the backend beside what was meant to, every request has exactly one audit
//! record, and no secret of the run is in the audit log or on standard error.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::{Call, Reply, Way};
use crate::support::DEADLINE;
use crate::support::gate_process::{FailedStart, GateBuilder, GateProcess};
use crate::support::h2_client::H2Client;
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Recorded, RecordingBackend};
use crate::support::tokens::{Claims, SigningKey, claims};

/// How often the audit log is looked at while records are still on their way to it.
const POLL: Duration = Duration::from_millis(5);

/// What is written before the policies of a test: who is known, and where the backend is.
const TENANTS: &str = r#"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[[tenants]]
id = "initech"
suspended = true
"#;

/// A gate that is not started yet.
pub struct Setup {
    builder: GateBuilder,
    backend: RecordingBackend,
    key: SigningKey,
}

impl Setup {
    /// The gate's folder, for files that policies name.
    pub fn folder(&self) -> &Path {
        self.builder.folder()
    }

    /// The backend's address as an upstream's `url` says it.
    pub fn backend_url(&self) -> &str {
        self.backend.url()
    }

    /// Adds a policy file.
    pub fn policy(self, text: &str) -> Self {
        self.with(|builder| builder.policy(text))
    }

    /// Trusts the key of this run with further lines in its `[[issuers]]` entry.
    pub fn issuer(self, lines: &str) -> Self {
        let jwks = self.key.write_jwks(self.folder());
        let stanza = self.key.policy(&jwks);
        self.policy(&format!("{stanza}{lines}\n"))
    }

    /// Changes how the process is started.
    pub fn with(mut self, change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Starts the gate.
    pub async fn start(self) -> World {
        match self.try_start().await {
            Ok(world) => world,
            Err(failed) => panic!("the gate ended with {}:\n{}", failed.status, failed.stderr),
        }
    }

    /// Starts the gate, which may refuse to.
    pub async fn try_start(self) -> Result<World, FailedStart> {
        Ok(World {
            gate: self.builder.try_start().await?,
            backend: self.backend,
            key: self.key,
            secrets: Vec::new(),
            requests: 0,
            delivered: 0,
            http2: None,
            ignores_cut_off: false,
            ended: false,
        })
    }
}

/// A running gate with its backend.
pub struct World {
    /// The gate.
    pub gate: GateProcess,
    /// The backend.
    pub backend: RecordingBackend,
    key: SigningKey,
    secrets: Vec<String>,
    requests: usize,
    delivered: usize,
    http2: Option<H2Client>,
    ignores_cut_off: bool,
    ended: bool,
}

impl World {
    /// A gate with the tenants acme, globex and initech (suspended), one upstream `backend` that
    /// gets no credential, and no issuer.
    pub async fn without_issuer() -> Setup {
        let backend = RecordingBackend::ok().await;
        let upstream = format!(
            "[[upstreams]]\nname = \"backend\"\nurl = \"{}\"\n",
            backend.url()
        );
        let builder = GateProcess::builder()
            .policy(TENANTS)
            .policy(upstream)
            // The gate's own lines at their most talkative must hold no secret either.
            .env("RUST_LOG", "info,fabric_gate=trace");
        Setup {
            builder,
            backend,
            key: SigningKey::ed25519("wire"),
        }
    }

    /// The same with an issuer whose tokens [`World::sign`] makes.
    pub async fn setup() -> Setup {
        Self::without_issuer().await.issuer("")
    }

    /// A gate with these routes.
    pub async fn with_routes(routes: &str) -> Self {
        Self::setup().await.policy(routes).start().await
    }

    /// A token with these claims.
    pub fn sign(&mut self, claims: &Claims) -> String {
        let token = self.key.sign(claims);
        self.keep_secret(&token);
        token
    }

    /// A token of this caller.
    pub fn token(&mut self, tenant: &str, user: &str, roles: &[&str]) -> String {
        self.sign(&claims(tenant, user, roles))
    }

    /// A token of Alice, who leads at acme.
    pub fn alice(&mut self) -> String {
        self.token("acme", "alice", &["lead"])
    }

    /// Notes a text that must show up neither in the audit log nor on standard error. Of a token
    /// it is the signature that counts: without it the rest is no credential.
    pub fn keep_secret(&mut self, secret: &str) {
        let telling = secret.rsplit('.').next().unwrap_or(secret);
        assert!(telling.len() >= 8, "`{telling}` could turn up by chance");
        self.secrets.push(telling.to_owned());
    }

    /// Counts requests that a test sends by itself.
    pub fn sent(&mut self, requests: usize) {
        self.requests += requests;
    }

    /// Counts requests back that a protocol library answered before the gate could know of them.
    pub fn never_seen(&mut self, requests: usize) {
        self.requests -= requests;
    }

    /// Sends a call and reads its answer.
    pub async fn send(&mut self, way: Way, call: &Call) -> Reply {
        self.requests += 1;
        match way {
            Way::Exchange | Way::Loop => {
                let mut client = RawClient::connect(self.gate.address()).await;
                client.send(call.to_http1(way)).await;
                let answer = if call.method == "HEAD" {
                    client.read_response_to_head().await
                } else {
                    client.read_response().await
                };
                Reply::from(answer)
            }
            Way::Http2Exchange | Way::Http2Loop => {
                if self.http2.is_none() {
                    self.http2 = Some(H2Client::connect(self.gate.address()).await);
                }
                let client = self.http2.as_mut().unwrap();
                let (request, body) = call.to_http2(way);
                match client.request(request, &body, None).await {
                    Ok(answer) => Reply::from(answer),
                    Err(error) => panic!("no answer to {call:?} by {way:?}: {error}"),
                }
            }
        }
    }

    /// Sends a call that has to reach the backend, by the way it is sent, and what arrived there.
    pub async fn forwarded(&mut self, way: Way, call: &Call) -> Recorded {
        self.answered(way, call).await.0
    }

    /// [`World::forwarded`] with the client's answer.
    pub async fn answered(&mut self, way: Way, call: &Call) -> (Recorded, Reply) {
        let (recorded, reply) = self.taken(way, call).await;
        let chunked = !recorded.head.values("transfer-encoding").is_empty();
        assert_eq!(
            chunked,
            way.is_loop(),
            "{way:?} was meant, and the other one was taken: {}",
            recorded.head.text()
        );
        (recorded, reply)
    }

    /// [`World::answered`] where the gate drives the exchange itself whichever way the call comes,
    /// because it has to read the body before it decides.
    pub async fn taken(&mut self, way: Way, call: &Call) -> (Recorded, Reply) {
        let reply = self.send(way, call).await;
        assert!(reply.status < 400, "{call:?} by {way:?}: {}", reply.text());
        (self.arrival(), reply)
    }

    /// The one request that reached the backend since the last time.
    pub fn arrival(&mut self) -> Recorded {
        let mut requests = self.backend_requests();
        self.delivered += 1;
        assert_eq!(requests.len(), self.delivered, "requests at the backend");
        requests.pop().unwrap()
    }

    /// Sends a call that has to be refused so, before the backend hears of it.
    pub async fn refused(&mut self, way: Way, call: &Call, status: u16, code: &str) -> Reply {
        let reply = self.send(way, call).await;
        let asked = format!("{call:?} by {way:?}");
        self.is_refusal(&reply, status, code, &asked, call.method == "HEAD");
        reply
    }

    fn is_refusal(&self, reply: &Reply, status: u16, code: &str, asked: &str, to_head: bool) {
        assert_eq!(reply.status, status, "{asked}: {}", reply.text());
        if !to_head {
            assert_eq!(reply.code(), code, "{asked}");
        }
        self.backend_heard_nothing(asked);
    }

    /// Holds the backend to what was meant for it so far.
    pub fn backend_heard_nothing(&self, asked: &str) {
        let requests = self.backend_requests();
        assert_eq!(
            requests.len(),
            self.delivered,
            "{asked} reached the backend: {:?}",
            requests.last().map(|request| request.head.text())
        );
    }

    /// From here on requests that reached the backend in part do not count: ones whose clients broke
    /// them off after the head had gone ahead.
    pub fn ignore_cut_off(&mut self) {
        self.ignores_cut_off = true;
    }

    fn backend_requests(&self) -> Vec<Recorded> {
        let mut requests = self.backend.requests();
        requests.retain(|request| request.body.complete || !self.ignores_cut_off);
        requests
    }

    /// Sends bytes whose head has to be refused as `request_rejected`. A second, faultless request
    /// stands right behind them: it must be thrown away with the connection, or whoever can make
    /// the gate misread one message could have another one taken for a request.
    pub async fn rejected_with_what_follows(&mut self, asked: &str, head: &[u8], token: &str) {
        let mut bytes = head.to_vec();
        let follows = Call::get("/smuggled").bearer(token);
        bytes.extend_from_slice(&follows.to_http1(Way::Exchange));
        let mut client = RawClient::connect(self.gate.address()).await;
        self.requests += 1;
        // The gate may have refused, and closed, before the last byte.
        let _ = client.try_send(&bytes).await;
        let reply = Reply::from(client.read_response().await);
        self.is_refusal(&reply, 400, "request_rejected", asked, false);
        let rest = client.read_to_end().await;
        let rest = String::from_utf8_lossy(&rest);
        assert_eq!(rest, "", "{asked}: the connection has to end");
    }

    /// Sends these bytes on a connection of their own; they have to be forwarded.
    pub async fn forwarded_raw(&mut self, asked: &str, bytes: &[u8]) -> Recorded {
        let mut client = RawClient::connect(self.gate.address()).await;
        self.requests += 1;
        client.send(bytes).await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
        self.arrival()
    }

    /// The audit record of the request that was answered so.
    pub async fn record_of(&self, reply: &Reply) -> Value {
        let id = reply.header("x-request-id").unwrap();
        let records = self.records().await;
        let mut found = records.into_iter().filter(|one| one["request_id"] == id);
        let record = found.next().unwrap();
        assert!(found.next().is_none(), "two records of one request");
        record
    }

    /// The records of all requests so far, once they are on disk.
    pub async fn records(&self) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let records = self.request_records();
            let count = records.len();
            // One too many is as wrong as one too few, and no reason to wait.
            if count >= self.requests || started.elapsed() > DEADLINE {
                let paths: Vec<_> = records.iter().map(|record| &record["path"]).collect();
                assert_eq!(count, self.requests, "records in the audit log: {paths:?}");
                return records;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn request_records(&self) -> Vec<Value> {
        let text = self.audit_text();
        // A line that is still being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|record| record["kind"] == "request")
            .collect()
    }

    fn audit_text(&self) -> String {
        let files = fs::read_dir(self.gate.folder().join("audit")).unwrap();
        let mut text = String::new();
        for file in files {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
        text
    }

    /// Ends the run and holds it to the promises about all of it.
    pub async fn end(mut self) {
        self.ended = true;
        self.http2 = None;
        assert!(self.requests > 0, "a run without requests shows nothing");
        self.records().await;
        self.backend_heard_nothing("something nobody sent");
        self.gate.stop().await;
        self.backend_heard_nothing("something the gate sent when it stopped");
        assert_eq!(
            self.request_records().len(),
            self.requests,
            "records in the audit log once the gate has stopped"
        );
        let everything = [
            ("the audit log", self.audit_text()),
            ("standard error", self.gate.stderr()),
        ];
        for (place, text) in &everything {
            assert!(!text.is_empty(), "{place} is empty, which shows nothing");
            for secret in &self.secrets {
                assert!(!text.contains(secret.as_str()), "`{secret}` is in {place}");
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(
            self.ended || std::thread::panicking(),
            "a test has to end its world by `end`"
        );
    }
}

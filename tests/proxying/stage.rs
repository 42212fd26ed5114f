//! A gate before backends: the same routes for each of them, a caller with a token, and the places
//! where what happened can be read afterwards.

use std::fs;
use std::future::Future;
use std::time::Duration;

use http::Request;
use serde_json::Value;

use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::tokens::{SigningKey, claims};
use crate::support::within;

/// The tenant of every caller here.
pub const TENANT: &str = "acme";

/// Room for a body of 10 MiB and a little more.
const BODY_BYTES: usize = 16 << 20;

/// A gate that is not started yet.
pub struct Stage {
    builder: GateBuilder,
    key: SigningKey,
}

impl Stage {
    /// A gate without backends.
    pub fn new() -> Self {
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        // What a token allows ends with it, to the second.
        let identity = key.policy(&jwks) + "leeway_seconds = 0\n";
        let tenants = format!(
            "[defaults]\nlimits = {{ body_bytes = {BODY_BYTES} }}\n\n[[tenants]]\nid = \"{TENANT}\"\n"
        );
        Self {
            builder: builder.policy(identity).policy(tenants),
            key,
        }
    }

    /// Adds a backend under the first path segment `name`; `extra` are further keys of its stanza.
    pub fn upstream(self, name: &str, url: &str, extra: &str) -> Self {
        let policy = format!(
            "[[upstreams]]\nname = \"{name}\"\nurl = \"{url}\"\n{extra}\n\n{}",
            routes(name)
        );
        self.configured(|builder| builder.policy(policy))
    }

    /// Changes how the gate is started.
    pub fn configured(mut self, change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// `[limits]` of the process.
    pub fn limits(self, limits: &str) -> Self {
        self.configured(|builder| builder.section("limits", limits))
    }

    /// Starts it.
    pub async fn start(self) -> World {
        let token = self.key.sign(&claims(TENANT, "alice", &[]));
        World {
            gate: self.builder.start().await,
            authorization: format!("Bearer {token}"),
            key: self.key,
        }
    }
}

/// How long an answer may be silent on the route `pausing`.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(4);

/// Every kind of route, for one backend.
pub fn routes(upstream: &str) -> String {
    let route = |name: &str, path: &str, rest: &str| {
        format!(
            "[[routes]]\nname = \"{upstream}.{name}\"\nupstream = \"{upstream}\"\n\
             path = \"/{upstream}/{path}\"\n{rest}\n\n"
        )
    };
    [
        route(
            "plain",
            "plain/{*rest}",
            "methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"DELETE\"]",
        ),
        route(
            "judged-request",
            "judged-request",
            "methods = [\"POST\"]\ntenant_from = [\"body:/tenantId\"]",
        ),
        route(
            "judged-answer",
            "judged-answer",
            "methods = [\"GET\", \"POST\", \"DELETE\"]\nguard = { tenant = \"body:/tenantId\" }",
        ),
        route("small", "small", "methods = [\"POST\"]\nbody_bytes = 65536"),
        route(
            "small-judged",
            "small-judged",
            "methods = [\"POST\"]\nbody_bytes = 65536\ntenant_from = [\"body:/tenantId\"]",
        ),
        route(
            "brief",
            "brief/{*rest}",
            "methods = [\"GET\", \"POST\"]\ntimeout_seconds = 1\nstream_idle_seconds = 1",
        ),
        route(
            "pausing",
            "pausing/{*rest}",
            &format!(
                "methods = [\"GET\"]\nstream_idle_seconds = {}",
                LONGEST_SILENCE.as_secs()
            ),
        ),
        route(
            "brief-judged",
            "brief-judged",
            "methods = [\"POST\"]\ntenant_from = [\"body:/tenantId\"]\ntimeout_seconds = 1",
        ),
        route(
            "socket",
            "socket",
            "methods = [\"GET\"]\nwebsocket = true\ncredentials = [\"bearer\", \"query:token\"]",
        ),
    ]
    .concat()
}

/// How a request gets carried to its backend: by the gate's own exchange or by pingora's loop, which
/// takes uploads of unknown length.
pub struct Way {
    /// The method.
    pub method: &'static str,
    /// Whether a body of one byte is streamed up.
    pub streams_up: bool,
}

/// Both.
pub const WAYS: [Way; 2] = [
    Way {
        method: "GET",
        streams_up: false,
    },
    Way {
        method: "POST",
        streams_up: true,
    },
];

impl Way {
    /// The bytes of the caller's request, body and all.
    pub fn request(&self, world: &World, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        if !self.streams_up {
            return world.request(self.method, target, headers, b"");
        }
        let headers = [headers, &[("Transfer-Encoding", "chunked")]].concat();
        let mut request = world.request(self.method, target, &headers, b"");
        request.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
        request
    }

    /// The body where it is not framed by hand.
    pub fn body(&self) -> &'static [u8] {
        if self.streams_up { b"x" } else { b"" }
    }
}

/// A running gate and a caller it knows.
pub struct World {
    /// The process.
    pub gate: GateProcess,
    /// What the caller's `Authorization` says.
    pub authorization: String,
    key: SigningKey,
}

impl World {
    /// The caller with a token that is good for so many seconds.
    pub fn authorization_for(&self, seconds: i64) -> String {
        let claims = claims(TENANT, "alice", &[]).expires_in(seconds);
        format!("Bearer {}", self.key.sign(&claims))
    }

    /// Somebody else with a good token.
    pub fn authorization_of(&self, tenant: &str, user: &str) -> String {
        format!("Bearer {}", self.key.sign(&claims(tenant, user, &[])))
    }

    /// The bytes of the caller's request.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let mut all = vec![("Authorization", self.authorization.as_str())];
        all.extend_from_slice(headers);
        raw_client::request(method, target, &all, body)
    }

    /// The caller's request over HTTP/2.
    pub fn h2_request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut all = vec![("authorization", self.authorization.as_str())];
        all.extend_from_slice(headers);
        h2_client::request(method, target, &all)
    }

    /// A connection.
    pub async fn client(&self) -> RawClient {
        RawClient::connect(self.gate.address()).await
    }

    /// An HTTP/2 connection.
    pub async fn h2_client(&self) -> H2Client {
        H2Client::connect(self.gate.address()).await
    }

    /// One request on a connection of its own.
    pub async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawResponse {
        raw_client::exchange(
            self.gate.address(),
            self.request(method, target, headers, body),
        )
        .await
    }

    /// The audit records of requests on this route so far, in the order of the requests. Of records
    /// that several threads leave at once the log has one thread's behind the other's.
    pub fn records(&self, route: &str) -> Vec<Value> {
        let files = fs::read_dir(self.gate.folder().join("audit")).unwrap();
        let mut records: Vec<Value> = files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .flat_map(|text| {
                let lines: Vec<Value> = text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect();
                lines
            })
            .filter(|record: &Value| record["route"] == route)
            .collect();
        records.sort_by_key(|record| record["ts"].as_str().map(str::to_owned));
        records
    }

    /// The audit record of the only request on this route, once it is written.
    pub async fn record(&self, route: &str) -> Value {
        let mut records = Vec::new();
        eventually("an audit record", || {
            records = self.records(route);
            std::future::ready(!records.is_empty())
        })
        .await;
        assert_eq!(records.len(), 1, "records of `{route}`: {records:#?}");
        records.remove(0)
    }

    /// A gauge or counter without labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.gate.admin("GET", "/metrics", b"").await.text();
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no `{name}` in\n{metrics}"));
        value.parse().unwrap()
    }

    /// Resident memory of the gate, in MiB.
    pub fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.gate.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() / 1024
    }
}

/// Asks again and again until it holds.
///
/// # Panics
/// It does not.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

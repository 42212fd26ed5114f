//! A gate with a receiver of what it tells, and a backend behind it.

use std::time::Duration;

use fabric_gate::money::NanoUsd;

use crate::collector::{Collector, Told};
use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};
use crate::support::tokens::{SigningKey, claims};
use crate::support::within;

/// What a caller sends and nobody else may ever see.
pub const CANARY: &str = "c4n4ry";

const POLICY: &str = r#"
[defaults]
limits = { body_bytes = 65536 }

[[tenants]]
id = "acme"

[[tenants.ceilings]]
scope = "tenant"
window = "day"
usd = "1.00"

warn_at = [0.5]

[[tenants]]
id = "globex"

[[tenants]]
id = "narrow"
limits = { requests_per_second = 1, burst = 1 }

[[routes]]
name = "lost"
upstream = "nowhere"
methods = ["POST"]
path = "/lost"
cost = { fixed_usd = "0.01" }

[[routes]]
name = "notes.read"
upstream = "backend"
methods = ["GET"]
path = "/notes/{id}"

[[routes]]
name = "notes.own"
upstream = "backend"
methods = ["GET"]
path = "/own/{id}"
resource = { kind = "note", id = "path:id" }

[[routes]]
name = "notes.lead"
upstream = "backend"
methods = ["GET"]
path = "/lead"
roles = ["lead"]

[[routes]]
name = "upload"
upstream = "backend"
methods = ["POST"]
path = "/upload"

[[routes]]
name = "ask"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai", model = "body:/model", reserve_usd = "0.50" }

[[routes]]
name = "nowhere"
upstream = "nowhere"
methods = ["GET"]
path = "/nowhere"

[[rules]]
name = "nobody deletes notes by reading"
effect = "forbid"
routes = ["notes.read"]
users = ["mallory"]

[[rules]]
name = "readers would be counted"
effect = "forbid"
routes = ["notes.read"]
users = ["shade"]
mode = "shadow"

[[prices]]
model = "gauge-1"
input = "2.00"
output = "8.00"
cache_read = "0.50"

[costs]
unpriced = "deny"
"#;

/// A gate, its backend and its receiver.
pub struct Stage {
    /// The gate.
    pub gate: GateProcess,
    /// The receiver.
    pub collector: Collector,
    /// The backend.
    pub backend: RecordingBackend,
    key: SigningKey,
}

impl Stage {
    /// Every request is traced.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With further keys of `[telemetry]`.
    pub async fn with(keys: &str) -> Self {
        let collector = Collector::start().await;
        let section = format!("otlp_endpoint = \"{}\"\n{keys}\n", collector.url());
        Self::configured(collector, |builder| builder.section("telemetry", &section)).await
    }

    /// Before a given receiver, with a gate that `change` changes before it starts.
    pub async fn configured(
        collector: Collector,
        change: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let backend = RecordingBackend::start(answer).await;
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        let upstreams = format!(
            "[[upstreams]]\nname = \"backend\"\nurl = \"{}\"\n\
             [[upstreams]]\nname = \"nowhere\"\nurl = \"http://127.0.0.1:1\"\n",
            backend.url()
        );
        let builder = [key.policy(&jwks), upstreams, POLICY.to_owned()]
            .iter()
            .fold(builder, GateBuilder::policy);
        Self {
            gate: change(builder).start().await,
            collector,
            backend,
            key,
        }
    }

    /// A bearer token.
    pub fn token(&self, tenant: &str, user: &str) -> String {
        let token = self.key.sign(&claims(tenant, user, &[]));
        format!("Bearer {token}")
    }

    /// A request of alice of acme.
    pub async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawResponse {
        self.ask_as(("acme", "alice"), method, target, headers, body)
            .await
    }

    /// A request of somebody.
    pub async fn ask_as(
        &self,
        (tenant, user): (&str, &str),
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawResponse {
        let authorization = self.token(tenant, user);
        let mut all = vec![
            ("Authorization", authorization.as_str()),
            ("Connection", "close"),
        ];
        all.extend_from_slice(headers);
        let request = raw_client::request(method, target, &all, body);
        raw_client::exchange(self.gate.address(), request).await
    }

    /// The spans of a request, the gate's first, once they are there.
    pub async fn spans_of(&self, answer: &RawResponse, count: usize) -> Vec<Told> {
        let id = answer.header("x-request-id").unwrap();
        let waiting = async {
            loop {
                let all = self.collector.spans();
                let gate = all
                    .iter()
                    .find(|it| it.says("fabric.request_id") == Some(&id));
                if let Some(gate) = gate {
                    let below = |it: &&Told| it.parent().as_deref() == Some(&gate.id());
                    let mut tree = vec![gate.clone()];
                    tree.extend(all.iter().filter(below).cloned());
                    if tree.len() >= count {
                        return tree;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let spans = within("the spans of a request", waiting).await;
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        metrics(&self.gate).await
    }

    /// The value of a series, once it is what is wanted.
    pub async fn wait_for_metric(&self, series: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let waiting = async {
            loop {
                if let Some(value) = value_of(&self.metrics().await, series)
                    && wanted(value)
                {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(series, waiting).await
    }
}

/// The text of a gate's `/metrics`.
pub async fn metrics(gate: &GateProcess) -> String {
    let request = raw_client::request("GET", "/metrics", &[("Connection", "close")], b"");
    let answer = raw_client::exchange(gate.admin_address(), request).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

/// The value of a series: `name{label="value"}`, as it is written.
pub fn value_of(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// What the backend answers.
fn answer(request: &Recorded) -> Answer {
    let usage = r#"{"model":"gauge-1-turbo","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"prompt_tokens_details":{"cached_tokens":40}}}"#;
    match request.target().as_str() {
        "/v1/chat/completions" => Answer::json(200, usage),
        target if target.starts_with("/notes/broken") => Answer::json(500, "{}"),
        target if target.starts_with("/own/") => Answer::json(404, r#"{"error":"no note"}"#),
        _ => Answer::json(200, "{}"),
    }
}

/// What `usage` of the backend's answer costs at the price of `gauge-1`.
pub fn cost() -> NanoUsd {
    "0.00022".parse().unwrap()
}

//! A gate before a backend, with policies to change and callers to ask as.

use std::time::Duration;

use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::tokens::{SigningKey, claims};
use crate::support::within;

/// A gate, its backend and the key its callers' tokens are signed with.
pub struct World {
    /// The process.
    pub gate: GateProcess,
    /// What is behind it.
    pub backend: RecordingBackend,
    /// The issuer's key.
    pub key: SigningKey,
}

/// What a gate needs before it is started.
pub struct Prepared {
    /// The gate, with policies that know [`SigningKey`] and the backend.
    pub builder: GateBuilder,
    /// The backend.
    pub backend: RecordingBackend,
    /// The issuer's key.
    pub key: SigningKey,
}

/// What the backend answers unless it is told otherwise, by the end of the path.
fn answer(target: &str) -> Answer {
    let (path, _query) = target.split_once('?').unwrap_or((target, ""));
    match path.rsplit('/').next().unwrap_or_default() {
        "hang" => Answer::nothing().until_the_client_leaves(),
        "broken" => Answer::nothing().close(),
        "torn" => Answer::head(200, &[("content-length", "100")])
            .send("half")
            .close(),
        "events" => Answer::event_stream()
            .event("first")
            .until_the_client_leaves(),
        _ => Answer::json(200, r#"{"ok":true}"#),
    }
}

/// The tenants there are.
pub const TENANTS: &str = "[[tenants]]\nid = \"acme\"\n\n[[tenants]]\nid = \"globex\"\n";

/// An `[[upstreams]]` stanza and routes under it: `/things/{id}` for members, `/reports/{id}` for
/// leads, and a public `/health`.
pub fn routes(backend: &str) -> String {
    format!(
        "[[upstreams]]\nname = \"backend\"\nurl = \"{backend}\"\n\n{}{}{}",
        route("thing", "/things/{id}", &["member", "lead"]),
        route("report", "/reports/{id}", &["lead"]),
        "[[routes]]\nname = \"health\"\nupstream = \"backend\"\nmethods = [\"GET\"]\n\
         path = \"/health\"\npublic = true\nhealth = true\n",
    )
}

/// One route of any of these roles.
pub fn route(name: &str, path: &str, roles: &[&str]) -> String {
    format!(
        "[[routes]]\nname = \"{name}\"\nupstream = \"backend\"\nmethods = [\"GET\", \"HEAD\", \"POST\"]\n\
         path = \"{path}\"\nroles = {roles:?}\n\n"
    )
}

/// A gate that is ready to start before a backend. The policies are `00.toml` (issuer), `01.toml`
/// (tenants) and `02.toml` (routes).
pub async fn prepare() -> Prepared {
    let backend = RecordingBackend::start(|request| answer(&request.target())).await;
    let key = SigningKey::ed25519("one");
    let builder = GateProcess::builder();
    let jwks = key.write_jwks(builder.folder());
    let builder = builder
        .policy(key.policy(&jwks))
        .policy(TENANTS)
        .policy(routes(backend.url()));
    Prepared {
        builder,
        backend,
        key,
    }
}

/// A running gate before a backend.
pub async fn start() -> World {
    prepare().await.start().await
}

impl Prepared {
    /// Changes how the gate is built.
    pub fn with(mut self, change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Starts the gate.
    pub async fn start(self) -> World {
        World {
            gate: self.builder.start().await,
            backend: self.backend,
            key: self.key,
        }
    }
}

impl World {
    /// A token of this caller, good for an hour.
    pub fn token(&self, tenant: &str, user: &str, roles: &[&str]) -> String {
        let claims = claims(tenant, user, roles).expires_in(3_600);
        self.key.sign(&claims)
    }

    /// A token of a member of `acme`.
    pub fn member(&self) -> String {
        self.token("acme", "alice", &["member"])
    }

    /// Asks with this token on a connection of its own.
    pub async fn get(&self, target: &str, token: &str) -> RawResponse {
        raw_client::exchange(self.gate.address(), get(target, token)).await
    }

    /// The number behind a metric whose line begins so; 0 if there is none.
    pub async fn metric(&self, line: &str) -> u64 {
        metric(&self.gate, line).await
    }
}

/// Waits for what nobody announces.
///
/// # Panics
/// It does not come about.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The number behind a metric whose line begins so; 0 if there is none.
pub async fn metric(gate: &GateProcess, line: &str) -> u64 {
    let exposition = gate.admin("GET", "/metrics", b"").await.text();
    exposition
        .lines()
        .find_map(|candidate| candidate.strip_prefix(line))
        .map_or(0, |rest| rest.trim().parse().unwrap())
}

/// The bytes of a GET with this token.
pub fn get(target: &str, token: &str) -> Vec<u8> {
    let authorization = format!("Bearer {token}");
    raw_client::request("GET", target, &[("Authorization", &authorization)], b"")
}

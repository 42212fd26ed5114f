//! A gate before a backend that records, and callers who can be described or send.

use serde_json::{Value, json};

use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::tokens::{SigningKey, claims};

/// A running gate, its backend and what signs tokens for it.
pub struct Stage {
    pub gate: GateProcess,
    pub backend: RecordingBackend,
    key: SigningKey,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub tenant: &'static str,
    pub user: &'static str,
    pub roles: &'static [&'static str],
    pub scopes: &'static str,
}

/// Alice, a member of acme.
pub const ALICE: Who = who("acme", "alice", &["member"]);

/// Gina, a member of globex.
pub const GINA: Who = who("globex", "gina", &["member"]);

pub const fn who(tenant: &'static str, user: &'static str, roles: &'static [&'static str]) -> Who {
    Who {
        tenant,
        user,
        roles,
        scopes: "",
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub who: Option<Who>,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Ask {
    pub fn new(who: Option<Who>, method: &'static str, target: &str) -> Self {
        Self {
            who,
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        let typed = self.header("Content-Type", "application/json");
        Self {
            body: body.to_string(),
            ..typed
        }
    }

    pub fn text(self, kind: &str, body: &str) -> Self {
        let typed = self.header("Content-Type", kind);
        Self {
            body: body.to_owned(),
            ..typed
        }
    }
}

impl Stage {
    /// A gate with these policies, before a backend that answers everything.
    pub async fn start(policies: &str) -> Self {
        Self::start_with(policies, |builder| builder).await
    }

    /// The same, with a gate that `change` changes before it starts.
    pub async fn start_with(
        policies: &str,
        change: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let backend = RecordingBackend::start(|_| {
            Answer::json(200, r#"{"ok":true,"id":"made-1","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"model":"gauge-1"}"#)
        })
        .await;
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        let upstream = format!(
            "[[upstreams]]\nname = \"backend\"\nurl = \"{}\"\nauthorization = \"forward\"\n",
            backend.url()
        );
        let builder = builder
            .policy(key.policy(&jwks))
            .policy(upstream)
            .policy(policies);
        Self {
            gate: change(builder).start().await,
            backend,
            key,
        }
    }

    pub fn token(&self, who: Who) -> String {
        let claims = claims(who.tenant, who.user, who.roles).scopes(who.scopes);
        self.key.sign(&claims)
    }

    /// Sends it.
    pub async fn send(&self, ask: &Ask) -> RawResponse {
        let token = ask.who.map(|who| format!("Bearer {}", self.token(who)));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        if let Some(token) = &token {
            headers.push(("Authorization", token));
        }
        headers.extend(
            ask.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let request = raw_client::request(ask.method, &ask.target, &headers, ask.body.as_bytes());
        raw_client::exchange(self.gate.address(), request).await
    }

    /// Asks about it, with the token that would be sent.
    pub async fn explain(&self, ask: &Ask) -> Value {
        let mut described = self.described(ask);
        if let Some(who) = ask.who {
            described["headers"]["Authorization"] = json!(format!("Bearer {}", self.token(who)));
        }
        self.ask(&described).await
    }

    /// Asks about it, with its caller described.
    pub async fn explain_as(&self, ask: &Ask) -> Value {
        let mut described = self.described(ask);
        if let Some(who) = ask.who {
            let scopes: Vec<&str> = who.scopes.split_whitespace().collect();
            described["as"] = json!({
                "tenant": who.tenant, "user": who.user, "roles": who.roles, "scopes": scopes,
            });
        }
        self.ask(&described).await
    }

    fn described(&self, ask: &Ask) -> Value {
        let mut headers = serde_json::Map::new();
        headers.insert("Host".to_owned(), json!("gate.test"));
        for (name, value) in &ask.headers {
            let there = headers.entry(name.clone()).or_insert_with(|| json!([]));
            match there {
                Value::Array(values) => values.push(json!(value)),
                other => *other = json!(value),
            }
        }
        json!({
            "method": ask.method, "path": ask.target, "headers": headers, "body": ask.body,
        })
    }

    pub async fn ask(&self, described: &Value) -> Value {
        let body = described.to_string();
        let answer = self
            .gate
            .admin("POST", "/v1/explain", body.as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{described}: {}", answer.text());
        answer.json()
    }
}

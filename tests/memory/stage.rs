//! The routes in this process, over the store that is plainly right, with a clock that is moved by
//! hand and callers whose assertions are really signed and verified.

#![allow(dead_code, reason = "each concern uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use fabric_gate::clock::{ManualClock, SharedClock, SystemClock};
use fabric_gate::identity::jwks::{JwksSettings, KeySetRegistry};
use fabric_gate::identity::settings::KeySource;
use fabric_gate::memory::{Bounds, Memory, MemoryStore, Quotas};
use fabric_gate::memory_api::{
    ApiLimits, ApiParts, AppState, Authenticator, MemoryMetrics, Stopping, assertion_issuer, router,
};
use fabric_gate::tenant::TenantGrammar;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::people::{NOW, rules};
use crate::reference::ReferenceStore;
use crate::support::tokens::{self, SigningKey};

/// Who asks: tenant, user, roles.
pub(crate) type Who = (&'static str, &'static str, &'static [&'static str]);

pub(crate) const ALICE: Who = ("acme", "alice", &[]);
pub(crate) const BOB: Who = ("acme", "bob", &[]);
pub(crate) const LEAD: Who = ("acme", "lena", &["lead"]);
pub(crate) const ADMIN: Who = ("acme", "root", &["tenant-admin"]);
/// Of another tenant, with the name of a user of the first.
pub(crate) const STRANGER: Who = ("globex", "alice", &["lead", "tenant-admin"]);

/// The service.
pub(crate) struct Stage {
    router: Router,
    key: SigningKey,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: Arc<Memory>,
    _folder: TempDir,
    _stop: watch::Sender<bool>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Its JSON, if it has this status.
    pub(crate) fn of(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        match self.body.is_empty() {
            true => Value::Null,
            false => self.json(),
        }
    }

    /// Its code, if it is a problem of this status.
    pub(crate) fn refused(&self, status: u16) -> String {
        let problem = self.of(status);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        problem["code"].as_str().unwrap().to_owned()
    }

    /// Status, headers and body without what is the request's own.
    pub(crate) fn masked(&self) -> (u16, Vec<(String, String)>, String) {
        let id = self.header("x-request-id").unwrap_or_default().to_owned();
        let mask = |text: &str| match id.is_empty() {
            true => text.to_owned(),
            false => text.replace(&id, "ID"),
        };
        let headers = self.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), mask(value.to_str().unwrap())));
        (self.status, headers.collect(), mask(&self.text()))
    }
}

impl Stage {
    /// Without quotas.
    pub(crate) async fn open() -> Self {
        Self::with(
            Quotas {
                versions: 5,
                ..Quotas::default()
            },
            Bounds::default(),
        )
        .await
    }

    pub(crate) async fn with(quotas: Quotas, bounds: Bounds) -> Self {
        Self::over(ReferenceStore::new(), quotas, bounds).await
    }

    /// Over any store.
    pub(crate) async fn over(store: Arc<dyn MemoryStore>, quotas: Quotas, bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::ed25519("gate-1");
        let jwks = key.write_jwks(folder.path());
        let clock = Arc::new(ManualClock::new(NOW));
        let memory = Memory::new(store, quotas, bounds, Arc::clone(&clock) as _);
        let real: SharedClock = Arc::new(SystemClock);
        let settings = JwksSettings::default();
        let runtime = tokio::runtime::Handle::current();
        let registry = KeySetRegistry::new(runtime, settings, Arc::clone(&real)).unwrap();
        let gate = assertion_issuer(KeySource::File(jwks), "memory".to_owned());
        let grammar = TenantGrammar::default();
        let (stop, stopping) = Stopping::new();
        let state = AppState::new(ApiParts {
            authenticator: Authenticator::new(Some(gate), &[], &grammar, &registry, &real),
            rules: rules(),
            memory: Arc::clone(&memory),
            limits: ApiLimits {
                body_bytes: 1024 * 1024,
                import_bytes: 4 * 1024 * 1024,
                requests_at_once: 256,
                streams_at_once: 16,
                answer_bytes: 8 << 20,
                request_timeout: Duration::from_secs(20),
                bulk_timeout: Duration::from_secs(60),
            },
            metrics: Arc::new(MemoryMetrics::new().unwrap()),
            clock: real,
            stopping,
        });
        let stage = Self {
            router: router(&state),
            key,
            clock,
            memory,
            _folder: folder,
            _stop: stop,
        };
        crate::support::within("the gate's keys", async {
            while stage.get(ALICE, "/v1/caller").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        stage
    }

    pub(crate) async fn send(
        &self,
        who: Who,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let response = self.send_unread(who, method, target, headers, body).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    /// Leaves the answer lying until it is dropped.
    pub(crate) async fn send_unread(
        &self,
        (tenant, user, roles): Who,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        let claims = tokens::claims(tenant, user, roles).expires_in(50);
        let claims = claims.with("iss", "fabric-gate").with("aud", "memory");
        let mut request = Request::builder().method(method).uri(target);
        request = request.header("x-fabric-assertion", self.key.sign(&claims));
        let mut request = request.body(body.into()).unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        let service = TowerToHyperService::new(self.router.clone());
        service.call(request).await.unwrap()
    }

    pub(crate) async fn get(&self, who: Who, target: &str) -> Answer {
        self.send(who, "GET", target, &[], Body::empty()).await
    }

    pub(crate) async fn delete(&self, who: Who, target: &str) -> Answer {
        self.send(who, "DELETE", target, &[], Body::empty()).await
    }

    /// With a body of JSON.
    pub(crate) async fn ask(&self, who: Who, method: &str, target: &str, body: Value) -> Answer {
        self.ask_with(who, method, target, &[], body).await
    }

    pub(crate) async fn ask_with(
        &self,
        who: Who,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(who, method, target, &all, body.to_string()).await
    }

    /// Remembers something that has to be new, and answers it.
    pub(crate) async fn remember(&self, who: Who, body: Value) -> Value {
        self.ask(who, "POST", "/v1/memories", body).await.of(201)
    }

    /// Remembers a text and answers its id.
    pub(crate) async fn note(&self, who: Who, content: &str) -> String {
        id(&self.remember(who, json!({ "content": content })).await)
    }

    /// Remembers a text in shared memory and answers its id.
    pub(crate) async fn share(&self, content: &str) -> String {
        let body = json!({ "content": content, "scope": "shared" });
        id(&self.remember(LEAD, body).await)
    }

    /// The contents of all pages of a list.
    pub(crate) async fn contents(&self, who: Who, query: &str) -> Vec<String> {
        let mut contents = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self
                .get(who, &format!("/v1/memories?{query}{cursor}"))
                .await
                .of(200);
            let memories = page["memories"].as_array().unwrap();
            contents.extend(
                memories
                    .iter()
                    .map(|it| it["content"].as_str().unwrap().to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return contents,
            }
        }
    }
}

pub(crate) fn id(memory: &Value) -> String {
    memory["id"].as_str().unwrap().to_owned()
}

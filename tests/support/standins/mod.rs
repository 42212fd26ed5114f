//! Backends as they are known to behave, in memory, one shared namespace each and no idea of
//! tenants: whoever reaches one sees everything. What each was modelled on is said in its page
//! under `docs/profiles/`.

pub mod a2a;
pub mod aether_forge;
pub mod agentflow;
pub mod anthropic;
pub mod harness;
pub mod heartbit;
pub mod langgraph;
pub mod llm;
pub mod memory;
pub mod openai;
pub mod tasks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// A request as it reached the backend: method, target, identity headers and body.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET /tasks?limit=1`.
    pub line: String,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Seen {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A running stand-in.
pub struct StandIn {
    /// What an upstream's `url` says.
    pub url: String,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl StandIn {
    async fn start(routes: Router) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noting = Arc::clone(&seen);
        let routes = routes.layer(middleware::from_fn(move |request: Request, next: Next| {
            note(Arc::clone(&noting), request, next)
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            url: format!("http://{address}"),
            address,
            seen,
            serving: tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }),
        }
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The last request whose line begins so.
    pub fn last(&self, line: &str) -> Seen {
        let seen = self.seen();
        let found = seen.iter().rev().find(|one| one.line.starts_with(line));
        found
            .unwrap_or_else(|| panic!("no `{line}` among {seen:#?}"))
            .clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn note(seen: Arc<Mutex<Vec<Seen>>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    seen.lock().unwrap().push(Seen {
        line: format!("{} {}", head.method, head.uri),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    next.run(Request::from_parts(head, body.into())).await
}

/// What a backend remembers of one sort: values by id, in the order of their ids.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<String, Value>>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap()
    }

    /// Puts a value there.
    pub fn put(&self, id: &str, value: &Value) {
        self.lock().insert(id.to_owned(), value.clone());
    }

    /// The value, if it is there.
    pub fn take_a_look(&self, id: &str) -> Option<Value> {
        self.lock().get(id).cloned()
    }

    /// Removes it; whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Value> {
        self.lock().values().cloned().collect()
    }
}

/// A JSON answer.
fn json(status: u16, value: &Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/json")],
        value.to_string(),
    )
        .into_response()
}

/// A stream of server-sent events, each given as it goes over the wire, that ends after the last.
fn events(events: &[String]) -> Response {
    let text = events.join("\n\n") + "\n\n";
    ([("content-type", "text/event-stream")], text).into_response()
}

/// A random UUID in its usual spelling.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    spelled(u128::from_be_bytes(bytes))
}

fn spelled(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A UUID as lenient parsers read it: any case, with or without hyphens, braces, `urn:uuid:`.
fn parse_uuid(text: &str) -> Option<String> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let bare = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let hex: String = bare
        .unwrap_or(text)
        .chars()
        .filter(|it| *it != '-')
        .collect();
    let number = u128::from_str_radix(&hex, 16).ok()?;
    (hex.len() == 32).then(|| spelled(number))
}

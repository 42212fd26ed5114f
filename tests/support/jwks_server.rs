//! An issuer's key server that can be well or ill in every way that was seen in the field.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The keys.
    Good,
    /// This status, with a JSON body.
    Status(u16),
    /// 200 and a page in HTML, as captive portals and error pages do.
    Html,
    /// 200 and `{"keys":[]}`.
    EmptySet,
    /// 200 and the first half of the keys.
    CutJson,
    /// 200 and a body without end.
    Endless,
    /// It accepts and never answers.
    Hang,
    /// It accepts and closes.
    Close,
    /// 302 to this address.
    Redirect(String),
}

/// A key server on a free port of loopback; it ends when it is dropped.
pub(crate) struct JwksServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    fetches: AtomicUsize,
}

#[derive(Clone)]
struct State {
    mode: Mode,
    keys: String,
    cache_control: Option<String>,
    discovery: String,
}

impl JwksServer {
    /// Starts a server that is well and has no keys.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("http://{address}");
        let discovery = json!({"issuer": base, "jwks_uri": format!("{base}/jwks.json")});
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                mode: Mode::Good,
                keys: json!({"keys": []}).to_string(),
                cache_control: None,
                discovery: discovery.to_string(),
            }),
            fetches: AtomicUsize::new(0),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            shared,
            address,
            task,
        }
    }

    /// Where the key set is.
    pub(crate) fn url(&self) -> String {
        format!("{}/jwks.json", self.issuer())
    }

    /// The issuer whose discovery document the server has.
    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves this key set from now on.
    pub(crate) fn set_keys(&self, keys: &Value) {
        self.shared.state.lock().unwrap().keys = keys.to_string();
    }

    /// Answers in this way from now on.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.shared.state.lock().unwrap().mode = mode;
    }

    /// Sends this `Cache-Control` from now on.
    pub(crate) fn set_cache_control(&self, value: &str) {
        self.shared.state.lock().unwrap().cache_control = Some(value.to_owned());
    }

    /// Serves this discovery document from now on.
    pub(crate) fn set_discovery(&self, document: &Value) {
        self.shared.state.lock().unwrap().discovery = document.to_string();
    }

    /// How many requests for the key set have come, however they were answered.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }
}

impl Drop for JwksServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // The client may go away in the middle; that is part of what is tested.
            let _ = answer(stream, &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let state = shared.state.lock().unwrap().clone();
    if request.starts_with(b"GET /.well-known/openid-configuration ") {
        return reply(
            &mut stream,
            "200 OK",
            "application/json",
            None,
            &state.discovery,
        )
        .await;
    }
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let (status, kind, body) = match &state.mode {
        Mode::Good => ("200 OK".to_owned(), "application/json", state.keys.clone()),
        Mode::Status(code) => (
            format!("{code} Ill"),
            "application/json",
            state.keys.clone(),
        ),
        Mode::Html => (
            "200 OK".to_owned(),
            "application/json",
            "<!doctype html><html><body>Sign in</body></html>".to_owned(),
        ),
        Mode::EmptySet => (
            "200 OK".to_owned(),
            "application/json",
            "{\"keys\":[]}".to_owned(),
        ),
        Mode::CutJson => {
            let half = state.keys.len() / 2;
            (
                "200 OK".to_owned(),
                "application/json",
                state.keys[..half].to_owned(),
            )
        }
        Mode::Endless => return endless(&mut stream).await,
        Mode::Hang => return std::future::pending().await,
        Mode::Close => return Ok(()),
        Mode::Redirect(target) => {
            let location = format!("Location: {target}\r\n");
            return reply(&mut stream, "302 Found", "text/plain", Some(&location), "").await;
        }
    };
    let cache = state
        .cache_control
        .map(|value| format!("Cache-Control: {value}\r\n"));
    reply(&mut stream, &status, kind, cache.as_deref(), &body).await
}

async fn reply(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    header: Option<&str>,
    body: &str,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
        body.len(),
        header.unwrap_or_default()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"keys\":[";
    stream.write_all(head.as_bytes()).await?;
    let blanks = [b' '; 16 * 1024];
    loop {
        stream.write_all(&blanks).await?;
    }
}

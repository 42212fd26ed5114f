//! A small agent backend that has never heard of tenants.
//!
//! It is shaped like the backends the gate is made for: agents that continue sessions the caller
//! names, tasks whose ids it mints, events as they happen, a WebSocket, memory that everybody
//! shares. It asks nobody who they are and shows everything to everybody, which is the point:
//! start it, put the gate in front of it, and compare. `GET /whoami` answers with the headers and
//! the query as they arrived, so one sees what the gate took away and what it set.
//!
//! Everything is in memory and gone when it stops. Run it with
//! `cargo run --example sample_backend -- --listen 127.0.0.1:9111`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use clap::Parser;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How often an idle event stream sends a comment, so that nobody in between takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(about = "An agent backend without tenants, to put Fabric Gate in front of")]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9111")]
    listen: SocketAddr,
}

#[expect(
    clippy::print_stderr,
    reason = "a program tells people where it listens"
)]
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    eprintln!("sample backend on http://{}", listener.local_addr()?);
    axum::serve(listener, routes()).await?;
    Ok(())
}

fn routes() -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route("/whoami", get(whoami))
        .route("/echo", post(async |body: Bytes| body))
        .route("/agents/{name}/{id}", post(prompt))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(session))
        .route("/sessions/{id}/events", get(events))
        .route("/sessions/{id}/ws", any(websocket))
        .route("/tasks", get(tasks).post(create_task))
        .route("/tasks/{id}", get(task))
        .route("/v1/chat/completions", post(complete))
        .route("/shared-memory", get(recall).post(memorise))
        .fallback(async || not_found("no such page"))
        .with_state(Shared::default())
}

/// What the backend remembers.
#[derive(Default)]
struct Backend {
    sessions: BTreeMap<String, Session>,
    tasks: BTreeMap<String, Task>,
    shared_memory: Vec<Value>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
    agent: String,
    prompts: Vec<Value>,
}

#[derive(Clone, Serialize)]
struct Task {
    id: String,
    state: &'static str,
    input: Value,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Backend>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Backend> {
        // A handler that panicked leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, id: &str) -> Option<Session> {
        self.lock().sessions.get(id).cloned()
    }
}

/// Runs agent `name` in session `id`, which begins with its first prompt: the caller chooses ids.
async fn prompt(
    State(backend): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let prompt = match serde_json::from_slice::<Value>(&body) {
        Ok(prompt) => prompt,
        Err(error) => return bad_request(&error),
    };
    let mut backend = backend.lock();
    let session = backend
        .sessions
        .entry(id.clone())
        .or_insert_with(|| Session {
            session_id: id.clone(),
            agent: name.clone(),
            prompts: Vec::new(),
        });
    session.prompts.push(prompt);
    Json(json!({
        "result": format!("prompt {} of {name}", session.prompts.len()),
        "sessionId": id,
        "agentPath": format!("/agents/{name}/{id}"),
    }))
    .into_response()
}

async fn sessions(State(backend): State<Shared>) -> Json<Value> {
    let sessions: Vec<Session> = backend.lock().sessions.values().cloned().collect();
    Json(json!({"total": sessions.len(), "sessions": sessions}))
}

async fn session(State(backend): State<Shared>, Path(id): Path<String>) -> Response {
    match backend.session(&id) {
        Some(session) => Json(session).into_response(),
        None => not_found("session not found"),
    }
}

/// A few events of the session, then heartbeats until the caller leaves.
async fn events(State(backend): State<Shared>, Path(id): Path<String>) -> Response {
    if backend.session(&id).is_none() {
        return not_found("session not found");
    }
    Sse::new(event_stream(id))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"))
        .into_response()
}

fn event_stream(session: String) -> impl Stream<Item = Result<Event, Infallible>> {
    let kinds = ["prompt_start", "tool_start", "text_delta", "prompt_end"];
    let events = kinds.into_iter().enumerate().map(move |(index, kind)| {
        let id = format!("ev-{}", index + 1);
        let data = json!({"id": id, "type": kind, "sessionId": session, "data": {}});
        Ok(Event::default().data(data.to_string()))
    });
    stream::iter(events).chain(stream::pending())
}

async fn websocket(
    State(backend): State<Shared>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if backend.session(&id).is_none() {
        return not_found("session not found");
    }
    upgrade.on_upgrade(echo_messages)
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let answer = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            // The library answers pings, and a close ends the loop by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        };
        if answer.is_err() {
            return;
        }
    }
}

/// Starts a task under an id that the backend mints.
async fn create_task(State(backend): State<Shared>, body: Bytes) -> Response {
    let input = match serde_json::from_slice(&body) {
        Ok(input) => input,
        Err(error) => return bad_request(&error),
    };
    let mut backend = backend.lock();
    let id = format!("task-{:04}", backend.tasks.len() + 1);
    let task = Task {
        id: id.clone(),
        state: "pending",
        input,
    };
    backend.tasks.insert(id, task.clone());
    (StatusCode::CREATED, Json(task)).into_response()
}

async fn tasks(State(backend): State<Shared>) -> Json<Value> {
    let tasks: Vec<Task> = backend.lock().tasks.values().cloned().collect();
    Json(json!({"total": tasks.len(), "tasks": tasks}))
}

async fn task(State(backend): State<Shared>, Path(id): Path<String>) -> Response {
    let task = backend.lock().tasks.get(&id).cloned();
    match task {
        Some(task) => Json(task).into_response(),
        None => not_found("task not found"),
    }
}

/// What of a request in the words of OpenAI's chat completions is looked at.
#[derive(Deserialize)]
struct Completion {
    model: Value,
    #[serde(default)]
    messages: Vec<Said>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Deserialize)]
struct Said {
    content: String,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Answers in the words of OpenAI's chat completions, whole or in events, and counts every word
/// for a token. It says what it used the way OpenAI does: in a stream only if asked to.
async fn complete(body: Bytes) -> Response {
    let request = match serde_json::from_slice::<Completion>(&body) {
        Ok(request) => request,
        Err(error) => return bad_request(&error),
    };
    let words = |text: &str| text.split_whitespace().count();
    let said: usize = request.messages.iter().map(|it| words(&it.content)).sum();
    let answer = format!("You said {said} words.");
    let spoken = words(&answer);
    let usage = json!({
        "prompt_tokens": said, "completion_tokens": spoken, "total_tokens": said + spoken,
    });
    let document = |object: &str, choices: Value, usage: Option<&Value>| {
        let mut members = serde_json::Map::new();
        members.insert("id".to_owned(), "chatcmpl-1".into());
        members.insert("object".to_owned(), object.into());
        members.insert("created".to_owned(), 1_700_000_000.into());
        members.insert("model".to_owned(), request.model.clone());
        members.insert("choices".to_owned(), choices);
        members.extend(usage.map(|usage| ("usage".to_owned(), usage.clone())));
        Value::from(members)
    };
    if !request.stream {
        let message = json!({"role": "assistant", "content": answer});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        return Json(document("chat.completion", choices, Some(&usage))).into_response();
    }
    let piece = |delta: Value, reason: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
        document("chat.completion.chunk", choices, None)
    };
    let mut pieces: Vec<Value> = answer
        .split_inclusive(' ')
        .map(|word| piece(json!({"content": word}), Value::Null))
        .collect();
    pieces.push(piece(json!({}), "stop".into()));
    if request.stream_options.include_usage {
        pieces.push(document("chat.completion.chunk", json!([]), Some(&usage)));
    }
    let texts = pieces.iter().map(Value::to_string);
    let events: Vec<_> = texts.chain(["[DONE]".to_owned()]).collect();
    let events = events.into_iter().map(|text| Event::default().data(text));
    Sse::new(stream::iter(events.map(Ok::<_, Infallible>))).into_response()
}

/// Stores institutional memory: one caller writes, everybody reads.
async fn memorise(State(backend): State<Shared>, body: Bytes) -> Response {
    let entry = match serde_json::from_slice::<Value>(&body) {
        Ok(entry) => entry,
        Err(error) => return bad_request(&error),
    };
    backend.lock().shared_memory.push(entry.clone());
    (StatusCode::CREATED, Json(entry)).into_response()
}

async fn recall(State(backend): State<Shared>) -> Json<Value> {
    Json(json!({"entries": backend.lock().shared_memory}))
}

/// The headers and the query as they arrived, every copy of a repeated header.
async fn whoami(headers: HeaderMap, RawQuery(query): RawQuery) -> Json<Value> {
    let mut received: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        received.entry(name.as_str()).or_default().push(value);
    }
    Json(json!({"headers": received, "query": query}))
}

fn not_found(what: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": what}))).into_response()
}

fn bad_request(error: &serde_json::Error) -> Response {
    let problem = json!({"error": format!("the body is no JSON: {error}")});
    (StatusCode::BAD_REQUEST, Json(problem)).into_response()
}

//! fabric-harness, as its pages describe it, with no tenant configured.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer};

/// Starts one.
pub async fn start() -> StandIn {
    let routes = Router::new()
        .route("/health", get(async || answer(200, &json!({"ok": true}))))
        .route(
            "/ready",
            get(async || answer(200, &json!({"workspace": "/srv"}))),
        )
        .route(
            "/builds",
            get(async || answer(200, &json!({"builds": ["globex"]}))),
        )
        .route("/agents/{name}/{id}", get(timeline).post(run))
        .route("/agents/{name}/{id}/stream", get(agent_stream))
        .route("/sessions", get(list))
        .route("/sessions/{id}", get(read))
        .route("/sessions/{id}/events", get(stream))
        .route("/sessions/{id}/approvals/{approval}/approve", post(approve))
        .route("/sessions/{id}/approvals/{approval}/reject", post(approve))
        .route("/sessions/{id}/ws", any(socket))
        .with_state(Shelf::default());
    StandIn::start(routes).await
}

fn missing() -> Response {
    answer(
        404,
        &json!({"error": {"code": "SESSION_NOT_FOUND", "message": "session not found"}}),
    )
}

/// Continues a session, or begins it: the caller chooses its id.
async fn run(
    State(sessions): State<Shelf>,
    Path((name, id)): Path<(String, String)>,
    body: String,
) -> Response {
    let mut session = sessions.take_a_look(&id).unwrap_or_else(|| {
        json!({"sessionId": id, "agent": name, "entries": [], "approvals": [{"id": "ap-1", "state": "pending"}]})
    });
    let input: Value = serde_json::from_str(&body).unwrap_or_default();
    session["entries"]
        .as_array_mut()
        .unwrap()
        .push(input.clone());
    sessions.put(&id, &session);
    answer(
        200,
        &json!({"result": input, "sessionId": id, "agentPath": format!("agents/{name}")}),
    )
}

async fn timeline(
    State(sessions): State<Shelf>,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    sessions
        .take_a_look(&id)
        .map_or_else(missing, |session| answer(200, &session))
}

async fn read(State(sessions): State<Shelf>, Path(id): Path<String>) -> Response {
    sessions
        .take_a_look(&id)
        .map_or_else(missing, |session| answer(200, &session))
}

async fn list(State(sessions): State<Shelf>) -> Response {
    let all = sessions.all();
    answer(200, &json!({"sessions": all, "total": all.len()}))
}

fn as_events(session: &Value) -> Response {
    let entries = session["entries"].as_array().unwrap().iter().enumerate();
    let lines: Vec<_> = entries
        .map(|(index, entry)| {
            let event = json!({
                "id": format!("ev-{index}"), "type": "prompt_start",
                "sessionId": session["sessionId"], "data": entry,
            });
            format!("data: {event}")
        })
        .collect();
    events(&lines)
}

async fn stream(State(sessions): State<Shelf>, Path(id): Path<String>) -> Response {
    sessions
        .take_a_look(&id)
        .map_or_else(missing, |session| as_events(&session))
}

async fn agent_stream(
    State(sessions): State<Shelf>,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    sessions
        .take_a_look(&id)
        .map_or_else(missing, |session| as_events(&session))
}

async fn approve(
    State(sessions): State<Shelf>,
    Path((id, approval)): Path<(String, String)>,
) -> Response {
    match sessions.take_a_look(&id) {
        Some(mut session) => {
            session["approvals"][0] = json!({"id": approval, "state": "decided"});
            sessions.put(&id, &session);
            answer(200, &session["approvals"][0])
        }
        None => missing(),
    }
}

async fn socket(
    State(sessions): State<Shelf>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    match sessions.take_a_look(&id) {
        Some(session) => upgrade
            .on_upgrade(move |socket| converse(socket, session))
            .into_response(),
        None => missing(),
    }
}

async fn converse(mut socket: WebSocket, session: Value) {
    let hello = Message::text(session.to_string());
    if socket.send(hello).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

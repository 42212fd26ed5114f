//! AgentFlow's API as its pages describe it. LLM settings are kept by the tenant of the headers;
//! agents are not.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, uuid};

#[derive(Clone, Default)]
struct Flow {
    agents: Shelf,
    settings: Shelf,
    conversations: Shelf,
}

/// Starts one.
pub async fn start() -> StandIn {
    let routes = Router::new()
        .route(
            "/health",
            get(async || answer(200, &json!({"status": "ok"}))),
        )
        .route(
            "/ready",
            get(async || answer(200, &json!({"database": "up"}))),
        )
        .route(
            "/openapi.json",
            get(async || answer(200, &json!({"openapi": "3.1.0"}))),
        )
        .route(
            "/api/v1/models",
            get(async || answer(200, &json!({"models": []}))),
        )
        .route("/api/v1/agents", get(list).post(create))
        .route("/api/v1/agents/stats", get(stats))
        .route("/api/v1/agent/{id}", get(read).patch(update).delete(delete))
        .route("/api/v1/agent/{id}/run", post(run))
        .route("/api/v1/settings/llm", get(settings).patch(change_settings))
        .route(
            "/api/v1/admin/budget",
            get(async || answer(200, &json!({"budget": 1}))),
        )
        .with_state(Flow::default());
    StandIn::start(routes).await
}

fn missing() -> Response {
    answer(
        404,
        &json!({"detail": "Agent not found", "status_code": 404}),
    )
}

fn tenant(headers: &HeaderMap) -> String {
    headers["snc-tenant"].to_str().unwrap().to_owned()
}

async fn create(State(flow): State<Flow>, body: String) -> Response {
    let mut agent: Value = serde_json::from_str(&body).unwrap();
    agent["id"] = uuid().into();
    flow.agents.put(agent["id"].as_str().unwrap(), &agent);
    answer(201, &agent)
}

async fn list(State(flow): State<Flow>) -> Response {
    let all = flow.agents.all();
    answer(200, &json!({"agents": all, "total": all.len()}))
}

async fn stats(State(flow): State<Flow>) -> Response {
    answer(200, &json!({"agents": flow.agents.all().len()}))
}

async fn read(State(flow): State<Flow>, Path(id): Path<String>) -> Response {
    flow.agents
        .take_a_look(&id)
        .map_or_else(missing, |agent| answer(200, &agent))
}

async fn update(State(flow): State<Flow>, Path(id): Path<String>, body: String) -> Response {
    match flow.agents.take_a_look(&id) {
        Some(mut agent) => {
            let change: Value = serde_json::from_str(&body).unwrap();
            agent["name"] = change["name"].clone();
            flow.agents.put(&id, &agent);
            answer(200, &agent)
        }
        None => missing(),
    }
}

async fn delete(State(flow): State<Flow>, Path(id): Path<String>) -> Response {
    if flow.agents.remove(&id) {
        answer(200, &json!({"deleted": true}))
    } else {
        missing()
    }
}

/// Continues the conversation that the caller names, whoever began it.
async fn run(State(flow): State<Flow>, Path(id): Path<String>, body: String) -> Response {
    if flow.agents.take_a_look(&id).is_none() {
        return missing();
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let conversation = body["conversation_id"].as_str().unwrap();
    let mut said = flow
        .conversations
        .take_a_look(conversation)
        .unwrap_or_else(|| json!([]));
    said.as_array_mut().unwrap().push(body["message"].clone());
    flow.conversations.put(conversation, &said);
    events(&[format!("data: {}", json!({"history": said}))])
}

async fn settings(State(flow): State<Flow>, headers: HeaderMap) -> Response {
    let found = flow.settings.take_a_look(&tenant(&headers));
    answer(200, &found.unwrap_or_else(|| json!({})))
}

async fn change_settings(State(flow): State<Flow>, headers: HeaderMap, body: String) -> Response {
    let settings = serde_json::from_str(&body).unwrap();
    flow.settings.put(&tenant(&headers), &settings);
    answer(200, &settings)
}

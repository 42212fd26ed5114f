//! The Heartbit daemon of a deployment without authentication of its own.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, parse_uuid, uuid};

/// Starts one.
pub async fn start() -> StandIn {
    let routes = Router::new()
        .route(
            "/healthz",
            get(async || answer(200, &json!({"status": "ok"}))),
        )
        .route(
            "/metrics",
            get(async || "heartbit_tasks_total{tenant=\"globex\"} 1\n"),
        )
        .route("/stats", get(stats))
        .route("/todo", get(async || answer(200, &json!({"items": []}))))
        .route("/tasks", get(list).post(create))
        .route("/tasks/{id}", get(read).delete(cancel))
        .route("/tasks/{id}/events", get(stream))
        .with_state(Shelf::default());
    StandIn::start(routes).await
}

async fn create(State(tasks): State<Shelf>, body: String) -> Response {
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        return answer(400, &json!({"error": "no JSON"}));
    };
    let id = uuid();
    let task =
        json!({"id": id, "state": "running", "task": body["task"], "story_id": body["story_id"]});
    tasks.put(&id, &task);
    answer(201, &json!({"id": id, "state": "pending"}))
}

async fn list(State(tasks): State<Shelf>, Query(page): Query<Vec<(String, String)>>) -> Response {
    let number = |name: &str, default: usize| {
        let found = page.iter().find(|(key, _)| key == name);
        found.map_or(default, |(_, value)| value.parse().unwrap())
    };
    let all = tasks.all();
    let shown: Vec<_> = all
        .iter()
        .skip(number("offset", 0))
        .take(number("limit", 50))
        .collect();
    answer(200, &json!({"tasks": shown, "total": all.len()}))
}

fn task(tasks: &Shelf, id: &str) -> Result<Value, Response> {
    let Some(id) = parse_uuid(id) else {
        return Err((
            axum::http::StatusCode::BAD_REQUEST,
            "Invalid URL: UUID parsing failed",
        )
            .into_response());
    };
    let missing = || answer(404, &json!({"error": "task not found"}));
    tasks.take_a_look(&id).ok_or_else(missing)
}

async fn read(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    task(&tasks, &id).map_or_else(|missing| missing, |task| answer(200, &task))
}

async fn cancel(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    match task(&tasks, &id) {
        Ok(mut task) => {
            task["state"] = "cancelled".into();
            tasks.put(task["id"].as_str().unwrap(), &task);
            axum::http::StatusCode::NO_CONTENT.into_response()
        }
        Err(missing) => missing,
    }
}

async fn stream(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    match task(&tasks, &id) {
        Ok(task) if task["state"] == "running" => events(&[
            format!(
                "data: {}",
                json!({"type": "run_started", "task": task["task"]})
            ),
            format!("data: {}", json!({"type": "run_completed"})),
        ]),
        Ok(_) => answer(404, &json!({"error": "task not found"})),
        Err(missing) => missing,
    }
}

async fn stats(State(tasks): State<Shelf>) -> Response {
    answer(200, &json!({"total_tasks": tasks.all().len()}))
}

//! A backend whose tasks end when they are told to, and say what they cost only then.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, uuid};

/// A running one, and its tasks.
pub struct Tasks {
    /// The server.
    pub server: StandIn,
    tasks: Shelf,
}

impl Tasks {
    /// Starts one.
    pub async fn start() -> Self {
        let tasks = Shelf::default();
        let routes = Router::new()
            .route("/tasks", get(list).post(create))
            .route("/tasks/{id}", get(read).delete(forget))
            .route("/tasks/{id}/events", get(stream))
            .with_state(tasks.clone());
        Self {
            server: StandIn::start(routes).await,
            tasks,
        }
    }

    /// The task is in this state, and says that it cost so much.
    pub fn end(&self, id: &str, state: &str, cost: Value) {
        let task = json!({"id": id, "state": state, "cost_usd": cost});
        self.tasks.put(id, &task);
    }

    /// How often the gate, or anybody, read the task.
    pub fn readings(&self, id: &str) -> usize {
        let line = format!("GET /tasks/{id}");
        let seen = self.server.seen();
        seen.iter().filter(|one| one.line == line).count()
    }
}

async fn create(State(tasks): State<Shelf>) -> Response {
    let id = uuid();
    let task = json!({"id": id, "state": "running", "cost_usd": 0});
    tasks.put(&id, &task);
    answer(
        201,
        &json!({"id": id, "state": "pending", "cost_usd": null}),
    )
}

async fn list(State(tasks): State<Shelf>) -> Response {
    answer(200, &json!({"tasks": tasks.all()}))
}

async fn read(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    match tasks.take_a_look(&id) {
        Some(task) => answer(200, &task),
        None => answer(404, &json!({"error": "no such task"})),
    }
}

async fn forget(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    match tasks.remove(&id) {
        true => axum::http::StatusCode::NO_CONTENT.into_response(),
        false => answer(404, &json!({"error": "no such task"})),
    }
}

async fn stream(State(tasks): State<Shelf>, Path(id): Path<String>) -> Response {
    let Some(task) = tasks.take_a_look(&id) else {
        return answer(404, &json!({"error": "no such task"}));
    };
    let begun = json!({"id": id, "state": "running", "cost_usd": 0});
    events(&[format!("data: {begun}"), format!("data: {task}")])
}

//! The parts of Anthropic's API that keep something: files and message batches of one workspace.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Shelf, StandIn, json as answer, uuid};

#[derive(Clone, Default)]
struct Api {
    files: Shelf,
    batches: Shelf,
}

/// Starts one.
pub async fn start() -> StandIn {
    let routes = Router::new()
        .route("/v1/messages", post(message))
        .route("/v1/messages/batches", post(create_batch).get(list_batches))
        .route("/v1/messages/batches/{id}", get(batch).delete(delete_batch))
        .route("/v1/messages/batches/{id}/results", get(results))
        .route("/v1/files", post(upload).get(list_files))
        .route("/v1/files/{id}", get(file).delete(delete_file))
        .route("/v1/files/{id}/content", get(content))
        .route(
            "/v1/organizations/users",
            get(async || answer(200, &json!({"data": ["everybody"]}))),
        )
        .with_state(Api::default());
    StandIn::start(routes).await
}

fn missing(what: &str) -> Response {
    let error = json!({"type": "not_found_error", "message": what});
    answer(
        404,
        &json!({"type": "error", "error": error, "request_id": format!("req_{}", uuid())}),
    )
}

fn page(all: &[Value]) -> Response {
    let name = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    answer(
        200,
        &json!({
            "data": all, "has_more": false,
            "first_id": name(all.first()), "last_id": name(all.last()),
        }),
    )
}

fn keep(shelf: &Shelf, prefix: &str, mut value: Value) -> Value {
    value["id"] = format!("{prefix}{}", uuid().replace('-', "")).into();
    shelf.put(value["id"].as_str().unwrap(), &value);
    value
}

/// The files that messages name.
fn named_files(messages: &Value) -> Vec<String> {
    let messages = messages.as_array().into_iter().flatten();
    let blocks = messages
        .filter_map(|message| message["content"].as_array())
        .flatten();
    blocks
        .filter_map(|block| block["source"]["file_id"].as_str())
        .map(str::to_owned)
        .collect()
}

async fn message(State(api): State<Api>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut read = Vec::new();
    for id in named_files(&body["messages"]) {
        match api.files.take_a_look(&id) {
            Some(file) => read.push(file["content"].clone()),
            None => return missing(&format!("File not found: {id}")),
        }
    }
    answer(
        200,
        &json!({
            "id": format!("msg_{}", uuid()), "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": json!(read).to_string()}],
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }),
    )
}

async fn create_batch(State(api): State<Api>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let batch = json!({"type": "message_batch", "requests": body["requests"]});
    answer(200, &keep(&api.batches, "msgbatch_", batch))
}

async fn list_batches(State(api): State<Api>) -> Response {
    page(&api.batches.all())
}

async fn batch(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let found = api.batches.take_a_look(&id);
    found.map_or_else(|| missing("Batch not found"), |it| answer(200, &it))
}

async fn delete_batch(State(api): State<Api>, Path(id): Path<String>) -> Response {
    if api.batches.remove(&id) {
        answer(200, &json!({"id": id, "type": "message_batch_deleted"}))
    } else {
        missing("Batch not found")
    }
}

async fn results(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let found = api.batches.take_a_look(&id);
    found.map_or_else(
        || missing("Batch not found"),
        |it| answer(200, &it["requests"]),
    )
}

async fn upload(State(api): State<Api>, body: String) -> Response {
    answer(
        200,
        &keep(
            &api.files,
            "file_",
            json!({"type": "file", "content": body}),
        ),
    )
}

async fn list_files(State(api): State<Api>) -> Response {
    page(&api.files.all())
}

async fn file(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let found = api.files.take_a_look(&id);
    found.map_or_else(|| missing("File not found"), |it| answer(200, &it))
}

async fn delete_file(State(api): State<Api>, Path(id): Path<String>) -> Response {
    if api.files.remove(&id) {
        answer(200, &json!({"id": id, "type": "file_deleted"}))
    } else {
        missing("File not found")
    }
}

async fn content(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let found = api.files.take_a_look(&id);
    found.map_or_else(
        || missing("File not found"),
        |it| answer(200, &it["content"]),
    )
}

//! The parts of OpenAI's API that keep something: responses, files, batches, vector stores,
//! threads and stored chat completions of one organisation.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, uuid};

#[derive(Clone, Default)]
struct Api {
    responses: Shelf,
    files: Shelf,
    batches: Shelf,
    stores: Shelf,
    threads: Shelf,
    conversations: Shelf,
}

/// Starts one.
pub async fn start() -> StandIn {
    let v1 = Router::new()
        .route(
            "/models",
            get(async || answer(200, &json!({"object": "list", "data": []}))),
        )
        .route(
            "/organization/users",
            get(async || answer(200, &json!({"data": ["everybody"]}))),
        )
        .route("/responses", post(respond))
        .merge(kept("/responses/{id}", "Response", |api| &api.responses))
        .route(
            "/files",
            post(upload).get(async |State(api): State<Arc<Api>>| list(&api.files)),
        )
        .merge(kept("/files/{id}", "File", |api| &api.files))
        .route("/files/{id}/content", get(content))
        .route(
            "/batches",
            post(batch).get(async |State(api): State<Arc<Api>>| list(&api.batches)),
        )
        .merge(kept("/batches/{id}", "Batch", |api| &api.batches))
        .route(
            "/vector_stores",
            post(store).get(async |State(api): State<Arc<Api>>| list(&api.stores)),
        )
        .merge(kept("/vector_stores/{id}", "Vector store", |api| {
            &api.stores
        }))
        .route("/conversations", post(conversation))
        .merge(kept("/conversations/{id}", "Conversation", |api| {
            &api.conversations
        }))
        .route("/threads", post(thread))
        .merge(kept("/threads/{id}", "Thread", |api| &api.threads))
        .with_state(Arc::default());
    StandIn::start(Router::new().nest("/v1", v1)).await
}

fn missing(what: &str, id: &str) -> Response {
    let error = json!({
        "message": format!("{what} with id '{id}' not found."),
        "type": "invalid_request_error", "param": null, "code": null,
    });
    answer(404, &json!({"error": error}))
}

/// Read and delete of one sort of thing.
fn kept(path: &str, what: &'static str, shelf: fn(&Api) -> &Shelf) -> Router<Arc<Api>> {
    let read = async move |State(api): State<Arc<Api>>, Path(id): Path<String>| {
        let found = shelf(&api).take_a_look(&id);
        found.map_or_else(|| missing(what, &id), |it| answer(200, &it))
    };
    let delete = async move |State(api): State<Arc<Api>>, Path(id): Path<String>| {
        if shelf(&api).remove(&id) {
            answer(200, &json!({"id": id, "deleted": true}))
        } else {
            missing(what, &id)
        }
    };
    Router::new().route(path, get(read).delete(delete))
}

fn list(shelf: &Shelf) -> Response {
    let all = shelf.all();
    let name = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    answer(
        200,
        &json!({
            "object": "list", "data": all, "has_more": false,
            "first_id": name(all.first()), "last_id": name(all.last()),
        }),
    )
}

fn id(prefix: &str) -> String {
    format!("{prefix}{}", uuid().replace('-', ""))
}

fn keep(shelf: &Shelf, prefix: &str, mut value: Value) -> Value {
    value["id"] = id(prefix).into();
    shelf.put(value["id"].as_str().unwrap(), &value);
    value
}

/// Answers with all that was said since the first of the responses it continues.
async fn respond(State(api): State<Arc<Api>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut said = json!([]);
    if let Some(previous) = body["previous_response_id"].as_str() {
        match api.responses.take_a_look(previous) {
            Some(previous) => said = previous["said"].clone(),
            None => {
                let error = json!({
                    "message": format!("Previous response with id '{previous}' not found."),
                    "type": "invalid_request_error", "param": "previous_response_id",
                    "code": "previous_response_not_found",
                });
                return answer(400, &json!({"error": error}));
            }
        }
    }
    said.as_array_mut().unwrap().push(body["input"].clone());
    let response = json!({
        "object": "response", "said": said, "user": body["user"],
        "output": [{"type": "code_interpreter_call", "container_id": id("cntr_")}],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    });
    let response = keep(&api.responses, "resp_", response);
    if body["stream"] == true {
        let event = |kind: &str| {
            let data = json!({"type": kind, "response": response});
            format!("event: {kind}\ndata: {data}")
        };
        return events(&[event("response.created"), event("response.completed")]);
    }
    answer(200, &response)
}

async fn upload(State(api): State<Arc<Api>>, body: String) -> Response {
    let file = keep(
        &api.files,
        "file-",
        json!({"object": "file", "content": body}),
    );
    answer(200, &file)
}

async fn content(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response {
    match api.files.take_a_look(&id) {
        Some(file) => answer(200, &file["content"]),
        None => missing("File", &id),
    }
}

/// A batch is done at once; its results are a file of their own.
async fn batch(State(api): State<Arc<Api>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let input = body["input_file_id"].as_str().unwrap();
    let Some(file) = api.files.take_a_look(input) else {
        return missing("File", input);
    };
    let output = keep(
        &api.files,
        "file-",
        json!({"object": "file", "content": file["content"]}),
    );
    let mut batch = keep(
        &api.batches,
        "batch_",
        json!({"object": "batch", "input_file_id": input}),
    );
    let begun = batch.clone();
    batch["output_file_id"] = output["id"].clone();
    api.batches.put(batch["id"].as_str().unwrap(), &batch);
    answer(200, &begun)
}

async fn store(State(api): State<Arc<Api>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    answer(
        200,
        &keep(&api.stores, "vs_", json!({"name": body["name"]})),
    )
}

async fn thread(State(api): State<Arc<Api>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    answer(200, &keep(&api.threads, "thread_", body))
}

async fn conversation(State(api): State<Arc<Api>>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    answer(200, &keep(&api.conversations, "conv_", body))
}

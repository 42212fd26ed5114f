//! A LangGraph server (langgraph-api 0.16.7, in memory): what it answers here was read off
//! `langgraph dev`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, parse_uuid, uuid};

/// The assistant that comes with the deployment.
pub const SYSTEM_ASSISTANT: &str = "fe096781-5601-53d2-b2f6-0d3403f7e9ca";

#[derive(Clone, Default)]
struct Server {
    threads: Shelf,
    assistants: Shelf,
    store: Shelf,
}

/// Starts one.
pub async fn start() -> StandIn {
    let server = Server::default();
    let system = json!({
        "assistant_id": SYSTEM_ASSISTANT, "graph_id": "agent",
        "metadata": {"created_by": "system"},
    });
    server.assistants.put(SYSTEM_ASSISTANT, &system);
    let routes = Router::new()
        .route("/ok", get(async || answer(200, &json!({"ok": true}))))
        .route("/metrics", get(async || "threads 1\n"))
        .route("/threads", post(create_thread))
        .route("/threads/search", post(search_threads))
        .route("/threads/count", post(count_threads))
        .route(
            "/threads/{id}",
            get(thread).delete(delete_thread).patch(patch_thread),
        )
        .route("/threads/{id}/state", get(state))
        .route("/threads/{id}/stream", get(async || events(&[])))
        .route(
            "/threads/{id}/commands",
            post(async || answer(200, &json!({"type": "success"}))),
        )
        .route("/threads/{id}/runs/wait", post(run))
        .route("/runs/batch", post(async || answer(200, &json!([]))))
        .route("/runs/crons/search", post(async || answer(200, &json!([]))))
        .route("/threads/{id}/runs/stream", post(run_stream))
        .route(
            "/runs/cancel",
            post(async || axum::http::StatusCode::NO_CONTENT),
        )
        .route("/assistants", post(create_assistant))
        .route("/assistants/search", post(search_assistants))
        .route("/assistants/{id}", get(assistant).delete(delete_assistant))
        .route("/store/items", put(put_item).get(item))
        .route("/store/items/search", post(search_items))
        .with_state(server);
    StandIn::start(routes).await
}

fn detail(status: u16, what: &str) -> Response {
    answer(status, &json!({"detail": what}))
}

fn found(shelf: &Shelf, id: &str, what: &str) -> Result<Value, Response> {
    let Some(id) = parse_uuid(id) else {
        return Err(detail(422, &format!("Invalid {what} ID: must be a UUID")));
    };
    shelf.take_a_look(&id).ok_or_else(|| match what {
        "thread" => detail(404, &format!("Thread with ID {id} not found")),
        _ => detail(404, "Not Found"),
    })
}

fn new_thread(id: &str, metadata: &Value) -> Value {
    let metadata = if metadata.is_object() {
        metadata.clone()
    } else {
        json!({})
    };
    json!({"thread_id": id, "metadata": metadata, "status": "idle", "values": {"messages": []}})
}

async fn create_thread(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let id = body["thread_id"]
        .as_str()
        .and_then(parse_uuid)
        .unwrap_or_else(uuid);
    if let Some(thread) = server.threads.take_a_look(&id) {
        return if body["if_exists"] == "do_nothing" {
            answer(200, &thread)
        } else {
            detail(409, &format!("Thread with ID {id} already exists"))
        };
    }
    let thread = new_thread(&id, &body["metadata"]);
    server.threads.put(&id, &thread);
    answer(200, &thread)
}

/// Those whose metadata holds all that the filter says.
fn matching(shelf: &Shelf, filter: &Value) -> Vec<Value> {
    let mut all = shelf.all();
    if let Some(filter) = filter["metadata"].as_object() {
        all.retain(|one| {
            filter
                .iter()
                .all(|(key, value)| one["metadata"][key] == *value)
        });
    }
    all
}

fn page(all: &[Value], body: &Value) -> Response {
    let limit = body["limit"].as_u64().unwrap_or(10);
    let shown: Vec<_> = all.iter().take(usize::try_from(limit).unwrap()).collect();
    let mut response = answer(200, &json!(shown));
    let total = all.len().to_string().parse().unwrap();
    response.headers_mut().insert("x-pagination-total", total);
    response
}

async fn search_threads(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    page(&matching(&server.threads, &body), &body)
}

async fn count_threads(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    answer(200, &json!(matching(&server.threads, &body).len()))
}

async fn thread(State(server): State<Server>, Path(id): Path<String>) -> Response {
    found(&server.threads, &id, "thread").map_or_else(|missing| missing, |it| answer(200, &it))
}

async fn state(State(server): State<Server>, Path(id): Path<String>) -> Response {
    match found(&server.threads, &id, "thread") {
        Ok(thread) => answer(200, &json!({"values": thread["values"], "next": []})),
        Err(missing) => missing,
    }
}

async fn patch_thread(
    State(server): State<Server>,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let Ok(mut thread) = found(&server.threads, &id, "thread") else {
        return detail(404, "Not Found");
    };
    let body: Value = serde_json::from_str(&body).unwrap();
    for (key, value) in body["metadata"].as_object().unwrap() {
        thread["metadata"][key] = value.clone();
    }
    server
        .threads
        .put(thread["thread_id"].as_str().unwrap(), &thread);
    answer(200, &thread)
}

async fn delete_thread(State(server): State<Server>, Path(id): Path<String>) -> Response {
    match found(&server.threads, &id, "thread") {
        Ok(thread) => {
            server.threads.remove(thread["thread_id"].as_str().unwrap());
            axum::http::StatusCode::NO_CONTENT.into_response()
        }
        Err(missing) => missing,
    }
}

/// Runs in a thread, making it if that was asked for, and answers with all that was ever said.
fn ran(server: &Server, id: &str, body: &str) -> Result<(String, Value), Response> {
    let body: Value = serde_json::from_str(body).unwrap();
    let missing = || detail(404, "Thread or assistant not found.");
    let id = parse_uuid(id).ok_or_else(|| detail(422, "Invalid thread ID: must be a UUID"))?;
    let named = body["assistant_id"].as_str().unwrap();
    if named != "agent" && found(&server.assistants, named, "assistant").is_err() {
        return Err(missing());
    }
    let mut thread = match server.threads.take_a_look(&id) {
        Some(thread) => thread,
        None if body["if_not_exists"] == "create" => new_thread(&id, &body["metadata"]),
        None => return Err(missing()),
    };
    let messages = thread["values"]["messages"].as_array_mut().unwrap();
    messages.extend(
        body["input"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .cloned(),
    );
    server.threads.put(&id, &thread);
    Ok((
        format!("/threads/{id}/runs/{}", uuid()),
        thread["values"].clone(),
    ))
}

async fn run(State(server): State<Server>, Path(id): Path<String>, body: String) -> Response {
    match ran(&server, &id, &body) {
        Ok((location, values)) => {
            let mut response = answer(200, &values);
            let headers = response.headers_mut();
            headers.insert("content-location", location.parse().unwrap());
            response
        }
        Err(missing) => missing,
    }
}

async fn run_stream(
    State(server): State<Server>,
    Path(id): Path<String>,
    body: String,
) -> Response {
    match ran(&server, &id, &body) {
        Ok((_, values)) => events(&[
            format!(
                "event: metadata\ndata: {}",
                json!({"run_id": uuid(), "attempt": 1})
            ),
            format!("event: values\ndata: {values}"),
        ]),
        Err(missing) => missing,
    }
}

async fn create_assistant(State(server): State<Server>, body: String) -> Response {
    let mut assistant: Value = serde_json::from_str(&body).unwrap();
    let chosen = assistant["assistant_id"].as_str().and_then(parse_uuid);
    let id = chosen.unwrap_or_else(uuid);
    if let Some(there) = server.assistants.take_a_look(&id) {
        return if assistant["if_exists"] == "do_nothing" {
            answer(200, &there)
        } else {
            detail(409, &format!("Assistant {id} already exists"))
        };
    }
    assistant["assistant_id"] = id.clone().into();
    server.assistants.put(&id, &assistant);
    answer(200, &assistant)
}

async fn search_assistants(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    page(&matching(&server.assistants, &body), &body)
}

async fn delete_assistant(State(server): State<Server>, Path(id): Path<String>) -> Response {
    match found(&server.assistants, &id, "assistant") {
        Ok(there) => {
            let id = there["assistant_id"].as_str().unwrap();
            server.assistants.remove(id);
            axum::http::StatusCode::NO_CONTENT.into_response()
        }
        Err(missing) => missing,
    }
}

async fn assistant(State(server): State<Server>, Path(id): Path<String>) -> Response {
    found(&server.assistants, &id, "assistant")
        .map_or_else(|missing| missing, |it| answer(200, &it))
}

fn labels(namespace: &[String]) -> Result<String, Response> {
    let sound = |label: &String| !label.is_empty() && !label.contains('.');
    if namespace.iter().all(sound) {
        Ok(namespace.join("."))
    } else {
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        Err((
            status,
            "Namespace label must be a non-empty string without periods",
        )
            .into_response())
    }
}

async fn put_item(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let namespace: Vec<String> = serde_json::from_value(body["namespace"].clone()).unwrap();
    match labels(&namespace) {
        Ok(joined) => {
            let key = format!("{joined}\u{0}{}", body["key"].as_str().unwrap());
            server.store.put(&key, &body);
            axum::http::StatusCode::NO_CONTENT.into_response()
        }
        Err(refused) => refused,
    }
}

/// A missing item is `null`, with 200.
async fn item(
    State(server): State<Server>,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Response {
    let key = format!("{}\u{0}{}", query["namespace"], query["key"]);
    answer(200, &server.store.take_a_look(&key).unwrap_or(Value::Null))
}

async fn search_items(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let prefix = body["namespace_prefix"].as_array().unwrap();
    let mut items = server.store.all();
    items.retain(|item| item["namespace"].as_array().unwrap().starts_with(prefix));
    answer(200, &json!({"items": items}))
}

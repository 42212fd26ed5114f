//! An A2A 1.0 agent on the official Python SDK (a2a-sdk 1.3.0), both HTTP bindings: what it answers
//! here was read off `tests/interop/a2a/server.py`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Shelf, StandIn, events, json as answer, uuid};

/// Starts one.
pub async fn start() -> StandIn {
    let rest = || {
        Router::new()
            .route("/message:send", post(send))
            .route("/message:stream", post(stream))
            .route("/tasks", get(list))
            .route("/tasks/{id}", get(read).post(act))
            .route(
                "/tasks/{id}/pushNotificationConfigs",
                get(pushes).post(pushes),
            )
    };
    let routes = Router::new()
        .merge(rest())
        // The segment is read and means nothing.
        .nest("/{tenant}", rest())
        .route("/", post(rpc))
        .route(
            "/.well-known/agent-card.json",
            get(async || answer(200, &json!({"name": "echo"}))),
        )
        .with_state(Shelf::default());
    StandIn::start(routes).await
}

/// What the SDK says beside every error about a task, in its order of members.
const DETAILS: &str = r#"[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org","metadata":{}}]"#;

fn missing(what: &str) -> Response {
    written(
        404,
        format!(
            r#"{{"error":{{"code":404,"status":"NOT_FOUND","message":"{what}","details":{DETAILS}}}}}"#
        ),
    )
}

fn written(status: u16, body: String) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, [("content-type", "application/json")], body).into_response()
}

/// Parsers of protobuf JSON take the field's name as well as its JSON name.
fn field<'m>(message: &'m Value, name: &str, proto_name: &str) -> Option<&'m str> {
    message[name]
        .as_str()
        .or_else(|| message[proto_name].as_str())
}

/// The task that a message made or continued.
fn converse(tasks: &Shelf, request: &Value) -> Result<Value, String> {
    let message = &request["message"];
    let task = match field(message, "taskId", "task_id") {
        Some(id) => {
            let missing = || format!("Task {id} not found");
            let mut task = tasks.take_a_look(id).ok_or_else(missing)?;
            task["history"]
                .as_array_mut()
                .unwrap()
                .push(message.clone());
            task
        }
        None => {
            let context =
                field(message, "contextId", "context_id").map_or_else(uuid, str::to_owned);
            json!({
                "id": uuid(), "contextId": context,
                "status": {"state": "TASK_STATE_WORKING"}, "history": [message],
            })
        }
    };
    tasks.put(task["id"].as_str().unwrap(), &task);
    Ok(task)
}

async fn send(State(tasks): State<Shelf>, body: String) -> Response {
    match converse(&tasks, &serde_json::from_str(&body).unwrap()) {
        Ok(task) => answer(200, &json!({"task": task})),
        Err(what) => missing(&what),
    }
}

fn told(task: &Value) -> [Value; 2] {
    let status = json!({
        "taskId": task["id"], "contextId": task["contextId"],
        "status": {"state": "TASK_STATE_COMPLETED"},
    });
    [json!({"task": task}), json!({"statusUpdate": status})]
}

async fn stream(State(tasks): State<Shelf>, body: String) -> Response {
    match converse(&tasks, &serde_json::from_str(&body).unwrap()) {
        Ok(task) => events(&told(&task).map(|event| format!("data: {event}"))),
        Err(what) => missing(&what),
    }
}

async fn list(State(tasks): State<Shelf>, Query(asked): Query<Parameters>) -> Response {
    let size = asked.get("pageSize").map_or(50, |it| it.parse().unwrap());
    let context = asked.get("contextId").or(asked.get("context_id"));
    answer(200, &page(&tasks, context.map(String::as_str), size))
}

/// A page of the tasks of a context, or of all; the token names the task that the next begins with.
fn page(tasks: &Shelf, context: Option<&str>, size: usize) -> Value {
    let mut all = tasks.all();
    all.retain(|task| context.is_none_or(|context| task["contextId"] == context));
    let next = all.get(size).map_or(json!(""), |task| task["id"].clone());
    let shown: Vec<_> = all.iter().take(size).collect();
    json!({"tasks": shown, "nextPageToken": next, "pageSize": size, "totalSize": all.len()})
}

/// The parameters of a nested router come with those of the one it is in.
type Parameters = std::collections::HashMap<String, String>;

async fn read(State(tasks): State<Shelf>, Path(path): Path<Parameters>) -> Response {
    let id = &path["id"];
    if let Some(id) = id.strip_suffix(":subscribe") {
        return subscribe(&tasks, id);
    }
    match tasks.take_a_look(id) {
        Some(task) => answer(200, &task),
        None => missing("Task not found"),
    }
}

async fn act(State(tasks): State<Shelf>, Path(path): Path<Parameters>) -> Response {
    let id = &path["id"];
    if let Some(id) = id.strip_suffix(":subscribe") {
        return subscribe(&tasks, id);
    }
    match id
        .strip_suffix(":cancel")
        .and_then(|id| cancelled(&tasks, id))
    {
        Some(task) => answer(200, &task),
        None => missing("Task not found"),
    }
}

fn subscribe(tasks: &Shelf, id: &str) -> Response {
    match tasks.take_a_look(id) {
        Some(task) => events(&told(&task).map(|event| format!("data: {event}"))),
        None => missing("Task not found"),
    }
}

fn cancelled(tasks: &Shelf, id: &str) -> Option<Value> {
    let mut task = tasks.take_a_look(id)?;
    task["status"]["state"] = "TASK_STATE_CANCELED".into();
    tasks.put(id, &task);
    Some(task)
}

async fn pushes(State(tasks): State<Shelf>, Path(path): Path<Parameters>) -> Response {
    match tasks.take_a_look(&path["id"]) {
        Some(task) => answer(
            200,
            &json!({"configs": [{"id": "c1", "taskId": task["id"]}]}),
        ),
        None => missing("Task not found"),
    }
}

async fn rpc(State(tasks): State<Shelf>, body: String) -> Response {
    let call: Value = serde_json::from_str(&body).unwrap();
    let params = &call["params"];
    let result = |value: Value| json!({"result": value, "id": call["id"], "jsonrpc": "2.0"});
    let missing = |what: &str| {
        written(
            200,
            format!(
                r#"{{"error":{{"code":-32001,"message":"{what}","data":{DETAILS}}},"id":{},"jsonrpc":"2.0"}}"#,
                call["id"]
            ),
        )
    };
    let id = params["id"].as_str().unwrap_or_default();
    match call["method"].as_str().unwrap() {
        "SendMessage" => match converse(&tasks, params) {
            Ok(task) => answer(200, &result(json!({"task": task}))),
            Err(what) => missing(&what),
        },
        "SendStreamingMessage" => match converse(&tasks, params) {
            Ok(task) => events(&told(&task).map(|event| format!("data: {}", result(event)))),
            Err(what) => missing(&what),
        },
        "GetTask" => tasks.take_a_look(id).map_or_else(
            || missing("Task not found"),
            |task| answer(200, &result(task)),
        ),
        "CancelTask" => cancelled(&tasks, id).map_or_else(
            || missing("Task not found"),
            |task| answer(200, &result(task)),
        ),
        "ListTasks" => {
            let size = params["pageSize"].as_u64().unwrap_or(50);
            let context = field(params, "contextId", "context_id");
            let page = page(&tasks, context, usize::try_from(size).unwrap());
            answer(200, &result(page))
        }
        _ => {
            let error = json!({"code": -32601, "message": "Method not found"});
            answer(
                200,
                &json!({"error": error, "id": call["id"], "jsonrpc": "2.0"}),
            )
        }
    }
}

//! A stand-in for an MCP server over streamable HTTP, after the reference server "everything": it has
//! sessions and tasks and no notion of tenants. A session it does not know gets 400 and -32000, as
//! there; the specification says 404.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::recording_backend::{Answer, Recorded, RecordingBackend};

/// What the server knows.
#[derive(Debug, Default)]
struct State {
    minted: usize,
    sessions: BTreeSet<String>,
    tasks: BTreeSet<String>,
}

/// Starts the server.
pub async fn start() -> RecordingBackend {
    let state = Arc::new(Mutex::new(State::default()));
    RecordingBackend::start(move |request| state.lock().unwrap().answer(request)).await
}

/// An answer as the server sends it: one event with an id.
pub fn event(message: &Value) -> String {
    format!("event: message\nid: e-1\ndata: {message}\n\n")
}

const STREAM: (&str, &str) = ("Content-Type", "text/event-stream");

impl State {
    fn answer(&mut self, request: &Recorded) -> Answer {
        let message: Value = serde_json::from_slice(&request.body.content).unwrap_or_default();
        let session = request.head.value("mcp-session-id");
        let stateless = request.head.value("mcp-protocol-version").as_deref() == Some("2026-07-28");
        let known = session
            .as_ref()
            .is_some_and(|id| self.sessions.contains(id));
        if message["method"] == "initialize" && session.is_none() {
            self.minted += 1;
            let id = format!("8a6e0804-2bd0-4672-b79d-{:012}", self.minted);
            self.sessions.insert(id.clone());
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
            return Answer::new(
                200,
                &[STREAM, ("Mcp-Session-Id", &id)],
                event(&reply(&message, result)),
            );
        }
        if !(known || stateless && session.is_none()) {
            let error =
                json!({ "code": -32000, "message": "Bad Request: No valid session ID provided" });
            let body = json!({ "jsonrpc": "2.0", "error": error, "id": message.get("id") });
            return Answer::json(400, &body.to_string());
        }
        match request.method().as_str() {
            "DELETE" => {
                self.sessions.remove(session.as_deref().unwrap_or_default());
                Answer::new(200, &[], "")
            }
            "GET" => {
                let late = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
                let list = self.result(&late);
                Answer::new(200, &[STREAM], event(&reply(&late, list)))
            }
            _ if message.get("id").is_none() || message.get("method").is_none() => {
                Answer::head(202, &[("Content-Length", "0")])
            }
            _ if message["method"] == "tasks/get" && !self.knows_task(&message) => {
                let error =
                    json!({ "code": -32602, "message": "Failed to retrieve task: Task not found" });
                let body = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
                Answer::json(200, &body.to_string())
            }
            _ => {
                let body = reply(&message, self.result(&message));
                if stateless {
                    Answer::json(200, &body.to_string())
                } else {
                    Answer::new(200, &[STREAM], event(&body))
                }
            }
        }
    }

    fn knows_task(&self, message: &Value) -> bool {
        let id = message["params"]["taskId"].as_str();
        id.is_some_and(|id| self.tasks.contains(id))
    }

    fn result(&mut self, message: &Value) -> Value {
        let named = |names: &[&str], field: &str| {
            let items = names.iter().map(|name| json!({ field: name }));
            items.collect::<Vec<_>>()
        };
        match message["method"].as_str().unwrap_or_default() {
            "tools/list" => json!({
                "tools": named(&["echo", "shell.run", "search.web"], "name"),
                "nextCursor": "more",
                "cacheScope": "public",
            }),
            "prompts/list" => json!({ "prompts": named(&["greet", "secret"], "name") }),
            "resources/list" => json!({
                "resources": named(&["file:///public/a", "file:///secret/b"], "uri"),
            }),
            "tools/call" if message["params"].get("task").is_some() => {
                self.minted += 1;
                let id = format!("task-{}", self.minted);
                self.tasks.insert(id.clone());
                json!({ "task": { "taskId": id, "status": "working" } })
            }
            "tasks/list" => {
                let tasks = self.tasks.iter().map(|id| json!({ "taskId": id }));
                json!({ "tasks": tasks.collect::<Vec<_>>() })
            }
            "tasks/get" => json!({ "taskId": message["params"]["taskId"], "status": "working" }),
            _ => json!({ "content": [{ "type": "text", "text": "done" }] }),
        }
    }
}

fn reply(message: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
}

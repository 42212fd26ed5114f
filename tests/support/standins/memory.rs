//! The paths of fabric-memory, without a memory: it answers everything, to show what reaches it.

use axum::Router;
use axum::extract::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::{StandIn, json as answer};

/// Starts one.
pub async fn start() -> StandIn {
    let anything = async || answer(200, &json!({"ok": true}));
    let routes = Router::new()
        .route("/mcp", post(mcp).fallback(anything))
        .fallback(anything);
    StandIn::start(routes).await
}

async fn mcp(Json(call): Json<Value>) -> Response {
    let result = json!({"jsonrpc": "2.0", "id": call["id"], "result": {}});
    let mut response = answer(200, &result).into_response();
    if call["method"] == "initialize" {
        let session = "9f0c2a".parse().unwrap();
        response.headers_mut().insert("mcp-session-id", session);
    }
    response
}

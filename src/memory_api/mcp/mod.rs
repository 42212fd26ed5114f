//! `/mcp`: the caller's memories as an MCP server (streamable HTTP), so that any agent that speaks
//! MCP remembers through the gate without a line of code.
//!
//! The protocol is the `rmcp` crate's; the tools are here. No session is kept: each request carries
//! its own identity and is answered by itself, so there is no session id to steal, and any of several
//! replicas answers. Protocol versions from 2025-03-26 on are spoken. A page of a browser can't act
//! for its user here, whatever its origin: who calls is said by a header that no page can set
//! without holding the credential, so `Origin` and `Host` decide nothing.

mod arguments;
mod calls;
mod server;
mod tools;

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::server::MemoryServer;
use super::object_body::{is_json, object, unread};
use super::{AppState, Problem, ProblemCode};
use crate::memory::Caller;

/// The route of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(serve))
}

/// One JSON-RPC message of the Model Context Protocol; the answer is one JSON document.
#[utoipa::path(
    post,
    path = "/mcp",
    tag = "mcp",
    operation_id = "send_mcp_message",
    request_body(description = "A JSON-RPC 2.0 message", content_type = "application/json"),
    responses(
        (status = 200, description = "The answer", content_type = "application/json"),
        (status = 202, description = "A notification was taken"),
        (status = 400, description = "It is no message of the protocol, or several")
    )
)]
async fn serve(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    if !is_json(request.headers()) {
        let detail = "a message is JSON: `Content-Type: application/json`";
        return Err(Problem::because(ProblemCode::MediaTypeUnsupported, detail));
    }
    let (parts, body) = request.into_parts();
    let read = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(read, &state).await;
    let body = body.map_err(|rejection| unread(&rejection))?;
    if let Err(problem) = object(&body) {
        return Ok(malformed(problem));
    }
    let failure = Arc::default();
    let server = MemoryServer::new(state, caller, Arc::clone(&failure));
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(body.len())
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let mut request = Request::from_parts(parts, Body::from(body));
    // It asks for one even where it judges none.
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(header::HOST, host);
    let mut response = service.handle(request).await.map(Body::new);
    // It is JSON and an object: what is not supported is the message.
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let detail = "it is no message of the Model Context Protocol";
        return Ok(malformed(Problem::because(
            ProblemCode::RequestRejected,
            detail,
        )));
    }
    if let Some(problem) = failure.get() {
        response.extensions_mut().insert(problem.clone());
    }
    Ok(response)
}

/// What made a call fail that the caller can't mend, for the log and the metrics.
type Failure = Arc<OnceLock<Problem>>;

/// The answer to what has no id to answer (JSON-RPC 2.0 section 5.1: invalid request).
fn malformed(problem: Problem) -> Response {
    let answer = json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": -32600, "message": problem.message() },
    });
    let mut response = (StatusCode::BAD_REQUEST, Json(answer)).into_response();
    response.extensions_mut().insert(problem);
    response
}

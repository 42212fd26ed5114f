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

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::server::MemoryServer;
use super::AppState;
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
    request_body(description = "A JSON-RPC 2.0 message", content_type = "application/json"),
    responses(
        (status = 200, description = "The answer", content_type = "application/json"),
        (status = 202, description = "A notification was taken")
    )
)]
async fn serve(State(state): State<AppState>, caller: Caller, request: Request) -> Response {
    let most = state.limits.body_bytes;
    let server = MemoryServer::new(state, caller);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(most)
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    service.handle(request).await.map(Body::new)
}

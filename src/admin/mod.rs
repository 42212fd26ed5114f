//! The admin listener: health, metrics, and what operators ask and tell the gate.
//!
//! It never shares a port with the public listener. `/livez`, `/readyz`, `/metrics`, the public keys of
//! assertions and the console's page, which holds nothing, are open to whoever reaches it; everything under `/v1` needs the admin token, and is closed altogether when
//! none is configured.

mod audit;
mod connections;
mod console;
mod explain;
mod health;
mod keys;
mod llm;
mod policy;
mod record;
mod resources;
mod series;
mod spend;
mod statement;
mod streams;
mod tail;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::json;
use tokio::sync::watch;

use crate::audit::Settings as AuditSettings;
use crate::pipeline::Gate;
use crate::policy::reload::PolicyLoader;

pub use connections::Bounded;
pub use series::keep_series;
pub use token::AdminToken;

/// What the admin routes need.
pub struct AdminState {
    /// The gate.
    pub gate: Arc<Gate>,
    /// Its policies.
    pub policies: Arc<PolicyLoader>,
    /// Where the audit log is.
    pub audit: AuditSettings,
    /// Days for which single charges are kept.
    pub charges_kept_days: u32,
    /// The bearer token; without one `/v1` is closed.
    pub token: Option<AdminToken>,
    /// Names under which the console is served, besides addresses and `localhost`; in lower case
    /// and without port.
    pub hosts: Vec<String>,
    /// Whether the public listener listens.
    pub listening: watch::Receiver<bool>,
}

/// The routes.
pub fn router(state: Arc<AdminState>) -> Router {
    let watched = Router::new()
        .route("/v1/audit/tail", get(tail::show))
        .with_state((Arc::clone(&state), tail::Tails::default()));
    let guarded = Router::new()
        .route("/v1/policy", get(policy::show))
        .route("/v1/policy/reload", post(policy::reload))
        .route("/v1/explain", post(explain::ask))
        .route("/v1/tenants", get(spend::tenants))
        .route("/v1/tenants/{id}", delete(resources::erase))
        .route("/v1/tenants/{id}/llm", get(llm::show).patch(llm::change))
        .route("/v1/tenants/{id}/spend", get(spend::show))
        .route("/v1/tenants/{id}/spend/adjust", post(spend::put_right))
        .route("/v1/tenants/{id}/statement", get(statement::show))
        .route("/v1/resources", get(resources::show))
        .route("/v1/audit", get(audit::records))
        .route("/v1/audit/{seq}", get(record::show))
        .route("/v1/series", get(series::requests))
        .route("/v1/series/spend", get(series::spend))
        .route("/v1/streams", get(streams::show))
        .merge(watched)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            token::require,
        ));
    Router::new()
        .route("/", get(console::index))
        .route("/console/{file}", get(console::file))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/.well-known/jwks.json", get(keys::show))
        .merge(guarded)
        .fallback(async || problem(StatusCode::NOT_FOUND, "not_found", "there is no such page"))
        .with_state(state)
}

/// A refusal of the admin listener (RFC 9457).
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": format!("https://fabric-gate.dev/problems/{code}"),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let headers = [
        ("content-type", crate::decision::CONTENT_TYPE),
        ("cache-control", "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

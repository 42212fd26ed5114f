//! `/livez`, `/readyz` and, on a listener of its own, `/metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{AppState, Problem, ProblemCode};

/// How long a probe waits for the store.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// Health, on both listeners.
pub(super) fn health() -> Router<AppState> {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
}

/// The operators' listener. Callers have no way to it: it is another address.
pub fn router(state: &AppState) -> Router {
    health()
        .route("/metrics", get(metrics))
        .fallback(async || Problem::new(ProblemCode::NotFound).answer(""))
        .with_state(state.clone())
}

/// The process answers.
async fn live() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

/// Whether requests can be served: keys, store, and that it is not about to end, each by name. It
/// says nothing of any tenant.
async fn ready(State(state): State<AppState>) -> Response {
    let mut keys_ok = true;
    let issuers: Vec<Value> = state
        .authenticator
        .key_sets()
        .map(|(issuer, keys)| {
            let status = keys.status();
            keys_ok &= status.state.is_usable();
            json!({
                "issuer": issuer,
                "ok": status.state.is_usable(),
                "state": format!("{:?}", status.state).to_lowercase(),
                "keys": status.keys,
            })
        })
        .collect();
    let store = tokio::time::timeout(STORE_WAIT, state.memory.store().ready()).await;
    let store_ok = match store {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            state.metrics.store_failed();
            tracing::warn!(%error, "the store is not ready");
            false
        }
        Err(_elapsed) => {
            state.metrics.store_failed();
            false
        }
    };
    let stopping = state.stopping.has_begun();
    let ready = keys_ok && store_ok && !stopping;
    let document = json!({
        "ready": ready,
        "checks": {
            "keys": { "ok": keys_ok, "issuers": issuers },
            "store": { "ok": store_ok },
            "process": { "ok": !stopping },
        },
    });
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let uncached = [(header::CACHE_CONTROL, "no-store")];
    (status, uncached, Json(document)).into_response()
}

/// Prometheus' text format.
async fn metrics(State(state): State<AppState>) -> Response {
    for (issuer, keys) in state.authenticator.key_sets() {
        state.metrics.keys(issuer, keys.status().state.is_usable());
    }
    state.metrics.tending_failed(state.memory.untended());
    for (what, number) in state.memory.store().in_use() {
        state.metrics.store_uses(what, number);
    }
    match state.metrics.exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written as text");
            Problem::new(ProblemCode::Internal).answer("")
        }
    }
}

//! `POST /v1/explain`: what would become of a described request, and why.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{AdminState, problem};
use crate::explain::{Described, Sources, explain};

/// Asks the gate that serves, by the policy in force, with who owns and who spent what at present.
/// Nothing is left behind.
pub(super) async fn ask(State(state): State<Arc<AdminState>>, body: Bytes) -> Response {
    let described: Described = match serde_json::from_slice(&body) {
        Ok(described) => described,
        Err(error) => {
            let detail = format!("the request is not described: {error}");
            return problem(StatusCode::BAD_REQUEST, "request_rejected", &detail);
        }
    };
    match explain(&state.gate, &described, Sources::default()).await {
        // It can hold a body that somebody sends.
        Ok(told) => ([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response(),
        Err(error) => problem(
            StatusCode::BAD_REQUEST,
            "request_rejected",
            &error.to_string(),
        ),
    }
}

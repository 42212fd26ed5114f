//! `/.well-known/jwks.json`: by which keys the gate's assertions verify.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::AdminState;

/// Longest time for which a backend may go by what it read, in seconds. It looks again sooner where
/// an assertion names a key that it does not know.
const FRESH: &str = "public, max-age=300";

/// The key set (RFC 7517), open to everybody: with it one can verify and nothing else.
pub(super) async fn show(State(state): State<Arc<AdminState>>) -> Response {
    let headers = [
        ("content-type", "application/jwk-set+json"),
        ("cache-control", FRESH),
    ];
    (headers, state.gate.assertions().key_set().to_string()).into_response()
}

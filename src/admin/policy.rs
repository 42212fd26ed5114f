//! `/v1/policy` and its reload.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{AdminState, problem};
use crate::policy::reload::ReloadOutcome;
use crate::policy::render_json;

/// Revision, files and the last error.
pub(super) async fn show(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let status = state.policies.status();
    Json(json!({
        "revision": status.revision.as_str(),
        "loaded_at": status.loaded_at.to_string(),
        "directory": state.policies.directory().display().to_string(),
        "files": status.files,
        "reloads": { "changed": status.reloads_ok, "rejected": status.reloads_rejected },
        "last_error": status.last_error.map(|rejected| json!({
            "at": rejected.at.to_string(),
            "problems": render_json(&rejected.problems),
        })),
    }))
}

/// Reads the directory now. 422 with every problem when it is bad; the policy in force stays.
pub(super) async fn reload(State(state): State<Arc<AdminState>>) -> Response {
    let policies = Arc::clone(&state.policies);
    // Reading files and compiling is not for a thread that answers health checks.
    let outcome = tokio::task::spawn_blocking(move || policies.reload_now()).await;
    match outcome {
        Ok(ReloadOutcome::Changed(revision)) => {
            Json(json!({ "result": "changed", "revision": revision.as_str() })).into_response()
        }
        Ok(ReloadOutcome::Unchanged(revision)) => {
            Json(json!({ "result": "unchanged", "revision": revision.as_str() })).into_response()
        }
        Ok(ReloadOutcome::Rejected(problems)) => {
            let revision = state.policies.status().revision;
            let body = json!({
                "result": "rejected",
                "revision": revision.as_str(),
                "problems": render_json(&problems),
            });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a policy reload did not end");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the reload did not end",
            )
        }
    }
}

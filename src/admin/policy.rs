//! `/v1/policy` and its reload.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{AdminState, problem};
use crate::policy::reload::ReloadOutcome;
use crate::policy::{Revision, render_json};

/// Revision, files, what is probably not meant in them, and the last error.
pub(super) async fn show(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let status = state.policies.status();
    Json(json!({
        "revision": status.revision.as_str(),
        "loaded_at": status.loaded_at.to_string(),
        "directory": state.policies.directory().display().to_string(),
        "files": status.files,
        "warnings": render_json(&status.warnings),
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
    let taken = |result: &str, revision: &Revision| {
        let body = json!({
            "result": result,
            "revision": revision.as_str(),
            "warnings": render_json(&state.policies.status().warnings),
        });
        Json(body).into_response()
    };
    match outcome {
        Ok(ReloadOutcome::Changed(revision)) => taken("changed", &revision),
        Ok(ReloadOutcome::Unchanged(revision)) => taken("unchanged", &revision),
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

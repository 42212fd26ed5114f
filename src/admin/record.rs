//! `/v1/audit/{seq}`: one record as it stands in the log, and how it stands in the chain.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{AdminState, problem};
use crate::audit::find;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Which of several records with one number, as chains of processes that write at once have.
    hash: Option<String>,
}

/// The record of this number.
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Path(seq): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return refused(&error.body_text()),
    };
    let Ok(seq) = seq.parse::<u64>() else {
        return refused("a record has a number");
    };
    let found = tokio::task::spawn_blocking(move || {
        let keys = state.gate.audit().keys();
        find(&state.audit, keys, seq, asked.hash.as_deref())
    })
    .await;
    match found {
        Ok(Ok(Some(found))) => {
            let chain = serde_json::to_string(&found.place).unwrap_or_default();
            // The record is JSON already, and stays byte for byte what was hashed.
            let body = format!("{{\"record\":{},\"chain\":{chain}}}", found.line);
            let headers = [
                ("content-type", "application/json"),
                ("cache-control", "no-store"),
            ];
            (headers, body).into_response()
        }
        Ok(Ok(None)) => problem(
            StatusCode::NOT_FOUND,
            "not_found",
            "the log has no such record",
        ),
        Ok(Err(error)) => {
            tracing::error!(%error, "the audit log can't be read");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "audit_unavailable",
                "the audit log can't be read",
            )
        }
        Err(error) => {
            tracing::error!(%error, "reading the audit log did not end");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "reading the audit log did not end",
            )
        }
    }
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}

//! `/v1/audit`: records by tenant and time, newest first, page by page.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{AdminState, problem};
use crate::audit::{Filter, QueryError, query};

/// Records on a page where the caller names no number.
const DEFAULT_LIMIT: usize = 100;

/// What may be asked. Unknown parameters are refused: a misspelt `tenant` would show everybody's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    since: Option<String>,
    until: Option<String>,
    decision: Option<String>,
    route: Option<String>,
    reason: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// One page of records.
pub(super) async fn records(
    State(state): State<Arc<AdminState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "request_rejected",
                &error.body_text(),
            );
        }
    };
    let filter = match Filter::parse(
        asked.tenant.as_deref(),
        asked.since.as_deref(),
        asked.until.as_deref(),
        asked.decision.as_deref(),
        state.gate.now(),
    ) {
        Ok(filter) => Filter {
            route: asked.route,
            reason: asked.reason,
            ..filter
        },
        Err(error) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "request_rejected",
                &error.to_string(),
            );
        }
    };
    let directory = state.audit.directory.clone();
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    let page = tokio::task::spawn_blocking(move || {
        query(directory, &filter, limit, asked.cursor.as_deref())
    })
    .await;
    match page {
        Ok(Ok(page)) => {
            // The records are JSON already, and stay byte for byte what was hashed.
            let next = page.next.map_or_else(
                || "null".to_owned(),
                |next| serde_json::Value::from(next).to_string(),
            );
            let body = format!(
                "{{\"records\":[{}],\"next\":{next}}}",
                page.records.join(",")
            );
            ([("content-type", "application/json")], body).into_response()
        }
        Ok(Err(QueryError::Cursor)) => problem(
            StatusCode::BAD_REQUEST,
            "request_rejected",
            "the cursor is none that a page gave",
        ),
        Ok(Err(error @ QueryError::Io { .. })) => {
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

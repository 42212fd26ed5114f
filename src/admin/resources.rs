//! `/v1/resources`: what a tenant owns; and `DELETE /v1/tenants/{id}`, which makes it own nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminState, problem};
use crate::audit::{AuditUnavailable, Event};
use crate::decision::StateUnavailable;
use crate::ownership::{Cursor, Erased, Resource};
use crate::tenant::TenantId;

/// Resources on a page where the caller names no number.
const DEFAULT_LIMIT: usize = 100;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: String,
    kind: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// One page of what a tenant owns.
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return refused(&error.body_text()),
    };
    // One that an earlier grammar allowed can own things as well.
    let tenant = match TenantId::kept(&asked.tenant) {
        Ok(tenant) => tenant,
        Err(error) => return refused(&error.to_string()),
    };
    let after = match asked.cursor.as_deref().map(str::parse::<Cursor>) {
        None => None,
        Some(Ok(cursor)) => Some(cursor),
        Some(Err(error)) => return refused(&error.to_string()),
    };
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    let registry = state.gate.registry();
    match registry
        .page(&tenant, asked.kind.as_deref(), after, limit)
        .await
    {
        Ok(page) => Json(json!({
            "resources": page.resources.iter().map(row).collect::<Vec<_>>(),
            "next": page.next.map(|next| next.to_string()),
        }))
        .into_response(),
        Err(error) => unavailable(error),
    }
}

/// Forgets who in a tenant owns what, and answers a receipt. The ids are kept without a name, so
/// that nobody else can claim what the backends still hold. What was charged is an accounting
/// record, and stays for as long as such are kept.
pub(super) async fn erase(
    State(state): State<Arc<AdminState>>,
    Path(tenant): Path<String>,
) -> Response {
    let tenant = match TenantId::kept(&tenant) {
        Ok(tenant) => tenant,
        Err(error) => return refused(&error.to_string()),
    };
    if state.gate.audit().ready().is_err() {
        return unrecorded("nothing was erased, because it could not be recorded");
    }
    let erased = match state.gate.registry().erase_tenant(&tenant).await {
        Ok(erased) => erased,
        Err(error) => return unavailable(error),
    };
    // What was chosen for its models is its own too.
    if let Err(error) = state.gate.models().forget(&tenant).await {
        return unavailable(error);
    }
    if record(&state, &tenant, &erased).await.is_err() {
        return unrecorded("it was erased and could not be recorded; ask again for the record");
    }
    Json(json!({
        "tenant": tenant.as_str(),
        "erased_at": erased.at.to_string(),
        "resources": erased.resources,
        "charges": { "erased": false, "kept_days": state.charges_kept_days },
        "policy_revision": state.gate.generation().revision().as_str(),
    }))
    .into_response()
}

/// The receipt is given once the record of it is on disk.
async fn record(
    state: &AdminState,
    tenant: &TenantId,
    erased: &Erased,
) -> Result<(), AuditUnavailable> {
    let audit = state.gate.audit();
    let ticket = audit.event(&Event::TenantErased {
        tenant: tenant.as_str(),
        resources: erased.resources,
    })?;
    audit.wait_durable(ticket).await
}

fn row(resource: &Resource) -> Value {
    json!({
        "upstream": resource.key.upstream(),
        "kind": resource.key.kind(),
        "id": resource.key.id().as_str(),
        "user": resource.owner.user.as_str(),
        "since": resource.since.to_string(),
        "last_used": resource.used.to_string(),
    })
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}

fn unavailable(error: StateUnavailable) -> Response {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "state_unavailable",
        &error.to_string(),
    )
}

fn unrecorded(detail: &str) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", detail)
}

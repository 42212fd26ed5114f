//! `/v1/tenants/{id}/llm`: which models a tenant uses, within what the policy files let it have.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{AdminState, problem};
use crate::decision::Refusal;
use crate::pipeline::Published;
use crate::policy::UnknownTenant;
use crate::tenant::TenantId;

/// Who changed settings, where the admin token did.
const ADMIN: &str = "admin";

/// Shows what holds.
pub(super) async fn show(State(state): State<Arc<AdminState>>, Path(id): Path<String>) -> Response {
    match tenant(&state, &id) {
        Some(tenant) => published(&state.gate.llm_settings(&tenant)),
        None => unknown(),
    }
}

/// Changes it by a JSON merge patch (RFC 7396).
pub(super) async fn change(
    State(state): State<Arc<AdminState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(tenant) = tenant(&state, &id) else {
        return unknown();
    };
    let changed = state
        .gate
        .change_llm_settings(&tenant, ADMIN, &headers, &body)
        .await;
    match changed {
        Ok(document) => published(&document),
        Err(refusal) => refused(&refusal),
    }
}

/// The tenant of this id, if the policy in force serves it; a suspended one counts.
fn tenant(state: &AdminState, id: &str) -> Option<TenantId> {
    let generation = state.gate.generation();
    let snapshot = generation.snapshot();
    let tenant = snapshot.tenancy.grammar.parse(id).ok()?;
    let served = snapshot.tenants.contains_key(&tenant)
        || snapshot.tenancy.unknown == UnknownTenant::Provision;
    served.then_some(tenant)
}

fn published(document: &Published) -> Response {
    let etag = document.etag.clone().unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ETAG, etag),
    ];
    (headers, document.body.to_vec()).into_response()
}

fn unknown() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "the policies have no such tenant",
    )
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status());
    let detail = match refusal {
        Refusal::Denied(denial) => denial.detail.as_deref(),
        Refusal::Failed(failure) => failure.log.as_deref(),
    };
    problem(
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        refusal.code(),
        detail.unwrap_or_default(),
    )
}

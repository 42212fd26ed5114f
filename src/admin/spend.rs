//! `/v1/tenants/{id}/spend`: how a tenant's ceilings stand, and putting right what it has spent.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminState, problem};
use crate::budget::ledger::{Adjustment, LineStanding};
use crate::budget::{CeilingScope, spend_document, spend_line};
use crate::clock::Timestamp;
use crate::money::SignedUsd;
use crate::pipeline::books::{AdjustError, Adjusted, adjust};
use crate::pipeline::trace_context::RequestId;
use crate::tenant::TenantId;

/// Whose hand it was where nobody is named: whoever has the admin token.
const ADMIN: &str = "admin";

/// A tenant's ceilings, one row for each line under each.
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Path(tenant): Path<String>,
) -> Response {
    let tenant = match TenantId::kept(&tenant) {
        Ok(tenant) => tenant,
        Err(error) => return refused(&error.to_string()),
    };
    let document = tokio::task::spawn_blocking(move || {
        let generation = state.gate.generation();
        let snapshot = generation.snapshot();
        let now = state.gate.now();
        let ceilings = snapshot.ceilings(&tenant);
        let standings = state.gate.ledger().standing(&tenant, ceilings, now);
        spend_document(&tenant, now, &snapshot.prices.revision(), &standings)
    })
    .await;
    match document {
        Ok(document) => Json(document).into_response(),
        Err(error) => unended("reading the ledger", &error),
    }
}

/// The listed tenants, and those that ever spent: who they are and how their own ceilings stand.
pub(super) async fn tenants(State(state): State<Arc<AdminState>>) -> Response {
    let rows = tokio::task::spawn_blocking(move || rows(&state)).await;
    match rows {
        Ok(tenants) => Json(json!({ "tenants": tenants })).into_response(),
        Err(error) => unended("reading the ledger", &error),
    }
}

fn rows(state: &AdminState) -> Vec<Value> {
    let generation = state.gate.generation();
    let snapshot = generation.snapshot();
    let ledger = state.gate.ledger();
    let now = state.gate.now();
    let mut ids = ledger.tenants();
    ids.extend(snapshot.tenants.keys().cloned());
    ids.sort_unstable();
    ids.dedup();
    let row = |id: TenantId| {
        let listed = snapshot.tenants.get(&id);
        let own: Vec<_> = snapshot
            .ceilings(&id)
            .iter()
            .filter(|ceiling| ceiling.scope == CeilingScope::Tenant)
            .cloned()
            .collect();
        let standings = ledger.standing(&id, &own, now);
        json!({
            "id": id.as_str(),
            "listed": listed.is_some(),
            "suspended": listed.is_some_and(|tenant| tenant.suspended),
            "ceilings": standings.iter().map(short).collect::<Vec<_>>(),
        })
    };
    ids.into_iter().map(row).collect()
}

fn short(standing: &LineStanding) -> Value {
    json!({
        "window": standing.window.to_string(),
        "limit_usd": standing.limit.to_string(),
        "spent_usd": standing.spent.to_string(),
        "reserved_usd": standing.reserved.to_string(),
        "resets_at": standing.resets_at.map(|time| time.to_string()),
    })
}

/// What is to be put right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// USD as decimal text with its sign: `"-1.50"` gives back.
    usd: String,
    /// Why.
    reason: String,
    /// The line; the tenant's own when absent.
    scope: Option<String>,
    /// Which user, agent, route or session.
    value: Option<String>,
    /// The same id is adjusted once, however often it is sent; minted when absent.
    id: Option<String>,
    /// Who does it.
    by: Option<String>,
}

/// Books an adjustment. The answer is given once its record is on disk.
pub(super) async fn put_right(
    State(state): State<Arc<AdminState>>,
    Path(tenant): Path<String>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Response {
    let asked = match asked {
        Ok(Json(asked)) => asked,
        Err(error) => return refused(&error.body_text()),
    };
    let now = state.gate.now();
    let adjustment = match adjustment(&tenant, asked, now) {
        Ok(adjustment) => adjustment,
        Err(detail) => return refused(&detail),
    };
    let worker = Arc::clone(&state);
    let done = tokio::task::spawn_blocking(move || {
        let made = adjust(worker.gate.ledger(), worker.gate.audit(), &adjustment);
        (adjustment, made)
    })
    .await;
    match done {
        Ok((adjustment, Ok((Adjusted::Made, ticket)))) => {
            if let Some(ticket) = ticket
                && state.gate.audit().wait_durable(ticket).await.is_err()
            {
                return problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "audit_unavailable",
                    &AdjustError::RecordedLater.to_string(),
                );
            }
            Json(receipt(&adjustment, false)).into_response()
        }
        Ok((_, Ok((Adjusted::Before(made), _)))) => Json(receipt(&made, true)).into_response(),
        Ok((_, Err(error))) => not_adjusted(&error),
        Err(error) => unended("the adjustment", &error),
    }
}

fn adjustment(tenant: &str, asked: Asked, at: Timestamp) -> Result<Adjustment, String> {
    let tenant = TenantId::kept(tenant).map_err(|error| error.to_string())?;
    let amount = asked
        .usd
        .parse::<SignedUsd>()
        .map_err(|error| format!("`usd`: {error}"))?
        .narrow()
        .ok_or("`usd` is too large")?;
    let (scope, value) = spend_line(asked.scope.as_deref(), asked.value.as_deref())?;
    let id = asked
        .id
        .unwrap_or_else(|| RequestId::mint().as_str().to_owned());
    Ok(Adjustment {
        tenant,
        scope,
        value,
        amount,
        at,
        by: asked.by.as_deref().unwrap_or(ADMIN).into(),
        reason: asked.reason.into(),
        id: id.into(),
    })
}

fn receipt(adjustment: &Adjustment, repeated: bool) -> Value {
    json!({
        "tenant": adjustment.tenant.as_str(),
        "id": &*adjustment.id,
        "at": adjustment.at.to_string(),
        "scope": adjustment.scope.as_str(),
        "value": &*adjustment.value,
        "usd": SignedUsd::from_nanos(adjustment.amount).to_string(),
        "by": &*adjustment.by,
        "reason": &*adjustment.reason,
        "repeated": repeated,
    })
}

fn not_adjusted(error: &AdjustError) -> Response {
    let (status, code) = match error {
        AdjustError::Text(_) => (StatusCode::BAD_REQUEST, "request_rejected"),
        AdjustError::Taken(_) => (StatusCode::CONFLICT, "adjustment_exists"),
        AdjustError::Unrecorded | AdjustError::RecordedLater => {
            (StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable")
        }
        AdjustError::Ledger(_) | AdjustError::Journal(_) => {
            tracing::error!(%error, "the ledger could not be adjusted");
            (StatusCode::SERVICE_UNAVAILABLE, "state_unavailable")
        }
    };
    problem(status, code, &error.to_string())
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}

fn unended(doing: &str, error: &tokio::task::JoinError) -> Response {
    tracing::error!(%error, doing, "a task of the admin API did not end");
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        &format!("{doing} did not end"),
    )
}

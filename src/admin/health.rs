//! `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{AdminState, problem};
use crate::budget::{Ceiling, CeilingScope, Window};
use crate::money::NanoUsd;
use crate::telemetry::StandingFacts;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether requests can be decided: policies, keys, state, ledger, audit and
/// listener, each by name.
///
/// A rejected reload shows here and leaves the gate ready: the policy in force is a good one.
pub(super) async fn ready(State(state): State<Arc<AdminState>>) -> Response {
    let policies = state.policies.status();
    let last_error = policies.last_error.map(|rejected| {
        json!({
            "at": rejected.at.to_string(),
            "problems": rejected.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    let generation = state.gate.generation();
    let mut keys_ok = true;
    let issuers: Vec<Value> = generation
        .tokens()
        .key_sets()
        .map(|(issuer, keys)| {
            let status = keys.status();
            keys_ok &= status.state.is_usable();
            json!({
                "issuer": issuer,
                "ok": status.state.is_usable(),
                "state": format!("{:?}", status.state).to_lowercase(),
                "keys": status.keys,
                "fetches_ok": status.fetches_ok,
                "fetches_failed": status.fetches_failed,
            })
        })
        .collect();
    let audit = state.gate.audit().stats();
    let audit_ok = state.gate.audit().ready().is_ok();
    let registry = state.gate.registry();
    let state_ok = registry.probe().await.is_ok();
    let ledger_ok = state.gate.ledger().probe().is_ok();
    let listening = *state.listening.borrow();
    let ready = keys_ok && audit_ok && state_ok && ledger_ok && listening;
    let document = json!({
        "ready": ready,
        "checks": {
            "policies": {
                "ok": true,
                "revision": policies.revision.as_str(),
                "loaded_at": policies.loaded_at.to_string(),
                "last_error": last_error,
            },
            "keys": { "ok": keys_ok, "issuers": issuers },
            "state": { "ok": state_ok, "owners_in_memory": registry.cached() },
            "ledger": { "ok": ledger_ok },
            "listener": { "ok": listening },
            "audit": { "ok": audit_ok, "healthy": audit.healthy, "written": audit.written, "lost": audit.lost },
        },
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(document)).into_response()
}

/// Prometheus' text format.
pub(super) async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    let generation = state.gate.generation();
    let keys: Vec<_> = generation
        .tokens()
        .key_sets()
        .map(|(issuer, keys)| (issuer.to_owned(), keys.status()))
        .collect();
    let worker = Arc::clone(&state);
    let standing = tokio::task::spawn_blocking(move || standing(&worker)).await;
    let (ceilings, reserved) = standing.unwrap_or_default();
    match state
        .gate
        .metrics()
        .exposition(&state.gate.audit().stats(), &keys, &ceilings, &reserved)
    {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written as text");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the metrics can't be written",
            )
        }
    }
}

/// How the ceilings of the tenants stand that have a label of their own, and what each has reserved.
fn standing(state: &AdminState) -> (Vec<StandingFacts>, Vec<(String, NanoUsd)>) {
    let generation = state.gate.generation();
    let snapshot = generation.snapshot();
    let ledger = state.gate.ledger();
    let now = state.gate.now();
    let (mut ceilings, mut reserved) = (Vec::new(), Vec::new());
    // What a tenant has reserved stands on its line, under whatever ceiling it is looked at.
    let whole = [Ceiling {
        scope: CeilingScope::Tenant,
        window: Window::Total,
        limit: NanoUsd::MAX,
        timezone: jiff::tz::TimeZone::UTC,
        warn_at: Arc::from([]),
    }];
    for tenant in state.gate.metrics().labelled() {
        for line in ledger.standing(&tenant, snapshot.ceilings(&tenant), now) {
            ceilings.push(StandingFacts {
                tenant: tenant.to_string(),
                scope: line.scope.as_str(),
                window: line.window.to_string(),
                used_ratio: line.used_thousandths as f64 / 1_000.0,
            });
        }
        let own = ledger.standing(&tenant, &whole, now);
        let amount = own.iter().map(|line| line.reserved).sum();
        reserved.push((tenant.to_string(), amount));
    }
    (ceilings, reserved)
}

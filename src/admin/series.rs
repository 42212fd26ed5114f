//! `/v1/series` and `/v1/series/spend`: requests, refusals and charges over time, as the console draws them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{AdminState, problem};
use crate::pipeline::Gate;
use crate::telemetry::series::Span;

/// How often counts are put into their buckets: the narrowest step.
const LOOK: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Window {
    Hour,
    Day,
}

/// Keeps the steps of time apart, for as long as the process runs.
pub async fn keep_series(gate: Arc<Gate>) {
    loop {
        let now = gate.now();
        gate.series().look(now);
        let step = LOOK.as_micros() as i64;
        let rest = step - now.as_micros().rem_euclid(step);
        tokio::time::sleep(Duration::from_micros(rest.unsigned_abs())).await;
    }
}

/// Requests that were let pass and that were refused, by code.
pub(super) async fn requests(
    State(state): State<Arc<AdminState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let span = match span(asked) {
        Ok(span) => span,
        Err(detail) => return refused(&detail),
    };
    let series = state.gate.series().requests(span, state.gate.now());
    Json(json!({
        "from": series.from.to_string(),
        "step_seconds": series.step,
        "permitted": series.permitted,
        "refused": series.refused,
    }))
    .into_response()
}

/// What tenants were charged.
pub(super) async fn spend(
    State(state): State<Arc<AdminState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let span = match span(asked) {
        Ok(span) => span,
        Err(detail) => return refused(&detail),
    };
    let series = state.gate.series().charges(span, state.gate.now());
    let tenants: BTreeMap<&str, Vec<String>> = series
        .tenants
        .iter()
        .map(|(tenant, amounts)| {
            let amounts = amounts.iter().map(ToString::to_string);
            (tenant.as_str(), amounts.collect())
        })
        .collect();
    Json(json!({
        "from": series.from.to_string(),
        "step_seconds": series.step,
        "tenants": tenants,
    }))
    .into_response()
}

fn span(asked: Result<Query<Asked>, QueryRejection>) -> Result<Span, String> {
    match asked {
        Ok(Query(Asked { window })) => Ok(match window {
            None | Some(Window::Hour) => Span::Hour,
            Some(Window::Day) => Span::Day,
        }),
        Err(error) => Err(error.body_text()),
    }
}

fn refused(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "request_rejected", detail)
}

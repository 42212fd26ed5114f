//! `/v1/streams`: the answers that go on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminState;
use crate::pipeline::OpenAnswer;

/// Most answers that are shown.
const MOST: usize = 500;

/// The answers that have gone on longest, and how many there are.
pub(super) async fn show(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let (oldest, number) = state.gate.open_answers().oldest(MOST);
    Json(json!({
        "open": number,
        "streams": oldest.iter().map(row).collect::<Vec<_>>(),
    }))
}

fn row(answer: &OpenAnswer) -> Value {
    let caller = answer.admission.principal();
    json!({
        "request_id": answer.request_id.as_str(),
        "tenant": caller.map(|caller| caller.tenant().as_str()),
        "user": caller.map(|caller| caller.user().as_str()),
        "route": &*answer.admission.route().name,
        "upstream": &*answer.admission.route().upstream.name,
        "since": answer.since.to_string(),
    })
}

//! A host of Aether Forge agents: it believes the tenant in the path, and a tick reads and writes
//! the memory of that tenant without a lock.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::{Shelf, StandIn, json as answer};

/// How long a tick thinks between reading and writing.
pub const TICK: Duration = Duration::from_millis(30);

/// Starts one.
pub async fn start() -> StandIn {
    let routes = Router::new()
        .route("/tenants/{tenant}/agents/{agent}/tick", post(tick))
        .route(
            "/tenants",
            get(async || answer(200, &json!(["acme", "globex"]))),
        )
        .with_state(Shelf::default());
    StandIn::start(routes).await
}

async fn tick(State(memory): State<Shelf>, Path((tenant, _)): Path<(String, String)>) -> Response {
    let before = memory.take_a_look(&tenant).unwrap_or_else(|| json!(0));
    tokio::time::sleep(TICK).await;
    let tick = before.as_u64().unwrap() + 1;
    memory.put(&tenant, &json!(tick));
    answer(
        200,
        &json!({"tick": tick, "status": "idle", "steps": [], "pendingApprovals": []}),
    )
}

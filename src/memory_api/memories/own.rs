//! `/v1/namespaces` and `/v1/stats`: what the caller's own and its tenant's shared memory hold.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::schema::{NamespacesAnswer, StatsAnswer};
use crate::memory::{Caller, NamespaceUse, Owner, Scope};
use crate::memory_api::{AppState, Problem};

/// The parts of the caller's own namespace and of shared memory, by agent and session, and how many
/// memories the caller may see in each.
#[utoipa::path(
    get,
    path = "/v1/namespaces",
    operation_id = "list_namespaces",
    tag = "own",
    responses((status = 200, description = "The parts that hold something", body = NamespacesAnswer))
)]
pub(super) async fn namespaces(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let memory = &state.memory;
    let reach = caller.reach(Scope::All);
    let partitions = memory.store().partitions(&reach, memory.now()).await?;
    let known = reach.namespaces();
    let rows: Vec<Value> = partitions
        .iter()
        .filter_map(|part| {
            let namespace = known.iter().find(|it| *it.owner() == part.owner)?;
            let (agent, session) = (part.agent.as_deref(), part.session.as_deref());
            Some(json!({
                "namespace": namespace.partition(agent, session),
                "scope": scope(&part.owner),
                "agent": agent,
                "session": session,
                "entries": part.entries,
            }))
        })
        .collect();
    Ok(Json(json!({ "namespaces": rows })))
}

/// What the caller's own and shared memory hold, and what may be kept. Shared memory counts for the
/// tenant as a whole, of which no user learns how much the others keep.
#[utoipa::path(
    get,
    path = "/v1/stats",
    operation_id = "get_stats",
    tag = "own",
    responses((status = 200, description = "Entries, bytes and quotas", body = StatsAnswer))
)]
pub(super) async fn stats(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let quotas = state.memory.quotas();
    let uses = state
        .memory
        .store()
        .usage(&caller.reach(Scope::All))
        .await?;
    let mut document = json!({
        "limits": {
            "entry_bytes": state.memory.bounds().entry_bytes,
            "tenant_entries": quotas.tenant_entries,
            "tenant_bytes": quotas.tenant_bytes,
            "versions": quotas.versions,
        },
    });
    let Some(members) = document.as_object_mut() else {
        return Ok(Json(document));
    };
    for used in &uses {
        let row = match used.namespace.owner() {
            Owner::User(_) => json!({
                "namespace": used.namespace.to_string(),
                "entries": used.entries,
                "bytes": used.bytes,
                "quotas": {
                    "entries": quota(quotas.user_entries, used.entries),
                    "bytes": quota(quotas.user_bytes, used.bytes),
                },
            }),
            Owner::Shared => shared(used),
        };
        members.insert(scope(used.namespace.owner()).to_owned(), row);
    }
    Ok(Json(document))
}

fn shared(used: &NamespaceUse) -> Value {
    json!({
        "namespace": used.namespace.to_string(),
        "entries": used.entries,
        "bytes": used.bytes,
    })
}

fn quota(limit: Option<u64>, used: u64) -> Value {
    match limit {
        None => Value::Null,
        Some(limit) => json!({ "limit": limit, "left": limit.saturating_sub(used) }),
    }
}

fn scope(owner: &Owner) -> &'static str {
    match owner {
        Owner::User(_) => "user",
        Owner::Shared => "shared",
    }
}

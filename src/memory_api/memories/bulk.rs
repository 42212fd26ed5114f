//! `POST /v1/memories/bulk`: several changes, all or none.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answers;
use super::problems::invalid;
use super::schema::{BulkAnswer, BulkAsked};
use crate::memory::{
    Caller, Entry, EntryDocument, EntryId, Expected, MOST_OPERATIONS, MemoryError, Names,
    Operation, Outcome, Scope, Wanted,
};
use crate::memory_api::exchange::InShort;
use crate::memory_api::{AppState, ObjectBody, Problem};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    scope: AskedScope,
    operations: Vec<Step>,
}

/// Whose memories.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AskedScope {
    #[default]
    User,
    Shared,
}

impl From<AskedScope> for Scope {
    fn from(asked: AskedScope) -> Self {
        match asked {
            AskedScope::User => Self::User,
            AskedScope::Shared => Self::Shared,
        }
    }
}

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Step {
    Create {
        memory: Map<String, Value>,
    },
    Put {
        id: Option<String>,
        memory: Map<String, Value>,
        if_match: Option<u64>,
    },
    Patch {
        id: String,
        patch: Map<String, Value>,
        if_match: Option<u64>,
    },
    Delete {
        id: String,
        if_match: Option<u64>,
    },
}

/// Does up to 500 operations in one scope, all or none. Without an `id`, `put` writes the memory
/// that has the key, whether or not there is one. A tenant whose large answers are still to be taken
/// is told what became of each by `id` and `version`, without the memories.
#[utoipa::path(
    post,
    path = "/v1/memories/bulk",
    operation_id = "change_memories",
    tag = "memories",
    request_body = BulkAsked,
    responses(
        (status = 200, description = "What became of each", body = BulkAnswer),
        (status = 400, description = "`operation` is the position of the one that is wrong"),
        (status = 403, description = "`role_required`"),
        (status = 404, description = "A memory that is named is not there"),
        (status = 409, description = "`key_taken`"),
        (status = 412, description = "`precondition_failed`: `if_match` is not the version"),
        (status = 507, description = "`quota_exceeded`")
    )
)]
pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody,
) -> Result<Response, Problem> {
    let asked: Asked = serde_json::from_value(Value::Object(body))
        .map_err(|error| invalid("body", &error.to_string()))?;
    if !(1..=MOST_OPERATIONS).contains(&asked.operations.len()) {
        return Err(invalid("operations", "1 to 500 of them"));
    }
    let mut operations = Vec::with_capacity(asked.operations.len());
    for (index, step) in asked.operations.into_iter().enumerate() {
        let operation =
            operation(step).map_err(|error| Problem::from(error).with("operation", index));
        operations.push(operation?);
    }
    let scope = asked.scope.into();
    let outcomes = state.memory.bulk(&caller, scope, &operations).await?;
    let names = answers::names(&caller);
    let results: Vec<Value> = outcomes.iter().map(|it| result(it, &names)).collect();
    let in_short: Vec<Value> = outcomes.iter().map(result_in_short).collect();
    let deleted = outcomes
        .iter()
        .filter(|it| matches!(it, Outcome::Deleted(_)));
    let deleted = deleted.count() as u64;
    state.metrics.deleted(deleted);
    state.metrics.written(outcomes.len() as u64 - deleted);
    let in_short = json!({ "results": in_short }).to_string();
    let in_short = Extension(InShort(in_short.into()));
    Ok((in_short, Json(json!({ "results": results }))).into_response())
}

fn operation(step: Step) -> Result<Operation, MemoryError> {
    Ok(match step {
        Step::Create { memory } => Operation::Create(Wanted::read(memory)?),
        Step::Put {
            id: Some(id),
            memory,
            if_match,
        } => Operation::Put(named(&id)?, Wanted::read(memory)?, expected(if_match)),
        Step::Put {
            id: None,
            memory,
            if_match,
        } => {
            if if_match.is_some() {
                return Err(MemoryError::invalid("if_match", "it goes with an `id`"));
            }
            let wanted = Wanted::read(memory)?;
            let key = wanted.new_key();
            let key =
                key.ok_or_else(|| MemoryError::invalid("memory", "a `key`, or an `id` beside it"))?;
            Operation::PutKey(key, wanted)
        }
        Step::Patch {
            id,
            patch,
            if_match,
        } => Operation::Patch(named(&id)?, patch, expected(if_match)),
        Step::Delete { id, if_match } => Operation::Delete(named(&id)?, expected(if_match)),
    })
}

/// A text that is no id names nothing, as one that was never given.
fn named(id: &str) -> Result<EntryId, MemoryError> {
    id.parse().map_err(|_error| MemoryError::NotFound)
}

fn expected(if_match: Option<u64>) -> Expected {
    match if_match {
        None => Expected::Anything,
        Some(version) => Expected::Versions(vec![version]),
    }
}

fn result(outcome: &Outcome, names: &Names) -> Value {
    match told(outcome) {
        (status, Ok(entry)) => {
            json!({ "status": status, "memory": EntryDocument::new(entry, names, false) })
        }
        (status, Err(id)) => json!({ "status": status, "id": id.to_string() }),
    }
}

/// The same without contents.
fn result_in_short(outcome: &Outcome) -> Value {
    match told(outcome) {
        (status, Ok(entry)) => {
            json!({ "status": status, "id": entry.id.to_string(), "version": entry.version })
        }
        (status, Err(id)) => json!({ "status": status, "id": id.to_string() }),
    }
}

/// The word for what became of a memory, and the memory, or the id of one that is gone.
fn told(outcome: &Outcome) -> (&'static str, Result<&Entry, EntryId>) {
    match outcome {
        Outcome::Created(entry) => ("created", Ok(entry)),
        Outcome::Existed(entry) => ("existed", Ok(entry)),
        Outcome::Updated(entry) => ("updated", Ok(entry)),
        Outcome::Deleted(id) => ("deleted", Err(*id)),
    }
}

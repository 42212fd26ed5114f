//! The tools at work.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::arguments::{Asked, Sought, id, no_scope, nothing_else};
use crate::memory::{
    Caller, Entry, EntryDocument, Expected, MemoryError, Names, Outcome, Page, Scope, Wanted,
};
use crate::memory_api::{AppState, Problem};

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// There is no tool of that name.
    NoSuchTool,
    /// The service can't do its part.
    Failed(Problem),
}

/// Calls a tool. What the agent can mend is told to it as the tool's result.
///
/// # Errors
/// There is no result.
pub(super) async fn run(
    state: &AppState,
    caller: &Caller,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<CallToolResult, CallError> {
    let called = match tool {
        "memory_store" => store(state, caller, arguments, Scope::User).await,
        "shared_memory_write" => store(state, caller, arguments, Scope::Shared).await,
        "memory_recall" => recall(state, caller, arguments, None).await,
        "shared_memory_read" => recall(state, caller, arguments, Some(Scope::Shared)).await,
        "memory_update" => update(state, caller, arguments).await,
        "memory_forget" => forget(state, caller, arguments).await,
        _ => return Err(CallError::NoSuchTool),
    };
    let error = match called {
        Ok(answer) => return Ok(CallToolResult::structured(answer)),
        Err(error) => error,
    };
    match error.for_agent() {
        Some(text) => Ok(CallToolResult::error(vec![ContentBlock::text(text)])),
        // The log is told why.
        None => Err(CallError::Failed(error.into())),
    }
}

async fn store(
    state: &AppState,
    caller: &Caller,
    arguments: Map<String, Value>,
    scope: Scope,
) -> Result<Value, MemoryError> {
    no_scope(&arguments)?;
    let mut wanted = Wanted::read(arguments)?;
    wanted.scope = Some(scope);
    let (entry, is_new) = match state.memory.create(caller, wanted).await? {
        Outcome::Created(entry) | Outcome::Updated(entry) => (entry, true),
        Outcome::Existed(entry) => (entry, false),
        Outcome::Deleted(_) => return Err(MemoryError::NotFound),
    };
    state.metrics.written(is_new.into());
    Ok(json!({ "stored": is_new, "memory": shown(caller, &entry) }))
}

/// `scope` is where to look if the tool says it, and not its caller.
async fn recall(
    state: &AppState,
    caller: &Caller,
    arguments: Map<String, Value>,
    scope: Option<Scope>,
) -> Result<Value, MemoryError> {
    if scope.is_some() {
        no_scope(&arguments)?;
    }
    let memory = &state.memory;
    let asked = Asked::read(arguments, memory.bounds())?;
    let scope = scope.unwrap_or(asked.scope());
    let limit = asked.limit();
    let found: Vec<Value> = match asked.sought() {
        Sought::Fitting(question) => {
            let found = memory.recall(caller, scope, &question).await?;
            let scored = found.iter().map(|it| {
                let mut document = shown(caller, &it.entry);
                if let Value::Object(members) = &mut document {
                    members.insert("score".to_owned(), json!(it.score));
                }
                document
            });
            scored.collect()
        }
        Sought::Newest(filter) => {
            let reach = caller.reach(scope);
            let page = Page::first(limit);
            let newest = memory.store();
            let newest = newest.list(&reach, &filter, &page, memory.now()).await?;
            newest.iter().map(|entry| shown(caller, entry)).collect()
        }
    };
    Ok(json!({ "memories": found }))
}

async fn update(
    state: &AppState,
    caller: &Caller,
    mut arguments: Map<String, Value>,
) -> Result<Value, MemoryError> {
    let id = id(&mut arguments)?;
    if arguments.is_empty() {
        let reason = "say what to change beside `id`";
        return Err(MemoryError::invalid("arguments", reason));
    }
    no_scope(&arguments)?;
    let memory = &state.memory;
    let entry = memory.patch(caller, id, &arguments, Expected::Anything);
    let entry = entry.await?;
    state.metrics.written(1);
    Ok(json!({ "memory": shown(caller, &entry) }))
}

async fn forget(
    state: &AppState,
    caller: &Caller,
    mut arguments: Map<String, Value>,
) -> Result<Value, MemoryError> {
    let id = id(&mut arguments)?;
    nothing_else(&arguments)?;
    let memory = &state.memory;
    memory.delete(caller, id, Expected::Anything).await?;
    state.metrics.deleted(1);
    Ok(json!({ "forgotten": id.to_string() }))
}

/// A memory as an agent is shown it: what says something, and nothing that is empty.
fn shown(caller: &Caller, entry: &Entry) -> Value {
    let names = Names::of(&caller.reach(Scope::All));
    let document = EntryDocument::new(entry, &names, false);
    let Ok(Value::Object(mut members)) = document.serialize(serde_json::value::Serializer) else {
        return Value::Null;
    };
    members.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    });
    Value::Object(members)
}

//! The tools at work.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::arguments::{Asked, Sought, id, nothing_else};
use crate::memory::{
    Caller, Entry, EntryDocument, Expected, MemoryError, Names, Outcome, Page, Scope, Wanted,
};
use crate::memory_api::AppState;

/// Calls a tool. What the agent can mend is told to it as the tool's result; a store that fails is
/// the protocol's error.
pub(super) async fn run(
    state: &AppState,
    caller: &Caller,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<CallToolResult, ErrorData> {
    let called = match tool {
        "memory_store" => store(state, caller, arguments, Scope::User).await,
        "shared_memory_write" => store(state, caller, arguments, Scope::Shared).await,
        "memory_recall" => match Asked::read(arguments) {
            Ok(asked) => {
                let scope = asked.scope();
                recall(state, caller, asked, scope).await
            }
            Err(error) => Err(error),
        },
        "shared_memory_read" => match Asked::read(without_scope(arguments)?) {
            Ok(asked) => recall(state, caller, asked, Scope::Shared).await,
            Err(error) => Err(error),
        },
        "memory_update" => update(state, caller, arguments).await,
        "memory_forget" => forget(state, caller, arguments).await,
        _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
    };
    match called {
        Ok(answer) => Ok(CallToolResult::structured(answer)),
        Err(MemoryError::Store(error)) => {
            tracing::error!(%error, "the store can't do its part");
            Err(ErrorData::internal_error(
                "memory is not available at the moment",
                None,
            ))
        }
        Err(error) => Ok(CallToolResult::error(vec![ContentBlock::text(
            error.to_string(),
        )])),
    }
}

/// Shared memory has one scope; an agent that names another is told so.
fn without_scope(arguments: Map<String, Value>) -> Result<Map<String, Value>, ErrorData> {
    match arguments.contains_key("scope") {
        false => Ok(arguments),
        true => Err(ErrorData::invalid_params(
            "`scope` is no argument of this tool",
            None,
        )),
    }
}

async fn store(
    state: &AppState,
    caller: &Caller,
    arguments: Map<String, Value>,
    scope: Scope,
) -> Result<Value, MemoryError> {
    if arguments.contains_key("scope") {
        let reason = "there is no argument `scope`; the tool's name says it";
        return Err(MemoryError::invalid("arguments", reason));
    }
    let mut wanted = Wanted::read(arguments)?;
    wanted.scope = Some(scope);
    let (entry, is_new) = match state.memory.create(caller, wanted).await? {
        Outcome::Created(entry) | Outcome::Updated(entry) => (entry, true),
        Outcome::Existed(entry) => (entry, false),
        Outcome::Deleted(_) => return Err(MemoryError::NotFound),
    };
    Ok(json!({ "stored": is_new, "memory": shown(caller, &entry) }))
}

async fn recall(
    state: &AppState,
    caller: &Caller,
    asked: Asked,
    scope: Scope,
) -> Result<Value, MemoryError> {
    let limit = asked.limit();
    let found: Vec<Value> = match asked.sought() {
        Sought::Fitting(question) => {
            let found = state.memory.recall(caller, scope, &question).await?;
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
            let newest = state.memory.store();
            let newest = newest.list(&reach, &filter, &page, state.memory.now());
            let newest = newest.await?;
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
    let memory = &state.memory;
    let entry = memory.patch(caller, id, &arguments, Expected::Anything);
    Ok(json!({ "memory": shown(caller, &entry.await?) }))
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

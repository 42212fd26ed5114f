//! The tools as agents see them. Names and parameters are those of Heartbit's memory tools, so that
//! an agent that was written for the one uses the other.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// Most memories of one answer.
pub(super) const MOST: u32 = 50;

/// All tools.
pub(super) fn all() -> Vec<Tool> {
    let reads = ToolAnnotations::new()
        .read_only(true)
        .idempotent(true)
        .open_world(false);
    let adds = ToolAnnotations::new()
        .read_only(false)
        .destructive(false)
        .idempotent(false)
        .open_world(false);
    let changes = ToolAnnotations::new()
        .read_only(false)
        .destructive(true)
        .idempotent(true)
        .open_world(false);
    vec![
        tool(
            "memory_store",
            "Store a memory",
            "Remember something for this user across conversations: one fact, preference, decision or event.",
            contents(&["content"], false),
            adds.clone(),
        ),
        tool(
            "memory_recall",
            "Recall memories",
            "Find what is remembered, by words in any language. Without a query the newest come. Looks into the user's own memory and into shared memory.",
            question(true),
            reads.clone(),
        ),
        tool(
            "memory_update",
            "Update a memory",
            "Change a memory by its id. Only the members that are given change.",
            contents(&["id"], true),
            changes.clone(),
        ),
        tool(
            "memory_forget",
            "Forget a memory",
            "Delete a memory by its id, with all of its versions. It can't be undone.",
            object(json!({ "id": id() }), &["id"]),
            changes,
        ),
        tool(
            "shared_memory_read",
            "Read shared memory",
            "Find what the whole organisation remembers. Without a query the newest come.",
            question(false),
            reads,
        ),
        tool(
            "shared_memory_write",
            "Write shared memory",
            "Remember something for the whole organisation. Needs a role that may.",
            contents(&["content"], false),
            adds,
        ),
    ]
}

fn tool(
    name: &'static str,
    title: &str,
    description: &'static str,
    schema: Value,
    annotations: ToolAnnotations,
) -> Tool {
    let schema = match schema {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    };
    Tool::new(name, description, schema)
        .with_title(title)
        .with_annotations(annotations)
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn id() -> Value {
    json!({ "type": "string", "description": "The id of the memory, as memory_recall tells it" })
}

/// What a memory holds. `with_id` is for a change.
fn contents(required: &[&str], with_id: bool) -> Value {
    let names = json!({ "type": "array", "items": { "type": "string" }, "maxItems": 100 });
    let mut properties = json!({
        "content": { "type": "string", "minLength": 1, "description": "What to remember, in plain words" },
        "summary": { "type": "string", "description": "A short form of it" },
        "category": { "type": "string", "description": "Such as preference, fact, decision, event" },
        "tags": names,
        "keywords": names,
        "importance": { "type": "integer", "minimum": 1, "maximum": 10, "description": "5 if nothing is said" },
        "memory_type": { "type": "string", "enum": ["episodic", "semantic", "reflection"] },
        "confidentiality": { "type": "string", "enum": ["public", "internal", "confidential", "restricted"] },
        "key": { "type": "string", "description": "A name of your choice; storing the same again under it makes no second memory" },
        "agent": { "type": "string" },
        "session": { "type": "string" },
        "metadata": { "type": "object" },
        "ttl_seconds": { "type": "integer", "minimum": 1, "description": "Forgotten by itself after this long" },
    });
    if with_id && let Value::Object(members) = &mut properties {
        members.insert("id".to_owned(), id());
    }
    object(properties, required)
}

fn question(with_scope: bool) -> Value {
    let mut properties = json!({
        "query": { "type": "string", "description": "Words to find" },
        "limit": { "type": "integer", "minimum": 1, "maximum": MOST, "description": "10 if nothing is said" },
        "min_score": { "type": "number", "minimum": 0, "maximum": 1 },
        "agent": { "type": "string" },
        "session": { "type": "string" },
        "category": { "type": "string" },
        "tags": { "type": "array", "items": { "type": "string" }, "description": "Only what has all of these" },
    });
    if with_scope && let Value::Object(members) = &mut properties {
        let scopes = json!({ "type": "string", "enum": ["user", "shared", "all"], "description": "all if nothing is said" });
        members.insert("scope".to_owned(), scopes);
    }
    object(properties, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_are_these_and_what_they_take_is_said() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&all()).unwrap());
    }
}

//! What a writer asks for, read from a JSON object member by member, so that a refusal names the
//! member and says what would be right.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Fields, MemoryError, Scope};

/// The members a writer sets.
const WRITABLE: [&str; 18] = [
    "content",
    "key",
    "scope",
    "agent",
    "session",
    "category",
    "tags",
    "keywords",
    "summary",
    "importance",
    "memory_type",
    "strength",
    "related_ids",
    "source_ids",
    "metadata",
    "embedding",
    "confidentiality",
    "ttl_seconds",
];

/// The members of an entry that the service sets. A writer that says them is refused: it would
/// believe that they count.
pub(super) const SET_BY_SERVICE: [&str; 9] = [
    "id",
    "namespace",
    "created_at",
    "updated_at",
    "last_accessed",
    "access_count",
    "expires_at",
    "version",
    "author",
];

/// An entry as a writer asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The contents.
    pub fields: Fields,
    /// The key, if the writer says anything of it; `Some(None)` is a JSON `null`.
    pub key: Option<Option<String>>,
    /// [`Scope::User`] or [`Scope::Shared`], if the writer says which.
    pub scope: Option<Scope>,
}

impl Wanted {
    /// Reads the members of a JSON object. A `null` is what an absent member is. Sizes are judged
    /// by [`Bounds`](super::Bounds) when it is written.
    ///
    /// # Errors
    /// `content` is missing or empty, a member is unknown or the service's to set, or has a wrong
    /// value.
    pub fn read(mut members: Map<String, Value>) -> Result<Self, MemoryError> {
        judge_members(members.keys())?;
        let scope = match members.remove("scope") {
            None | Some(Value::Null) => None,
            Some(value) => Some(scope(&value)?),
        };
        let key = match members.remove("key") {
            None => None,
            Some(value) => Some(read("key", value, "a text")?),
        };
        let fields = fields(members)?;
        Ok(Self { fields, key, scope })
    }

    /// The key to create with.
    pub fn new_key(&self) -> Option<String> {
        self.key.clone().flatten()
    }
}

/// Whether all these are members that a writer sets.
///
/// # Errors
/// The first that is not.
pub(super) fn judge_members<'name>(
    names: impl IntoIterator<Item = &'name String>,
) -> Result<(), MemoryError> {
    for name in names {
        if SET_BY_SERVICE.contains(&name.as_str()) {
            let reason = format!("`{name}` is set by the service; leave it out");
            return Err(MemoryError::invalid("body", reason));
        }
        if !WRITABLE.contains(&name.as_str()) {
            let reason = unknown("member", name, &WRITABLE);
            return Err(MemoryError::invalid("body", reason));
        }
    }
    Ok(())
}

/// What to say of a name that is none of `known`.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    // What is echoed is the caller's own, and cut so that it stays readable.
    let shown: String = name.chars().take(64).collect();
    let meant = known
        .iter()
        .map(|candidate| (strsim::osa_distance(&shown, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min();
    match meant {
        Some((_, candidate)) => {
            format!("there is no {what} `{shown}`; `{candidate}` may be meant")
        }
        None => format!("there is no {what} `{shown}`"),
    }
}

fn scope(value: &Value) -> Result<Scope, MemoryError> {
    match value.as_str() {
        Some("user") => Ok(Scope::User),
        Some("shared") => Ok(Scope::Shared),
        _ => Err(MemoryError::invalid("scope", "`user` or `shared`")),
    }
}

fn fields(mut members: Map<String, Value>) -> Result<Fields, MemoryError> {
    let content = members.remove("content").unwrap_or(Value::Null);
    let content: String = match content {
        Value::String(text) if !text.is_empty() => text,
        _ => return Err(MemoryError::invalid("content", "a text that is not empty")),
    };
    let mut fields = Fields::new(content);
    let mut take = |name: &'static str| match members.remove(name) {
        None | Some(Value::Null) => None,
        Some(value) => Some((name, value)),
    };
    optional(take("agent"), &mut fields.agent, "a text")?;
    optional(take("session"), &mut fields.session, "a text")?;
    optional(take("category"), &mut fields.category, "a text")?;
    optional(take("summary"), &mut fields.summary, "a text")?;
    member(take("tags"), &mut fields.tags, TEXTS)?;
    member(take("keywords"), &mut fields.keywords, TEXTS)?;
    member(take("related_ids"), &mut fields.related_ids, TEXTS)?;
    member(take("source_ids"), &mut fields.source_ids, TEXTS)?;
    let importance = "a whole number from 1 to 10";
    member(take("importance"), &mut fields.importance, importance)?;
    let kinds = "`episodic`, `semantic` or `reflection`";
    member(take("memory_type"), &mut fields.memory_type, kinds)?;
    member(
        take("strength"),
        &mut fields.strength,
        "a number from 0 to 1",
    )?;
    member(take("metadata"), &mut fields.metadata, "an object")?;
    let levels = "`public`, `internal`, `confidential` or `restricted`";
    member(take("confidentiality"), &mut fields.confidentiality, levels)?;
    let vector = "a list of 1 to 4096 finite numbers, not all of them zero";
    optional(take("embedding"), &mut fields.embedding, vector)?;
    let seconds = "a whole number of seconds";
    optional(take("ttl_seconds"), &mut fields.ttl_seconds, seconds)?;
    Ok(fields)
}

const TEXTS: &str = "a list of texts";

type Given = Option<(&'static str, Value)>;

fn member<T: DeserializeOwned>(
    given: Given,
    field: &mut T,
    right: &str,
) -> Result<(), MemoryError> {
    if let Some((name, value)) = given {
        *field = read(name, value, right)?;
    }
    Ok(())
}

fn optional<T: DeserializeOwned>(
    given: Given,
    field: &mut Option<T>,
    right: &str,
) -> Result<(), MemoryError> {
    member(given, field, right)
}

fn read<T: DeserializeOwned>(
    field: &'static str,
    value: Value,
    right: &str,
) -> Result<T, MemoryError> {
    T::deserialize(value).map_err(|_error| MemoryError::invalid(field, right))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::memory::{Confidentiality, MemoryType};

    fn wanted(value: Value) -> Result<Wanted, String> {
        let Value::Object(members) = value else {
            panic!("{value} is no object");
        };
        Wanted::read(members).map_err(|error| error.to_string())
    }

    #[test]
    fn every_member_a_writer_may_say_is_taken() {
        let wanted = wanted(json!({
            "content": "tea at four", "key": "tea", "scope": "shared", "agent": "butler",
            "session": "s-1", "category": "habit", "tags": ["tea"], "keywords": ["drink"],
            "summary": "tea", "importance": 7, "memory_type": "semantic", "strength": 0.5,
            "related_ids": ["a"], "source_ids": ["b"], "metadata": { "n": 1 },
            "embedding": [0.5, 1], "confidentiality": "public", "ttl_seconds": 60,
        }))
        .unwrap();
        assert_eq!(wanted.key, Some(Some("tea".to_owned())));
        assert_eq!(wanted.scope, Some(Scope::Shared));
        let fields = wanted.fields;
        assert_eq!(fields.agent.as_deref(), Some("butler"));
        assert_eq!(fields.importance.get(), 7);
        assert_eq!(fields.memory_type, MemoryType::Semantic);
        assert_eq!(fields.confidentiality, Confidentiality::Public);
        assert_eq!(fields.embedding.unwrap().as_slice(), [0.5, 1.0]);
        assert_eq!(fields.ttl_seconds, Some(60));
        assert_eq!(fields.metadata["n"], 1);
    }

    #[test]
    fn a_null_is_what_an_absent_member_is() {
        let nulls: Map<_, _> = WRITABLE
            .into_iter()
            .map(|name| (name.to_owned(), Value::Null))
            .chain([("content".to_owned(), json!("x"))])
            .collect();
        let read = Wanted::read(nulls).unwrap();
        assert_eq!(read.fields, Fields::new("x"));
        assert_eq!(
            read.key,
            Some(None),
            "but that a key is to go is told apart"
        );
    }

    #[test]
    fn a_refusal_names_the_member_and_says_what_would_be_right() {
        let cases = [
            (json!({}), "`content`: a text that is not empty"),
            (
                json!({ "content": "" }),
                "`content`: a text that is not empty",
            ),
            (
                json!({ "content": 5 }),
                "`content`: a text that is not empty",
            ),
            (
                json!({ "contnt": "x" }),
                "`body`: there is no member `contnt`; `content` may be meant",
            ),
            (
                json!({ "content": "x", "tenant": "globex" }),
                "`body`: there is no member `tenant`",
            ),
            (
                json!({ "content": "x", "id": "1" }),
                "`body`: `id` is set by the service; leave it out",
            ),
            (
                json!({ "content": "x", "author": "bob" }),
                "`body`: `author` is set by the service; leave it out",
            ),
            (
                json!({ "content": "x", "scope": "all" }),
                "`scope`: `user` or `shared`",
            ),
            (
                json!({ "content": "x", "importance": 11 }),
                "`importance`: a whole number from 1 to 10",
            ),
            (
                json!({ "content": "x", "importance": "5" }),
                "`importance`: a whole number from 1 to 10",
            ),
            (
                json!({ "content": "x", "tags": "tea" }),
                "`tags`: a list of texts",
            ),
            (
                json!({ "content": "x", "embedding": [0, 0] }),
                "`embedding`: a list of 1 to 4096 finite numbers, not all of them zero",
            ),
            (
                json!({ "content": "x", "metadata": [] }),
                "`metadata`: an object",
            ),
            (
                json!({ "content": "x", "ttl_seconds": -1 }),
                "`ttl_seconds`: a whole number of seconds",
            ),
            (json!({ "content": "x", "key": 1 }), "`key`: a text"),
        ];
        for (body, expected) in cases {
            assert_eq!(wanted(body.clone()).unwrap_err(), expected, "{body}");
        }
    }
}

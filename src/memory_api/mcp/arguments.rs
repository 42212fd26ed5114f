//! What a tool is called with.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tools::MOST;
use crate::memory::search::fuse::Weights;
use crate::memory::{Area, Bounds, EntryId, Filter, MemoryError, Question, Scope};

/// Memories of an answer when nobody says how many.
const DEFAULT_LIMIT: u32 = 10;

/// A question to memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    query: Option<String>,
    limit: Option<u32>,
    min_score: Option<f64>,
    agent: Option<String>,
    session: Option<String>,
    category: Option<String>,
    tags: Option<Vec<String>>,
    scope: Option<AskedScope>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedScope {
    User,
    Shared,
    All,
}

impl Asked {
    /// Reads the arguments. A `null` is what an absent one is.
    ///
    /// # Errors
    /// One is unknown, of the wrong kind or longer than any memory's is.
    pub(super) fn read(
        arguments: Map<String, Value>,
        bounds: &Bounds,
    ) -> Result<Self, MemoryError> {
        let asked: Self = serde_json::from_value(Value::Object(arguments))
            .map_err(|error| MemoryError::invalid("arguments", error.to_string()))?;
        let names = [
            ("agent", &asked.agent),
            ("session", &asked.session),
            ("category", &asked.category),
        ];
        for (field, name) in names {
            if let Some(name) = name {
                bounds.judge_name(field, name)?;
            }
        }
        let tags = asked.tags.as_deref().unwrap_or_default();
        if tags.len() > bounds.names {
            let reason = format!("at most {} of them", bounds.names);
            return Err(MemoryError::invalid("tags", reason));
        }
        for tag in tags {
            bounds.judge_name("tags", tag)?;
        }
        Ok(asked)
    }

    /// Where to look.
    pub(super) fn scope(&self) -> Scope {
        match self.scope {
            Some(AskedScope::User) => Scope::User,
            Some(AskedScope::Shared) => Scope::Shared,
            Some(AskedScope::All) | None => Scope::All,
        }
    }

    /// Most memories.
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MOST)
    }

    /// What to look for.
    pub(super) fn sought(self) -> Sought {
        let limit = self.limit();
        let filter = Filter {
            agent: self.agent,
            session: self.session,
            category: self.category,
            tags: self.tags.unwrap_or_default(),
            ..Filter::all(Area::Memories)
        };
        match self.query.filter(|query| !query.trim().is_empty()) {
            None => Sought::Newest(Box::new(filter)),
            Some(query) => Sought::Fitting(Box::new(Question {
                query: Some(query),
                embedding: None,
                filter,
                limit,
                min_score: self.min_score.unwrap_or(0.0),
                weights: Weights::default(),
            })),
        }
    }
}

/// What a question looks for.
#[derive(Debug)]
pub(super) enum Sought {
    /// What was stored last.
    Newest(Box<Filter>),
    /// What fits the words.
    Fitting(Box<Question>),
}

/// Takes the id out of the arguments.
///
/// # Errors
/// There is none. An id that is no entry's id is answered as one that is nobody's.
pub(super) fn id(arguments: &mut Map<String, Value>) -> Result<EntryId, MemoryError> {
    match arguments.remove("id") {
        Some(Value::String(id)) => id.parse().map_err(|_error| MemoryError::NotFound),
        _ => Err(MemoryError::invalid("id", "the id of a memory, a text")),
    }
}

/// Refuses a scope where the tool's name says it.
///
/// # Errors
/// There is one.
pub(super) fn no_scope(arguments: &Map<String, Value>) -> Result<(), MemoryError> {
    if arguments.contains_key("scope") {
        let reason = "the tool's name says it; leave it out";
        return Err(MemoryError::invalid("scope", reason));
    }
    Ok(())
}

/// Refuses what is left of the arguments.
///
/// # Errors
/// Something is left.
pub(super) fn nothing_else(arguments: &Map<String, Value>) -> Result<(), MemoryError> {
    match arguments.keys().next() {
        None => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(64).collect();
            let reason = format!("there is no argument `{shown}`");
            Err(MemoryError::invalid("arguments", reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(arguments: Value) -> Result<Asked, MemoryError> {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        Asked::read(arguments, &Bounds::default())
    }

    #[test]
    fn a_question_is_bounded_and_narrowed_as_it_says() {
        let asked = asked(json!({"query": "tea", "limit": 500, "tags": ["a"], "scope": "shared"}));
        let asked = asked.unwrap();
        assert_eq!(asked.scope(), Scope::Shared);
        let Sought::Fitting(question) = asked.sought() else {
            panic!("words are sought");
        };
        assert_eq!(question.limit, MOST);
        assert_eq!(question.filter.tags, ["a"]);
    }

    #[test]
    fn without_words_the_newest_are_asked_for() {
        for arguments in [json!({}), json!({"query": " "}), json!({"query": null})] {
            let sought = asked(arguments).unwrap().sought();
            assert!(matches!(sought, Sought::Newest(_)));
        }
    }

    #[test]
    fn an_argument_that_is_unknown_is_refused() {
        let error = asked(json!({"tenant": "globex"})).unwrap_err();
        assert!(error.to_string().contains("tenant"), "{error}");
        assert!(asked(json!({"scope": "everything"})).is_err());
        assert!(asked(json!({"limit": "ten"})).is_err());
        for (wrong, field) in [
            (json!({"agent": "a\u{0}b"}), "agent"),
            (json!({"session": "s".repeat(600)}), "session"),
            (json!({ "tags": vec!["a"; 101] }), "tags"),
            (json!({"tags": [""]}), "tags"),
        ] {
            let error = asked(wrong).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn an_argument_that_is_null_is_one_that_is_not_there() {
        let nulls = json!({
            "query": null, "limit": null, "min_score": null, "agent": null, "session": null,
            "category": null, "tags": null, "scope": null,
        });
        let asked = asked(nulls).unwrap();
        assert_eq!((asked.limit(), asked.scope()), (10, Scope::All));
    }
}

//! A question as callers write it in JSON, whichever door it comes by.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::search::fuse::Weights;
use super::{
    Area, Condition, EntryId, Filter, Importance, MemoryError, MemoryType, Question, Scope, unknown,
};
use crate::clock::Timestamp;

/// The members of a question.
const ASKED: [&str; 8] = [
    "query",
    "embedding",
    "filter",
    "scope",
    "limit",
    "min_score",
    "half_life_days",
    "include",
];

/// The members of its filter.
const NARROWED: [&str; 12] = [
    "agent",
    "session",
    "category",
    "key",
    "ids",
    "tags",
    "any_tags",
    "memory_type",
    "min_importance",
    "created_from",
    "created_before",
    "metadata",
];

/// Entries that are answered where nobody says how many.
const USUAL_LIMIT: u32 = 10;

/// Most entries that may be asked for.
const MOST: u32 = 200;

/// Most ids or tags of a filter.
const MOST_NAMES: usize = 200;

/// A question about memories, and how it is to be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Of whose memories: the caller's own and the tenant's shared ones unless it says which.
    pub scope: Scope,
    /// Whether embeddings are shown.
    pub embeddings: bool,
}

impl Asked {
    /// Reads the members of a JSON object. A `null` is what an absent member is.
    ///
    /// # Errors
    /// A member is unknown or has a wrong value.
    pub fn read(members: Map<String, Value>) -> Result<Self, MemoryError> {
        let mut members = Members::known("body", members, &ASKED)?;
        let scope: Option<String> = members.take("scope", "`user` or `shared`")?;
        let filter: Option<Map<String, Value>> = members.take("filter", "an object")?;
        let days: Option<f64> = members.take("half_life_days", "a number of days")?;
        let include: Option<String> = members.take("include", INCLUDED)?;
        let question = Question {
            query: members.take("query", "a text")?,
            embedding: members.take("embedding", VECTOR)?,
            filter: filter.map_or_else(|| Ok(Filter::all(Area::Memories)), narrowed)?,
            limit: limit(members.take("limit", LIMIT)?)?,
            min_score: members
                .take("min_score", "a number from 0 to 1")?
                .unwrap_or(0.0),
            weights: days.map_or_else(|| Ok(Weights::default()), weights)?,
        };
        Ok(Self {
            question,
            scope: scope_of(scope.as_deref())?,
            embeddings: match include.as_deref() {
                None => false,
                Some("embedding") => true,
                Some(_) => return Err(MemoryError::invalid("include", INCLUDED)),
            },
        })
    }
}

const INCLUDED: &str = "`embedding` or nothing";
const LIMIT: &str = "a whole number from 1 to 200";
const VECTOR: &str = "a list of 1 to 4096 finite numbers, not all of them zero";

fn scope_of(word: Option<&str>) -> Result<Scope, MemoryError> {
    match word {
        None => Ok(Scope::All),
        Some("user") => Ok(Scope::User),
        Some("shared") => Ok(Scope::Shared),
        Some(_) => Err(MemoryError::invalid("scope", "`user` or `shared`")),
    }
}

fn limit(given: Option<u32>) -> Result<u32, MemoryError> {
    match given.unwrap_or(USUAL_LIMIT) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(MemoryError::invalid("limit", LIMIT)),
    }
}

fn weights(half_life_days: f64) -> Result<Weights, MemoryError> {
    let half_life = Duration::try_from_secs_f64(half_life_days * 86_400.0);
    match half_life {
        Ok(half_life) if !half_life.is_zero() => Ok(Weights {
            half_life,
            ..Weights::default()
        }),
        _ => Err(MemoryError::invalid(
            "half_life_days",
            "a number of days above 0",
        )),
    }
}

/// The filter that an object states.
fn narrowed(members: Map<String, Value>) -> Result<Filter, MemoryError> {
    let mut members = Members::known("filter", members, &NARROWED)?;
    let importance: Option<Importance> =
        members.take("min_importance", "a whole number from 1 to 10")?;
    let metadata: Option<Map<String, Value>> = members.take("metadata", "an object")?;
    let ids: Option<Vec<String>> = members.take("ids", "a list of ids")?;
    Ok(Filter {
        key: members.take("key", "a text")?,
        ids: ids.map(entry_ids).transpose()?,
        agent: members.take("agent", "a text")?,
        session: members.take("session", "a text")?,
        category: members.take("category", "a text")?,
        tags: names("tags", members.take("tags", "a list of texts")?)?,
        any_tags: names("any_tags", members.take("any_tags", "a list of texts")?)?,
        memory_type: members
            .take::<MemoryType>("memory_type", "`episodic`, `semantic` or `reflection`")?,
        min_importance: importance.map(Importance::get),
        created_from: members.time("created_from")?,
        created_before: members.time("created_before")?,
        conditions: match metadata {
            Some(stated) => Condition::all_of(&stated, "metadata")?,
            None => Vec::new(),
        },
        ..Filter::all(Area::Memories)
    })
}

/// An id that is none names no entry, as an unknown one does: a refusal would tell them apart.
fn entry_ids(texts: Vec<String>) -> Result<Vec<EntryId>, MemoryError> {
    let texts = names("ids", Some(texts))?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

fn names(field: &'static str, given: Option<Vec<String>>) -> Result<Vec<String>, MemoryError> {
    let names = given.unwrap_or_default();
    match names.len() <= MOST_NAMES {
        true => Ok(names),
        false => Err(MemoryError::invalid(field, format!("at most {MOST_NAMES}"))),
    }
}

/// The members of an object, taken one by one.
struct Members(Map<String, Value>);

impl Members {
    /// # Errors
    /// One is not `known`; a part of a question that was misspelt would else be left out of it.
    fn known(
        field: &'static str,
        members: Map<String, Value>,
        known: &[&str],
    ) -> Result<Self, MemoryError> {
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(MemoryError::invalid(field, unknown("member", name, known))),
            None => Ok(Self(members)),
        }
    }

    fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        right: &str,
    ) -> Result<Option<T>, MemoryError> {
        let value = self.0.remove(name).unwrap_or_default();
        Option::deserialize(value).map_err(|_error| MemoryError::invalid(name, right))
    }

    fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>, MemoryError> {
        let right = "a time with its offset, such as `2026-11-22T09:30:00Z` (RFC 3339)";
        let Some(text) = self.take::<String>(name, right)? else {
            return Ok(None);
        };
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(Timestamp::from_micros(time.as_microsecond()))),
            Err(_error) => Err(MemoryError::invalid(name, right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::memory::{Comparison, PathFilter};

    fn read(body: Value) -> Result<Asked, String> {
        let Value::Object(members) = body else {
            panic!("an object");
        };
        Asked::read(members).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_of_words_alone_is_asked_of_all_the_caller_reads() {
        let asked = read(json!({"query": "tea", "filter": null})).unwrap();
        assert_eq!(asked.scope, Scope::All);
        assert_eq!(asked.question.filter, Filter::all(Area::Memories));
        assert_eq!((asked.question.limit, asked.embeddings), (10, false));
        assert_eq!(asked.question.weights, Weights::default());
    }

    #[test]
    fn every_member_is_read() {
        let id = EntryId::mint();
        let asked = read(json!({
            "query": "tea", "embedding": [1, 0.5], "scope": "shared", "limit": 200,
            "min_score": 0.25, "half_life_days": 7, "include": "embedding",
            "filter": {
                "agent": "a", "session": "s", "category": "c", "key": "k",
                "ids": [id.to_string(), "no id"], "tags": ["t"], "any_tags": ["u", "v"],
                "memory_type": "semantic", "min_importance": 7,
                "created_from": "2026-11-22T10:30:00+01:00",
                "created_before": "2026-11-23T00:00:00.5Z",
                "metadata": {"color": "red"},
            },
        }))
        .unwrap();
        assert_eq!((asked.scope, asked.embeddings), (Scope::Shared, true));
        let question = asked.question;
        assert_eq!(question.embedding.unwrap().dimensions(), 2);
        assert_eq!((question.limit, question.min_score), (200, 0.25));
        assert_eq!(question.weights.half_life, Duration::from_secs(7 * 86_400));
        assert_eq!(
            question.filter,
            Filter {
                area: Area::Memories,
                path: PathFilter::Any,
                key: Some("k".to_owned()),
                ids: Some(vec![id]),
                agent: Some("a".to_owned()),
                session: Some("s".to_owned()),
                category: Some("c".to_owned()),
                tags: vec!["t".to_owned()],
                any_tags: vec!["u".to_owned(), "v".to_owned()],
                memory_type: Some(MemoryType::Semantic),
                min_importance: Some(7),
                created_from: Some(Timestamp::from_micros(1_795_339_800_000_000)),
                created_before: Some(Timestamp::from_micros(1_795_392_000_500_000)),
                conditions: vec![Condition {
                    member: vec!["color".to_owned()],
                    comparison: Comparison::Equal,
                    value: json!("red"),
                }],
            }
        );
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_by_name() {
        for (body, refusal) in [
            (
                json!({"query": "a", "tenant": "globex"}),
                "`body`: there is no member `tenant`",
            ),
            (json!({"query": "a", "flter": {}}), "`filter` may be meant"),
            (json!({"filter": {"tag": "a"}}), "`tags` may be meant"),
            (json!({"query": 1}), "`query`: a text"),
            (json!({"embedding": []}), "`embedding`: a list of 1 to 4096"),
            (
                json!({"embedding": [0.0]}),
                "`embedding`: a list of 1 to 4096",
            ),
            (json!({"scope": "all"}), "`scope`: `user` or `shared`"),
            (
                json!({"limit": 201}),
                "`limit`: a whole number from 1 to 200",
            ),
            (json!({"limit": 0}), "`limit`: a whole number from 1 to 200"),
            (json!({"half_life_days": 0}), "`half_life_days`: a number"),
            (json!({"half_life_days": -1}), "`half_life_days`: a number"),
            (json!({"include": "all"}), "`include`: `embedding`"),
            (
                json!({"filter": {"min_importance": 11}}),
                "`min_importance`: a whole",
            ),
            (
                json!({"filter": {"created_from": "yesterday"}}),
                "`created_from`: a time",
            ),
            (
                json!({"filter": {"created_from": "2026-11-22T10:30:00"}}),
                "`created_from`: a time",
            ),
            (
                json!({"filter": {"metadata": {"a": {"$in": []}}}}),
                "`metadata`: there is no operator",
            ),
            (
                json!({"filter": {"tags": vec!["t"; 201]}}),
                "`tags`: at most 200",
            ),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(refusal), "{error} is not about {refusal}");
        }
    }
}

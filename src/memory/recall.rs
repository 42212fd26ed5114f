//! Recall: what a caller's memories have to say to a question.
//!
//! The store is asked for the best candidates by text, by vector, or by both; what it finds is fused
//! and weighed here ([`search::fuse`](super::search::fuse)). Weights are put on candidates only, so
//! they change the order among what fits best and bring up nothing that does not.

use std::collections::HashMap;
use std::time::Duration;

use super::search::fuse::{Found, Weights, fuse, in_order};
use super::search::terms::query_terms;
use super::{Caller, Embedding, Entry, EntryId, Filter, Memory, MemoryError, Reach, Scope, Scored};
use crate::clock::Timestamp;

/// Candidates that each search is asked for, for every entry that is wanted.
const CANDIDATES_EACH: u32 = 4;

/// The least and the most candidates of one search.
const CANDIDATES: (u32, u32) = (100, 1000);

/// Most entries of one recall.
pub const MOST_RECALLED: u32 = 1000;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Words to find.
    pub query: Option<String>,
    /// A vector to be near to.
    pub embedding: Option<Embedding>,
    /// What is searched; the caller's reach bounds it further.
    pub filter: Filter,
    /// Most entries, 1 to [`MOST_RECALLED`].
    pub limit: u32,
    /// The least relevance, 0 to 1.
    pub min_score: f64,
    /// What age and importance take.
    pub weights: Weights,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    /// Which.
    pub entry: Entry,
    /// What the order goes by, 0 to 1.
    pub score: f64,
    /// How well it fits by itself, 0 to 1: what `min_score` is held against.
    pub relevance: f64,
}

impl Memory {
    /// The entries that fit best, best first, equal ones by id; each counts as recalled once more.
    ///
    /// # Errors
    /// Neither a query nor an embedding is given, a number is out of its range, no namespace holds
    /// embeddings of so many dimensions while some hold others, or the store can't say.
    pub async fn recall(
        &self,
        caller: &Caller,
        scope: Scope,
        question: &Question,
    ) -> Result<Vec<Recalled>, MemoryError> {
        question.judge()?;
        if question.filter.ids.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let reach = caller.reach(scope);
        let candidates = question
            .limit
            .saturating_mul(CANDIDATES_EACH)
            .clamp(CANDIDATES.0, CANDIDATES.1);
        let at = self.now();
        let (text, vectors) = tokio::try_join!(
            self.candidates_by_text(&reach, question, candidates, at),
            self.candidates_by_vector(&reach, question, candidates, at),
        )?;
        let searches = [text, vectors].into_iter().flatten().collect();
        let recalled = weighed(searches, question, at);
        let ids: Vec<EntryId> = recalled.iter().map(|it| it.entry.id).collect();
        self.recalled(&caller.tenant_scope(), &ids);
        Ok(recalled)
    }

    async fn candidates_by_text(
        &self,
        of: &Reach,
        question: &Question,
        limit: u32,
        at: Timestamp,
    ) -> Result<Option<Vec<Scored>>, MemoryError> {
        let Some(query) = &question.query else {
            return Ok(None);
        };
        let terms = query_terms(query);
        if terms.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let found = self
            .store()
            .by_text(of, &question.filter, &terms, limit, at);
        Ok(Some(found.await?))
    }

    async fn candidates_by_vector(
        &self,
        of: &Reach,
        question: &Question,
        limit: u32,
        at: Timestamp,
    ) -> Result<Option<Vec<Scored>>, MemoryError> {
        let Some(embedding) = &question.embedding else {
            return Ok(None);
        };
        let found = self
            .store()
            .by_vector(of, &question.filter, embedding, limit, at);
        let found = found.await?;
        if found.is_empty() {
            self.judge_dimensions(of, question, embedding.dimensions(), at)
                .await?;
        }
        Ok(Some(found))
    }

    /// Whether there can be anything of so many dimensions: a caller that changed its model would
    /// else find nothing and not know why.
    async fn judge_dimensions(
        &self,
        of: &Reach,
        question: &Question,
        given: usize,
        at: Timestamp,
    ) -> Result<(), MemoryError> {
        let mut kept = None;
        for (_, dimensions) in self.store().dimensions(of).await? {
            // The number is a namespace's, whatever of it the caller sees: of what it sees nothing of
            // it is told nothing.
            if !self.sees_dimensions(of, question, dimensions, at).await? {
                continue;
            }
            if dimensions == given {
                return Ok(());
            }
            kept.get_or_insert(dimensions);
        }
        match kept {
            None => Ok(()),
            Some(expected) => Err(MemoryError::Invalid {
                field: "embedding",
                reason: format!(
                    "it has {given} dimensions, the embeddings that are kept have {expected}"
                ),
            }),
        }
    }

    /// Whether the caller sees an entry whose embedding has so many dimensions.
    async fn sees_dimensions(
        &self,
        of: &Reach,
        question: &Question,
        dimensions: usize,
        at: Timestamp,
    ) -> Result<bool, MemoryError> {
        let Ok(any) = Embedding::new(vec![1.0; dimensions]) else {
            return Ok(false);
        };
        let all = Filter::all(question.filter.area);
        let found = self.store().by_vector(of, &all, &any, 1, at).await?;
        Ok(!found.is_empty())
    }
}

impl Question {
    fn judge(&self) -> Result<(), MemoryError> {
        let refused = |field, reason: &str| Err(MemoryError::invalid(field, reason));
        if self.query.is_none() && self.embedding.is_none() {
            return refused(
                "query",
                "a `query`, an `embedding`, or both have to be given",
            );
        }
        if !(1..=MOST_RECALLED).contains(&self.limit) {
            return refused("limit", "a whole number from 1 to 1000");
        }
        if !(0.0..=1.0).contains(&self.min_score) {
            return refused("min_score", "a number from 0 to 1");
        }
        Ok(())
    }
}

/// What the searches found as one list, as the question wants it.
fn weighed(searches: Vec<Vec<Scored>>, question: &Question, at: Timestamp) -> Vec<Recalled> {
    let mut entries = HashMap::new();
    let mut lists = Vec::with_capacity(searches.len());
    for search in searches {
        let mut list = Vec::with_capacity(search.len());
        for scored in search {
            list.push((scored.entry.id, scored.score));
            entries.insert(scored.entry.id, scored.entry);
        }
        lists.push(list);
    }
    let factor = |found: &Found<EntryId>| {
        entries.get(&found.key).map_or(0.0, |entry: &Entry| {
            let importance = entry.fields.importance.get();
            question.weights.factor(age(entry, at), importance)
        })
    };
    let mut scored: Vec<_> = fuse(lists)
        .into_iter()
        .filter(|found| found.relevance >= question.min_score)
        .map(|found| {
            let score = found.fit * factor(&found);
            (found, score)
        })
        .collect();
    in_order(&mut scored);
    scored
        .into_iter()
        .take(question.limit as usize)
        .filter_map(|(found, score)| {
            Some(Recalled {
                entry: entries.remove(&found.key)?,
                score,
                relevance: found.relevance,
            })
        })
        .collect()
}

/// Since the entry was last recalled or written. A clock that went back makes it fresh, not old.
fn age(entry: &Entry, at: Timestamp) -> Duration {
    let last = entry.last_accessed.max(entry.updated_at);
    let micros = at.as_micros().saturating_sub(last.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Address, Area, Fields, Importance, Owner};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: i64 = 86_400;

    fn question() -> Question {
        Question {
            query: Some("tea".to_owned()),
            embedding: None,
            filter: Filter::all(Area::Memories),
            limit: 10,
            min_score: 0.0,
            weights: Weights::default(),
        }
    }

    /// An entry that was last recalled so many days ago and is so important.
    fn scored(days: i64, importance: u8, score: f64) -> Scored {
        let mut fields = Fields::new("tea");
        fields.importance = Importance::try_from(importance).unwrap();
        let last = NOW.plus_seconds(-days * DAY);
        let entry = Entry {
            id: EntryId::mint(),
            owner: Owner::Shared,
            address: Address::memory(None),
            fields,
            version: 1,
            author: None,
            created_at: last.plus_seconds(-DAY),
            updated_at: last.plus_seconds(-DAY),
            last_accessed: last,
            access_count: 0,
            expires_at: None,
        };
        Scored { entry, score }
    }

    fn order(searches: Vec<Vec<Scored>>, question: &Question) -> Vec<EntryId> {
        let recalled = weighed(searches, question, NOW);
        recalled.into_iter().map(|it| it.entry.id).collect()
    }

    #[test]
    fn of_equal_fit_the_fresh_and_important_come_first_and_a_better_fit_before_both() {
        let (old, fresh) = (scored(90, 5, 0.5), scored(0, 5, 0.5));
        let (important, best) = (scored(0, 10, 0.5), scored(900, 1, 0.9));
        let ids = [&best, &important, &fresh, &old].map(|it| it.entry.id);
        let found = vec![vec![old, fresh, important, best]];
        assert_eq!(order(found, &question()), ids);
    }

    #[test]
    fn an_old_memory_is_not_left_out_for_its_age_but_one_that_fits_worse_is() {
        let (old, loose) = (scored(3000, 1, 0.5), scored(0, 10, 0.49));
        let id = old.entry.id;
        let asked = Question {
            min_score: 0.5,
            ..question()
        };
        let recalled = weighed(vec![vec![old, loose]], &asked, NOW);
        assert_eq!(
            recalled.iter().map(|it| it.entry.id).collect::<Vec<_>>(),
            [id]
        );
        assert!(recalled[0].score < 0.5 && recalled[0].relevance >= 0.5);
    }

    #[test]
    fn what_both_searches_find_comes_before_what_one_finds_and_comes_once() {
        let both = scored(0, 5, 0.2);
        let (text, vector) = (scored(0, 5, 0.9), scored(0, 5, 0.9));
        let searches = vec![vec![text.clone(), both.clone()], vec![vector, both.clone()]];
        let asked = Question {
            limit: 2,
            ..question()
        };
        assert_eq!(order(searches, &asked), [both.entry.id, text.entry.id]);
    }

    #[test]
    fn a_recall_in_the_future_is_fresh() {
        assert_eq!(age(&scored(-5, 5, 0.5).entry, NOW), Duration::ZERO);
        assert_eq!(
            age(&scored(2, 5, 0.5).entry, NOW),
            Duration::from_secs(2 * 86_400)
        );
    }

    #[test]
    fn a_question_without_anything_to_search_by_or_out_of_range_is_refused() {
        assert!(question().judge().is_ok());
        let wrong = [
            Question {
                query: None,
                ..question()
            },
            Question {
                limit: 0,
                ..question()
            },
            Question {
                limit: 1001,
                ..question()
            },
            Question {
                min_score: 1.1,
                ..question()
            },
            Question {
                min_score: f64::NAN,
                ..question()
            },
        ];
        for question in wrong {
            assert!(question.judge().is_err(), "{question:?}");
        }
    }
}

//! One order out of several: what fits by its words, what fits by its vector, how fresh it is, how
//! much it matters.
//!
//! Three numbers, each 0 to 1:
//! * *relevance* of one search: the share of the most a text could score
//!   ([`Scorer::score`](super::bm25::Scorer::score)), or the cosine with what points away
//!   counted as 0. It depends on the entry and the query, not on what else was found, so it is what
//!   `min_score` is held against: *an entry that fits worse than this is left out*. Where both
//!   searches were asked the better of both decides.
//! * *fit*: the relevance if one search was asked; of two, whose relevances can't be compared, the
//!   mean of `(k + 1) / (k + rank)` with k = 60, and nothing where an entry was not found. That is
//!   reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), scaled so that the first of
//!   both has 1.
//! * *score*, by which the answer is ordered: fit × recency × importance ([`Weights`]). It is never
//!   more than the fit, so neither age nor importance brings up what does not fit.

use std::collections::BTreeMap;
use std::time::Duration;

use super::top::best_first;

/// The constant of reciprocal rank fusion: how little the very first ranks differ.
const K: f64 = 60.0;

/// The importances an entry may have.
const LEAST_IMPORTANT: u8 = 1;
const MOST_IMPORTANT: u8 = 10;

/// What age and importance take from a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// The age at which half of what age can take is taken. Zero: all of it, at any age.
    pub half_life: Duration,
    /// What age takes in the end, 0 to 1: `recency = 1 - taken × (1 - 2^(-age / half_life))`.
    pub taken_by_age: f64,
    /// What the least importance takes, 0 to 1: `1 - taken × (10 - importance) / 9`.
    pub taken_by_unimportance: f64,
}

impl Default for Weights {
    /// 30 days; a fifth each. So an entry that is old and of no importance stands behind one that is
    /// neither and fits two thirds as well.
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(30 * 24 * 60 * 60),
            taken_by_age: 0.2,
            taken_by_unimportance: 0.2,
        }
    }
}

impl Weights {
    /// What is left of 1 for an entry of this age (since it was last recalled, or else made) and
    /// importance (1 to 10; what lies outside counts as the nearest).
    pub fn factor(&self, age: Duration, importance: u8) -> f64 {
        let half_lives = age.as_secs_f64() / self.half_life.as_secs_f64();
        // Nothing by nothing is no number: no age, no loss.
        let faded = if age.is_zero() {
            0.0
        } else {
            1.0 - (-half_lives).exp2()
        };
        let importance = importance.clamp(LEAST_IMPORTANT, MOST_IMPORTANT);
        let unimportance =
            f64::from(MOST_IMPORTANT - importance) / f64::from(MOST_IMPORTANT - LEAST_IMPORTANT);
        (1.0 - self.taken_by_age.clamp(0.0, 1.0) * faded)
            * (1.0 - self.taken_by_unimportance.clamp(0.0, 1.0) * unimportance)
    }
}

/// One entry that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<K> {
    /// Which.
    pub key: K,
    /// How well it fits in the search where it fits best, 0 to 1.
    pub relevance: f64,
    /// How well it fits among what was found, 0 to 1.
    pub fit: f64,
}

/// What the searches that were asked found, each with the relevance of every entry: each entry once,
/// the best fit first, of equal fits the smaller key first. An entry stands in one list at most
/// once; those of equal relevance share a rank.
pub fn fuse<K: Ord + Clone>(lists: Vec<Vec<(K, f64)>>) -> Vec<Found<K>> {
    let asked = lists.len();
    let mut found: BTreeMap<K, Found<K>> = BTreeMap::new();
    for list in lists {
        for (key, relevance, rank) in ranked(list) {
            let fit = if asked == 1 {
                relevance
            } else {
                (K + 1.0) / (K + count(rank)) / count(asked)
            };
            let entry = found.entry(key.clone()).or_insert(Found {
                key,
                relevance: 0.0,
                fit: 0.0,
            });
            entry.relevance = entry.relevance.max(relevance);
            entry.fit += fit;
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by(|one, other| best_first((one.fit, &one.key), (other.fit, &other.key)));
    found
}

/// What was found with its score, best first, of equal scores the smaller key first.
pub fn in_order<K: Ord>(scored: &mut [(Found<K>, f64)]) {
    scored.sort_by(|one, other| best_first((one.1, &one.0.key), (other.1, &other.0.key)));
}

/// The entries of one search with their ranks, from 1. What is no number was not found.
fn ranked<K: Ord>(mut list: Vec<(K, f64)>) -> impl Iterator<Item = (K, f64, usize)> {
    list.retain(|(_, relevance)| !relevance.is_nan());
    list.sort_by(|one, other| best_first((one.1, &one.0), (other.1, &other.0)));
    let (mut rank, mut last) = (1, None);
    list.into_iter()
        .enumerate()
        .map(move |(before, (key, relevance))| {
            let relevance = relevance.clamp(0.0, 1.0);
            if last != Some(relevance) {
                rank = before + 1;
                last = Some(relevance);
            }
            (key, relevance, rank)
        })
}

#[expect(clippy::cast_precision_loss, reason = "lists are short")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn two_searches_are_fused_by_rank_and_one_keeps_its_relevance() {
        let text = vec![("both", 0.3), ("text", 0.2)];
        let vectors = vec![("vector", 0.9), ("both", 0.8)];
        let fused = fuse(vec![text.clone(), vectors]);
        let keys: Vec<_> = fused.iter().map(|found| found.key).collect();
        assert_eq!(keys, ["both", "vector", "text"]);
        let both = fused.first().unwrap();
        assert!((both.fit - (1.0 + 61.0 / 62.0) / 2.0).abs() < 1e-9);
        assert!((both.relevance - 0.8).abs() < 1e-9, "the better of both");
        let alone: Vec<_> = fuse(vec![text]).iter().map(|found| found.fit).collect();
        assert_eq!(alone, [0.3, 0.2]);
    }

    #[test]
    fn what_is_first_in_both_searches_has_a_fit_of_one_and_equals_share_a_rank() {
        let fused = fuse(vec![vec![(1, 0.1), (2, 0.1)], vec![(1, 0.5), (2, 0.5)]]);
        assert_eq!(
            fused.iter().map(|found| found.fit).collect::<Vec<_>>(),
            [1.0, 1.0]
        );
        assert!(fuse::<u8>(vec![vec![], vec![]]).is_empty());
        assert!(fuse(vec![vec![(1, f64::NAN)]]).is_empty());
    }

    #[test]
    fn a_half_life_takes_half_of_what_age_can_take() {
        let weights = Weights::default();
        for (age, importance, expected) in [
            (Duration::ZERO, 10, 1.0),
            (30 * DAY, 10, 0.9),
            (60 * DAY, 10, 0.85),
            (Duration::MAX, 10, 0.8),
            (Duration::ZERO, 1, 0.8),
            (Duration::MAX, 1, 0.64),
            (Duration::ZERO, 0, 0.8),
            (Duration::ZERO, 255, 1.0),
        ] {
            let factor = weights.factor(age, importance);
            assert!(
                (factor - expected).abs() < 1e-9,
                "{age:?} {importance}: {factor}"
            );
        }
    }

    #[test]
    fn no_half_life_takes_all_at_once_and_nothing_of_what_is_fresh() {
        let weights = Weights {
            half_life: Duration::ZERO,
            ..Weights::default()
        };
        assert!((weights.factor(Duration::ZERO, 10) - 1.0).abs() < 1e-9);
        assert!((weights.factor(DAY, 10) - 0.8).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_order_in_which_candidates_come_does_not_matter(
            (text, text_again) in shuffled(),
            (vectors, vectors_again) in shuffled(),
        ) {
            let fused = fuse(vec![text, vectors]);
            prop_assert_eq!(&fused, &fuse(vec![text_again, vectors_again]));
            for found in fused {
                prop_assert!((0.0..=1.0).contains(&found.fit), "{:?}", found);
                prop_assert!((0.0..=1.0).contains(&found.relevance), "{:?}", found);
            }
        }

        #[test]
        fn weights_only_take(age: u64, importance: u8, by_age: f64, by_unimportance: f64) {
            let weights = Weights {
                half_life: 7 * DAY,
                taken_by_age: by_age,
                taken_by_unimportance: by_unimportance,
            };
            let factor = weights.factor(Duration::from_secs(age), importance);
            prop_assert!((0.0..=1.0).contains(&factor), "{}", factor);
        }
    }

    type List = Vec<(u8, f64)>;

    /// The same list in two orders.
    fn shuffled() -> impl Strategy<Value = (List, List)> {
        prop::collection::btree_map(0_u8..30, 0_u8..9, 0..20).prop_flat_map(|map| {
            let list: Vec<_> = map
                .into_iter()
                .map(|(key, tenths)| (key, f64::from(tenths) / 8.0))
                .collect();
            (Just(list.clone()), Just(list).prop_shuffle())
        })
    }
}

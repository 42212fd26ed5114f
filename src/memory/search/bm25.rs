//! How well a text fits a query: Okapi BM25, as a share of the most it could be.
//!
//! Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the
//! inverse document frequency that is never negative: `ln(1 + (N - n + 0.5) / (n + 0.5))`.

use std::collections::HashMap;

/// How soon another occurrence of a term adds little.
const K1: f64 = 1.2;

/// How much a long text is held against it.
const B: f64 = 0.75;

/// What is known of the namespaces that are searched, and of nothing else: were a neighbour's
/// entries counted, a score would tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries.
    pub documents: u64,
    /// Lengths of all entries, added up.
    pub total_length: u64,
    /// Of each term of the query, the entries that have it; absent is none.
    pub frequencies: HashMap<String, u64>,
}

/// The weights of one query's terms in the searched namespaces.
#[derive(Clone, Debug)]
pub struct Scorer {
    weights: HashMap<String, f64>,
    average_length: f64,
    total_weight: f64,
}

impl Scorer {
    /// What the terms of a query weigh by these statistics. Statistics that contradict themselves
    /// (read while entries come and go) give a weight all the same.
    pub fn new<'a>(statistics: &Statistics, query: impl IntoIterator<Item = &'a str>) -> Self {
        let documents = float(statistics.documents);
        let weights: HashMap<String, f64> = query
            .into_iter()
            .map(|term| {
                let having = statistics.frequencies.get(term).copied().unwrap_or(0);
                let having = float(having).min(documents);
                let odds = (documents - having + 0.5) / (having + 0.5);
                (term.to_owned(), odds.ln_1p())
            })
            .collect();
        let mut in_order: Vec<f64> = weights.values().copied().collect();
        // The order of a map is drawn by lot.
        in_order.sort_unstable_by(f64::total_cmp);
        Self {
            weights,
            average_length: float(statistics.total_length).max(1.0) / documents.max(1.0),
            total_weight: in_order.into_iter().sum(),
        }
    }

    /// How well an entry of this length fits that has these terms so often: its BM25 score as a
    /// share of the most that any text could have for this query. 0 to 1, and 1 is not reached: an
    /// entry of average length that has every term once comes to `1 / (k1 + 1)`, 0.45. A term that no
    /// entry has is asked for all the same. So a score is the same measure in every namespace,
    /// whatever its size, and within one the order is that of BM25.
    ///
    /// Terms that are not in the query count nothing; the caller gives each term once.
    pub fn score<'a>(&self, length: u32, counts: impl IntoIterator<Item = (&'a str, u32)>) -> f64 {
        let norm = K1 * (1.0 - B + B * f64::from(length) / self.average_length);
        let mut parts: Vec<f64> = counts
            .into_iter()
            .filter_map(|(term, count)| {
                let count = f64::from(count);
                let weight = self.weights.get(term)?;
                Some(weight * count / (count + norm))
            })
            .collect();
        // A sum of floats depends on its order, and a store may give the terms in any.
        parts.sort_unstable_by(f64::total_cmp);
        let sum: f64 = parts.into_iter().sum();
        if self.total_weight > 0.0 {
            (sum / self.total_weight).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of entries stay below 2^53"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statistics(documents: u64, total_length: u64, having: &[(&str, u64)]) -> Statistics {
        Statistics {
            documents,
            total_length,
            frequencies: having
                .iter()
                .map(|(term, count)| ((*term).to_owned(), *count))
                .collect(),
        }
    }

    #[test]
    fn a_score_is_the_formula_worked_out_by_hand() {
        let scorer = Scorer::new(
            &statistics(10, 100, &[("red", 2), ("fox", 1)]),
            ["red", "fox"],
        );
        // Weights: ln(1 + 8.5/2.5) = 1.481605, ln(1 + 9.5/1.5) = 1.992430, together 3.474035.
        // 1.481605 x 2 / (2 + 1.2 x (0.25 + 0.75 x 20/10)) / 3.474035
        let score = scorer.score(20, [("red", 2)]);
        assert!((score - 0.208_042).abs() < 1e-5, "{score}");
        // At average length, 1.992430 x 1 / (1 + 1.2) / 3.474035
        let score = scorer.score(10, [("fox", 1), ("hen", 5)]);
        assert!((score - 0.260_691).abs() < 1e-5, "{score}");
    }

    #[test]
    fn the_rarer_term_the_more_frequent_one_and_the_shorter_text_win() {
        let scorer = Scorer::new(
            &statistics(100, 1000, &[("the", 90), ("ox", 3)]),
            ["the", "ox"],
        );
        assert!(scorer.score(10, [("ox", 1)]) > scorer.score(10, [("the", 1)]));
        assert!(scorer.score(10, [("ox", 2)]) > scorer.score(10, [("ox", 1)]));
        assert!(scorer.score(10, [("ox", 1)]) > scorer.score(90, [("ox", 1)]));
    }

    #[test]
    fn an_average_entry_that_has_every_term_once_has_the_same_score_in_every_namespace() {
        for documents in [1, 10, 100_000] {
            let having = [("a", 1), ("b", documents)];
            let scorer = Scorer::new(&statistics(documents, 2 * documents, &having), ["a", "b"]);
            let score = scorer.score(2, [("a", 1), ("b", 1)]);
            assert!((score - 1.0 / 2.2).abs() < 1e-9, "{score}");
        }
        assert_eq!(Scorer::new(&Statistics::default(), []).score(0, []), 0.0);
    }

    #[test]
    fn a_term_that_more_entries_have_than_there_are_still_counts() {
        let scorer = Scorer::new(&statistics(1, 5, &[("a", 9)]), ["a"]);
        assert!(scorer.score(5, [("a", 1)]) > 0.0);
    }

    proptest! {
        #[test]
        fn a_score_is_a_number_from_0_to_1_whatever_the_statistics_say(
            documents in prop_oneof![Just(0), Just(u64::MAX), 0_u64..1000],
            total in prop_oneof![Just(0), Just(u64::MAX), 0_u64..100_000],
            having in prop_oneof![Just(u64::MAX), 0_u64..2000],
            length: u32,
            count: u32,
        ) {
            let scorer = Scorer::new(&statistics(documents, total, &[("a", having)]), ["a", "b"]);
            let score = scorer.score(length, [("a", count), ("b", 1)]);
            prop_assert!((0.0..=1.0).contains(&score), "{}", score);
        }

        #[test]
        fn the_order_of_terms_changes_no_bit_of_a_score(
            counts in prop::collection::btree_map("[a-f]", 1_u32..9, 1..6)
                .prop_map(|map| map.into_iter().collect::<Vec<_>>()),
        ) {
            let mut frequencies = Vec::new();
            for (index, (term, _)) in counts.iter().enumerate() {
                frequencies.push((term.as_str(), index as u64));
            }
            let statistics = statistics(50, 300, &frequencies);
            let terms: Vec<&str> = counts.iter().map(|(term, _)| term.as_str()).collect();
            let forward = Scorer::new(&statistics, terms.iter().copied());
            let backward = Scorer::new(&statistics, terms.iter().rev().copied());
            let pairs: Vec<(&str, u32)> = counts.iter().map(|(t, c)| (t.as_str(), *c)).collect();
            let one = forward.score(9, pairs.iter().copied());
            let other = backward.score(9, pairs.iter().rev().copied());
            prop_assert_eq!(one.to_bits(), other.to_bits());
        }
    }
}

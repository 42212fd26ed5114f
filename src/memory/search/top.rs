//! The best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The best `limit` of what is offered, in memory for `limit`. Of equal scores the smaller key is
/// the better, so the same candidates in any order leave the same.
#[derive(Debug)]
pub struct Top<K> {
    limit: usize,
    /// The worst on top.
    kept: BinaryHeap<Ranked<K>>,
}

impl<K: Ord> Top<K> {
    /// Keeps at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BinaryHeap::new(),
        }
    }

    /// Keeps the candidate if it is among the best so far. A score that is no number is not.
    pub fn offer(&mut self, score: f64, key: K) {
        if score.is_nan() || self.limit == 0 {
            return;
        }
        let candidate = Ranked { score, key };
        if self.kept.len() < self.limit {
            self.kept.push(candidate);
        } else if let Some(mut worst) = self.kept.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// The score to beat once as many are kept as may be: whoever has less need not be offered.
    pub fn threshold(&self) -> Option<f64> {
        let full = self.limit > 0 && self.kept.len() >= self.limit;
        self.kept
            .peek()
            .filter(|_worst| full)
            .map(|worst| worst.score)
    }

    /// The kept ones, best first.
    pub fn into_best_first(self) -> Vec<(K, f64)> {
        let sorted = self.kept.into_sorted_vec();
        sorted
            .into_iter()
            .map(|ranked| (ranked.key, ranked.score))
            .collect()
    }
}

/// Ordered from best to worst.
#[derive(Debug)]
struct Ranked<K> {
    score: f64,
    key: K,
}

impl<K: Ord> Ord for Ranked<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        best_first((self.score, &self.key), (other.score, &other.key))
    }
}

impl<K: Ord> PartialOrd for Ranked<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Ranked<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Ranked<K> {}

/// The order of answers: the higher score first, of equal ones the smaller key.
pub(super) fn best_first<K: Ord>(one: (f64, K), other: (f64, K)) -> Ordering {
    // Zero has two signs, and a score of nothing is no better for its sign.
    let (score, against) = (one.0 + 0.0, other.0 + 0.0);
    against.total_cmp(&score).then_with(|| one.1.cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_selection_tells_the_score_to_beat_and_a_limit_of_none_keeps_none() {
        let mut top = Top::new(2);
        top.offer(0.5, 1);
        assert_eq!(top.threshold(), None, "one more fits whatever it scores");
        top.offer(f64::NAN, 9);
        top.offer(0.7, 2);
        top.offer(0.1, 3);
        assert_eq!(top.threshold(), Some(0.5));
        assert_eq!(top.into_best_first(), [(2, 0.7), (1, 0.5)]);
        let mut none = Top::new(0);
        none.offer(1.0, 1);
        assert_eq!(none.threshold(), None);
        assert!(none.into_best_first().is_empty());
    }

    proptest! {
        #[test]
        fn the_kept_are_the_first_of_all_sorted_whatever_order_they_come_in(
            mut candidates in prop::collection::btree_map(0_u16..500, -3_i8..3, 0..80)
                .prop_map(|map| map.into_iter().collect::<Vec<_>>())
                .prop_shuffle(),
            limit in 0_usize..20,
        ) {
            let mut top = Top::new(limit);
            for (key, score) in &candidates {
                top.offer(f64::from(*score), *key);
            }
            candidates.sort_by_key(|(key, score)| (-score, *key));
            candidates.truncate(limit);
            let kept: Vec<_> = top.into_best_first().into_iter().map(|(key, _)| key).collect();
            let expected: Vec<_> = candidates.into_iter().map(|(key, _)| key).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}

//! At most so many a second.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the count; the second stands above them.
const COUNT: u32 = 24;

/// A number that may be taken each second, counted without a lock.
#[derive(Debug)]
pub(super) struct Budget {
    most: u64,
    // INVARIANT: second and count change together, or a thread that comes late would spend what the
    // next second has.
    spent: AtomicU64,
}

impl Budget {
    /// So many a second, at most sixteen million.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: u64::from(most).min((1 << COUNT) - 1),
            spent: AtomicU64::new(0),
        }
    }

    /// Takes one in this second, if there is one left.
    pub(super) fn take(&self, second: u64) -> bool {
        let taken = |spent: u64| {
            let (of, count) = (spent >> COUNT, spent & ((1 << COUNT) - 1));
            let count = if of == second { count } else { 0 };
            (count < self.most).then(|| (second << COUNT) | (count + 1))
        };
        self.spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_in_a_second_than_there_are_and_the_next_has_as_many() {
        let budget = Budget::new(3);
        for second in [1_795_000_000, 1_795_000_001] {
            let taken = (0..10).filter(|_| budget.take(second)).count();
            assert_eq!(taken, 3);
        }
    }

    #[test]
    fn of_none_nothing_is_taken() {
        assert!(!Budget::new(0).take(1));
    }

    #[test]
    fn threads_together_take_no_more() {
        let budget = Budget::new(1_000);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| budget.take(7)).count()))
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }
}

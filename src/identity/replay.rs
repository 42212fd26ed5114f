//! Deliveries that were taken already.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal};

/// Most entries held unless a caller says otherwise: some ten megabytes.
pub const DEFAULT_CAPACITY: usize = 65_536;

/// Remembers deliveries until they are too old to be taken anyway.
///
/// Shared by all policy generations, so that a reload forgets nothing; a restart does, as it is held
/// in memory: what was taken within the tolerance before a restart can be taken once more after it.
/// Only deliveries with a valid signature are remembered, so strangers can't fill it; should it be
/// full all the same, deliveries are refused rather than taken unseen.
#[derive(Debug)]
pub struct ReplayGuard {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    until: HashMap<Mark, Timestamp>,
    by_end: BTreeSet<(Timestamp, Mark)>,
}

/// What a delivery is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark([u8; 32]);

impl Mark {
    /// The mark of `value` among the marks of one kind of one webhook; both names are framed, so no
    /// two of them run into each other.
    pub(super) fn of(webhook: &str, kind: &str, value: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [webhook.as_bytes(), kind.as_bytes(), value] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            hasher.update(&length.to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

impl ReplayGuard {
    /// A guard that holds at most `capacity` marks.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            seen: Mutex::default(),
        }
    }

    /// Takes a delivery by its marks, all of them or none.
    ///
    /// # Errors
    /// `signature_invalid` when any mark is known; `overloaded` when there is no room.
    pub(super) fn take(
        &self,
        marks: &[Mark],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.drop_ended(now);
        seen.room_for(marks, self.capacity)?;
        for mark in marks {
            seen.until.insert(*mark, until);
            seen.by_end.insert((until, *mark));
        }
        Ok(())
    }

    /// Whether [`ReplayGuard::take`] would take a delivery of these marks.
    ///
    /// # Errors
    /// As there.
    pub(super) fn weigh(&self, marks: &[Mark], now: Timestamp) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.drop_ended(now);
        seen.room_for(marks, self.capacity)
    }

    /// Forgets marks, so that the sender can deliver again.
    pub(super) fn forget(&self, marks: &[Mark]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for mark in marks {
            if let Some(until) = seen.until.remove(mark) {
                seen.by_end.remove(&(until, *mark));
            }
        }
    }
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Seen {
    fn room_for(&self, marks: &[Mark], capacity: usize) -> Result<(), Refusal> {
        if marks.iter().any(|mark| self.until.contains_key(mark)) {
            let replay = Denial::because(
                DenialCode::SignatureInvalid,
                "the delivery was taken before",
            );
            return Err(replay.into());
        }
        if self.until.len() + marks.len() > capacity {
            return Err(Failure::new(FailureCode::Overloaded).into());
        }
        Ok(())
    }

    fn drop_ended(&mut self, now: Timestamp) {
        while let Some((until, mark)) = self.by_end.first().copied() {
            if until >= now {
                break;
            }
            self.by_end.pop_first();
            self.until.remove(&mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn mark(value: u8) -> Mark {
        Mark::of("hook", "signature", &[value])
    }

    #[test]
    fn a_mark_is_taken_once_until_it_ends() {
        let guard = ReplayGuard::default();
        assert!(guard.take(&[mark(1)], at(0), at(10)).is_ok());
        for second in [0, 10] {
            let refusal = guard.take(&[mark(1)], at(second), at(20)).unwrap_err();
            assert_eq!(refusal.code(), "signature_invalid");
        }
        assert!(guard.take(&[mark(2)], at(10), at(20)).is_ok());
        assert!(guard.take(&[mark(1)], at(11), at(20)).is_ok());
    }

    #[test]
    fn one_known_mark_refuses_all_and_takes_none() {
        let guard = ReplayGuard::default();
        guard.take(&[mark(1)], at(0), at(10)).unwrap();
        assert!(guard.take(&[mark(2), mark(1)], at(0), at(10)).is_err());
        assert!(guard.take(&[mark(2)], at(0), at(10)).is_ok());
    }

    #[test]
    fn a_full_guard_refuses_until_marks_end() {
        let guard = ReplayGuard::new(2);
        guard.take(&[mark(1), mark(2)], at(0), at(10)).unwrap();
        let refusal = guard.take(&[mark(3)], at(5), at(15)).unwrap_err();
        assert_eq!(refusal.code(), "overloaded");
        assert!(guard.take(&[mark(3)], at(11), at(21)).is_ok());
    }

    #[test]
    fn what_is_forgotten_can_be_taken_again() {
        let guard = ReplayGuard::new(1);
        guard.take(&[mark(1)], at(0), at(10)).unwrap();
        guard.forget(&[mark(1)]);
        assert!(guard.take(&[mark(1)], at(0), at(20)).is_ok());
        assert!(
            guard.take(&[mark(1)], at(15), at(20)).is_err(),
            "the first end is gone with it"
        );
    }

    #[test]
    fn of_two_threads_one_takes_a_mark() {
        let guard = ReplayGuard::default();
        let taken = std::thread::scope(|scope| {
            let threads = (0..8)
                .map(|_| scope.spawn(|| guard.take(&[mark(1)], at(0), at(10)).is_ok()))
                .collect::<Vec<_>>();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|taken| *taken)
                .count()
        });
        assert_eq!(taken, 1);
    }

    #[test]
    fn marks_of_two_webhooks_do_not_run_into_each_other() {
        assert_ne!(Mark::of("a", "bc", b""), Mark::of("ab", "c", b""));
        assert_ne!(Mark::of("a", "b", b"c"), Mark::of("a", "", b"bc"));
    }
}

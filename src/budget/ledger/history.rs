//! What was spent on a line, and when.
//!
//! Sums are kept running: a bucket holds everything up to its end, so the spend since any moment is
//! one subtraction, however much history lies behind it. Sums have 96 bits: no number of amounts
//! overflows them, and none is ever rounded into a limit.
//!
//! The last six hours are kept by the minute, what is older by the quarter of an hour: every zone
//! in use begins its days at a multiple of that. Where minutes are joined, their money counts as
//! spent in the last of them, so a window that begins between them counts too much and never too
//! little.

use crate::clock::Timestamp;

/// Minutes that are told apart.
const BY_THE_MINUTE: u32 = 6 * 60;
/// Minutes of a bucket of what is older.
const QUARTER: u32 = 15;

/// A minute, counted from 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Minute(pub(super) u32);

impl Minute {
    /// Before all others.
    pub(super) const FIRST: Self = Self(0);
    /// After all others.
    pub(super) const LAST: Self = Self(u32::MAX);

    /// The one after.
    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The minute of a time; times before 1970 and after 10136 are in the first and the last.
    pub(super) fn of(time: Timestamp) -> Self {
        let minutes = time.as_seconds().div_euclid(60);
        Self(u32::try_from(minutes.max(0)).unwrap_or(u32::MAX))
    }

    /// When it begins.
    pub(super) const fn start(self) -> Timestamp {
        Timestamp::from_seconds(self.0 as i64 * 60)
    }
}

/// A sum of amounts, those taken back subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    low: u64,
    high: i32,
}

impl Sum {
    const fn of(wide: i128) -> Self {
        Self {
            low: wide as u64,
            high: (wide >> 64) as i32,
        }
    }

    const fn wide(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }
}

/// Everything up to the end of a minute. The fields of [`Sum`] lie flat: 16 bytes, not 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    low: u64,
    high: i32,
    minute: Minute,
}

impl Bucket {
    fn new(minute: Minute, upto: i128) -> Self {
        let Sum { low, high } = Sum::of(upto);
        Self { low, high, minute }
    }

    fn upto(self) -> i128 {
        let Self { low, high, .. } = self;
        Sum { low, high }.wide()
    }

    fn add(&mut self, amount: i128) {
        *self = Self::new(self.minute, self.upto() + amount);
    }
}

/// What was spent, by when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Everything before the first bucket.
    folded: Sum,
    /// Rising by minute.
    buckets: Vec<Bucket>,
}

impl History {
    /// Made again from what [`History::parts`] gave: `None` if that can't be, because the minutes
    /// don't rise.
    pub(super) fn from_parts(
        folded: i128,
        parts: impl Iterator<Item = (Minute, i128)>,
    ) -> Option<Self> {
        let buckets: Vec<Bucket> = parts
            .map(|(minute, upto)| Bucket::new(minute, upto))
            .collect();
        let rising = buckets.is_sorted_by(|one, next| one.minute < next.minute);
        rising.then_some(Self {
            folded: Sum::of(folded),
            buckets,
        })
    }

    /// What lies before the buckets, and each one's minute and the sum up to its end.
    pub(super) fn parts(&self) -> (i128, impl ExactSizeIterator<Item = (Minute, i128)> + '_) {
        let buckets = self.buckets.iter().map(|it| (it.minute, it.upto()));
        (self.folded.wide(), buckets)
    }

    /// Everything ever.
    pub(super) fn total(&self) -> i128 {
        self.buckets
            .last()
            .map_or(self.folded.wide(), |last| last.upto())
    }

    /// Everything since a minute began.
    pub(super) fn since(&self, start: Minute) -> i128 {
        self.total() - self.before(start)
    }

    fn before(&self, start: Minute) -> i128 {
        let after = self.buckets.partition_point(|it| it.minute < start);
        let last = after.checked_sub(1).and_then(|last| self.buckets.get(last));
        last.map_or(self.folded.wide(), |last| last.upto())
    }

    /// The minute of the last entry.
    pub(super) fn last(&self) -> Option<Minute> {
        self.buckets.last().map(|last| last.minute)
    }

    /// Books an amount; negative ones are taken back.
    pub(super) fn add(&mut self, minute: Minute, amount: i128) {
        match self.buckets.last_mut() {
            Some(last) if last.minute == minute => return last.add(amount),
            Some(_) | None => {}
        }
        let at = self.buckets.partition_point(|it| it.minute < minute);
        if self.buckets.get(at).is_none_or(|it| it.minute != minute) {
            self.make_room();
            let upto = self.before(minute);
            let at = self.buckets.partition_point(|it| it.minute < minute);
            self.buckets.insert(at, Bucket::new(minute, upto));
        }
        let at = self.buckets.partition_point(|it| it.minute < minute);
        for bucket in self.buckets.iter_mut().skip(at) {
            bucket.add(amount);
        }
    }

    /// Joins minutes before the vector grows. It grows by half and not to twice: most lines are
    /// short and there are many.
    fn make_room(&mut self) {
        if self.buckets.len() < self.buckets.capacity() {
            return;
        }
        self.join_minutes();
        let length = self.buckets.len();
        if length * 4 >= self.buckets.capacity() * 3 {
            self.buckets.reserve_exact((length / 2).max(1));
        }
    }

    fn join_minutes(&mut self) {
        let Some(last) = self.last() else {
            return;
        };
        let old = Minute(last.0.saturating_sub(BY_THE_MINUTE));
        // The sums run, so the last minute of a quarter says what all of them do. `dedup_by` keeps
        // the earlier of two, hence the exchange.
        self.buckets.dedup_by(|later, kept| {
            let joined = later.minute < old && later.minute.0 / QUARTER == kept.minute.0 / QUARTER;
            if joined {
                *kept = *later;
            }
            joined
        });
    }

    /// Forgets when it was that money was spent before a minute, not how much it was.
    pub(super) fn fold(&mut self, horizon: Minute) {
        let old = self.buckets.partition_point(|it| it.minute < horizon);
        if old > 0 {
            self.folded = Sum::of(self.before(horizon));
            self.buckets.drain(..old);
            self.buckets.shrink_to_fit();
        }
    }

    /// When a rolling window that began at `start` has lost `excess` of what is in it: the first
    /// minute whose leaving does it, or the first that leaves at all if none does.
    pub(super) fn leaves(&self, start: Minute, excess: i128) -> Option<Minute> {
        let before = self.before(start);
        let within = self.buckets.iter().filter(|it| it.minute >= start);
        let mut first = None;
        for bucket in within {
            first = first.or(Some(bucket.minute));
            if bucket.upto() - before >= excess {
                return Some(bucket.minute);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn history(entries: &[(u32, i64)]) -> History {
        let mut history = History::default();
        for (minute, amount) in entries {
            history.add(Minute(*minute), i128::from(*amount));
        }
        history
    }

    #[test]
    fn sums_go_past_what_an_amount_can_be_and_come_back() {
        let mut history = History::default();
        for _turn in 0..1_000 {
            history.add(Minute(7), i128::from(u64::MAX));
        }
        for _turn in 0..999 {
            history.add(Minute(8), -i128::from(u64::MAX));
        }
        assert_eq!(history.total(), i128::from(u64::MAX));
        history.add(Minute(9), -i128::from(u64::MAX) - 1);
        assert_eq!(history.total(), -1);
        assert_eq!(history.since(Minute(9)), -i128::from(u64::MAX) - 1);
    }

    #[test]
    fn folding_keeps_the_total_and_every_later_window() {
        let mut history = history(&[(10, 1), (20, 2), (30, 4)]);
        history.fold(Minute(20));
        assert_eq!(history.total(), 7);
        assert_eq!(history.since(Minute(20)), 6);
        assert_eq!(history.since(Minute(21)), 4);
        assert_eq!(history.buckets.len(), 2);
        history.add(Minute(5), 8);
        assert_eq!((history.total(), history.since(Minute(20))), (15, 6));
    }

    #[test]
    fn money_leaves_a_rolling_window_as_soon_as_it_suffices() {
        let history = history(&[(10, 5), (20, 5), (30, 5)]);
        assert_eq!(history.leaves(Minute(10), 5), Some(Minute(10)));
        assert_eq!(history.leaves(Minute(10), 6), Some(Minute(20)));
        assert_eq!(history.leaves(Minute(11), 6), Some(Minute(30)));
        assert_eq!(
            history.leaves(Minute(10), 99),
            Some(Minute(10)),
            "none suffices"
        );
        assert_eq!(history.leaves(Minute(31), 1), None);
    }

    #[test]
    fn a_line_that_is_used_all_day_stays_short() {
        let mut history = History::default();
        for minute in 0..10_000 {
            history.add(Minute(minute), 1);
        }
        assert!(history.buckets.len() < 1_800, "{}", history.buckets.len());
        assert_eq!(history.since(Minute(9_700)), 300);
        assert_eq!(history.since(Minute(15 * 100)), 8_500);
    }

    proptest! {
        #[test]
        fn a_window_holds_what_was_spent_since_or_at_most_a_quarter_of_an_hour_more(
            entries in proptest::collection::vec((0_u32..3_000, 0_i64..1_000), 0..400),
            start in 0_u32..3_000,
        ) {
            let history = history(&entries);
            let since = |start: u32| -> i128 {
                entries.iter().filter(|(minute, _)| *minute >= start).map(|(_, it)| i128::from(*it)).sum()
            };
            prop_assert_eq!(history.total(), since(0));
            let quarter = start / 15 * 15;
            prop_assert_eq!(history.since(Minute(quarter)), since(quarter));
            prop_assert!(history.since(Minute(start)) >= since(start));
            prop_assert!(history.since(Minute(start)) <= since(quarter));
            let newest = entries.iter().map(|(minute, _)| *minute).max().unwrap_or(0);
            if start + 360 >= newest {
                prop_assert_eq!(history.since(Minute(start)), since(start));
            }
            let (folded, parts) = history.parts();
            prop_assert_eq!(History::from_parts(folded, parts), Some(history.clone()));
        }
    }
}

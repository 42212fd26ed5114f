//! When the gate asks by itself about work that goes on.
//!
//! Pure: times go in, the ids to ask about come out. The first question comes after the time that
//! the policy names, each further one somewhat later; a backend that fails is asked less and less;
//! one that refuses to say is not asked for long. A last question comes shortly before the time of
//! the work is up. Times are spread, so that work that began together is not asked about together.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::clock::Timestamp;

/// Longest time between two questions about work that goes on.
const LONGEST: Duration = Duration::from_secs(300);

/// Longest time between two questions to a backend that fails.
const LONGEST_FAILING: Duration = Duration::from_secs(900);

/// The last question comes at most so long before the time is up.
const LAST_WORD: Duration = Duration::from_secs(15);

/// How often in a row a backend may refuse to say.
const REFUSALS: u32 = 3;

/// What a question came to, where it did not settle the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// The work goes on.
    Running,
    /// There was no answer, or one of a server in trouble.
    Failing,
    /// The backend does not say: it knows no such thing, or tells nobody without a credential.
    Refused,
}

/// Whom to ask about when.
#[derive(Debug)]
pub struct Timetable {
    entries: HashMap<u64, Entry>,
    queue: BTreeSet<(Timestamp, u64)>,
    under_way: usize,
    most: usize,
    seed: u64,
}

#[derive(Debug)]
struct Entry {
    every: Duration,
    until: Timestamp,
    asked: u32,
    failing: u32,
    refused: u32,
    /// When it is asked about next; `None` while a question is under way, and when none comes.
    next: Option<Timestamp>,
    under_way: bool,
}

impl Timetable {
    /// Nothing to ask about; at most `most` questions are under way at a time. `seed` spreads the
    /// times.
    pub fn new(most: usize, seed: u64) -> Self {
        Self {
            entries: HashMap::new(),
            queue: BTreeSet::new(),
            under_way: 0,
            most,
            seed,
        }
    }

    /// The work `id` began and its time is up at `until`. What is known already stays as it is.
    pub fn watch(&mut self, id: u64, every: Duration, until: Timestamp, now: Timestamp) {
        if self.entries.contains_key(&id) {
            return;
        }
        let mut entry = Entry {
            every,
            until,
            asked: 0,
            failing: 0,
            refused: 0,
            next: None,
            under_way: false,
        };
        self.schedule(id, &mut entry, now);
        self.entries.insert(id, entry);
    }

    /// The work was settled: nothing is asked about it any more.
    pub fn forget(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            if let Some(next) = entry.next {
                self.queue.remove(&(next, id));
            }
            self.under_way -= usize::from(entry.under_way);
        }
    }

    /// Forgets all but the work that `stays` names.
    pub fn retain(&mut self, stays: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self
            .entries
            .keys()
            .copied()
            .filter(|id| !stays(*id))
            .collect();
        for id in gone {
            self.forget(id);
        }
    }

    /// What is to be asked about now. Each of them is under way until [`Timetable::heard`].
    pub fn due(&mut self, now: Timestamp) -> Vec<u64> {
        let mut due = Vec::new();
        while self.under_way < self.most
            && let Some((next, id)) = self.queue.first().copied()
            && next <= now
        {
            self.queue.pop_first();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.next = None;
                entry.under_way = true;
                entry.asked += 1;
                self.under_way += 1;
                due.push(id);
            }
        }
        due
    }

    /// A question that did not settle the work came to this.
    pub fn heard(&mut self, id: u64, heard: Heard, now: Timestamp) {
        let Some(mut entry) = self.entries.remove(&id) else {
            return;
        };
        self.under_way -= usize::from(entry.under_way);
        entry.under_way = false;
        match heard {
            Heard::Running => (entry.failing, entry.refused) = (0, 0),
            Heard::Failing => entry.failing += 1,
            Heard::Refused => entry.refused += 1,
        }
        if let Some(next) = entry.next.take() {
            self.queue.remove(&(next, id));
        }
        if entry.refused < REFUSALS {
            self.schedule(id, &mut entry, now);
        }
        self.entries.insert(id, entry);
    }

    fn schedule(&mut self, id: u64, entry: &mut Entry, now: Timestamp) {
        let last = before(entry.until, entry.every.min(LAST_WORD));
        if now >= last {
            return;
        }
        let next = after(now, self.spread(id, entry)).min(last);
        entry.next = Some(next);
        self.queue.insert((next, id));
    }

    /// The time to the next question: a fifth more or less than it should be.
    fn spread(&self, id: u64, entry: &Entry) -> Duration {
        let wait = entry.wait();
        let draw = mixed(self.seed ^ mixed(id) ^ u64::from(entry.asked)) % 401;
        let share = 800 + u32::try_from(draw).unwrap_or_default();
        wait.saturating_mul(share) / 1000
    }
}

impl Entry {
    fn wait(&self) -> Duration {
        let halves = 2 + self.asked.min(1_000);
        let longest = LONGEST.max(self.every);
        let running = (self.every.saturating_mul(halves) / 2).min(longest);
        match self.failing + self.refused {
            0 => running,
            failures => self
                .every
                .saturating_mul(1 << failures.min(16))
                .min(LONGEST_FAILING.max(self.every)),
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(micros(wait)))
}

fn before(at: Timestamp, lead: Duration) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_sub(micros(lead)))
}

/// Sebastiano Vigna's splitmix64: one step of it, as a hash.
const fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Duration = Duration::from_secs(15);
    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// The seconds at which work is asked about that begins at 0, when every question comes to this.
    fn asked_at(heard: impl Fn(u32) -> Heard, lasts: i64) -> Vec<i64> {
        let mut table = Timetable::new(4, 7);
        table.watch(1, EVERY, at(lasts), at(0));
        let mut asked = Vec::new();
        for second in 0..=lasts {
            for id in table.due(at(second)) {
                table.heard(id, heard(asked.len() as u32), at(second));
                asked.push(second);
            }
        }
        asked
    }

    #[test]
    fn work_that_goes_on_is_asked_about_more_and_more_rarely_and_once_more_at_the_end() {
        let asked = asked_at(|_| Heard::Running, HOUR);
        assert!((12..=19).contains(asked.first().unwrap()), "{asked:?}");
        let waits: Vec<i64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.iter().all(|wait| *wait <= 361), "{waits:?}");
        assert!(waits[10] > waits[0], "{waits:?}");
        assert!(asked.len() < 40, "{} questions in an hour", asked.len());
        assert_eq!(*asked.last().unwrap(), HOUR - 15);
    }

    #[test]
    fn a_backend_that_fails_is_asked_less_than_one_that_answers() {
        let failing = asked_at(|_| Heard::Failing, HOUR).len();
        assert!(failing < asked_at(|_| Heard::Running, HOUR).len());
        assert!(failing >= 5, "it may come back");
    }

    #[test]
    fn a_backend_that_will_not_say_is_left_alone() {
        assert_eq!(asked_at(|_| Heard::Refused, HOUR).len(), 3);
        let once = |nth| match nth {
            0 => Heard::Refused,
            _ => Heard::Running,
        };
        assert!(asked_at(once, HOUR).len() > 3, "one refusal is forgiven");
    }

    #[test]
    fn no_more_questions_are_under_way_than_may_be() {
        let mut table = Timetable::new(2, 7);
        for id in 0..10 {
            table.watch(id, EVERY, at(HOUR), at(0));
        }
        let first = table.due(at(60));
        assert_eq!(first.len(), 2);
        assert!(table.due(at(60)).is_empty());
        table.heard(first[0], Heard::Running, at(61));
        table.forget(first[1]);
        let next = table.due(at(61));
        assert_eq!(next.len(), 2);
        assert!(next.iter().all(|id| !first.contains(id)));
    }

    #[test]
    fn settled_work_is_asked_about_no_more() {
        let mut table = Timetable::new(2, 7);
        table.watch(1, EVERY, at(HOUR), at(0));
        table.watch(2, EVERY, at(HOUR), at(0));
        table.retain(|id| id == 2);
        assert_eq!(table.due(at(60)), [2]);
        table.forget(2);
        table.heard(2, Heard::Running, at(60));
        assert!(table.due(at(HOUR)).is_empty());
    }

    #[test]
    fn work_that_began_together_is_not_asked_about_together() {
        let mut table = Timetable::new(1_000, 7);
        for id in 0..1_000 {
            table.watch(id, EVERY, at(HOUR), at(0));
        }
        let by_second: Vec<usize> = (0..20).map(|second| table.due(at(second)).len()).collect();
        assert_eq!(by_second.iter().sum::<usize>(), 1_000);
        assert!(by_second.iter().all(|count| *count < 400), "{by_second:?}");
    }

    proptest! {
        /// However questions end, the counts are right and nothing is asked about twice at a time
        /// or after its end.
        #[test]
        fn a_timetable_never_loses_count(
            steps in proptest::collection::vec((0..6_u64, 0..5_u8, 0..40_i64), 1..200),
        ) {
            let mut table = Timetable::new(3, 11);
            let mut under_way = std::collections::BTreeSet::new();
            let mut now = 0;
            for (id, step, wait) in steps {
                now += wait;
                match step {
                    0 => table.watch(id, EVERY, at(now + 120), at(now)),
                    1 => {
                        table.forget(id);
                        under_way.remove(&id);
                    }
                    2 => for id in table.due(at(now)) {
                        prop_assert!(under_way.insert(id), "asked twice at a time");
                    },
                    3 => {
                        table.heard(id, Heard::Running, at(now));
                        under_way.remove(&id);
                    }
                    _ => {
                        table.heard(id, Heard::Failing, at(now));
                        under_way.remove(&id);
                    }
                }
                prop_assert!(under_way.len() <= 3);
                prop_assert_eq!(table.under_way, under_way.len());
                for (_, entry) in table.entries.iter().filter(|(_, entry)| entry.next.is_some()) {
                    prop_assert!(entry.next.unwrap() < entry.until);
                }
            }
        }
    }
}

//! Requests that go one at a time, and the lines they wait in.
//!
//! First come, first served. A line exists for as long as somebody stands in it, and whoever leaves
//! it, however that comes about, leaves by dropping what was holding the place: there is nothing to
//! give back that could be forgotten. Lines are those of this process; replicas know nothing of each
//! other's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::decision::{Denial, DenialCode};
use crate::policy::LinePolicy;

/// Which line: names that no two kinds of line share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LineKey(Arc<[Arc<str>]>);

impl LineKey {
    /// The line that all of these names together stand for.
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self(names.into_iter().collect())
    }
}

/// All lines of the process.
#[derive(Debug, Default)]
pub struct Lines {
    lines: Mutex<HashMap<LineKey, Known>>,
}

/// A line and how many stand in it, at its head or waiting.
#[derive(Debug)]
struct Known {
    line: Arc<Line>,
    present: usize,
}

#[derive(Debug)]
struct Line {
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Whoever holds this is at the head of its line, and the only one under way.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    // INVARIANT: before the presence, for fields are dropped in this order and a line must not be
    // forgotten while somebody has the turn.
    _permit: OwnedSemaphorePermit,
    _presence: Presence,
}

/// Keeps a line known.
#[derive(Debug)]
struct Presence {
    lines: Arc<Lines>,
    key: LineKey,
}

impl Lines {
    /// Waits in line. To leave it, drop the future.
    ///
    /// # Errors
    /// `queue_full`: too many wait already, or the turn did not come in time.
    pub async fn stand(self: &Arc<Self>, key: LineKey, policy: LinePolicy) -> Result<Turn, Denial> {
        let (line, presence) = self.join(key);
        // The semaphore lets nobody overtake those who wait.
        if let Ok(permit) = Arc::clone(&line.turn).try_acquire_owned() {
            return Ok(Turn {
                _permit: permit,
                _presence: presence,
            });
        }
        let _waiting = Waiting::among(&line, policy.queue)
            .ok_or_else(|| Denial::because(DenialCode::QueueFull, "too many requests wait"))?;
        match timeout(policy.wait, Arc::clone(&line.turn).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn {
                _permit: permit,
                _presence: presence,
            }),
            // Nobody closes the semaphore; if somebody did, nobody's turn would ever come.
            Ok(Err(_)) | Err(_) => {
                let detail = "the turn did not come in time";
                Err(Denial::because(DenialCode::QueueFull, detail))
            }
        }
    }

    fn join(self: &Arc<Self>, key: LineKey) -> (Arc<Line>, Presence) {
        let mut known = self.known();
        let entry = known.entry(key.clone()).or_insert_with(|| Known {
            line: Arc::new(Line {
                turn: Arc::new(Semaphore::new(1)),
                waiting: AtomicUsize::new(0),
            }),
            present: 0,
        });
        entry.present += 1;
        let presence = Presence {
            lines: Arc::clone(self),
            key,
        };
        (Arc::clone(&entry.line), presence)
    }

    /// How many lines somebody stands in.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// Whether nobody stands in any.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<LineKey, Known>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut known = self.lines.known();
        if let Some(entry) = known.get_mut(&self.key) {
            entry.present = entry.present.saturating_sub(1);
            if entry.present == 0 {
                known.remove(&self.key);
            }
        }
    }
}

/// One place among those who wait.
struct Waiting<'line>(&'line Line);

impl<'line> Waiting<'line> {
    fn among(line: &'line Line, most: usize) -> Option<Self> {
        let joined = line
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
                (waiting < most).then_some(waiting + 1)
            });
        joined.ok().map(|_| Self(line))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::LineScope;

    fn policy(queue: usize, wait: Duration) -> LinePolicy {
        LinePolicy {
            scope: LineScope::Route,
            queue,
            wait,
        }
    }

    fn key(name: &str) -> LineKey {
        LineKey::new([Arc::from(name)])
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn turns_come_in_the_order_of_arrival_and_one_at_a_time() {
        let lines = Arc::new(Lines::default());
        let first = lines.stand(key("a"), policy(64, LONG)).await.unwrap();
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        let under_way = Arc::new(AtomicUsize::new(0));
        for number in 0..20 {
            let (lines, sender, under_way) = (lines.clone(), sender.clone(), under_way.clone());
            tokio::spawn(async move {
                let _turn = lines.stand(key("a"), policy(64, LONG)).await.unwrap();
                assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                sender.send(number).unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop((first, sender));
        for number in 0..20 {
            assert_eq!(order.recv().await, Some(number));
        }
        while !lines.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_line_does_not_hold_up_another() {
        let lines = Arc::new(Lines::default());
        let _a = lines.stand(key("a"), policy(0, LONG)).await.unwrap();
        let _b = lines.stand(key("b"), policy(0, LONG)).await.unwrap();
        assert_eq!(lines.len(), 2);
    }

    #[tokio::test]
    async fn a_full_line_and_one_that_does_not_move_are_refused() {
        let lines = Arc::new(Lines::default());
        let brief = policy(1, Duration::from_millis(20));
        let turn = lines.stand(key("a"), brief).await.unwrap();
        let (waited, refused) =
            tokio::join!(lines.stand(key("a"), brief), lines.stand(key("a"), brief));
        for denied in [waited, refused] {
            assert_eq!(denied.unwrap_err().code, DenialCode::QueueFull);
        }
        drop(turn);
        assert!(
            lines.stand(key("a"), brief).await.is_ok(),
            "nobody waits any more"
        );
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_leaves_nothing_behind() {
        let lines = Arc::new(Lines::default());
        let turn = lines.stand(key("a"), policy(1, LONG)).await.unwrap();
        for _ in 0..100 {
            let waiting = lines.stand(key("a"), policy(1, LONG));
            assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
        }
        drop(turn);
        assert!(lines.is_empty());
        let _next = lines.stand(key("a"), policy(0, LONG)).await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_ends_with_a_panic() {
        let lines = Arc::new(Lines::default());
        let panicking = lines.clone();
        let panicked = tokio::spawn(async move {
            let _turn = panicking.stand(key("a"), policy(0, LONG)).await.unwrap();
            panic!("in the middle");
        });
        assert!(panicked.await.is_err());
        assert!(lines.is_empty());
    }

    #[test]
    fn names_do_not_run_into_each_other() {
        let names = |names: &[&str]| LineKey::new(names.iter().map(|name| Arc::from(*name)));
        assert_ne!(names(&["a", "bc"]), names(&["ab", "c"]));
    }
}

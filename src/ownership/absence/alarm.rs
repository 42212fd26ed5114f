//! Waking up at a point in time, to some ten microseconds.
//!
//! A backend on the same host answers within a few hundred microseconds, and the runtime's timers
//! tick in milliseconds: an answer that waited for one of them would be known by it. So a thread of
//! its own sleeps until the next waiter is due.

use std::cmp::{Ordering as Order, Reverse};
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Most that wait at one moment; more of them wait by the runtime's timers.
const MOST_WAITING: usize = 65_536;

/// How far one answer moves what is known of how late they come, in nanoseconds. Steps of one size
/// lead to the median, whatever the few that a busy machine holds up.
const STEP: i64 = 2_000;

/// Most that is allowed for lateness, in nanoseconds.
const LATEST: i64 = 1_000_000;

/// The clock that wakes.
#[derive(Default)]
pub(super) struct Alarm {
    thread: OnceLock<Option<Thread>>,
    /// How late things are done that waited, in nanoseconds, at the median: whoever waits is woken
    /// that much earlier.
    late: AtomicI64,
}

struct Thread(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    heap: BinaryHeap<Reverse<Due>>,
    stopped: bool,
}

struct Due {
    at: Instant,
    wake: oneshot::Sender<()>,
}

impl Alarm {
    /// Returns so long before `moment` as it takes then to be done with what waits. `false`: it has
    /// passed.
    pub(super) async fn wait_until(&self, moment: Instant) -> bool {
        let late = self.late.load(Ordering::Relaxed);
        let early = Duration::from_nanos(u64::try_from(late).unwrap_or(0));
        let Some(at) = moment.checked_sub(early).filter(|at| *at > Instant::now()) else {
            return false;
        };
        let thread = self.thread.get_or_init(Thread::start);
        let woken = match thread.as_ref().and_then(|thread| thread.wake_at(at)) {
            Some(woken) => woken,
            None => {
                tokio::time::sleep_until(moment.into()).await;
                return false;
            }
        };
        // The thread ends only with the alarm.
        woken.await.is_ok()
    }

    /// What waited until `moment` was done at `done`.
    pub(super) fn learn(&self, moment: Instant, done: Instant) {
        let step = if done > moment { STEP } else { -STEP };
        let late = self.late.load(Ordering::Relaxed);
        // Two at once may lose one of their steps, which does no harm to a median.
        let moved = (late + step).clamp(0, LATEST);
        self.late.store(moved, Ordering::Relaxed);
    }
}

impl Thread {
    /// `None`: the system has no thread to give.
    fn start() -> Option<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("absence-alarm".to_owned())
            .spawn(move || own.run())
            .map_err(|error| tracing::warn!(%error, "absences are paced by milliseconds only"))
            .ok()?;
        Some(Self(shared))
    }

    /// `None`: too many wait.
    fn wake_at(&self, at: Instant) -> Option<oneshot::Receiver<()>> {
        let (wake, woken) = oneshot::channel();
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.heap.len() >= MOST_WAITING {
            return None;
        }
        let next = waiting.heap.peek().map(|Reverse(due)| due.at);
        waiting.heap.push(Reverse(Due { at, wake }));
        drop(waiting);
        if next.is_none_or(|next| at < next) {
            self.0.changed.notify_one();
        }
        Some(woken)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.stopped = true;
        drop(waiting);
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        // The kernel may join wake-ups that are 50 microseconds apart unless it is told otherwise.
        #[cfg(target_os = "linux")]
        if let Err(error) = nix::sys::prctl::set_timerslack(1) {
            tracing::debug!(%error, "the timer slack stays as it is");
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while !waiting.stopped {
            let now = Instant::now();
            let next = waiting.heap.peek().map(|Reverse(due)| due.at);
            waiting = match next.map(|at| at.saturating_duration_since(now)) {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    if let Some(Reverse(due)) = waiting.heap.pop() {
                        // Whoever waited may have left.
                        let _ = due.wake.send(());
                    }
                    continue;
                }
                Some(rest) => {
                    self.changed
                        .wait_timeout(waiting, rest)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Order {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_in_the_order_of_time_and_hardly_before_it() {
        let alarm = Alarm::default();
        let start = Instant::now();
        let mut later = std::pin::pin!(alarm.wait_until(start + Duration::from_secs(3_600)));
        // Time for the thread to fall asleep over it; without it less is asked for.
        let fallen_asleep = tokio::time::sleep(Duration::from_millis(50));
        let sooner = start + Duration::from_millis(80);
        let woken = async {
            tokio::select! {
                biased;
                _ = &mut later => panic!("woken an hour early"),
                () = fallen_asleep => {}
            }
            tokio::select! {
                biased;
                _ = &mut later => panic!("woken an hour early"),
                _ = alarm.wait_until(sooner) => {}
            }
        };
        let woken = tokio::time::timeout(Duration::from_secs(30), woken).await;
        assert!(woken.is_ok(), "the one behind is waited for first");
        assert!(Instant::now() + Duration::from_millis(1) >= sooner);
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_not_waited_for() {
        let alarm = Alarm::default();
        let start = Instant::now();
        assert!(!alarm.wait_until(start).await);
        assert!(alarm.thread.get().is_none(), "no thread was needed");
    }

    #[test]
    fn who_is_done_late_is_woken_earlier_the_next_time() {
        let alarm = Alarm::default();
        let moment = Instant::now();
        for _ in 0..100 {
            let late = Duration::from_nanos(alarm.late.load(Ordering::Relaxed).unsigned_abs());
            let done = moment + Duration::from_micros(50);
            alarm.learn(moment, done.checked_sub(late).unwrap());
        }
        let late = alarm.late.load(Ordering::Relaxed);
        assert!((48_000..=52_000).contains(&late), "{late} ns for 50 µs");
        for _ in 0..100 {
            alarm.learn(moment, moment);
        }
        assert_eq!(
            alarm.late.load(Ordering::Relaxed),
            0,
            "never later than asked for"
        );
    }
}

//! A bounded queue between callers and the threads of the store.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why nothing more is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// The limit is reached.
    Full,
    /// The store is closed, or its thread has ended.
    Closed,
}

/// What waits.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    bell: Condvar,
    limit: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                closed: false,
            }),
            bell: Condvar::new(),
            limit,
        }
    }

    /// Adds one at the end.
    pub(super) fn push(&self, item: T) -> Result<(), Rejected> {
        let mut state = self.lock();
        if state.closed {
            return Err(Rejected::Closed);
        }
        if state.waiting.len() >= self.limit {
            return Err(Rejected::Full);
        }
        state.waiting.push_back(item);
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Takes up to `most` from the front, once there is one or `longest` has passed. `None` when
    /// the queue is closed and empty.
    pub(super) fn take(&self, most: usize, longest: Duration) -> Option<Vec<T>> {
        let (mut state, _) = self
            .bell
            .wait_timeout_while(self.lock(), longest, |state| {
                state.waiting.is_empty() && !state.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() && state.closed {
            return None;
        }
        let count = most.min(state.waiting.len());
        Some(state.waiting.drain(..count).collect())
    }

    /// Takes no more on; what waits is still to be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }

    /// Takes no more on and drops what waits.
    pub(super) fn abandon(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.bell.notify_all();
    }

    /// Whoever panicked inside left nothing half done.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_no_more_until_something_is_taken() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(3), Err(Rejected::Full));
        assert_eq!(queue.take(1, Duration::ZERO), Some(vec![1]));
        assert_eq!(queue.push(3), Ok(()));
        assert_eq!(queue.take(9, Duration::ZERO), Some(vec![2, 3]));
        assert_eq!(queue.take(9, Duration::ZERO), Some(vec![]));
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_then_ends() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(queue.push(2), Err(Rejected::Closed));
        assert_eq!(queue.take(9, Duration::from_secs(9)), Some(vec![1]));
        assert_eq!(queue.take(9, Duration::from_secs(9)), None);
    }
}

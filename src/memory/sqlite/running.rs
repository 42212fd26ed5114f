//! A reading that is under way, and how it is ended when nobody waits for it any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::InterruptHandle;

/// Shared by the thread that reads and the caller that waits.
#[derive(Default)]
pub(super) struct Running(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Reading(InterruptHandle),
    Over,
}

impl Running {
    /// The thread begins. `None` if nobody waits; else it is over when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, interrupt: InterruptHandle) -> Option<Reading> {
        let mut state = self.lock();
        match *state {
            State::Waiting => {
                *state = State::Reading(interrupt);
                Some(Reading(Arc::clone(self)))
            }
            State::Reading(_) | State::Over => None,
        }
    }

    /// Ends the reading, whoever waits.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        if let State::Reading(interrupt) = &*state {
            interrupt.interrupt();
        } else {
            *state = State::Over;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it exists, a caller that goes ends the reading.
pub(super) struct Reading(Arc<Running>);

impl Drop for Reading {
    fn drop(&mut self) {
        // INVARIANT: under the lock. An interrupt that came later would end what the connection is
        // used for next.
        *self.0.lock() = State::Over;
    }
}

/// Held by the caller: when it goes, the reading ends.
pub(super) struct Awaited(pub(super) Arc<Running>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.end();
    }
}

//! What can be seen of a key set from outside: for metrics and readiness.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::clock::Timestamp;

/// Never, as a time of success.
const NEVER: i64 = i64::MIN;

/// A key set as it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetStatus {
    /// Whether tokens can be verified by it.
    pub state: KeySetState,
    /// How many usable keys it has.
    pub keys: u64,
    /// Fetches that brought a usable set.
    pub fetches_ok: u64,
    /// Fetches that did not.
    pub fetches_failed: u64,
    /// When it was last confirmed by its source.
    pub last_success: Option<Timestamp>,
}

/// Whether a key set can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetState {
    /// Nothing was had yet: `keys_unavailable`.
    Missing,
    /// In use, and its source answered the last time it was asked.
    Fresh,
    /// In use, though its source did not answer the last time.
    Stale,
    /// Not confirmed for longer than the limit: `keys_unavailable`.
    Expired,
}

impl KeySetState {
    /// Whether tokens can be verified.
    pub const fn is_usable(self) -> bool {
        match self {
            Self::Fresh | Self::Stale => true,
            Self::Missing | Self::Expired => false,
        }
    }
}

/// The counters behind a [`KeySetStatus`].
#[derive(Debug)]
pub(super) struct Counters {
    keys: AtomicU64,
    fetches_ok: AtomicU64,
    fetches_failed: AtomicU64,
    last_success: AtomicI64,
    failing: AtomicBool,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            keys: AtomicU64::new(0),
            fetches_ok: AtomicU64::new(0),
            fetches_failed: AtomicU64::new(0),
            last_success: AtomicI64::new(NEVER),
            failing: AtomicBool::new(false),
        }
    }
}

impl Counters {
    pub(super) fn count_success(&self, keys: usize) {
        self.keys
            .store(u64::try_from(keys).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.fetches_ok.fetch_add(1, Ordering::Relaxed);
        self.failing.store(false, Ordering::Release);
    }

    pub(super) fn count_failure(&self) {
        self.fetches_failed.fetch_add(1, Ordering::Relaxed);
        self.failing.store(true, Ordering::Release);
    }

    pub(super) fn confirm(&self, now: Timestamp) {
        self.last_success.store(now.as_micros(), Ordering::Release);
    }

    /// Whether the last fetch failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(super) fn status(&self, expired: bool) -> KeySetStatus {
        let last_success = match self.last_success.load(Ordering::Acquire) {
            NEVER => None,
            micros => Some(Timestamp::from_micros(micros)),
        };
        let state = match (last_success, expired, self.is_failing()) {
            (None, _, _) => KeySetState::Missing,
            (Some(_), true, _) => KeySetState::Expired,
            (Some(_), false, true) => KeySetState::Stale,
            (Some(_), false, false) => KeySetState::Fresh,
        };
        KeySetStatus {
            state,
            keys: self.keys.load(Ordering::Relaxed),
            fetches_ok: self.fetches_ok.load(Ordering::Relaxed),
            fetches_failed: self.fetches_failed.load(Ordering::Relaxed),
            last_success,
        }
    }
}

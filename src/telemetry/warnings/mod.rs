//! Telling somebody that a ceiling is spent: as far as they wanted to know of, or altogether.
//!
//! **Once.** Each warning has a key: whose ceiling it is, the window, and how far. Whoever writes the
//! key into the folder first tells of it ([`told`]); other processes, later requests and the next
//! start find it there. A warning that was reached while nobody could tell of it (a crash) is found
//! again when the standing of the ceilings is looked at.
//!
//! **How.** An audit record, a count, and, where the policy names a receiver, a signed message
//! ([`delivery`]) that stays in the folder until it was delivered.
//!
//! The path of a request only hands a warning over. What finds no room is counted; it is found
//! again as said above.

mod delivery;
mod told;
mod worker;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tokio::sync::mpsc;

use crate::budget::ledger::{Crossing, Exhausted, LineStanding};
use crate::budget::{Ceiling, CeilingScope, Spender, Window};
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

pub use delivery::DeliveryError;
pub use worker::{WarningEnds, WarningWorker, WarningsUnusable};

/// Most warnings that wait for the worker.
const MOST_WAITING: usize = 1_000;
/// Most keys that are remembered, so that a thousand refusals a second do not all wait for it.
const MOST_REMEMBERED: usize = 50_000;
/// How long a warning of a window that never ends is remembered, in seconds: 400 days.
const REMEMBERED_SECONDS: i64 = 400 * 86_400;

/// How far a ceiling is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// This share of the limit is spent, in thousandths.
    Reached(u16),
    /// A request was refused.
    Exhausted,
}

impl Level {
    /// The share as a decimal; `None` where a request was refused.
    pub fn threshold(self) -> Option<String> {
        match self {
            Self::Reached(thousandths) => Some(decimal(thousandths)),
            Self::Exhausted => None,
        }
    }
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Whose ceiling.
    pub tenant: TenantId,
    /// Over what it adds up.
    pub scope: CeilingScope,
    /// Which user, agent, route or session; empty for the tenant.
    pub value: String,
    /// Over which time.
    pub window: Window,
    /// The limit.
    pub limit: NanoUsd,
    /// What is spent, with what is reserved where a request was refused.
    pub spent: NanoUsd,
    /// How far.
    pub level: Level,
    /// When the window ends; `None` if it never does.
    pub resets_at: Option<Timestamp>,
    /// When it was seen.
    pub at: Timestamp,
}

impl Warning {
    /// A share of a ceiling is spent.
    pub fn of_crossing(crossing: &Crossing, at: Timestamp) -> Self {
        Self {
            tenant: crossing.tenant.clone(),
            scope: crossing.ceiling.scope,
            value: crossing.value.as_ref().to_owned(),
            window: crossing.ceiling.window,
            limit: crossing.ceiling.limit,
            spent: crossing.spent,
            level: Level::Reached(crossing.threshold),
            resets_at: crossing.resets_at,
            at,
        }
    }

    /// A request of a spender was refused by a ceiling.
    pub fn of_refusal(spender: &Spender, exhausted: &Exhausted, at: Timestamp) -> Self {
        Self {
            tenant: spender.tenant.clone(),
            scope: exhausted.scope,
            value: spender.value(exhausted.scope).to_owned(),
            window: exhausted.window,
            limit: exhausted.limit,
            spent: exhausted.spent.plus(exhausted.reserved),
            level: Level::Exhausted,
            resets_at: exhausted.resets_at,
            at,
        }
    }

    /// What a line's standing says that somebody wanted to know: the shares of `ceiling` that are
    /// spent on it.
    pub fn of_standing<'all>(
        tenant: &'all TenantId,
        ceiling: &'all Ceiling,
        standing: &'all LineStanding,
        at: Timestamp,
    ) -> impl Iterator<Item = Self> + 'all {
        let spent = u128::from(standing.spent.nanos()) * 1_000;
        let limit = u128::from(standing.limit.nanos());
        let reached = ceiling
            .warn_at
            .iter()
            .filter(move |share| spent >= u128::from(**share) * limit);
        reached.map(move |share| Self {
            tenant: tenant.clone(),
            scope: standing.scope,
            value: standing.value.as_ref().to_owned(),
            window: standing.window,
            limit: standing.limit,
            spent: standing.spent,
            level: Level::Reached(*share),
            resets_at: standing.resets_at,
            at,
        })
    }

    /// What makes it the same warning: whose ceiling, which one, which of its windows, how far. A
    /// ceiling that was raised is another.
    fn key(&self) -> String {
        // A rolling window has no beginning; it is told of once in its own length.
        let window = match self.window {
            Window::Rolling(length) => {
                let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
                self.at.as_seconds().div_euclid(length)
            }
            Window::Hour | Window::Day | Window::Week | Window::Month | Window::Total => {
                self.resets_at.map_or(0, Timestamp::as_seconds)
            }
        };
        let level = match self.level {
            Level::Reached(thousandths) => u64::from(thousandths),
            Level::Exhausted => u64::MAX,
        };
        let mut hasher = blake3::Hasher::new();
        for part in [
            self.tenant.as_str(),
            self.scope.as_str(),
            &self.value,
            &self.window.to_string(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&self.limit.nanos().to_le_bytes());
        hasher.update(&window.to_le_bytes());
        hasher.update(&level.to_le_bytes());
        let mut key = hasher.finalize().to_hex().to_string();
        key.truncate(32);
        key
    }

    /// Until when the key has to be kept so that it is not told of twice.
    fn remembered_until(&self) -> Timestamp {
        match (self.window, self.resets_at) {
            (Window::Rolling(length), _) => {
                let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
                self.at.plus_seconds(length.saturating_mul(2))
            }
            (_, Some(resets_at)) => resets_at.plus_seconds(86_400),
            (_, None) => self.at.plus_seconds(REMEMBERED_SECONDS),
        }
    }

    /// The message, in the shape that Standard Webhooks recommends.
    fn message(&self) -> String {
        let kind = match self.level {
            Level::Reached(_) => "ceiling.warning",
            Level::Exhausted => "ceiling.exhausted",
        };
        json!({
            "type": kind,
            "timestamp": self.at.to_string(),
            "data": {
                "tenant": self.tenant.as_str(),
                "scope": self.scope.as_str(),
                "value": self.value,
                "window": self.window.to_string(),
                "threshold": self.level.threshold(),
                "limit_usd": self.limit.to_string(),
                "spent_usd": self.spent.to_string(),
                "resets_at": self.resets_at.map(|time| time.to_string()),
            },
        })
        .to_string()
    }
}

/// Takes warnings from the threads that serve requests.
#[derive(Debug)]
pub struct Warnings {
    queue: mpsc::Sender<Warning>,
    waiting: Mutex<Option<mpsc::Receiver<Warning>>>,
    remembered: Mutex<HashSet<String>>,
    dropped: AtomicU64,
}

impl Default for Warnings {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        Self {
            queue,
            waiting: Mutex::new(Some(waiting)),
            remembered: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Warnings {
    /// Hands a warning over. Never waits; one that was handed over before costs a look.
    pub fn tell(&self, warning: Warning) {
        let key = warning.key();
        {
            let mut remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if remembered.contains(&key) {
                return;
            }
            if remembered.len() >= MOST_REMEMBERED {
                remembered.clear();
            }
            remembered.insert(key.clone());
        }
        if self.queue.try_send(warning).is_err() {
            self.remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Warnings that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The other end of the queue, once.
    fn take_queue(&self) -> Option<mpsc::Receiver<Warning>> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Thousandths as a decimal: 800 is `0.8`.
pub fn decimal(thousandths: u16) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let short = text.trim_end_matches('0');
    short.strip_suffix('.').unwrap_or(short).to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(super) fn warning() -> Warning {
        Warning {
            tenant: "acme".parse().unwrap(),
            scope: CeilingScope::User,
            value: "alice".to_owned(),
            window: Window::Month,
            limit: NanoUsd::from_nanos(10_000_000_000),
            spent: NanoUsd::from_nanos(8_100_000_000),
            level: Level::Reached(800),
            resets_at: Some(Timestamp::from_seconds(1_796_083_200)),
            at: Timestamp::from_seconds(1_795_000_000),
        }
    }

    #[test]
    fn what_makes_a_warning_another_one_changes_its_key_and_nothing_else_does() {
        let first = warning();
        let same = Warning {
            spent: NanoUsd::from_nanos(9_000_000_000),
            at: first.at.plus_seconds(60),
            ..first.clone()
        };
        assert_eq!(first.key(), same.key());
        let others = [
            Warning {
                tenant: "globex".parse().unwrap(),
                ..first.clone()
            },
            Warning {
                scope: CeilingScope::Agent,
                ..first.clone()
            },
            Warning {
                value: "bob".to_owned(),
                ..first.clone()
            },
            Warning {
                window: Window::Week,
                ..first.clone()
            },
            Warning {
                limit: NanoUsd::from_nanos(20_000_000_000),
                ..first.clone()
            },
            Warning {
                level: Level::Reached(900),
                ..first.clone()
            },
            Warning {
                level: Level::Exhausted,
                ..first.clone()
            },
            Warning {
                resets_at: Some(Timestamp::from_seconds(1_798_761_600)),
                ..first.clone()
            },
        ];
        for other in others {
            assert_ne!(first.key(), other.key(), "{other:?}");
        }
    }

    #[test]
    fn a_rolling_window_is_told_of_once_in_its_length() {
        let first = Warning {
            window: Window::Rolling(Duration::from_secs(3_600)),
            at: Timestamp::from_seconds(3_600 * 500_000),
            ..warning()
        };
        let later = |seconds| Warning {
            at: first.at.plus_seconds(seconds),
            resets_at: Some(first.at.plus_seconds(seconds + 7)),
            ..first.clone()
        };
        assert_eq!(first.key(), later(3_599).key());
        assert_ne!(first.key(), later(3_600).key());
    }

    #[test]
    fn a_thousand_refusals_of_one_window_wait_as_one() {
        let warnings = Warnings::default();
        for _ in 0..MOST_WAITING * 2 {
            warnings.tell(warning());
        }
        assert_eq!(warnings.dropped(), 0);
        let mut queue = warnings.take_queue().unwrap();
        assert!(queue.try_recv().is_ok());
        assert!(queue.try_recv().is_err(), "the same one waits once");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_may_come_again() {
        let warnings = Warnings::default();
        let of = |number: usize| Warning {
            value: number.to_string(),
            ..warning()
        };
        for number in 0..=MOST_WAITING {
            warnings.tell(of(number));
        }
        assert_eq!(warnings.dropped(), 1);
        let mut queue = warnings.take_queue().unwrap();
        assert!(queue.try_recv().is_ok());
        warnings.tell(of(MOST_WAITING));
        let waiting = std::iter::from_fn(|| queue.try_recv().ok()).count();
        assert_eq!(waiting, MOST_WAITING);
    }

    #[test]
    fn a_share_is_written_without_needless_digits() {
        for (thousandths, text) in [
            (800, "0.8"),
            (1_000, "1"),
            (5, "0.005"),
            (950, "0.95"),
            (0, "0"),
        ] {
            assert_eq!(decimal(thousandths), text);
        }
    }
}

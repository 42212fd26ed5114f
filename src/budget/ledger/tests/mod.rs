//! The ledger in memory: what it promises, held against a simple reference.

mod faults;
mod reference;
mod room;
mod steps;

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{
    Adjustment, Alone, Journal, Ledger, LedgerSettings, MemoryJournal, Request, Reservation,
    ReserveError, SHARDS,
};
use crate::budget::ceiling::{Ceiling, CeilingScope, Spender, Window};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::money::NanoUsd;

/// A Thursday's noon.
const NOON: Timestamp = Timestamp::from_seconds(1_782_388_800);

fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

fn ceiling(scope: CeilingScope, window: &str, limit: &str) -> Ceiling {
    Ceiling {
        scope,
        window: window.parse().unwrap(),
        limit: usd(limit),
        timezone: TimeZone::UTC,
        warn_at: Arc::new([500, 1_000]),
    }
}

fn tenants(window: &str, limit: &str) -> Vec<Ceiling> {
    vec![ceiling(CeilingScope::Tenant, window, limit)]
}

fn spender(user: &str) -> Spender {
    super::record::spender(["acme", user, "", "chat", ""])
}

/// Ledgers of several processes on one set of journals.
fn ledgers(clock: &Arc<ManualClock>, count: usize) -> Vec<Arc<Ledger>> {
    let journals: Vec<_> = (0..SHARDS).map(|_| MemoryJournal::default()).collect();
    (0..count)
        .map(|_| {
            let journals = journals
                .iter()
                .map(|it| -> Box<dyn Journal> { Box::new(it.beside()) });
            let clock = Arc::clone(clock);
            Ledger::new(
                journals.collect(),
                Box::new(Alone),
                LedgerSettings::default(),
                clock,
            )
            .unwrap()
        })
        .collect()
}

struct World {
    clock: Arc<ManualClock>,
    ledger: Arc<Ledger>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let shared: Arc<ManualClock> = Arc::clone(&clock);
        Self {
            clock,
            ledger: Ledger::in_memory(shared),
        }
    }

    fn reserve(
        &self,
        user: &str,
        ceilings: &[Ceiling],
        amount: &str,
    ) -> Result<Reservation, ReserveError> {
        reserve(&self.ledger, self.clock.now(), user, ceilings, amount)
    }

    /// Spent and reserved on each line under the ceilings.
    fn standing(&self, ceilings: &[Ceiling]) -> Vec<(String, String, String)> {
        let tenant = "acme".parse().unwrap();
        let lines = self.ledger.standing(&tenant, ceilings, self.clock.now());
        let told = |line: super::LineStanding| {
            (
                line.value.to_string(),
                line.spent.to_string(),
                line.reserved.to_string(),
            )
        };
        lines.into_iter().map(told).collect()
    }
}

fn reserve(
    ledger: &Arc<Ledger>,
    at: Timestamp,
    user: &str,
    ceilings: &[Ceiling],
    amount: &str,
) -> Result<Reservation, ReserveError> {
    ledger.reserve(&Request {
        request_id: "r",
        at,
        spender: &spender(user),
        ceilings,
        amount: usd(amount),
    })
}

fn line(value: &str, spent: &str, reserved: &str) -> (String, String, String) {
    (value.to_owned(), spent.to_owned(), reserved.to_owned())
}

fn adjustment(id: &str, amount: i64, at: Timestamp) -> Adjustment {
    Adjustment {
        tenant: "acme".parse().unwrap(),
        scope: CeilingScope::Tenant,
        value: "".into(),
        amount,
        at,
        by: "ops".into(),
        reason: "goodwill".into(),
        id: id.into(),
    }
}

/// Why there is no room.
fn exhausted(outcome: Result<Reservation, ReserveError>) -> super::Exhausted {
    match outcome {
        Err(ReserveError::Exceeded(exhausted)) => exhausted,
        Err(error @ (ReserveError::Full(_) | ReserveError::Unavailable(_))) => panic!("{error}"),
        Ok(reservation) => panic!("{} is reserved", reservation.amount()),
    }
}

fn window(text: &str) -> Window {
    text.parse().unwrap()
}

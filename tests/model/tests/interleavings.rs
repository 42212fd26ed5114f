//! On every interleaving that the scheduler tries, of threads and of processes: spent and reserved
//! never pass a ceiling, and a request is on all of its lines or on none.

use std::sync::Arc;

use fabric_gate_model::budget::ledger::{
    Alone, ChargeFacts, Journal, Ledger, LedgerSettings, MemoryJournal, Request, Reservation,
    SHARDS,
};
use fabric_gate_model::budget::{Ceiling, CeilingScope, Spender};
use fabric_gate_model::clock::{ManualClock, Timestamp};
use fabric_gate_model::money::NanoUsd;
use shuttle::thread;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// The tenant's ceiling, and each user's.
const LIMITS: [u64; 2] = [10, 7];

fn ceilings() -> Vec<Ceiling> {
    let scopes = [CeilingScope::Tenant, CeilingScope::User];
    let ceilings = scopes
        .into_iter()
        .zip(LIMITS)
        .map(|(scope, limit)| Ceiling {
            scope,
            window: "total".parse().unwrap(),
            limit: NanoUsd::from_nanos(limit),
            timezone: jiff::tz::TimeZone::UTC,
            warn_at: Arc::new([1_000]),
        });
    ceilings.collect()
}

/// As many processes on the same journals.
fn processes(count: usize) -> Vec<Arc<Ledger>> {
    let journals: Vec<_> = (0..SHARDS).map(|_| MemoryJournal::default()).collect();
    (0..count)
        .map(|_| {
            let own = journals
                .iter()
                .map(|it| Box::new(it.beside()) as Box<dyn Journal>);
            let clock = Arc::new(ManualClock::new(NOW));
            let settings = LedgerSettings::default();
            Ledger::new(own.collect(), Box::new(Alone), settings, clock).unwrap()
        })
        .collect()
}

fn reserve(ledger: &Arc<Ledger>, user: &str, amount: u64) -> Option<Reservation> {
    let spender = Spender {
        tenant: "acme".parse().unwrap(),
        user: user.into(),
        agent: "".into(),
        route: "r".into(),
        session: "".into(),
    };
    let reserved = ledger.reserve(&Request {
        request_id: "r",
        at: NOW,
        spender: &spender,
        ceilings: &ceilings(),
        amount: NanoUsd::from_nanos(amount),
    });
    reserved.ok()
}

/// What is spent and reserved by the tenant.
fn checked(ledger: &Ledger) -> u64 {
    let ceilings = ceilings();
    let lines = ledger.standing(&"acme".parse().unwrap(), &ceilings, NOW);
    let mut by_scope = [0, 0];
    for line in &lines {
        let used = line.spent.plus(line.reserved).nanos();
        let scope = usize::from(line.scope == CeilingScope::User);
        assert!(used <= LIMITS[scope], "{line:?}");
        by_scope[scope] += used;
    }
    assert_eq!(
        by_scope[0], by_scope[1],
        "on all lines or on none: {lines:?}"
    );
    by_scope[0]
}

/// Two users, each with two requests at once, on one or two processes.
fn everybody_spends(count: usize) {
    let ledgers = processes(count);
    let requests: Vec<_> = (0..4)
        .map(|number| {
            let ledger = Arc::clone(&ledgers[number % count]);
            thread::spawn(move || {
                let user = ["ann", "bob"][number / 2];
                let Some(mut held) = reserve(&ledger, user, 3 + number as u64) else {
                    return;
                };
                checked(&ledger);
                match number {
                    0 => drop(held),
                    1 => held.release(),
                    2 => drop(held.settle(NanoUsd::from_nanos(2), ChargeFacts::default())),
                    _ => {
                        let grown = held.grow_to(NanoUsd::from_nanos(7), &ceilings(), false);
                        checked(&ledger);
                        let cost = if grown.is_ok() { 7 } else { 6 };
                        held.settle(NanoUsd::from_nanos(cost), ChargeFacts::default());
                    }
                }
                checked(&ledger);
            })
        })
        .collect();
    for request in requests {
        request.join().unwrap();
    }
    // What found the journal busy is written by the ledgers' own threads.
    for ledger in &ledgers {
        ledger.tick();
    }
    let used: Vec<_> = ledgers.iter().map(|ledger| checked(ledger)).collect();
    assert!(
        used.iter().all(|it| *it == used[0]),
        "all say the same: {used:?}"
    );
    for ledger in &ledgers {
        for line in ledger.standing(&"acme".parse().unwrap(), &ceilings(), NOW) {
            assert!(line.reserved.is_zero(), "nothing is left behind: {line:?}");
        }
    }
}

#[test]
fn threads_of_one_process_never_pass_a_ceiling() {
    shuttle::check_random(|| everybody_spends(1), 2_000);
    shuttle::check_pct(|| everybody_spends(1), 1_000, 3);
}

#[test]
fn two_processes_never_pass_a_ceiling() {
    shuttle::check_random(|| everybody_spends(2), 2_000);
    shuttle::check_pct(|| everybody_spends(2), 1_000, 3);
}

/// What one gives back another can have, on some interleaving and after any of them.
#[test]
fn room_that_was_given_back_can_be_taken() {
    shuttle::check_random(
        || {
            let ledgers = processes(2);
            let held = reserve(&ledgers[0], "ann", 7).unwrap();
            let other = Arc::clone(&ledgers[1]);
            let waiting = thread::spawn(move || reserve(&other, "bob", 4));
            held.release();
            let first = waiting.join().unwrap();
            ledgers[0].tick();
            assert!(first.is_some() || reserve(&ledgers[1], "bob", 4).is_some());
        },
        1_000,
    );
}

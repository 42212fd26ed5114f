//! A journal whose disk fails, hangs or is full.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::super::{Archive, ChargeFacts, Follow, Head, SyncTask, Synced};
use super::*;
use crate::decision::StateUnavailable;

const SOUND: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;
const HANGING: u8 = 3;

#[derive(Debug)]
struct Faulty {
    journal: MemoryJournal,
    fault: Arc<AtomicU8>,
    synced: bool,
}

impl Faulty {
    fn is(&self, fault: u8) -> bool {
        self.fault.load(Ordering::SeqCst) == fault
    }
}

impl Journal for Faulty {
    fn preload(&mut self, _follower: &mut dyn Follow) {}

    fn begin(&mut self, patient: bool, follower: &mut dyn Follow) -> Result<(), StateUnavailable> {
        self.journal.begin(patient, follower)
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StateUnavailable> {
        match self.is(FULL) {
            true => Err(StateUnavailable::Failed),
            false => self.journal.append(record),
        }
    }

    fn end(&mut self) {
        self.journal.end();
    }

    fn renew(&mut self, head: Head<'_>) -> Result<(), StateUnavailable> {
        self.journal.renew(head)
    }

    fn wants_renewal(&mut self) -> bool {
        false
    }

    fn is_healthy(&self) -> bool {
        self.synced
    }

    fn to_sync(&mut self) -> Option<SyncTask> {
        let fault = Arc::clone(&self.fault);
        Some(Box::new(move || {
            while fault.load(Ordering::SeqCst) == HANGING {
                std::thread::sleep(Duration::from_millis(5));
            }
            match fault.load(Ordering::SeqCst) {
                BROKEN => Err(io::ErrorKind::Other.into()),
                _ => Ok(Synced {
                    generation: 1,
                    upto: 0,
                }),
            }
        }))
    }

    fn synced(&mut self, outcome: io::Result<Synced>) {
        self.synced = outcome.is_ok();
    }

    fn archive(&self) -> Box<dyn Archive> {
        self.journal.archive()
    }
}

fn faulty() -> (Arc<Ledger>, Arc<AtomicU8>) {
    let fault = Arc::new(AtomicU8::new(SOUND));
    let journals = (0..SHARDS).map(|_| -> Box<dyn Journal> {
        Box::new(Faulty {
            journal: MemoryJournal::default(),
            fault: Arc::clone(&fault),
            synced: true,
        })
    });
    let settings = LedgerSettings {
        sync: Duration::from_millis(10),
        ..LedgerSettings::default()
    };
    let clock = Arc::new(ManualClock::new(NOON));
    let ledger = Ledger::new(journals.collect(), Box::new(Alone), settings, clock).unwrap();
    (ledger, fault)
}

fn refusal(ledger: &Arc<Ledger>) -> Option<StateUnavailable> {
    match reserve(ledger, NOON, "ann", &[], "1") {
        Ok(held) => {
            held.release();
            None
        }
        Err(ReserveError::Unavailable(error)) => Some(error),
        Err(ReserveError::Exceeded(exhausted)) => panic!("{exhausted}"),
    }
}

fn within(limit: Duration, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < limit, "not so within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_disk_that_is_full_refuses_and_what_was_to_be_settled_is_settled_when_there_is_room() {
    let (ledger, fault) = faulty();
    let ceilings = tenants("day", "10");
    let held = reserve(&ledger, NOON, "ann", &ceilings, "4").unwrap();
    let other = reserve(&ledger, NOON, "ann", &ceilings, "5").unwrap();
    fault.store(FULL, Ordering::SeqCst);
    assert_eq!(refusal(&ledger), Some(StateUnavailable::Failed));
    held.settle(usd("1"), ChargeFacts::default());
    drop(other);
    let told = |ledger: &Ledger| {
        let lines = ledger.standing(&"acme".parse().unwrap(), &ceilings, NOON);
        (lines[0].spent, lines[0].reserved)
    };
    assert_eq!(
        told(&ledger),
        (usd("0"), usd("9")),
        "until it is written it is reserved"
    );
    fault.store(SOUND, Ordering::SeqCst);
    assert_eq!(refusal(&ledger), None);
    assert_eq!(told(&ledger), (usd("6"), usd("0")));
}

#[test]
fn while_syncing_fails_nothing_is_reserved_and_afterwards_it_is_again() {
    let (ledger, fault) = faulty();
    ledger.keep_running().unwrap();
    let held = reserve(&ledger, NOON, "ann", &[], "1").unwrap();
    fault.store(BROKEN, Ordering::SeqCst);
    within(Duration::from_secs(1), || {
        refusal(&ledger) == Some(StateUnavailable::Failed)
    });
    held.settle(usd("1"), ChargeFacts::default());
    fault.store(SOUND, Ordering::SeqCst);
    within(Duration::from_secs(1), || refusal(&ledger).is_none());
}

#[test]
fn while_syncing_hangs_nothing_is_reserved_after_a_second_and_settling_goes_on() {
    let (ledger, fault) = faulty();
    ledger.keep_running().unwrap();
    let held = reserve(&ledger, NOON, "ann", &[], "1").unwrap();
    fault.store(HANGING, Ordering::SeqCst);
    within(Duration::from_millis(1_600), || {
        refusal(&ledger) == Some(StateUnavailable::Late)
    });
    let since = Instant::now();
    held.settle(usd("1"), ChargeFacts::default());
    assert!(
        since.elapsed() < Duration::from_millis(500),
        "{:?}",
        since.elapsed()
    );
    fault.store(SOUND, Ordering::SeqCst);
    within(Duration::from_secs(2), || refusal(&ledger).is_none());
}

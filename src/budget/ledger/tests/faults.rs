//! A journal whose disk fails, hangs or is full.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::shard::IMPATIENCE;
use super::super::{Archive, ChargeFacts, Follow, Head, SyncTask, Synced};
use super::*;
use crate::decision::StateUnavailable;

const SOUND: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;
const HANGING: u8 = 3;
const TAKEN: u8 = 4;

#[derive(Debug)]
struct Faulty {
    journal: MemoryJournal,
    fault: Arc<AtomicU8>,
    /// How often the journal was waited for.
    waits: Arc<AtomicUsize>,
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
        self.waits.fetch_add(usize::from(patient), Ordering::SeqCst);
        match self.is(TAKEN) {
            true => Err(StateUnavailable::Busy),
            false => self.journal.begin(patient, follower),
        }
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
    counted(&Arc::default())
}

fn counted(waits: &Arc<AtomicUsize>) -> (Arc<Ledger>, Arc<AtomicU8>) {
    let fault = Arc::new(AtomicU8::new(SOUND));
    let journals = (0..SHARDS).map(|_| -> Box<dyn Journal> {
        Box::new(Faulty {
            journal: MemoryJournal::default(),
            fault: Arc::clone(&fault),
            waits: Arc::clone(waits),
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
        Err(error @ (ReserveError::Exceeded(_) | ReserveError::Full(_))) => panic!("{error}"),
    }
}

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "not so: {what}");
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
    eventually("it is refused", || {
        refusal(&ledger) == Some(StateUnavailable::Failed)
    });
    held.settle(usd("1"), ChargeFacts::default());
    fault.store(SOUND, Ordering::SeqCst);
    eventually("it goes on", || refusal(&ledger).is_none());
}

#[test]
fn while_syncing_hangs_nothing_is_reserved_before_long_and_settling_goes_on() {
    let (ledger, fault) = faulty();
    ledger.keep_running().unwrap();
    let held = reserve(&ledger, NOON, "ann", &[], "1").unwrap();
    fault.store(HANGING, Ordering::SeqCst);
    eventually("it is refused", || {
        refusal(&ledger) == Some(StateUnavailable::Late)
    });
    let (sender, settled) = mpsc::channel();
    std::thread::spawn(move || {
        held.settle(usd("1"), ChargeFacts::default());
        sender.send(())
    });
    let in_time = settled.recv_timeout(PATIENCE);
    fault.store(SOUND, Ordering::SeqCst);
    assert_eq!(in_time, Ok(()), "it waits for the disk");
    eventually("it goes on", || refusal(&ledger).is_none());
}

#[test]
fn of_those_who_find_the_journal_taken_one_waits_for_it_and_those_behind_it_do_not() {
    let waits = Arc::default();
    let (ledger, fault) = counted(&waits);
    fault.store(TAKEN, Ordering::SeqCst);
    waits.store(0, Ordering::SeqCst);
    let since = Instant::now();
    for _turn in 0..1_000 {
        assert_eq!(refusal(&ledger), Some(StateUnavailable::Busy));
    }
    // On a machine that is slow enough, further ones may wait.
    let permitted = 1 + since.elapsed().as_millis() / IMPATIENCE.as_millis();
    let waits = waits.load(Ordering::SeqCst);
    assert!((1..=permitted).contains(&(waits as u128)), "{waits} waited");
}

//! What the log does on a disk that is full, broken or stuck, and what nobody without a checkpoint
//! could notice.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::chain::{Head, Problem, seal};
use super::keys::LogKeys;
use super::storage::faulty::{Fault, FaultyDisk};
use super::{AuditLog, Event, OnFailure, Settings, verify};
use crate::clock::SystemClock;

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stall time of a disk that hangs: long enough for one that does not.
const STALL: Duration = Duration::from_secs(2);

struct Bench {
    settings: Settings,
    disk: FaultyDisk,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(on_failure: OnFailure) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("audit"));
        settings.flush = Duration::from_millis(1);
        settings.stall = PATIENCE;
        settings.waiting_bytes = 2_000;
        settings.on_failure = on_failure;
        Self {
            settings,
            disk: FaultyDisk::new(),
            _folder: folder,
        }
    }

    /// One whose disk is to hang.
    fn to_stall() -> Self {
        let mut bench = Self::new(OnFailure::Deny);
        bench.settings.stall = STALL;
        bench
    }

    fn open(&self) -> AuditLog {
        let disk = Box::new(self.disk.clone());
        let log = AuditLog::open_on(disk, &self.settings, Arc::new(SystemClock)).unwrap();
        write(&log, 0).unwrap();
        log
    }

    fn records(&self) -> Vec<Value> {
        let path = self.settings.directory.join("audit-0-00000001.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.records()
            .iter()
            .filter_map(|record| record["problems"].as_u64())
            .collect()
    }

    fn assert_good(&self) {
        let report = verify(&self.settings).unwrap();
        assert!(report.is_good(), "{report:?}");
    }
}

fn write(log: &AuditLog, problems: u64) -> Result<(), super::AuditUnavailable> {
    let ticket = log.event(&Event::PolicyRejected { problems })?;
    log.wait_durable_blocking(ticket)
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// Whether the work fails while the disk hangs, which it does until the work has ended.
fn fails_on_a_hanging_disk<E>(
    disk: &FaultyDisk,
    work: impl FnOnce() -> Result<(), E> + Send,
) -> bool {
    disk.set(Fault::Hang);
    std::thread::scope(|scope| {
        let (sender, outcome) = mpsc::channel();
        scope.spawn(move || sender.send(work().is_err()));
        let failed = outcome.recv_timeout(PATIENCE);
        disk.set(Fault::None);
        failed.expect("it waits for the disk")
    })
}

#[test]
fn on_a_full_or_broken_disk_service_is_refused_and_nothing_kept_is_lost() {
    for fault in [Fault::Full, Fault::Sync] {
        let bench = Bench::new(OnFailure::Deny);
        let log = bench.open();
        bench.disk.set(fault);
        assert!(write(&log, 1).is_err(), "{fault:?}: it did not get to disk");
        assert!(log.ready().is_err());
        assert!(write(&log, 2).is_err());
        bench.disk.set(Fault::None);
        eventually("the log is well again", || log.ready().is_ok());
        write(&log, 3).unwrap();
        drop(log);
        assert_eq!(
            bench.numbers(),
            [0, 1, 2, 3],
            "{fault:?}: each is there once"
        );
        bench.assert_good();
    }
}

#[test]
fn what_found_no_room_is_counted_and_told_of_once_there_is_space() {
    for on_failure in [OnFailure::Deny, OnFailure::Allow] {
        let bench = Bench::new(on_failure);
        let log = bench.open();
        bench.disk.set(Fault::Full);
        let mut refused = 0;
        for number in 1..=100 {
            match log.event(&Event::PolicyRejected { problems: number }) {
                Ok(_) => {}
                Err(_) => refused += 1,
            }
        }
        let lost = log.stats().lost;
        assert!(lost > 50 && log.stats().waiting_bytes < 3_000);
        eventually("the failure is seen", || !log.healthy());
        match on_failure {
            OnFailure::Deny => assert!(refused == lost && log.ready().is_err()),
            OnFailure::Allow => assert!(refused == 0 && log.ready().is_ok()),
        }
        bench.disk.set(Fault::None);
        eventually("the log is well again", || log.healthy());
        drop(log);
        let told: u64 = bench
            .records()
            .iter()
            .filter(|record| record["event"] == "gap")
            .filter_map(|record| record["lost"].as_u64())
            .sum();
        assert_eq!(told, lost);
        assert_eq!(
            bench.numbers().len() as u64 + told,
            101,
            "each is there or told of"
        );
        bench.assert_good();
    }
}

#[test]
fn a_disk_that_hangs_is_noticed_and_waited_for_no_longer_than_the_stall_time() {
    let bench = Bench::to_stall();
    let log = bench.open();
    assert!(fails_on_a_hanging_disk(&bench.disk, || {
        let outcome = write(&log, 1);
        eventually("the stall is seen", || log.ready().is_err());
        outcome
    }));
    eventually("the log is well again", || log.ready().is_ok());
    drop(log);
    assert_eq!(bench.numbers(), [0, 1]);
    bench.assert_good();
}

#[test]
fn the_end_of_a_process_does_not_wait_forever_for_a_disk() {
    let bench = Bench::to_stall();
    let log = bench.open();
    assert!(fails_on_a_hanging_disk(&bench.disk, || {
        assert!(log.event(&Event::PolicyRejected { problems: 1 }).is_ok());
        log.shutdown()
    }));
}

#[test]
fn a_chain_edited_and_computed_anew_with_the_key_contradicts_a_checkpoint() {
    let bench = Bench::new(OnFailure::Deny);
    let log = bench.open();
    for number in 1..5 {
        write(&log, number).unwrap();
    }
    drop(log);
    let path = bench.settings.directory.join("audit-0-00000001.jsonl");
    let keys = LogKeys::load(&bench.settings.secret).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let resealed = |change: &dyn Fn(&str) -> String| {
        let mut head = Head::GENESIS;
        let mut forged = Vec::new();
        for line in text.lines() {
            let (_seq, rest) = line.split_once(',').unwrap();
            let (body, _chain) = rest.rsplit_once(",\"prev\"").unwrap();
            let body = change(body);
            head = seal(&keys, head, body.as_bytes(), &mut forged);
        }
        forged
    };
    assert_eq!(
        resealed(&str::to_owned),
        text.as_bytes(),
        "the forger can do it"
    );
    let forged = resealed(&|body| body.replace("\"problems\":3", "\"problems\":0"));
    std::fs::write(&path, forged).unwrap();
    let bad = verify(&bench.settings).unwrap().first_bad.unwrap();
    assert_eq!(bad.problem, Problem::ContradictsCheckpoint);
}

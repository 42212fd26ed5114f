//! A ledger's folder, and short ways to name things.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::budget::ledger::{
    Charge, Ledger, LedgerSettings, Request, Reservation, ReserveError,
};
use fabric_gate::budget::{Ceiling, CeilingScope, Spender};
use fabric_gate::clock::{Clock, SystemClock, Timestamp};
use fabric_gate::money::NanoUsd;
use fabric_gate::state::{LedgerError, open_ledger};
use jiff::tz::TimeZone;

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for a ledger.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) settings: LedgerSettings,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: LedgerSettings {
                sync: Duration::from_millis(20),
                crash_grace: Duration::from_millis(200),
                ..LedgerSettings::default()
            },
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("gate.ledger")
    }

    /// The ledger, as a process that starts has it.
    pub(crate) fn open(&self) -> Arc<Ledger> {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Arc<Ledger>, LedgerError> {
        open(&self.path(), self.settings)
    }

    /// The files whose names have a part in them.
    pub(crate) fn files(&self, part: &str) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.path()).unwrap();
        let mut files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.file_name().unwrap().to_str().unwrap().contains(part));
        files.sort();
        files
    }

    /// The one journal that holds the tenant of the tests: the longest.
    pub(crate) fn journal(&self) -> PathBuf {
        let length = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
        self.files(".journal")
            .into_iter()
            .max_by_key(length)
            .unwrap()
    }
}

pub(crate) fn open(folder: &Path, settings: LedgerSettings) -> Result<Arc<Ledger>, LedgerError> {
    open_ledger(folder, settings, Arc::new(SystemClock))
}

pub(crate) fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

pub(crate) fn ceiling(scope: CeilingScope, limit: &str) -> Ceiling {
    Ceiling {
        scope,
        window: "total".parse().unwrap(),
        limit: usd(limit),
        timezone: TimeZone::UTC,
        warn_at: Arc::new([]),
    }
}

pub(crate) fn tenants(limit: &str) -> Vec<Ceiling> {
    vec![ceiling(CeilingScope::Tenant, limit)]
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

pub(crate) fn reserve(
    ledger: &Arc<Ledger>,
    request_id: &str,
    ceilings: &[Ceiling],
    amount: &str,
) -> Result<Reservation, ReserveError> {
    ledger.reserve(&Request {
        request_id,
        at: now(),
        spender: &Spender {
            tenant: "acme".parse().unwrap(),
            user: "ann".into(),
            agent: "".into(),
            route: "chat".into(),
            session: "s".into(),
        },
        ceilings,
        amount: usd(amount),
    })
}

/// Spent and reserved by the tenant.
pub(crate) fn standing(ledger: &Ledger) -> (NanoUsd, NanoUsd) {
    let lines = ledger.standing(&"acme".parse().unwrap(), &tenants("1"), now());
    (lines[0].spent, lines[0].reserved)
}

/// Every charge of the tenant.
pub(crate) fn charges(ledger: &Ledger) -> Vec<Charge> {
    let mut charges = Vec::new();
    let (from, until) = (Timestamp::from_seconds(0), now().plus_seconds(60));
    let tenant = "acme".parse().unwrap();
    ledger
        .charges(&tenant, from, until, &mut |charge| charges.push(charge))
        .unwrap();
    charges
}

/// What the charges come to.
pub(crate) fn sum(charges: &[Charge]) -> NanoUsd {
    let costs = charges.iter().map(|charge| match charge {
        Charge::Request { cost, .. } => *cost,
        Charge::Adjusted(adjustment) => panic!("{adjustment:?}"),
    });
    costs.sum()
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

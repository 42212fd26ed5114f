//! What goes on beside the requests: syncing, settling for the dead, folding what is old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::charge::{ChargeFacts, How};
use super::history::Minute;
use super::shard::{Ending, Shard};
use super::{Ledger, SHARDS};
use crate::budget::ceiling::Spender;
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::money::NanoUsd;

/// How long syncing may take or fail to come before nothing more is reserved.
const LATE: Duration = Duration::from_secs(1);
/// How often the dead are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How often old history is folded.
const FOLD: Duration = Duration::from_secs(3_600);
/// How old it is: longer than the longest window, whatever the zone.
const OLD: i64 = 33 * 86_400;
/// How many reservations are settled for the dead before others get their turn.
const AT_ONCE: usize = 256;

/// A reservation that was settled at its amount, because its process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The request it was made for.
    pub request_id: Arc<str>,
    /// When that request came.
    pub at: Timestamp,
    /// Who spent.
    pub spender: Spender,
    /// How much.
    pub cost: NanoUsd,
}

/// Whether syncing goes on.
#[derive(Debug)]
pub(super) struct Pulse {
    since: Instant,
    /// Milliseconds from `since` to when nothing is late that was not late then; 0 while nobody
    /// promised to sync.
    beat: AtomicU64,
    failed: AtomicBool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            beat: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn beat(&self, next: Duration) {
        let next = u64::try_from((next + LATE).as_millis()).unwrap_or(u64::MAX);
        self.beat
            .store(self.now().saturating_add(next), Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), StateUnavailable> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(StateUnavailable::Failed);
        }
        match self.beat.load(Ordering::Relaxed) {
            0 => Ok(()),
            until if self.now() <= until => Ok(()),
            _late => Err(StateUnavailable::Late),
        }
    }
}

/// The time, but never further from the start than time went by: a clock that is put a year ahead
/// for a moment makes nothing old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    opened: Timestamp,
    since: Instant,
}

impl Steady {
    pub(super) fn new(opened: Timestamp) -> Self {
        Self {
            opened,
            since: Instant::now(),
        }
    }

    /// A time, or the latest that it can be.
    pub(super) fn at_most(&self, time: Timestamp) -> Timestamp {
        let elapsed = i64::try_from(self.since.elapsed().as_secs()).unwrap_or(i64::MAX);
        time.min(self.opened.plus_seconds(elapsed.saturating_add(1)))
    }
}

/// What has to be remembered from one time to the next.
#[derive(Debug)]
pub(super) struct Keeper {
    steady: Steady,
    folded: Option<Instant>,
    looked: Option<Instant>,
    /// When the dead were first seen dead.
    dead: BTreeMap<u64, Instant>,
}

impl Keeper {
    pub(super) fn new(steady: Steady) -> Self {
        Self {
            steady,
            folded: None,
            looked: None,
            dead: BTreeMap::new(),
        }
    }
}

/// Whether it is time again, and if so, that it was done.
fn due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|last| last.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

impl Ledger {
    /// Starts the thread that syncs. It ends with the ledger.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn keep_running(self: &Arc<Self>) -> std::io::Result<()> {
        self.pulse.beat(self.settings.sync);
        let (ledger, sync) = (Arc::downgrade(self), self.settings.sync);
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || run(&ledger, sync))
            .map(drop)
    }

    /// What the ledger's thread does every [`super::LedgerSettings::sync`].
    pub fn tick(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_waiting();
        let synced = self.sync();
        self.pulse.failed.store(!synced, Ordering::Relaxed);
        self.pulse.beat(self.settings.sync);
        if due(&mut keeper.looked, LOOK.min(self.settings.crash_grace)) {
            self.recover(&mut keeper.dead);
        }
        if due(&mut keeper.folded, FOLD) {
            let now = keeper.steady.at_most(self.clock.now());
            let old = Minute::of(now.plus_seconds(-OLD));
            for number in 0..SHARDS {
                self.shard(number).book.lines.fold(old);
            }
            let retention = i64::try_from(self.settings.retention.as_secs()).unwrap_or(i64::MAX);
            self.processes
                .expire(now.plus_seconds(retention.saturating_neg()));
        }
    }

    fn write_waiting(&self) {
        for number in 0..SHARDS {
            let mut shard = self.shard(number);
            if shard.waits()
                && let Err(error) = shard.step(|_| Ok::<(), StateUnavailable>(()))
            {
                tracing::warn!(shard = number, %error, "settlements still wait for the journal");
            }
        }
    }

    /// Whether everything that was appended before now outlives a loss of power.
    fn sync(&self) -> bool {
        let mut synced = true;
        for number in 0..SHARDS {
            let mut shard = self.shard(number);
            if shard.journal().wants_renewal()
                && let Err(error) = shard.step(Shard::renew)
            {
                tracing::debug!(shard = number, %error, "the ledger's journal was not renewed");
            }
            let task = shard.journal().to_sync();
            drop(shard);
            let outcome = task.map(|task| task());
            let mut shard = self.shard(number);
            if let Some(outcome) = outcome {
                if let Err(error) = &outcome {
                    tracing::error!(shard = number, %error, "the ledger's journal can't be synced: nothing is reserved until it can");
                }
                shard.journal().synced(outcome);
            }
            synced &= shard.journal().is_healthy();
        }
        synced
    }

    /// Settles what dead processes had reserved, once their grace is over.
    fn recover(&self, dead: &mut BTreeMap<u64, Instant>) {
        let living = match self.processes.living() {
            Ok(living) => living,
            Err(error) => {
                tracing::warn!(%error, "it can't be seen which processes live");
                return;
            }
        };
        let mut indebted = BTreeSet::new();
        for number in 0..SHARDS {
            let seen = self.shard(number).step(|shard| {
                let open = shard.book.all_open().filter(|(_, it)| it.kept.is_none());
                let orphans = open.filter(|(_, it)| !living.contains(&it.process));
                indebted.extend(orphans.map(|(_, it)| it.process));
                Ok::<(), StateUnavailable>(())
            });
            if let Err(error) = seen {
                tracing::debug!(%error, "it can't be seen what the dead have reserved");
                return;
            }
        }
        dead.retain(|process, _| indebted.contains(process));
        for process in &indebted {
            let since = *dead.entry(*process).or_insert_with(Instant::now);
            if since.elapsed() >= self.settings.crash_grace {
                for number in 0..SHARDS {
                    while self.recover_some(number, *process) == AT_ONCE {}
                }
            }
        }
        self.processes.bury(&indebted);
    }

    /// Settles some of what a process had reserved in a shard; answers how many.
    fn recover_some(&self, number: usize, process: u64) -> usize {
        let at = self.clock.now();
        let outcome = self.shard(number).step(|shard| {
            let open = shard.book.all_open();
            let orphans = open.filter(|(_, it)| it.process == process && it.kept.is_none());
            let orphans: Vec<_> = orphans
                .take(AT_ONCE)
                .map(|(id, it)| {
                    let recovered = Recovered {
                        request_id: Arc::clone(&it.request_id),
                        at: it.at,
                        spender: it.spender.clone(),
                        cost: it.amount,
                    };
                    (id, recovered)
                })
                .collect();
            let mut done = Vec::new();
            for (id, recovered) in orphans {
                let ending = Ending {
                    id,
                    cost: recovered.cost,
                    how: How::Recovered,
                    facts: ChargeFacts::default(),
                    at,
                };
                match shard.settle(&ending, &[]) {
                    Ok(_) => done.push(recovered),
                    Err(error) => {
                        tracing::warn!(%error, "what a dead process reserved can't be settled yet");
                        break;
                    }
                }
            }
            Ok::<_, StateUnavailable>(done)
        });
        let done = outcome.unwrap_or_default();
        let count = done.len();
        let mut recovered = self
            .recovered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recovered.extend(done);
        count
    }

    /// What was settled for dead processes since this was last asked.
    pub fn recovered(&self) -> Vec<Recovered> {
        let mut recovered = self
            .recovered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *recovered)
    }

    /// Writes and syncs what is left, and takes this process's name off. Nothing is reserved
    /// afterwards; what is still open can be settled, and is otherwise settled for the dead.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.tick();
        let open = (0..SHARDS).any(|number| {
            let shard = self.shard(number);
            let mut open = shard.book.all_open();
            open.any(|(_, it)| it.process == self.process && it.kept.is_none())
        });
        if !open {
            self.processes.leave();
        }
    }
}

fn run(ledger: &Weak<Ledger>, sync: Duration) {
    while let Some(ledger) = ledger.upgrade() {
        // Closing does it all once more, and after that nothing is touched.
        if ledger.closed.load(Ordering::Relaxed) {
            return;
        }
        ledger.tick();
        drop(ledger);
        std::thread::sleep(sync);
    }
}

//! The keys of one source, as verifications see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::document::Keys;
use super::settings::JwksSettings;
use super::status::{Counters, KeySetStatus};
use super::unknown::UnknownKids;
use crate::clock::{SharedClock, Timestamp};
use crate::identity::settings::{KeySource, SignatureAlgorithm};

/// Most requests that wait for a fetch at one time; the others are answered at once.
const MAX_WAITING: usize = 256;

/// Epochs are never used twice in a process: a set that ended and began again must not vouch for
/// what the first one verified.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(0);

/// The keys of one source. Dropping the last handle ends its fetching.
#[derive(Debug)]
pub struct KeySet {
    shared: Arc<Shared>,
    refresher: AbortHandle,
}

/// What the handle and the fetching task have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) source: KeySource,
    pub(super) settings: JwksSettings,
    pub(super) counters: Counters,
    clock: SharedClock,
    keys: ArcSwapOption<LoadedKeys>,
    /// Epoch of `keys`, where the cache can read it without touching their counter.
    epoch: AtomicU64,
    /// Until when `keys` may serve, in microseconds since the epoch of time.
    usable_until: AtomicI64,
    /// Number of the fetch that began last; the first is 1.
    begun: AtomicU64,
    /// Number of the fetch that a request needs to have ended.
    wanted: AtomicU64,
    /// Number of the fetch that ended last.
    ended: watch::Sender<u64>,
    demand: Notify,
    unknown: UnknownKids,
    seats: Semaphore,
}

/// One loaded generation of a key set.
#[derive(Debug)]
pub(in crate::identity) struct LoadedKeys {
    keys: Keys,
    epoch: u64,
}

impl LoadedKeys {
    /// The epoch of these keys; what they verify stands while the set has no other.
    pub(in crate::identity) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether any key has this id.
    pub(in crate::identity) fn knows(&self, kid: &str) -> bool {
        self.keys.knows(kid)
    }

    /// Whether the signature is one of the key `kid`, or of any key when the token names none.
    pub(in crate::identity) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: SignatureAlgorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        self.keys.verify(kid, algorithm, signed, signature)
    }
}

impl KeySet {
    pub(super) fn new(shared: Arc<Shared>, refresher: AbortHandle) -> Self {
        Self { shared, refresher }
    }

    /// Where the keys come from.
    pub fn source(&self) -> &KeySource {
        &self.shared.source
    }

    /// How the set stands.
    pub fn status(&self) -> KeySetStatus {
        let expired = !self.shared.is_usable_at(self.shared.clock.now());
        self.shared.counters.status(expired)
    }

    /// Whether what was verified in `epoch` still stands at `now`.
    pub(in crate::identity) fn vouches(&self, epoch: u64, now: Timestamp) -> bool {
        self.shared.epoch.load(Ordering::Acquire) == epoch && self.shared.is_usable_at(now)
    }

    /// The keys to verify with at `now`. It waits, shortly, only for a fetch that there is reason
    /// to hope for: the very first one, or one after a long sleep of the machine.
    pub(in crate::identity) async fn current(&self, now: Timestamp) -> Option<Arc<LoadedKeys>> {
        if let Some(keys) = self.shared.usable_keys(now) {
            return Some(keys);
        }
        if self.shared.counters.is_failing() {
            return None;
        }
        let _seat = self.shared.seats.try_acquire().ok()?;
        let mut ended = self.shared.ended.subscribe();
        if *ended.borrow_and_update() > 0 {
            self.shared.ask_for_fetch();
        }
        let deadline = Instant::now() + self.shared.settings.sick_wait;
        loop {
            let now = self.shared.clock.now();
            if let Some(keys) = self.shared.usable_keys(now) {
                return Some(keys);
            }
            timeout_at(deadline, ended.changed()).await.ok()?.ok()?;
        }
    }

    /// The keys once they know `kid`, if one fetch brings it within the time a request may wait.
    pub(in crate::identity) async fn learn(&self, kid: &str) -> Option<Arc<LoadedKeys>> {
        if self.shared.unknown.contains(kid) {
            return None;
        }
        let mut ended = self.shared.ended.subscribe();
        let decisive = self.shared.ask_for_fetch();
        let _seat = self.shared.seats.try_acquire().ok()?;
        let deadline = Instant::now() + self.patience();
        loop {
            let keys = self.shared.usable_keys(self.shared.clock.now());
            if let Some(keys) = keys.filter(|keys| keys.knows(kid)) {
                return Some(keys);
            }
            if *ended.borrow_and_update() >= decisive {
                if !self.shared.counters.is_failing() {
                    self.shared.unknown.remember(kid);
                }
                return None;
            }
            timeout_at(deadline, ended.changed()).await.ok()?.ok()?;
        }
    }

    /// Asks for a fetch as soon as the cool-down permits one, without waiting for it.
    pub(in crate::identity) fn ask_for_fetch(&self) {
        self.shared.ask_for_fetch();
    }

    fn patience(&self) -> Duration {
        if self.shared.counters.is_failing() {
            self.shared.settings.sick_wait
        } else {
            self.shared.settings.unknown_kid_wait
        }
    }
}

impl Drop for KeySet {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}

impl Shared {
    pub(super) fn new(source: KeySource, settings: JwksSettings, clock: SharedClock) -> Self {
        Self {
            source,
            counters: Counters::default(),
            clock,
            keys: ArcSwapOption::empty(),
            epoch: AtomicU64::new(u64::MAX),
            usable_until: AtomicI64::new(i64::MIN),
            begun: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            ended: watch::Sender::new(0),
            demand: Notify::new(),
            unknown: UnknownKids::new(settings.unknown_kid_memory),
            seats: Semaphore::new(MAX_WAITING),
            settings,
        }
    }

    /// Waits until a request asks for a fetch that has not been had yet.
    pub(super) async fn demanded(&self) {
        while self.wanted.load(Ordering::SeqCst) <= *self.ended.borrow() {
            self.demand.notified().await;
        }
    }

    /// Marks the beginning of a fetch and answers its number.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Marks the end of fetch `number`, after its outcome was applied.
    pub(super) fn end(&self, number: u64) {
        self.ended.send_replace(number);
    }

    /// Puts a fetched set in use.
    pub(super) fn replace(&self, keys: Keys) {
        let held = self.keys.load();
        // INVARIANT: a removed key changes the epoch, or cached tokens would outlive their key.
        let epoch = match &*held {
            Some(held) if held.keys.are_all_in(&keys) => held.epoch,
            Some(_) | None => NEXT_EPOCH.fetch_add(1, Ordering::Relaxed),
        };
        let count = keys.len();
        self.keys.store(Some(Arc::new(LoadedKeys { keys, epoch })));
        self.epoch.store(epoch, Ordering::Release);
        self.confirm();
        self.counters.count_success(count);
    }

    /// Notes that the source stands by the set in use.
    pub(super) fn confirm(&self) {
        let now = self.clock.now();
        let stale = i64::try_from(self.settings.max_stale.as_micros()).unwrap_or(i64::MAX);
        let until = now.as_micros().saturating_add(stale);
        self.usable_until.store(until, Ordering::Release);
        self.counters.confirm(now);
    }

    /// Whether there are any keys, usable or not.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Asks for a fetch that begins after this; answers its number.
    fn ask_for_fetch(&self) -> u64 {
        let number = self.begun.load(Ordering::SeqCst) + 1;
        self.wanted.fetch_max(number, Ordering::SeqCst);
        self.demand.notify_one();
        number
    }

    fn usable_keys(&self, now: Timestamp) -> Option<Arc<LoadedKeys>> {
        self.is_usable_at(now).then(|| self.keys.load_full())?
    }

    fn is_usable_at(&self, now: Timestamp) -> bool {
        now.as_micros() < self.usable_until.load(Ordering::Acquire)
    }
}

//! Owners in memory, in front of the store.
//!
//! Only what is owned gets in: ids that somebody makes up cost a look into the store and no memory,
//! and put nothing out. The key of an entry is a keyed hash, 16 bytes whatever the length of the
//! id; its key is drawn at start, so nobody can look for two ids with one hash. Owners are shared
//! between the entries of one owner.
//!
//! An entry that outlives its row would let a former owner in. So whoever removes a row carries an
//! [`Invalidation`] along, and whoever puts an entry in says since when it holds good.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};
use tokio::sync::watch;

use super::resource::{Owner, ResourceKey};
use super::store::Day;
use crate::tenant::TenantId;

/// Room that is made at first; it grows with what comes.
const FIRST_ROOM: usize = 1_024;
/// Owners that entries are made to share.
const SHARED_OWNERS: usize = 16_384;
/// Evicted entries whose hashes are remembered, as a share of the capacity.
const GHOSTS: f64 = 0.25;

/// Owners by the hash of what they own.
pub(super) struct OwnerCache {
    secret: [u8; 32],
    entries: Cache<KeyHash, Entry, UnitWeighter, HashAsItIs>,
    owners: Cache<Owner, Arc<Owner>>,
    /// Counts invalidations.
    moment: AtomicU64,
    /// Tells of each, once it is done.
    told: watch::Sender<()>,
}

/// What is remembered.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) owner: Arc<Owner>,
    /// The last day whose use was written down or is about to be.
    pub(super) used: Day,
}

/// A point between two invalidations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

/// Puts out of memory what is put out of the store.
///
/// It does so when it is dropped. A store drops it once the removal is durable or has failed, and
/// before anybody hears of it; if the caller has gone meanwhile, all the same.
#[derive(Debug)]
#[must_use]
pub struct Invalidation {
    cache: Arc<OwnerCache>,
    of: Removed,
}

#[derive(Debug)]
enum Removed {
    One(KeyHash),
    Tenant(TenantId),
    UnusedSince(Day),
}

impl OwnerCache {
    /// A cache of at most `capacity` resources.
    #[expect(
        clippy::expect_used,
        reason = "options are refused only where a capacity is not set"
    )]
    pub(super) fn new(capacity: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity.min(FIRST_ROOM))
            .weight_capacity(u64::try_from(capacity).unwrap_or(u64::MAX))
            .ghost_allocation(GHOSTS)
            .build()
            .expect("both capacities are set");
        Self {
            secret: secret(),
            entries: Cache::with_options(
                options,
                UnitWeighter,
                HashAsItIs,
                DefaultLifecycle::default(),
            ),
            owners: Cache::new(SHARED_OWNERS.min(capacity)),
            moment: AtomicU64::new(0),
            told: watch::Sender::new(()),
        }
    }

    pub(super) fn find(&self, key: &ResourceKey) -> Option<Entry> {
        self.entries.get(&self.hash(key))
    }

    /// The present moment, to be asked before the store is.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.moment.load(Ordering::Acquire))
    }

    /// Tells of what is removed from here on.
    pub(super) fn removals(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    /// Keeps an owner that the store named after `since`.
    pub(super) fn insert(&self, key: &ResourceKey, owner: &Owner, used: Day, since: Moment) {
        let hash = self.hash(key);
        let owner = self.shared(owner);
        self.entries.insert(hash, Entry { owner, used });
        // INVARIANT: asked after the entry is in. An invalidation counts first and removes then, so
        // one of the two takes a stale entry out whichever comes first.
        if self.moment() != since {
            self.entries.remove(&hash);
        }
    }

    /// What is to be dropped when the row of `key` is gone.
    pub(super) fn without(self: &Arc<Self>, key: &ResourceKey) -> Invalidation {
        self.invalidation(Removed::One(self.hash(key)))
    }

    /// What is to be dropped when rows of `tenant` are gone.
    pub(super) fn without_tenant(self: &Arc<Self>, tenant: &TenantId) -> Invalidation {
        self.invalidation(Removed::Tenant(tenant.clone()))
    }

    /// What is to be dropped when rows that were not used since that day are gone.
    pub(super) fn without_unused(self: &Arc<Self>, since: Day) -> Invalidation {
        self.invalidation(Removed::UnusedSince(since))
    }

    /// Keeps nothing: somebody else has removed something.
    pub(super) fn clear(&self) {
        self.moment.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
        self.told.send_replace(());
    }

    /// How many resources are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn invalidation(self: &Arc<Self>, of: Removed) -> Invalidation {
        Invalidation {
            cache: Arc::clone(self),
            of,
        }
    }

    fn shared(&self, owner: &Owner) -> Arc<Owner> {
        if let Some(shared) = self.owners.get(owner) {
            return shared;
        }
        let made = Arc::new(owner.clone());
        self.owners.insert(owner.clone(), Arc::clone(&made));
        made
    }

    fn hash(&self, key: &ResourceKey) -> KeyHash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        // With their lengths before them, no two keys are the same bytes.
        for part in [key.upstream(), key.kind()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(key.id().as_str().as_bytes());
        let mut half = [0; 16];
        hasher.finalize_xof().fill(&mut half);
        let whole = u128::from_le_bytes(half);
        KeyHash(whole as u64, (whole >> 64) as u64)
    }
}

impl fmt::Debug for OwnerCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OwnerCache({} resources)", self.len())
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        self.cache.moment.fetch_add(1, Ordering::AcqRel);
        match &self.of {
            Removed::One(hash) => drop(self.cache.entries.remove(hash)),
            Removed::Tenant(tenant) => {
                let entries = &self.cache.entries;
                entries.retain(|_, entry| entry.owner.tenant != *tenant);
            }
            Removed::UnusedSince(day) => {
                self.cache.entries.retain(|_, entry| entry.used >= *day);
            }
        }
        self.cache.told.send_replace(());
    }
}

/// A key for the hash, from what the system draws for std's maps.
fn secret() -> [u8; 32] {
    let drawn = RandomState::new();
    let mut secret = [0; 32];
    for (count, word) in secret.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&drawn.hash_one(count).to_ne_bytes());
    }
    secret
}

/// Half of a keyed BLAKE3 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyHash(u64, u64);

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Takes a [`KeyHash`] for the hash that it is.
#[derive(Clone, Copy, Default)]
struct HashAsItIs;

impl BuildHasher for HashAsItIs {
    type Hasher = FirstWord;

    fn build_hasher(&self) -> FirstWord {
        FirstWord(0)
    }
}

struct FirstWord(u64);

impl Hasher for FirstWord {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

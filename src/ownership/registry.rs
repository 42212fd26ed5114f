//! The registry: what the gate asks about owners.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::cache::{Moment, OwnerCache};
use super::page::{Cursor, Page};
use super::resource::{Owner, Ownership, ResourceKey};
use super::store::{Counted, Day, Held, OwnershipStore, Place, Selection, Taking};
use crate::clock::{SharedClock, Timestamp};
use crate::decision::StateUnavailable;
use crate::tenant::TenantId;

/// Largest page.
const LARGEST_PAGE: usize = 1_000;
/// Most uses that wait to be written down; what is beyond is written another time.
const MOST_USES: usize = 65_536;
/// How many uses are written at once, so that claims behind them do not wait long.
const USES_AT_ONCE: usize = 500;
/// How often uses are written down.
const WRITE_USES: Duration = Duration::from_secs(5);
/// How often every row is looked at for what was not used for long.
const RETIRE: Duration = Duration::from_secs(6 * 3_600);

/// Who owns what. Shared by all threads and policy generations.
///
/// To be asked about counts as a use of what is owned; it is written down once a day, later.
pub struct Registry {
    store: Arc<dyn OwnershipStore>,
    clock: SharedClock,
    cache: Arc<OwnerCache>,
    /// What was known of other processes' removals when the cache was last cleared for them.
    removals_elsewhere: AtomicU64,
    uses: Mutex<Vec<(ResourceKey, Day)>>,
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// How many resources lost their owner. Their ids are kept, without any name.
    pub resources: u64,
    /// When it was done.
    pub at: Timestamp,
}

impl Registry {
    /// A registry in front of `store` that keeps at most `cached` resources in memory.
    pub fn new(store: Arc<dyn OwnershipStore>, clock: SharedClock, cached: usize) -> Arc<Self> {
        Arc::new(Self {
            removals_elsewhere: AtomicU64::new(store.removals_elsewhere()),
            store,
            clock,
            cache: Arc::new(OwnerCache::new(cached)),
            uses: Mutex::default(),
        })
    }

    /// Whose a resource is.
    ///
    /// # Errors
    /// It is not in memory and the store can't be asked.
    pub async fn owner(&self, key: &ResourceKey) -> Result<Ownership, StateUnavailable> {
        if let Some(owner) = self.remembered(key) {
            return Ok(Ownership::Owned(owner));
        }
        only(self.look_up(vec![key.clone()]).await?)
    }

    /// Whose each of them is, in their order. The store is asked at most once.
    ///
    /// # Errors
    /// As [`Registry::owner`].
    pub async fn owners(&self, keys: &[ResourceKey]) -> Result<Vec<Ownership>, StateUnavailable> {
        Ok(self.found(keys).await?.0)
    }

    /// [`Registry::owners`] for a caller who may not learn which of them exist: where `denied` says
    /// of an owner that one of them is, the store has been asked. What is remembered exists, and
    /// an answer without the way to the store would come sooner than one about what does not.
    ///
    /// # Errors
    /// As [`Registry::owner`].
    pub async fn owners_untold(
        &self,
        keys: &[ResourceKey],
        denied: impl Fn(usize, &Ownership) -> bool,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let (owners, asked) = self.found(keys).await?;
        let refused: Vec<ResourceKey> = keys
            .iter()
            .zip(&owners)
            .enumerate()
            .filter(|(at, (_, owner))| denied(*at, owner))
            .map(|(_, (key, _))| key.clone())
            .collect();
        if !asked && !refused.is_empty() {
            self.store.find(refused).await?;
        }
        Ok(owners)
    }

    /// [`Registry::owners`] without a trace: that they were asked about is no use of them.
    ///
    /// # Errors
    /// As [`Registry::owner`].
    pub async fn look(&self, keys: &[ResourceKey]) -> Result<Vec<Ownership>, StateUnavailable> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.store.find(keys.to_vec()).await?;
        match found.len() == keys.len() {
            true => Ok(found.into_iter().map(Ownership::from).collect()),
            false => Err(StateUnavailable::Failed),
        }
    }

    /// The owners, and whether the store was asked for them.
    async fn found(
        &self,
        keys: &[ResourceKey],
    ) -> Result<(Vec<Ownership>, bool), StateUnavailable> {
        let mut known: Vec<Option<Ownership>> = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        for key in keys {
            let owner = self.remembered(key).map(Ownership::Owned);
            if owner.is_none() {
                unknown.push(key.clone());
            }
            known.push(owner);
        }
        if unknown.is_empty() {
            return Ok((known.into_iter().flatten().collect(), false));
        }
        let mut found = self.look_up(unknown).await?.into_iter();
        let all: Vec<_> = known
            .into_iter()
            .filter_map(|known| known.or_else(|| found.next()))
            .collect();
        if all.len() == keys.len() {
            Ok((all, true))
        } else {
            Err(StateUnavailable::Failed)
        }
    }

    /// Makes `owner` the owner of an id that its caller chose, if nobody owns it; that is durable
    /// before this returns. Answers whose it is then: of several who come at once, one owner for
    /// all. A retired id stays retired.
    ///
    /// # Errors
    /// The store can't be written. Whether the claim took effect is not known then, and trying
    /// again does no harm.
    pub async fn claim(
        &self,
        key: &ResourceKey,
        owner: &Owner,
    ) -> Result<Ownership, StateUnavailable> {
        only(self.claim_all(&[(key.clone(), owner.clone())]).await?)
    }

    /// [`Registry::claim`] of several: each free one is claimed if none belongs to another tenant
    /// or is retired, otherwise none is, and those that were free stay [`Ownership::Unknown`].
    ///
    /// # Errors
    /// As [`Registry::claim`].
    pub async fn claim_all(
        &self,
        wanted: &[(ResourceKey, Owner)],
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let keys: Vec<_> = wanted.iter().map(|(key, _)| key.clone()).collect();
        let known = self.owners(&keys).await?;
        if known.contains(&Ownership::Unknown) {
            self.take(wanted, Taking::Claimed).await
        } else {
            Ok(known)
        }
    }

    /// Makes `owner` the owner of an id that a backend made for it, as [`Registry::claim`] does. A
    /// retired id was made anew, so it gets this owner.
    ///
    /// # Errors
    /// As [`Registry::claim`].
    pub async fn mint(
        &self,
        key: &ResourceKey,
        owner: &Owner,
    ) -> Result<Ownership, StateUnavailable> {
        only(self.mint_all(&[(key.clone(), owner.clone())]).await?)
    }

    /// [`Registry::mint`] of several, each for itself.
    ///
    /// # Errors
    /// As [`Registry::claim`].
    pub async fn mint_all(
        &self,
        made: &[(ResourceKey, Owner)],
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let known: Vec<_> = made
            .iter()
            .filter_map(|(key, _)| self.remembered(key).map(Ownership::Owned))
            .collect();
        if known.len() == made.len() {
            return Ok(known);
        }
        self.take(made, Taking::Minted).await
    }

    /// Forgets a resource of `by` that the backend holds no longer: its id is free again. Answers
    /// whether it was theirs.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn release(
        &self,
        key: &ResourceKey,
        by: &TenantId,
    ) -> Result<bool, StateUnavailable> {
        let invalidation = self.cache.without(key);
        self.store
            .release(key.clone(), by.clone(), invalidation)
            .await
    }

    /// Retires everything of a tenant. What it claims meanwhile goes too, so it is to be shut out
    /// first.
    ///
    /// # Errors
    /// The store can't be written; some may be retired already, and trying again does the rest.
    pub async fn erase_tenant(&self, tenant: &TenantId) -> Result<Erased, StateUnavailable> {
        let mut resources = 0;
        loop {
            let invalidation = self.cache.without_tenant(tenant);
            match self
                .store
                .retire_tenant(tenant.clone(), invalidation)
                .await?
            {
                0 => break,
                retired => resources += retired,
            }
        }
        Ok(Erased {
            resources,
            at: self.clock.now(),
        })
    }

    /// Retires what was not used on or after the day of `time`; answers how many.
    ///
    /// # Errors
    /// The store can't be written; some may be retired already.
    pub async fn retire_before(&self, time: Timestamp) -> Result<u64, StateUnavailable> {
        self.write_uses().await?;
        let before = Day::of(time);
        let mut retired = 0;
        let mut after = None;
        loop {
            let invalidation = self.cache.without_unused(before);
            let swept = self
                .store
                .retire_unused(before, after, invalidation)
                .await?;
            if swept.retired > 0 {
                self.forget_late_uses();
            }
            retired += swept.retired;
            match swept.next {
                Some(next) => after = Some(next),
                None => return Ok(retired),
            }
        }
    }

    /// What a tenant owns, of all kinds or one; at most 1,000 at a time.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn page(
        &self,
        tenant: &TenantId,
        kind: Option<&str>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StateUnavailable> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let selection = Selection {
            tenant: tenant.clone(),
            kind: kind.map(Box::from),
            after: after.map(|Cursor(place)| place),
            limit: limit + 1,
        };
        let mut resources = self.store.page(selection).await?;
        let more = resources.len() > limit;
        resources.truncate(limit);
        let next = resources.last().filter(|_| more).map(|last| {
            Cursor(Place {
                user: last.owner.user.clone(),
                key: last.key.clone(),
            })
        });
        Ok(Page { resources, next })
    }

    /// How many resources of one kind somebody owns.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable> {
        self.store.count(counted).await
    }

    /// Whether the store can be used.
    ///
    /// # Errors
    /// It can't.
    pub async fn probe(&self) -> Result<(), StateUnavailable> {
        self.store.probe().await
    }

    /// Tells whenever something may have lost its owner from here on.
    pub fn removals(&self) -> watch::Receiver<()> {
        self.cache.removals()
    }

    /// How many resources are in memory.
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// Writes uses down now and then, and retires what was not used for `retention_days`; without
    /// it nothing is retired. Never ends.
    pub async fn keep_up(self: Arc<Self>, retention_days: Option<u32>) {
        let mut since = RETIRE;
        loop {
            // Every failure is told of by the store.
            let written = self.write_uses().await;
            if let (Some(days), Ok(()), true) = (retention_days, written, since >= RETIRE) {
                let before = self.clock.now().plus_seconds(-86_400 * i64::from(days));
                match self.retire_before(before).await {
                    Ok(0) | Err(_) => {}
                    Ok(retired) => tracing::info!(retired, days, "unused resources are retired"),
                }
                since = Duration::ZERO;
            }
            tokio::time::sleep(WRITE_USES).await;
            since += WRITE_USES;
        }
    }

    /// Writes down what waits and closes the store. Everything is unavailable afterwards.
    pub async fn close(&self) {
        if let Err(error) = self.write_uses().await {
            tracing::warn!(%error, "the last uses of resources are not written down");
        }
        self.store.close();
    }

    async fn write_uses(&self) -> Result<(), StateUnavailable> {
        let waiting = std::mem::take(&mut *self.waiting_uses());
        for some in waiting.chunks(USES_AT_ONCE) {
            self.store.used(some.to_vec()).await?;
        }
        Ok(())
    }

    /// What was asked for while it was retired may be in memory as used today, and is not.
    fn forget_late_uses(&self) {
        let late: Vec<_> = self.waiting_uses().clone();
        for (key, _) in &late {
            drop(self.cache.without(key));
        }
    }

    /// The owner if it is in memory.
    fn remembered(&self, key: &ResourceKey) -> Option<Owner> {
        self.heed_others();
        let moment = self.cache.moment();
        let entry = self.cache.find(key)?;
        let today = Day::of(self.clock.now());
        if entry.used < today && self.note_use(key, today) {
            self.cache.insert(key, &entry.owner, today, moment);
        }
        Some(Owner::clone(&entry.owner))
    }

    async fn look_up(&self, keys: Vec<ResourceKey>) -> Result<Vec<Ownership>, StateUnavailable> {
        let moment = self.moment();
        let today = Day::of(self.clock.now());
        let found = self.store.find(keys.clone()).await?;
        if found.len() != keys.len() {
            return Err(StateUnavailable::Failed);
        }
        for (key, held) in keys.iter().zip(&found) {
            if let Held::Owned(owner, used) = held {
                let used = if *used < today && self.note_use(key, today) {
                    today
                } else {
                    *used
                };
                self.remember(key, owner, used, moment);
            }
        }
        Ok(found.into_iter().map(Ownership::from).collect())
    }

    async fn take(
        &self,
        wanted: &[(ResourceKey, Owner)],
        taking: Taking,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let moment = self.moment();
        let at = self.clock.now();
        let taken = self.store.take(wanted.to_vec(), taking, at).await?;
        if taken.len() != wanted.len() {
            return Err(StateUnavailable::Failed);
        }
        for ((key, _), ownership) in wanted.iter().zip(&taken) {
            if let Ownership::Owned(owner) = ownership {
                self.remember(key, owner, Day::of(at), moment);
            }
        }
        Ok(taken)
    }

    fn moment(&self) -> (Moment, u64) {
        (self.cache.moment(), self.store.removals_elsewhere())
    }

    fn remember(
        &self,
        key: &ResourceKey,
        owner: &Owner,
        used: Day,
        (moment, elsewhere): (Moment, u64),
    ) {
        // What another process removed before now may be what was just read.
        if self.store.removals_elsewhere() == elsewhere {
            self.cache.insert(key, owner, used, moment);
        }
    }

    /// Forgets everything when another process has removed something.
    fn heed_others(&self) {
        let elsewhere = self.store.removals_elsewhere();
        if self.removals_elsewhere.load(Ordering::Acquire) != elsewhere {
            self.cache.clear();
            self.removals_elsewhere.store(elsewhere, Ordering::Release);
        }
    }

    /// Whether there is room to write it down.
    fn note_use(&self, key: &ResourceKey, on: Day) -> bool {
        let mut waiting = self.waiting_uses();
        let room = waiting.len() < MOST_USES;
        if room {
            waiting.push((key.clone(), on));
        }
        room
    }

    fn waiting_uses(&self) -> std::sync::MutexGuard<'_, Vec<(ResourceKey, Day)>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Registry({:?}, {:?})", self.store, self.cache)
    }
}

/// The answer about the only one that was asked for.
fn only(answers: Vec<Ownership>) -> Result<Ownership, StateUnavailable> {
    answers.into_iter().next().ok_or(StateUnavailable::Failed)
}

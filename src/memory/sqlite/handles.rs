//! Which tenants' databases are open: as many as there are descriptors for, the ones used last.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{
    Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

use super::error::OpenError;
use super::failing::Failing;
use super::handle::Handle;
use super::root::Root;
use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// All tenants of one folder.
pub(super) struct Handles {
    pub(super) root: Arc<Root>,
    most_bytes: u64,
    shares: Arc<Semaphore>,
    slots: Mutex<HashMap<TenantId, Arc<Slot>>>,
    /// Rises with each use.
    uses: AtomicU64,
    since: Instant,
    /// Rung when a tenant is used no more, for those who wait for a share.
    freed: Arc<Notify>,
    failing: Failing,
}

/// A tenant that is open, or about to be.
struct Slot {
    tenant: TenantId,
    /// Read by whoever uses the database, written by whoever opens, closes or removes it.
    gate: Arc<RwLock<Option<Handle>>>,
    used: AtomicU64,
    /// Seconds after the start.
    used_at: AtomicU64,
}

/// Held by the one who opens, closes or removes a tenant's database.
pub(super) type Gate = OwnedRwLockWriteGuard<Option<Handle>>;

/// Keeps a tenant's database open.
pub(super) struct Lease {
    // INVARIANT: dropped first, so that whoever is rung finds the gate free.
    guard: OwnedRwLockReadGuard<Option<Handle>, Handle>,
    _ring: Ring,
}

struct Ring(Arc<Notify>);

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// What to do where a tenant has no database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Make,
    Leave,
}

/// What becomes of those who read a database that is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    End,
    Finish,
}

impl Handles {
    pub(super) fn new(root: Root, open_tenants: usize, most_bytes: u64) -> Self {
        Self {
            root: Arc::new(root),
            most_bytes,
            shares: Arc::new(Semaphore::new(open_tenants)),
            slots: Mutex::default(),
            uses: AtomicU64::new(0),
            since: Instant::now(),
            freed: Arc::default(),
            failing: Failing::default(),
        }
    }

    /// The tenant's database, opened if it is not; `None` if there is none and none is made.
    pub(super) async fn lease(
        &self,
        tenant: &TenantId,
        absent: Absent,
    ) -> Result<Option<Lease>, StoreError> {
        let slot = self.slot(tenant);
        let guard = Arc::clone(&slot.gate).read_owned().await;
        if let Some(lease) = self.leased(guard) {
            return Ok(Some(lease));
        }
        let gate = Arc::clone(&slot.gate).write_owned().await;
        let opened = self.opened(gate, tenant, absent).await;
        self.failing.note(tenant, opened.as_ref().err());
        let lease = opened.map(|gate| self.leased(gate.downgrade()));
        if !matches!(lease, Ok(Some(_))) {
            self.forget(slot);
        }
        lease
    }

    /// Nobody uses the tenant's database, and it is closed, for as long as the answer is held.
    pub(super) async fn alone(&self, tenant: &TenantId, readers: Readers) -> Gate {
        let slot = self.slot(tenant);
        if readers == Readers::End
            && let Ok(gate) = slot.gate.try_read()
            && let Some(handle) = gate.as_ref()
        {
            handle.end_readings();
        }
        let mut gate = Arc::clone(&slot.gate).write_owned().await;
        close(&mut gate).await;
        gate
    }

    /// Closes what nobody has used for that long, and forgets what is closed; how many it closed.
    pub(super) async fn close_idle(&self, idle: Duration) -> usize {
        let now = self.since.elapsed().as_secs();
        let before = now.saturating_sub(idle.as_secs());
        let idle: Vec<Arc<Slot>> = self
            .lock()
            .values()
            .filter(|slot| slot.used_at.load(Ordering::Relaxed) < before)
            .map(Arc::clone)
            .collect();
        let mut closed = 0;
        for slot in idle {
            closed += usize::from(self.close_if_unused(slot).await);
        }
        closed
    }

    /// Closes all, each when nobody uses it any more.
    pub(super) async fn close(&self) {
        self.shares.close();
        let slots: Vec<Arc<Slot>> = self.lock().values().map(Arc::clone).collect();
        for slot in slots {
            let mut gate = Arc::clone(&slot.gate).write_owned().await;
            close(&mut gate).await;
        }
    }

    /// Says in the log when a tenant's memories begin to fail and when that is over.
    pub(super) fn note(&self, tenant: &TenantId, error: Option<&StoreError>) {
        self.failing.note(tenant, error);
    }

    /// How many are open. One that is being written to counts as soon as it is free again.
    pub(super) fn open_count(&self) -> usize {
        let slots: Vec<Arc<Slot>> = self.lock().values().map(Arc::clone).collect();
        let open = |slot: &Arc<Slot>| slot.gate.try_read().is_ok_and(|gate| gate.is_some());
        slots.iter().filter(|slot| open(slot)).count()
    }

    /// Opens what is closed. If the caller goes meanwhile it is opened all the same, and nobody
    /// else opens it beside.
    async fn opened(
        &self,
        mut gate: Gate,
        tenant: &TenantId,
        absent: Absent,
    ) -> Result<Gate, StoreError> {
        if gate.is_some() {
            return Ok(gate);
        }
        let root = Arc::clone(&self.root);
        // Where there is nothing to open, nobody else's is closed for it.
        if absent == Absent::Leave {
            let (root, tenant) = (Arc::clone(&root), tenant.clone());
            let there = blocking(move || root.find(&tenant)).await??;
            if there.is_none_or(|path| is_empty(&path)) {
                return Ok(gate);
            }
        }
        let share = self.share().await?;
        let (tenant, most_bytes) = (tenant.clone(), self.most_bytes);
        let opened = blocking(move || -> Result<Gate, OpenError> {
            let path = root.make(&tenant)?;
            *gate = Some(Handle::open(&path, &tenant, most_bytes, share)?);
            Ok(gate)
        });
        Ok(opened.await??)
    }

    fn leased(&self, guard: OwnedRwLockReadGuard<Option<Handle>>) -> Option<Lease> {
        let guard = OwnedRwLockReadGuard::try_map(guard, Option::as_ref).ok()?;
        Some(Lease {
            guard,
            _ring: Ring(Arc::clone(&self.freed)),
        })
    }

    fn slot(&self, tenant: &TenantId) -> Arc<Slot> {
        let mut slots = self.lock();
        let slot = slots.entry(tenant.clone()).or_insert_with(|| {
            Arc::new(Slot {
                tenant: tenant.clone(),
                gate: Arc::default(),
                used: AtomicU64::new(0),
                used_at: AtomicU64::new(0),
            })
        });
        let use_ = self.uses.fetch_add(1, Ordering::Relaxed);
        slot.used.store(use_, Ordering::Relaxed);
        slot.used_at
            .store(self.since.elapsed().as_secs(), Ordering::Relaxed);
        Arc::clone(slot)
    }

    /// Drops the slot of a tenant that is closed, unless somebody else is about to use it.
    /// INVARIANT: two slots of one tenant would be two gates.
    fn forget(&self, slot: Arc<Slot>) {
        let mut slots = self.lock();
        // The map and the caller; everybody else takes theirs from the map.
        let unused =
            Arc::strong_count(&slot) == 2 && slot.gate.try_read().is_ok_and(|gate| gate.is_none());
        if unused {
            slots.remove(&slot.tenant);
        }
    }

    /// The right to hold one more tenant open. Closes the one that was used longest ago, if that is
    /// what it takes.
    async fn share(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        loop {
            if let Ok(share) = Arc::clone(&self.shares).try_acquire_owned() {
                return Ok(share);
            }
            if self.shares.is_closed() {
                let detail = "the store is closed";
                return Err(StoreError::new(StoreErrorKind::Unavailable, detail));
            }
            if self.close_one().await {
                continue;
            }
            tokio::select! {
                Ok(share) = Arc::clone(&self.shares).acquire_owned() => return Ok(share),
                () = self.freed.notified() => {}
            }
        }
    }

    async fn close_one(&self) -> bool {
        let mut slots: Vec<(u64, Arc<Slot>)> = self
            .lock()
            .values()
            .map(|slot| (slot.used.load(Ordering::Relaxed), Arc::clone(slot)))
            .collect();
        slots.sort_unstable_by_key(|(used, _slot)| *used);
        for (_used, slot) in slots {
            if self.close_if_unused(slot).await {
                return true;
            }
        }
        false
    }

    async fn close_if_unused(&self, slot: Arc<Slot>) -> bool {
        let Ok(mut gate) = Arc::clone(&slot.gate).try_write_owned() else {
            return false;
        };
        let was_open = gate.is_some();
        close(&mut gate).await;
        drop(gate);
        self.forget(slot);
        was_open
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Lease {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.guard
    }
}

/// A file without a byte is one whose making was cut short.
fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

/// Closing empties the log into the file, which takes a while.
async fn close(gate: &mut Option<Handle>) {
    if let Some(handle) = gate.take() {
        let _closed = blocking(move || drop(handle)).await;
    }
}

/// Runs what blocks on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a thread of the memory store has ended");
        StoreError::new(
            StoreErrorKind::Unavailable,
            "a thread of the store has ended",
        )
    })
}

//! One tenant's database while it is open.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::database::Database;
use super::error::OpenError;
use super::jobs::{self, Waiting};
use super::running::Running;
use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// Most readings of one tenant at a time. INVARIANT: the count of descriptors goes by it.
const READERS: usize = 2;
/// Batches one thread does before it lets another tenant have its turn.
const TURN: usize = 8;

/// An open database. It is closed when the last one who uses it lets go of it.
pub(super) struct Handle {
    database: Database,
    /// Readers that are open and not in use. Closed before the writer, which then empties the log.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
    pub(super) waiting: Waiting,
    readings: Arc<Semaphore>,
    under_way: Mutex<Vec<Arc<Running>>>,
    /// A share of the descriptors there are, given back last.
    _share: OwnedSemaphorePermit,
}

impl Handle {
    pub(super) fn open(
        path: &Path,
        tenant: &TenantId,
        most_bytes: u64,
        share: OwnedSemaphorePermit,
    ) -> Result<Self, OpenError> {
        let (database, writer) = Database::prepare(path, tenant, most_bytes)?;
        Ok(Self {
            database,
            writer: Mutex::new(writer),
            waiting: Waiting::default(),
            readers: Mutex::default(),
            readings: Arc::new(Semaphore::new(READERS)),
            under_way: Mutex::default(),
            _share: share,
        })
    }

    /// Does the writes that wait. Whether there may be more.
    pub(super) fn tend(&self) -> bool {
        let mut writer = lock(&self.writer);
        for _ in 0..TURN {
            let jobs = self.waiting.take();
            if jobs.is_empty() {
                return false;
            }
            jobs::commit(&mut writer, jobs);
        }
        true
    }

    /// The right to read beside others.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let readings = Arc::clone(&self.readings);
        readings.acquire_owned().await.map_err(|_closed| ended())
    }

    /// A connection to read with, to be given back.
    pub(super) fn reader(&self) -> Result<Connection, OpenError> {
        let kept = lock(&self.readers).pop();
        match kept {
            Some(connection) => Ok(connection),
            None => self.database.connect(),
        }
    }

    pub(super) fn give_back(&self, reader: Connection) {
        lock(&self.readers).push(reader);
    }

    /// Makes a reading known to [`Handle::end_readings`] until the answer is dropped.
    pub(super) fn reading<'a>(&'a self, running: &'a Arc<Running>) -> UnderWay<'a> {
        lock(&self.under_way).push(Arc::clone(running));
        UnderWay {
            handle: self,
            running,
        }
    }

    /// Ends what is being read, and lets nothing more be read.
    pub(super) fn end_readings(&self) {
        self.readings.close();
        for running in lock(&self.under_way).iter() {
            running.end();
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.database.path()
    }
}

/// What somebody hears whose tenant's database is closed meanwhile.
pub(super) fn ended() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the tenant's database was closed",
    )
}

/// A reading that is under way.
pub(super) struct UnderWay<'a> {
    handle: &'a Handle,
    running: &'a Arc<Running>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.handle.under_way).retain(|other| !Arc::ptr_eq(other, self.running));
    }
}

/// A poisoned lock guards a connection whose transaction was rolled back as the panic passed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Work on the databases of tenants: on threads that may block, within a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::error::kind;
use super::handle::ended;
use super::handles::{Absent, Handles, Lease, blocking};
use super::jobs::{Task, Undone};
use super::running::{Awaited, Running};
use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// Most threads that work on databases at once.
const THREADS: usize = 32;

/// The open databases and the threads that work on them.
pub(super) struct Works {
    pub(super) handles: Handles,
    threads: Arc<Semaphore>,
    deadline: Duration,
}

/// Why something was not written.
#[derive(Debug)]
pub(super) enum NotWritten<E> {
    /// The tenant has no database, and none was to be made.
    Absent,
    /// By our own rules.
    Refused(E),
    /// The store can't.
    Failed(StoreError),
}

impl Works {
    pub(super) fn new(handles: Handles, deadline: Duration) -> Self {
        Self {
            handles,
            threads: Arc::new(Semaphore::new(THREADS)),
            deadline,
        }
    }

    /// Reads as of one moment. `None` if the tenant has no database. The reading ends when this
    /// future is dropped, or late.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let read = self.within(self.deadline, async {
            let Some(lease) = self.handles.lease(tenant, Absent::Leave).await? else {
                return Ok(None);
            };
            let turn = lease.turn().await?;
            let thread = self.thread().await?;
            let running = Arc::new(Running::default());
            let _awaited = Awaited(Arc::clone(&running));
            let done = blocking(move || {
                let _until_done = (turn, thread);
                read(&lease, &running, work)
            });
            done.await?.map(Some)
        });
        let outcome = read.await;
        self.handles.note(tenant, outcome.as_ref().err());
        outcome
    }

    /// Writes in the next transaction of the tenant; the answer comes once it is committed and
    /// synced. `work` may be begun anew, and then only the last time counts. If this future is
    /// dropped, it has happened or not, and nothing of it is left half done.
    pub(super) async fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        tenant: &TenantId,
        absent: Absent,
        deadline: Option<Duration>,
        work: impl FnMut(&Connection) -> Result<T, Undone<E>> + Send + 'static,
    ) -> Result<T, NotWritten<E>> {
        let write = self.within(deadline.unwrap_or(self.deadline), async {
            let Some(lease) = self.handles.lease(tenant, absent).await? else {
                return Ok(None);
            };
            let lease = Arc::new(lease);
            let (task, answer) = Task::new(work, Arc::clone(&lease));
            if lease.waiting.push(Box::new(task))? {
                tokio::spawn(tend(lease, Arc::clone(&self.threads)));
            } else {
                drop(lease);
            }
            answer.await.map_err(|_dropped| ended())?.map(Some)
        });
        let outcome = write.await;
        self.handles.note(tenant, outcome.as_ref().err());
        match outcome {
            Ok(Some(Ok(done))) => Ok(done),
            Ok(Some(Err(why))) => Err(NotWritten::Refused(why)),
            Ok(None) => Err(NotWritten::Absent),
            Err(error) => Err(NotWritten::Failed(error)),
        }
    }

    async fn thread(&self) -> Result<tokio::sync::OwnedSemaphorePermit, StoreError> {
        let threads = Arc::clone(&self.threads);
        threads.acquire_owned().await.map_err(|_closed| ended())
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                let detail = format!("no answer within {deadline:?}");
                Err(StoreError::new(StoreErrorKind::TimedOut, detail))
            }
        }
    }
}

fn read<T>(
    lease: &Lease,
    running: &Arc<Running>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let mut connection = lease.reader()?;
    let Some(reading) = running.begin(connection.get_interrupt_handle()) else {
        lease.give_back(connection);
        return Err(ended());
    };
    let known = lease.reading(running);
    let done = connection
        .transaction_with_behavior(TransactionBehavior::Deferred)
        .and_then(|transaction| work(&transaction));
    drop(known);
    drop(reading);
    match done {
        Ok(done) => {
            lease.give_back(connection);
            Ok(done)
        }
        // A connection that has failed is not used again.
        Err(error) => {
            let detail = format!("`{}`: {error}", lease.path().display());
            Err(StoreError::new(kind(&error), detail))
        }
    }
}

/// Sees to a tenant's writes until none waits. Others have their turn in between.
async fn tend(lease: Arc<Lease>, threads: Arc<Semaphore>) {
    loop {
        let Ok(thread) = Arc::clone(&threads).acquire_owned().await else {
            return lease.waiting.abandon();
        };
        let tended = Arc::clone(&lease);
        let more = blocking(move || {
            let _until_done = thread;
            tended.tend()
        });
        // Of a panic those hear whose writes were in that transaction; who waits behind is served.
        if !more.await.unwrap_or(true) {
            return;
        }
    }
}

//! What part of the connections one tenant may hold.
//!
//! The pool is everybody's. A tenant that sends more than it takes on waits for itself: its writers
//! one at a time, since they would wait for each other at the same row anyway, each with a
//! connection in hand; its readers in no more than their share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::Mode;
use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// From how many tenants on those that are idle are let go of.
const MANY: usize = 1024;

/// The turns of all tenants.
#[derive(Debug)]
pub(super) struct Shares {
    tenants: Mutex<HashMap<TenantId, Weak<Turns>>>,
    readers: usize,
    wait: Duration,
}

#[derive(Debug)]
struct Turns {
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

/// The right to hold one connection.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    // INVARIANT: what is held keeps the tenant's turns, or the next to come would find others.
    _turns: Arc<Turns>,
}

impl Shares {
    /// At most `readers` of a tenant at a time, and one writer; others wait for up to `wait`.
    pub(super) fn new(readers: usize, wait: Duration) -> Self {
        Self {
            tenants: Mutex::default(),
            readers: readers.max(1),
            wait,
        }
    }

    /// The right to hold one connection.
    pub(super) async fn turn(&self, tenant: &TenantId, mode: Mode) -> Result<Turn, StoreError> {
        let turns = self.of(tenant);
        let semaphore = match mode {
            Mode::Reading => &turns.readers,
            Mode::Writing => &turns.writers,
        };
        let turn = tokio::time::timeout(self.wait, Arc::clone(semaphore).acquire_owned()).await;
        match turn {
            Ok(Ok(permit)) => Ok(Turn {
                _permit: permit,
                _turns: turns,
            }),
            Ok(Err(_)) | Err(_) => Err(StoreError::new(
                StoreErrorKind::Overloaded,
                format_args!("tenant {tenant} uses its share of the connections"),
            )),
        }
    }

    fn of(&self, tenant: &TenantId) -> Arc<Turns> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.get(tenant).and_then(Weak::upgrade) {
            return turns;
        }
        if tenants.len() >= MANY && tenants.len() == tenants.capacity() {
            tenants.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Turns {
            readers: Arc::new(Semaphore::new(self.readers)),
            writers: Arc::new(Semaphore::new(1)),
        });
        tenants.insert(tenant.clone(), Arc::downgrade(&turns));
        turns
    }
}

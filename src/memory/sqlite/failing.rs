//! Which tenants' memories fail, so that the log says it once and not with every request.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

#[derive(Default)]
pub(super) struct Failing {
    /// How many, so that where nothing fails nothing is locked.
    count: AtomicUsize,
    tenants: Mutex<HashSet<TenantId>>,
}

impl Failing {
    /// One line when it begins and one when that is over.
    pub(super) fn note(&self, tenant: &TenantId, error: Option<&StoreError>) {
        match error {
            None => self.over(tenant),
            Some(error) => match error.kind {
                StoreErrorKind::Unavailable
                | StoreErrorKind::Damaged
                | StoreErrorKind::NotIsolating => self.begun(tenant, error),
                // A busy moment, and no fault of the file.
                StoreErrorKind::TimedOut | StoreErrorKind::Overloaded => {
                    tracing::debug!(%tenant, %error, "the memories of a tenant are late");
                }
            },
        }
    }

    fn begun(&self, tenant: &TenantId, error: &StoreError) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.insert(tenant.clone()) {
            tracing::error!(%tenant, %error, "the memories of a tenant can't be used; others are served");
        }
        self.count.store(tenants.len(), Ordering::Relaxed);
    }

    fn over(&self, tenant: &TenantId) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.remove(tenant) {
            tracing::info!(%tenant, "the memories of a tenant can be used again");
        }
        self.count.store(tenants.len(), Ordering::Relaxed);
    }
}

//! Recalls that are still to be counted.
//!
//! A search does not wait for the counters of what it found: they are gathered here and written
//! once in a while. What was gathered and not written is lost when the process ends badly; a counter
//! of recalls is worth no more than that.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{EntryId, Memory, StoreError, TenantScope};
use crate::clock::Timestamp;
use crate::tenant::TenantId;

/// Most recalls that wait; later ones are not counted.
const MOST: usize = 65_536;

/// What was recalled and is not counted yet.
#[derive(Debug, Default)]
pub(super) struct Recalls(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    by_tenant: HashMap<TenantScope, Vec<(EntryId, Timestamp)>>,
    count: usize,
}

impl Recalls {
    fn add(&self, tenant: &TenantScope, ids: &[EntryId], at: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(waiting.count);
        let taken = ids.len().min(room);
        if taken == 0 {
            return;
        }
        waiting.count += taken;
        let recalled = waiting.by_tenant.entry(tenant.clone()).or_default();
        recalled.extend(ids.iter().take(taken).map(|id| (*id, at)));
    }

    /// Lets go of those of a tenant.
    pub(super) fn forget(&self, tenant: &TenantId) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .by_tenant
            .retain(|scope, _| scope.tenant() != tenant);
        waiting.count = waiting.by_tenant.values().map(Vec::len).sum();
    }

    fn take(&self) -> HashMap<TenantScope, Vec<(EntryId, Timestamp)>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting).by_tenant
    }
}

impl Memory {
    /// Counts a recall of each of these entries, within about a second.
    pub fn recalled(&self, tenant: &TenantScope, ids: &[EntryId]) {
        self.recalls().add(tenant, ids, self.now());
    }

    /// Writes what waits to be counted. Of what a store refuses nothing is kept.
    ///
    /// # Errors
    /// The first error of the store; the other tenants' recalls are counted all the same.
    pub async fn count_recalls(&self) -> Result<(), StoreError> {
        let mut first = Ok(());
        for (tenant, recalled) in self.recalls().take() {
            let counted = self.store().touch(&tenant, &recalled).await;
            first = first.and(counted);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Principal;
    use crate::memory::{Caller, Confidentiality, Rules};

    fn tenant(name: &str) -> TenantScope {
        let rules = Rules {
            shared_write_roles: Vec::new(),
            tenant_admin_roles: Vec::new(),
            default_clearance: Confidentiality::Internal,
            clearances: Vec::new(),
        };
        let principal = Principal::made_up(name, "alice", &[], &[], None);
        Caller::new(&principal, &rules).tenant_scope()
    }

    #[test]
    fn recalls_wait_up_to_a_bound_and_are_taken_once() {
        let recalls = Recalls::default();
        let ids = vec![EntryId::mint(); MOST - 1];
        let at = Timestamp::from_seconds(0);
        recalls.add(&tenant("acme"), &ids, at);
        recalls.add(&tenant("globex"), &[EntryId::mint(), EntryId::mint()], at);
        let taken = recalls.take();
        assert_eq!(taken[&tenant("acme")].len(), MOST - 1);
        assert_eq!(taken[&tenant("globex")].len(), 1);
        assert!(recalls.take().is_empty());
        recalls.add(&tenant("acme"), &ids, at);
        assert_eq!(recalls.take().len(), 1, "there is room again");
    }

    #[test]
    fn the_recalls_of_a_tenant_that_is_erased_are_let_go_of_and_no_others() {
        let recalls = Recalls::default();
        for name in ["acme", "globex"] {
            recalls.add(
                &tenant(name),
                &[EntryId::mint()],
                Timestamp::from_seconds(0),
            );
        }
        recalls.forget(tenant("acme").tenant());
        let left: Vec<_> = recalls.take().into_keys().collect();
        assert_eq!(left, [tenant("globex")]);
    }
}

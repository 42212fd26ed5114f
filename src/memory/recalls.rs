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

/// Most of them that are one tenant's: what one recalls leaves the others' counted.
const MOST_OF_ONE: usize = MOST / 8;

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
        let own = waiting.by_tenant.get(tenant).map_or(0, Vec::len);
        let room = MOST.saturating_sub(waiting.count);
        let taken = ids.len().min(room).min(MOST_OF_ONE.saturating_sub(own));
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
        let ids = vec![EntryId::mint(); MOST_OF_ONE];
        let at = Timestamp::from_seconds(0);
        let names: Vec<String> = (0..8).map(|number| format!("tenant-{number}")).collect();
        recalls.add(&tenant(&names[0]), &ids[1..], at);
        for name in &names[1..] {
            recalls.add(&tenant(name), &ids, at);
        }
        recalls.add(&tenant("globex"), &[EntryId::mint(), EntryId::mint()], at);
        let taken = recalls.take();
        assert_eq!(taken[&tenant(&names[0])].len(), MOST_OF_ONE - 1);
        assert_eq!(taken[&tenant(&names[7])].len(), MOST_OF_ONE);
        assert_eq!(taken[&tenant("globex")].len(), 1);
        assert!(recalls.take().is_empty());
        recalls.add(&tenant("acme"), &ids, at);
        assert_eq!(recalls.take().len(), 1, "there is room again");
    }

    #[test]
    fn what_one_tenant_recalls_leaves_room_for_the_others() {
        let recalls = Recalls::default();
        let at = Timestamp::from_seconds(0);
        let ids = vec![EntryId::mint(); 1000];
        for _ in 0..2 * MOST / ids.len() {
            recalls.add(&tenant("acme"), &ids, at);
        }
        recalls.add(&tenant("globex"), &ids, at);
        let taken = recalls.take();
        assert_eq!(taken[&tenant("acme")].len(), MOST_OF_ONE);
        assert_eq!(taken[&tenant("globex")].len(), 1000);
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

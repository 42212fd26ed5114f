//! A tenant's share of what is served at once. Whoever takes long, by much work or by reading slowly,
//! takes it from its own tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tenant::TenantId;

/// How many places each tenant holds, and how many it may.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    held: Mutex<HashMap<TenantId, usize>>,
}

/// A place, or room, held until the last of its clones is dropped.
#[derive(Clone, Debug)]
pub(super) struct Share(#[expect(dead_code, reason = "held for its drop")] Arc<Held>);

#[derive(Debug)]
struct Held {
    shares: Arc<Shares>,
    tenant: TenantId,
    weight: usize,
}

impl Shares {
    /// Half of `places` for each tenant, and one at least.
    pub(super) fn of(places: usize) -> Arc<Self> {
        Arc::new(Self {
            most: places.div_ceil(2),
            held: Mutex::default(),
        })
    }

    /// A place for `tenant`, if it does not hold its share.
    pub(super) fn take(self: &Arc<Self>, tenant: &TenantId) -> Option<Share> {
        self.weigh(tenant, 1)
    }

    /// So many places for `tenant`, if its share has them. One that holds none gets them however
    /// many they are: it would never have them otherwise.
    pub(super) fn weigh(self: &Arc<Self>, tenant: &TenantId, weight: usize) -> Option<Share> {
        let mut held = self.lock();
        let count = held.get(tenant).copied().unwrap_or_default();
        let more = count.saturating_add(weight);
        if count > 0 && more > self.most {
            return None;
        }
        held.insert(tenant.clone(), more);
        Some(Share(Arc::new(Held {
            shares: Arc::clone(self),
            tenant: tenant.clone(),
            weight,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        if let Some(count) = held.get_mut(&self.tenant) {
            *count = count.saturating_sub(self.weight);
            if *count == 0 {
                held.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_half_of_the_places_and_leaves_the_other() {
        let shares = Shares::of(5);
        let [acme, globex] = ["acme", "globex"].map(|name| name.parse::<TenantId>().unwrap());
        let mut held: Vec<_> = (0..3).map(|_| shares.take(&acme)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(shares.take(&acme).is_none());
        let other = shares.take(&globex);
        assert!(other.is_some(), "another tenant has its own share");
        let clone = held.pop().unwrap().unwrap();
        let kept = clone.clone();
        drop(clone);
        assert!(shares.take(&acme).is_none(), "until the last clone");
        drop(kept);
        assert!(shares.take(&acme).is_some());
    }

    #[test]
    fn what_weighs_more_than_a_share_has_room_alone() {
        let shares = Shares::of(10);
        let acme: TenantId = "acme".parse().unwrap();
        let large = shares.weigh(&acme, 9);
        assert!(large.is_some());
        assert!(shares.weigh(&acme, 1).is_none());
        drop(large);
        let two = [3, 2].map(|weight| shares.weigh(&acme, weight));
        assert!(two.iter().all(Option::is_some));
        assert!(shares.weigh(&acme, 1).is_none());
        drop(two);
        assert!(shares.lock().is_empty());
    }

    #[test]
    fn a_tenant_that_holds_nothing_is_forgotten_and_one_place_is_the_least() {
        let shares = Shares::of(1);
        let acme: TenantId = "acme".parse().unwrap();
        let held = shares.take(&acme);
        assert!(held.is_some());
        assert!(shares.take(&acme).is_none());
        drop(held);
        assert!(shares.lock().is_empty());
    }
}

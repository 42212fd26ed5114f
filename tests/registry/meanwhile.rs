//! What is asked for at the very moment it is retired.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use fabric_gate::clock::{Clock, Timestamp};
use fabric_gate::decision::StateUnavailable;
use fabric_gate::ownership::{
    Counted, Day, Held, Invalidation, Owner, Ownership, OwnershipStore, Registry, Resource,
    ResourceKey, Selection, Swept, Taking,
};
use fabric_gate::state::MemoryStore;
use fabric_gate::tenant::TenantId;

use crate::world::{World, block_on, owned, owner, session};

/// A store in which somebody asks for a session after the sweep has begun and before it retires.
#[derive(Debug, Default)]
struct AskedMeanwhile {
    inner: MemoryStore,
    by: OnceLock<Arc<Registry>>,
}

#[async_trait]
impl OwnershipStore for AskedMeanwhile {
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable> {
        self.inner.find(keys).await
    }

    async fn take(
        &self,
        wanted: Vec<(ResourceKey, Owner)>,
        taking: Taking,
        at: Timestamp,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        self.inner.take(wanted, taking, at).await
    }

    async fn release(
        &self,
        key: ResourceKey,
        by: TenantId,
        done: Invalidation,
    ) -> Result<bool, StateUnavailable> {
        self.inner.release(key, by, done).await
    }

    async fn used(&self, uses: Vec<(ResourceKey, Day)>) -> Result<(), StateUnavailable> {
        self.inner.used(uses).await
    }

    async fn retire_tenant(
        &self,
        tenant: TenantId,
        done: Invalidation,
    ) -> Result<u64, StateUnavailable> {
        self.inner.retire_tenant(tenant, done).await
    }

    async fn retire_unused(
        &self,
        before: Day,
        after: Option<ResourceKey>,
        done: Invalidation,
    ) -> Result<Swept, StateUnavailable> {
        let found = self.by.get().unwrap().owner(&session("s")).await;
        assert_eq!(found, Ok(owned("acme", "ann")), "it is from memory");
        self.inner.retire_unused(before, after, done).await
    }

    async fn page(&self, selection: Selection) -> Result<Vec<Resource>, StateUnavailable> {
        self.inner.page(selection).await
    }

    async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable> {
        self.inner.count(counted).await
    }

    fn removals_elsewhere(&self) -> u64 {
        0
    }

    async fn probe(&self) -> Result<(), StateUnavailable> {
        self.inner.probe().await
    }

    fn close(&self) {}
}

#[test]
fn what_is_retired_while_it_is_asked_for_is_not_owned_in_memory_afterwards() {
    let world = World::new();
    let store = Arc::new(AskedMeanwhile::default());
    let registry = Registry::new(store.clone(), world.clock.clone(), 10);
    store.by.set(registry.clone()).unwrap();
    block_on(async {
        let claimed = registry.claim(&session("s"), &owner("acme", "ann")).await;
        assert_eq!(claimed, Ok(owned("acme", "ann")));
        world.clock.advance_seconds(10 * 86_400);
        assert_eq!(registry.retire_before(world.clock.now()).await, Ok(1));
        let found = registry.owner(&session("s")).await;
        assert_eq!(found, Ok(Ownership::Retired));
    });
}

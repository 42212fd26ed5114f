//! Whose things are, for the length of one case.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::case::OwnedFixture;
use crate::budget::models::settings::{Chosen, LlmSettingsStore, News, Seen};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::identity::UserId;
use crate::ownership::{
    Counted, Day, Held, Invalidation, Owner, Ownership, OwnershipStore, Resource, ResourceKey,
    Selection, Swept, Taking,
};
use crate::tenant::TenantId;

/// What a case says is owned, and nothing else. It can only be read.
#[derive(Debug, Default)]
pub(super) struct World {
    owned: Mutex<Vec<(OwnedFixture, Owner)>>,
}

impl World {
    /// From here on these are owned.
    ///
    /// # Errors
    /// One of them by nobody that could be.
    pub(super) fn become_of(&self, fixtures: &[OwnedFixture]) -> Result<(), String> {
        let mut owned = Vec::new();
        for fixture in fixtures {
            let tenant = TenantId::kept(&fixture.tenant)
                .map_err(|error| format!("`{}`: {error}", fixture.tenant))?;
            let user = UserId::parse(&fixture.user)
                .map_err(|error| format!("`{}`: {error}", fixture.user))?;
            owned.push((fixture.clone(), Owner { tenant, user }));
        }
        *self.owned.lock().unwrap_or_else(PoisonError::into_inner) = owned;
        Ok(())
    }
}

#[async_trait]
impl OwnershipStore for World {
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |key: &ResourceKey| {
            let found = owned.iter().find(|(fixture, _)| {
                fixture.kind == key.kind()
                    && fixture.id == key.id().as_str()
                    && fixture
                        .upstream
                        .as_deref()
                        .is_none_or(|it| it == key.upstream())
            });
            found.map_or(Held::Unknown, |(_, owner)| {
                Held::Owned(owner.clone(), Day::default())
            })
        };
        Ok(keys.iter().map(of).collect())
    }

    async fn take(
        &self,
        _wanted: Vec<(ResourceKey, Owner)>,
        _taking: Taking,
        _at: Timestamp,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn release(
        &self,
        _key: ResourceKey,
        _by: TenantId,
        _done: Invalidation,
    ) -> Result<bool, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn used(&self, _uses: Vec<(ResourceKey, Day)>) -> Result<(), StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn retire_tenant(
        &self,
        _tenant: TenantId,
        _done: Invalidation,
    ) -> Result<u64, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn retire_unused(
        &self,
        _before: Day,
        _after: Option<ResourceKey>,
        _done: Invalidation,
    ) -> Result<Swept, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn page(&self, _selection: Selection) -> Result<Vec<Resource>, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn count(&self, _counted: Counted) -> Result<u64, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    fn removals_elsewhere(&self) -> u64 {
        0
    }

    async fn probe(&self) -> Result<(), StateUnavailable> {
        Ok(())
    }

    fn close(&self) {}
}

#[async_trait]
impl LlmSettingsStore for World {
    async fn news(&self, _since: Seen) -> Result<News, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn replace(&self, _chosen: Chosen) -> Result<Option<u64>, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn forget(&self, _tenant: TenantId) -> Result<bool, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }
}

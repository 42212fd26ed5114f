//! Owners in a SQLite database.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::database::{Database, OpenError};
use super::engine::Engine;
use super::statements;
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::ownership::{
    Counted, Day, Held, Invalidation, Owner, Ownership, OwnershipStore, Resource, ResourceKey,
    Selection, Swept, Taking,
};
use crate::tenant::TenantId;

/// A database file of this gate.
pub struct SqliteStore {
    pub(super) engine: Engine,
}

impl SqliteStore {
    /// Opens the database at `path`, and makes it with its directory where there is none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let engine = Engine::start(Database::prepare(path)?)?;
        Ok(Self { engine })
    }
}

#[async_trait]
impl OwnershipStore for SqliteStore {
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable> {
        let find = move |connection: &_| {
            keys.iter()
                .map(|key| statements::find(connection, key))
                .collect()
        };
        self.engine.read(find).await
    }

    async fn take(
        &self,
        wanted: Vec<(ResourceKey, Owner)>,
        taking: Taking,
        at: Timestamp,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let take = move |connection: &_| statements::take(connection, &wanted, taking, at);
        self.engine.write(take).await
    }

    async fn release(
        &self,
        key: ResourceKey,
        by: TenantId,
        done: Invalidation,
    ) -> Result<bool, StateUnavailable> {
        let release = move |connection: &_| {
            let _with_the_job = &done;
            statements::release(connection, &key, &by)
        };
        self.engine.write(release).await
    }

    async fn used(&self, uses: Vec<(ResourceKey, Day)>) -> Result<(), StateUnavailable> {
        let used = move |connection: &_| {
            uses.iter()
                .try_for_each(|(key, on)| statements::used(connection, key, *on))
        };
        self.engine.write(used).await
    }

    async fn retire_tenant(
        &self,
        tenant: TenantId,
        done: Invalidation,
    ) -> Result<u64, StateUnavailable> {
        let retire = move |connection: &_| {
            let _with_the_job = &done;
            statements::retire_tenant(connection, &tenant)
        };
        let retired = self.engine.write(retire).await?;
        self.engine.empty_log();
        Ok(retired)
    }

    async fn retire_unused(
        &self,
        before: Day,
        after: Option<ResourceKey>,
        done: Invalidation,
    ) -> Result<Swept, StateUnavailable> {
        let sweep = move |connection: &_| {
            let _with_the_job = &done;
            statements::retire_unused(connection, before, after.as_ref())
        };
        self.engine.write(sweep).await
    }

    async fn page(&self, selection: Selection) -> Result<Vec<Resource>, StateUnavailable> {
        let page = move |connection: &_| statements::page(connection, &selection);
        self.engine.read(page).await
    }

    async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable> {
        let count = move |connection: &_| statements::count(connection, &counted);
        self.engine.read(count).await
    }

    fn removals_elsewhere(&self) -> u64 {
        self.engine.removals_elsewhere()
    }

    async fn probe(&self) -> Result<(), StateUnavailable> {
        self.engine.probe().await
    }

    fn close(&self) {
        self.engine.close();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SqliteStore")
    }
}

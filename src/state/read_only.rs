//! The database as it is, for somebody who only looks: nothing is written, brought to another form
//! or made.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags};

use super::database::OpenError;
use super::{settings, statements};
use crate::budget::models::settings::{Chosen, LlmSettingsStore, News, Seen};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::ownership::{
    Counted, Day, Held, Invalidation, Owner, Ownership, OwnershipStore, Resource, ResourceKey,
    Selection, Swept, Taking,
};
use crate::tenant::TenantId;

/// A database that is only read, beside whoever else has it. Blocks the thread that asks: it is for
/// commands.
pub struct ReadOnlyStore {
    connection: Arc<Mutex<Connection>>,
}

impl ReadOnlyStore {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|source| OpenError::Sqlite {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    fn read<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateUnavailable> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        question(&connection).map_err(|error| {
            tracing::debug!(%error, "the state can't be read");
            StateUnavailable::Failed
        })
    }
}

#[async_trait]
impl OwnershipStore for ReadOnlyStore {
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable> {
        self.read(|connection| {
            keys.iter()
                .map(|key| statements::find(connection, key))
                .collect()
        })
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

    async fn page(&self, selection: Selection) -> Result<Vec<Resource>, StateUnavailable> {
        self.read(|connection| statements::page(connection, &selection))
    }

    async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable> {
        self.read(|connection| statements::count(connection, &counted))
    }

    fn removals_elsewhere(&self) -> u64 {
        0
    }

    async fn probe(&self) -> Result<(), StateUnavailable> {
        self.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
    }

    fn close(&self) {}
}

#[async_trait]
impl LlmSettingsStore for ReadOnlyStore {
    async fn news(&self, since: Seen) -> Result<News, StateUnavailable> {
        self.read(|connection| settings::news(connection, since))
    }

    async fn replace(&self, _chosen: Chosen) -> Result<Option<u64>, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn forget(&self, _tenant: TenantId) -> Result<bool, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }
}

impl fmt::Debug for ReadOnlyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadOnlyStore")
    }
}

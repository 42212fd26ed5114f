//! The store that the configuration names.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::CommandError;
use crate::clock::SystemClock;
use crate::config::memory::{MemoryConfig, StoreConfig, StoreLocation};
use crate::memory::postgres::{PoolSettings, PostgresStore, PostgresUrl};
use crate::memory::sqlite::{Settings, SqliteStore};
use crate::memory::{Bounds, Memory, MemoryStore, Quotas};

/// The service over a store, with the bounds and quotas that are configured.
pub(super) fn memory(config: &MemoryConfig, store: Arc<dyn MemoryStore>) -> Arc<Memory> {
    let kept = &config.quotas;
    let quotas = Quotas {
        tenant_bytes: kept.bytes_per_tenant,
        tenant_entries: kept.entries_per_tenant,
        user_bytes: kept.bytes_per_user,
        user_entries: kept.entries_per_user,
        versions: config.rules.history_versions,
    };
    let bounds = Bounds {
        entry_bytes: kept.entry_bytes,
        ..Bounds::default()
    };
    Memory::new(store, quotas, bounds, Arc::new(SystemClock))
}

/// Opens it.
pub(super) async fn open(config: &StoreConfig) -> Result<Arc<dyn MemoryStore>, CommandError> {
    match &config.location {
        StoreLocation::Sqlite(root) => {
            let store = sqlite(config, root)?;
            Ok(Arc::new(store))
        }
        StoreLocation::Postgres { url, .. } => {
            let url: PostgresUrl = url
                .expose_secret()
                .parse()
                .map_err(|error| unusable(&error))?;
            let settings = PoolSettings {
                connections: config.pool_size,
                wait: config.pool_wait,
                statement: config.statement_timeout,
                ..PoolSettings::default()
            };
            let store = PostgresStore::open(&url, settings).await;
            Ok(Arc::new(store.map_err(|error| unusable(&error))?))
        }
    }
}

/// Opens the databases below `root`.
pub(super) fn sqlite(config: &StoreConfig, root: &Path) -> Result<SqliteStore, CommandError> {
    let settings = Settings {
        open_tenants: Some(config.open_tenants),
        deadline: config.statement_timeout,
        ..Settings::new(root)
    };
    SqliteStore::open(&settings).map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::error::Error) -> CommandError {
    CommandError::unusable("[store] url", error)
}

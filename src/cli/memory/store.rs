//! The store that the configuration names.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::CommandError;
use crate::config::memory::{StoreConfig, StoreLocation};
use crate::memory::MemoryStore;
use crate::memory::postgres::{PoolSettings, PostgresStore, PostgresUrl};
use crate::memory::sqlite::{Settings, SqliteStore};

/// Opens it.
pub(super) async fn open(config: &StoreConfig) -> Result<Arc<dyn MemoryStore>, CommandError> {
    match &config.location {
        StoreLocation::Sqlite(root) => {
            let settings = Settings {
                open_tenants: Some(config.open_tenants),
                deadline: config.statement_timeout,
                ..Settings::new(root)
            };
            let store = SqliteStore::open(&settings);
            Ok(Arc::new(store.map_err(|error| unusable(&error))?))
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

fn unusable(error: &dyn std::error::Error) -> CommandError {
    CommandError::unusable("[store] url", error)
}

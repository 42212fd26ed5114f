//! `fabric-memory migrate`: the roles and tables of PostgreSQL, made or brought to the latest
//! version.

use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

use super::{CommandError, ConfigArgument, say};
use crate::config::memory::StoreLocation;
use crate::memory::postgres::{Migrated, PostgresUrl, migrate};

pub(super) fn run(arguments: &ConfigArgument) -> Result<(), CommandError> {
    let config = arguments.load()?;
    let StoreLocation::Postgres { url, owner_url } = &config.store.location else {
        say("the embedded store makes its files by itself: nothing to do");
        return Ok(());
    };
    let url: PostgresUrl = owner_url
        .as_ref()
        .unwrap_or(url)
        .expose_secret()
        .parse()
        .map_err(|error| CommandError::unusable("[store] owner_url", &error))?;
    let runtime = Runtime::new().map_err(|error| CommandError::unusable("the runtime", &error))?;
    let Migrated { from, to } = runtime
        .block_on(migrate(&url))
        .map_err(|error| CommandError::unusable(&url, &error))?;
    say(&match from {
        _ if from == to => format!("{url}: the tables are at version {to}, nothing to do"),
        0 => format!(
            "{url}: made the tables, version {to}; \
             `GRANT fabric_memory_app TO` the role the service logs in as"
        ),
        _ => format!("{url}: the tables went from version {from} to {to}"),
    });
    Ok(())
}

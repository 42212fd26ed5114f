//! `fabric-memory migrate`: the roles and tables of PostgreSQL, made or brought to the latest
//! version.

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::runtime::Runtime;

use super::{CommandError, ConfigArgument, say};
use crate::cli::output;
use crate::config::memory::StoreLocation;
use crate::memory::postgres::{Migrated, PostgresUrl, migrate};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # With the role that owns the tables, before a new version serves
  fabric-memory migrate --config /etc/fabric-memory/memory.toml")]
pub(super) struct MigrateArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &MigrateArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let StoreLocation::Postgres { url, owner_url } = &config.store.location else {
        if arguments.json {
            output::json(&json!({ "store": "sqlite", "from": null, "to": null }));
        } else {
            say("the embedded store makes its files by itself: nothing to do");
        }
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
    if arguments.json {
        output::json(&json!({ "store": "postgres", "from": from, "to": to }));
        return Ok(());
    }
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

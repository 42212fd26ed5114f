//! `fabric-memory backup` and `restore`: one tenant's database as a file.
//!
//! One process at a time serves the folder of the databases, so the service is not running
//! meanwhile. PostgreSQL has tools of its own for this.

use std::path::PathBuf;

use clap::Args;
use tokio::runtime::Runtime;

use super::{CommandError, ConfigArgument, say, store};
use crate::config::memory::{MemoryConfig, StoreLocation};
use crate::memory::MemoryStore;
use crate::memory::sqlite::SqliteStore;
use crate::tenant::TenantId;

/// Whose database, and which file.
#[derive(Args, Debug)]
pub(super) struct CopyArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The tenant.
    tenant: String,
    /// The file of the copy. A backup makes it; it must not be there yet.
    file: PathBuf,
}

/// Exit code 1 where the tenant has nothing that could be copied.
pub(super) fn backup(arguments: &CopyArguments) -> Result<(), CommandError> {
    arguments.with_store(async |store, tenant| {
        let copied = store
            .backup(&tenant, &arguments.file)
            .await
            .map_err(|error| CommandError::unusable(arguments.file.display(), &error))?;
        if copied {
            say(&format!("{tenant}: copied to {}", arguments.file.display()));
            Ok(())
        } else {
            Err(CommandError::Bad(format!("{tenant}: there is no database")))
        }
    })
}

/// A copy that is damaged or another tenant's changes nothing.
pub(super) fn restore(arguments: &CopyArguments) -> Result<(), CommandError> {
    arguments.with_store(async |store, tenant| {
        store
            .restore(&tenant, &arguments.file)
            .await
            .map_err(|error| CommandError::unusable(arguments.file.display(), &error))?;
        say(&format!(
            "{tenant}: restored from {}",
            arguments.file.display()
        ));
        Ok(())
    })
}

impl CopyArguments {
    /// Opens the store for what `work` does with the tenant, and closes it.
    fn with_store(
        &self,
        work: impl AsyncFnOnce(&SqliteStore, TenantId) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let config = self.config.load()?;
        let tenant = self.tenant(&config)?;
        let StoreLocation::Sqlite(root) = &config.store.location else {
            let message = "PostgreSQL is copied by its own tools, `pg_dump` and `pg_restore`";
            return Err(CommandError::Unusable(message.to_owned()));
        };
        let runtime =
            Runtime::new().map_err(|error| CommandError::unusable("the runtime", &error))?;
        runtime.block_on(async {
            let store = store::sqlite(&config.store, root)?;
            let done = work(&store, tenant).await;
            store.close().await;
            done
        })
    }

    fn tenant(&self, config: &MemoryConfig) -> Result<TenantId, CommandError> {
        let parsed = config.identity.grammar.parse(&self.tenant);
        parsed.map_err(|error| CommandError::unusable(format!("`{}`", self.tenant), &error))
    }
}

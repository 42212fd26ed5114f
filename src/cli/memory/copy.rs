//! `fabric-memory backup` and `restore`: one tenant's database as a file.
//!
//! A backup is made beside a service that runs. To put one back the folder of the databases has to be
//! free. PostgreSQL has tools of its own for this.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::runtime::Runtime;

use super::{CommandError, ConfigArgument, say, store};
use crate::cli::output;
use crate::config::memory::{MemoryConfig, StoreLocation};
use crate::memory::MemoryStore;
use crate::memory::sqlite::backup_beside;
use crate::tenant::TenantId;

/// Whose database, and which file.
#[derive(Args, Debug)]
pub(super) struct CopyArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The tenant.
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// The file of the copy. A backup makes it; it must not be there yet.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

/// Exit code 1 where the tenant has nothing that could be copied.
pub(super) fn backup(arguments: &CopyArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let tenant = arguments.tenant(&config)?;
    let file = arguments.file.display();
    let copied = backup_beside(folder(&config)?, &tenant, &arguments.file)
        .map_err(|error| CommandError::unusable(&file, &error))?;
    if copied {
        arguments.tell(&tenant, "copied to");
        Ok(())
    } else {
        Err(CommandError::Bad(format!("{tenant}: there is no database")))
    }
}

/// A copy that is damaged or another tenant's changes nothing.
pub(super) fn restore(arguments: &CopyArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let tenant = arguments.tenant(&config)?;
    let root = folder(&config)?;
    let runtime = Runtime::new().map_err(|error| CommandError::unusable("the runtime", &error))?;
    runtime.block_on(async {
        let store = store::sqlite(&config.store, root)?;
        let restored = store.restore(&tenant, &arguments.file).await;
        store.close().await;
        restored.map_err(|error| CommandError::unusable(arguments.file.display(), &error))
    })?;
    arguments.tell(&tenant, "restored from");
    Ok(())
}

/// The folder of the databases.
fn folder(config: &MemoryConfig) -> Result<&Path, CommandError> {
    match &config.store.location {
        StoreLocation::Sqlite(root) => Ok(root),
        StoreLocation::Postgres { .. } => {
            let message = "PostgreSQL is copied by its own tools, `pg_dump` and `pg_restore`";
            Err(CommandError::Unusable(message.to_owned()))
        }
    }
}

impl CopyArguments {
    fn tell(&self, tenant: &TenantId, done: &str) {
        if self.json {
            output::json(&serde_json::json!({ "tenant": tenant.as_str(), "file": self.file }));
        } else {
            say(&format!("{tenant}: {done} {}", self.file.display()));
        }
    }

    fn tenant(&self, config: &MemoryConfig) -> Result<TenantId, CommandError> {
        let parsed = config.identity.grammar.parse(&self.tenant);
        parsed.map_err(|error| CommandError::unusable(format!("`{}`", self.tenant), &error))
    }
}

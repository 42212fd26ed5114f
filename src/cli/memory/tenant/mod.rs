//! `fabric-memory stats`, `export`, `import` and `erase`: all of one tenant, for the operator at the
//! machine, over the store itself.
//!
//! With SQLite, what only reads works on a copy that is made of the tenant's database at that moment,
//! beside a service that runs; what writes wants the folder for itself. With PostgreSQL all of it works
//! beside the service.

mod erasing;
mod reading;
mod taking;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, ConfigArgument, store};
use crate::config::memory::{MemoryConfig, StoreLocation};
use crate::identity::UserId;
use crate::memory::sqlite::backup_beside;
use crate::memory::{Memory, Operator, Oversight};
use crate::tenant::TenantId;

pub(super) use erasing::{EraseArguments, erase};
pub(super) use reading::{ExportArguments, StatsArguments, export, stats};
pub(super) use taking::{ImportArguments, import};

/// Whose memories, and who asks.
#[derive(Args, Debug)]
struct TenantArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Who does it: stands in receipts, and as author of shared memory that is imported.
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = "operator"
    )]
    by: String,
}

impl TenantArguments {
    fn resolve(&self) -> Result<(MemoryConfig, Oversight), CommandError> {
        let config = self.config.load()?;
        let tenant = config.identity.grammar.parse(&self.tenant);
        let tenant = tenant.map_err(|error| {
            CommandError::unusable(format!("--tenant `{}`", self.tenant), &error)
        })?;
        let by = user("--by", &self.by)?;
        Ok((config, Operator::at_this_machine(by).oversee(&tenant)))
    }
}

fn user(what: &str, name: &str) -> Result<UserId, CommandError> {
    let parsed = UserId::parse(name);
    parsed.map_err(|error| CommandError::unusable(format!("{what} `{name}`"), &error))
}

/// The memories, open for one command.
struct Opened {
    memory: Arc<Memory>,
    _copy: Option<Copy>,
}

impl Opened {
    /// To read what there is at this moment.
    async fn to_read(config: &MemoryConfig, tenant: &TenantId) -> Result<Self, CommandError> {
        let StoreLocation::Sqlite(root) = &config.store.location else {
            return Self::to_write(config).await;
        };
        let copy = Copy::make(root, tenant)?;
        let store = store::sqlite(&config.store, &copy.0)?;
        Ok(Self {
            memory: store::memory(config, Arc::new(store)),
            _copy: Some(copy),
        })
    }

    /// To change it.
    async fn to_write(config: &MemoryConfig) -> Result<Self, CommandError> {
        let store = store::open(&config.store).await?;
        Ok(Self {
            memory: store::memory(config, store),
            _copy: None,
        })
    }

    async fn close(self) {
        self.memory.store().close().await;
    }
}

/// A folder of its owner alone, with a copy of one tenant's database. It goes when this does.
struct Copy(PathBuf);

impl Copy {
    fn make(root: &Path, tenant: &TenantId) -> Result<Self, CommandError> {
        let name = format!("fabric-memory-{}", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        let unusable = |error| CommandError::unusable("a folder for a copy to read", &error);
        // Of its owner alone, and not there before: nobody else put anything in it.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(unusable)?;
        let copy = Self(path);
        copy.go_with_the_process()?;
        let own = copy
            .0
            .join(crate::identity::namespace::directory_of_tenant(tenant));
        std::fs::create_dir(&own).map_err(unusable)?;
        backup_beside(root, tenant, &own.join("memory.db"))
            .map_err(|error| CommandError::unusable("[store] url", &error))?;
        Ok(copy)
    }

    /// A signal ends a process without a drop; all that the tenant keeps would stay behind, whatever
    /// is erased later. It is heard on another thread: this one may be waiting to write.
    fn go_with_the_process(&self) -> Result<(), CommandError> {
        let heard =
            |kind| signal(kind).map_err(|error| CommandError::unusable("hearing signals", &error));
        let mut hangup = heard(SignalKind::hangup())?;
        let mut interrupt = heard(SignalKind::interrupt())?;
        let mut terminate = heard(SignalKind::terminate())?;
        let folder = self.0.clone();
        tokio::spawn(async move {
            let number = tokio::select! {
                _ = hangup.recv() => 1,
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            let _left = std::fs::remove_dir_all(&folder);
            std::process::exit(128 + number);
        });
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What can't be removed is in the folder that the system empties.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new().map_err(|error| CommandError::unusable("the runtime", &error))
}

/// The tenant keeps nothing, which is most often a tenant that was mistyped.
fn nothing(over: &Oversight) -> String {
    format!("{}: nothing is kept", over.tenant())
}

//! The commands of `fabric-memory`. Exit codes and streams are as of `fabric-gate`.

mod check;
mod copy;
mod health;
mod migrate;
mod openapi;
mod serve;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::{CommandError, conclude, say};
use crate::config::memory::{DEFAULT_MEMORY_FILE, MEMORY_CONFIG_VARIABLE, MemoryConfig};
use crate::secret::SecretResolver;

/// The backend store of agents' memories: one namespace for each tenant and user.
#[derive(Debug, Parser)]
#[command(name = "fabric-memory", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests.
    Serve(ConfigArgument),
    /// Ask the running service whether it is ready.
    Health(health::HealthArguments),
    /// Read the configuration and tell every problem.
    Check(check::CheckArguments),
    /// Make the roles and tables of PostgreSQL, or bring them to the latest version.
    Migrate(ConfigArgument),
    /// Copy a tenant's database into a file (SQLite); the service may run meanwhile.
    Backup(copy::CopyArguments),
    /// Put such a copy in the place of the tenant's database (SQLite; the service is not running).
    Restore(copy::CopyArguments),
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        env = MEMORY_CONFIG_VARIABLE,
        default_value = DEFAULT_MEMORY_FILE
    )]
    config: PathBuf,
}

impl ConfigArgument {
    fn load(&self) -> Result<MemoryConfig, CommandError> {
        MemoryConfig::load(&self.config, &SecretResolver::from_process())
            .map_err(CommandError::Problems)
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Migrate(arguments) => migrate::run(&arguments),
        Command::Backup(arguments) => copy::backup(&arguments),
        Command::Restore(arguments) => copy::restore(&arguments),
        Command::Openapi => openapi::run(),
    };
    conclude("fabric-memory", done)
}

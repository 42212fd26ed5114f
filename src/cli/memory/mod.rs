//! The commands of `fabric-memory`. Exit codes and streams are as of `fabric-gate`.

mod check;
mod copy;
mod health;
mod migrate;
mod openapi;
mod serve;
mod store;
mod tenant;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::describe::{CompletionsArguments, Groups, ManArguments, complete, grouped, write_pages};
use super::{CommandError, conclude, parsed, say};
use crate::config::memory::{DEFAULT_MEMORY_FILE, MEMORY_CONFIG_VARIABLE, MemoryConfig};
use crate::secret::SecretResolver;

/// The backend store of agents' memories: one namespace for each tenant and user.
#[derive(Debug, Parser)]
#[command(name = "fabric-memory", version, about, max_term_width = 100)]
#[command(after_help = "\
Examples:
  # With config/memory.toml of the folder one is in
  fabric-memory serve

  # How much a tenant keeps
  fabric-memory stats --tenant acme

Exit codes: 0 done, 1 the thing checked is bad, 2 wrong usage or unusable input.
`fabric-memory COMMAND --help` has the examples of a command.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests.
    #[command(after_help = "\
Examples:
  # With config/memory.toml of the folder one is in
  fabric-memory serve

SIGTERM and SIGINT let requests finish. RUST_LOG says what is logged.")]
    Serve(ConfigArgument),
    /// Ask the running service whether it is ready.
    Health(health::HealthArguments),
    /// Read the configuration and tell every problem.
    Check(check::CheckArguments),
    /// Make the roles and tables of PostgreSQL, or bring them to the latest version.
    Migrate(migrate::MigrateArguments),
    /// Copy a tenant's database into a file (SQLite); the service may run meanwhile.
    #[command(after_help = "\
Examples:
  # Every night
  fabric-memory backup acme acme.db")]
    Backup(copy::CopyArguments),
    /// Put such a copy in the place of the tenant's database (SQLite; the service is not running).
    #[command(after_help = "\
Examples:
  # As it was when the copy was made; what was written since is gone
  fabric-memory restore acme acme.db")]
    Restore(copy::CopyArguments),
    /// How much each namespace of a tenant keeps.
    Stats(tenant::StatsArguments),
    /// Write all of a tenant as JSON Lines.
    Export(tenant::ExportArguments),
    /// Read a tenant's export back in.
    Import(tenant::ImportArguments),
    /// Remove all of a tenant, or of one of its users, with a receipt.
    Erase(tenant::EraseArguments),
    /// Print the description of the API (OpenAPI 3.1).
    #[command(after_help = "\
Examples:
  # For a generator of clients
  fabric-memory openapi > memory.openapi.json")]
    Openapi,
    /// Print what a shell needs to complete commands.
    #[command(after_help = "\
Examples:
  # For the shell one is in
  source <(fabric-memory completions bash)")]
    Completions(CompletionsArguments),
    /// Print the man page, or write all of them.
    #[command(after_help = "\
Examples:
  # Read it
  fabric-memory man | man -l -")]
    Man(ManArguments),
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        env = MEMORY_CONFIG_VARIABLE,
        hide_env_values = true,
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

/// What stands together in the help.
const GROUPS: Groups = &[
    ("Run", &["serve", "health", "check", "migrate"]),
    (
        "Tenants",
        &["stats", "export", "import", "erase", "backup", "restore"],
    ),
    ("This program", &["openapi", "completions", "man"]),
];

/// The command line of `fabric-memory`.
pub fn command() -> clap::Command {
    grouped(Arguments::command(), GROUPS)
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let done = match parsed::<Arguments>(command()).command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Migrate(arguments) => migrate::run(&arguments),
        Command::Backup(arguments) => copy::backup(&arguments),
        Command::Restore(arguments) => copy::restore(&arguments),
        Command::Stats(arguments) => tenant::stats(&arguments),
        Command::Export(arguments) => tenant::export(&arguments),
        Command::Import(arguments) => tenant::import(&arguments),
        Command::Erase(arguments) => tenant::erase(&arguments),
        Command::Openapi => openapi::run(),
        Command::Completions(arguments) => complete(&arguments, command()),
        Command::Man(arguments) => write_pages(&arguments, &command()),
    };
    conclude("fabric-memory", done)
}

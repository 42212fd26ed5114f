//! The commands: read what was asked, call what does it, say how it went.
//!
//! Exit codes: 0 done, 1 the thing checked is bad, 2 wrong usage or unusable input. What programs
//! read goes to standard output, what people read about trouble to standard error.

mod audit;
mod check;
pub mod describe;
mod dev;
mod diff;
mod explain;
mod health;
mod init;
mod key;
pub mod memory;
mod money;
mod output;
mod prices;
mod profile;
mod reloads;
mod replay;
mod schema;
mod serve;
mod spend;
mod telemetry;
mod test;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use self::describe::{CompletionsArguments, Groups, ManArguments, complete, grouped, write_pages};
use self::output::{Ending, Style, complain, say};
use crate::config::{CONFIG_VARIABLE, Config, DEFAULT_FILE};
use crate::policy::{Problem, render_text};
use crate::secret::SecretResolver;
use crate::telemetry::otlp::LogTap;

/// The policy enforcement point that makes an unmodified agent backend safe for many tenants.
#[derive(Debug, Parser)]
#[command(name = "fabric-gate", version, about, max_term_width = 100)]
#[command(after_help = "\
Examples:
  # A configuration to start from, and the gate on it
  fabric-gate init gate --profile langgraph --backend http://127.0.0.1:2024
  fabric-gate serve

  # Are the policies good?
  fabric-gate check

Exit codes: 0 done, 1 the thing checked is bad, 2 wrong usage or unusable input.
`fabric-gate COMMAND --help` has the examples of a command.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a configuration to start from.
    Init(init::InitArguments),
    /// Serve requests.
    Serve(serve::ServeArguments),
    /// Ask the running gate whether it is ready.
    Health(health::HealthArguments),
    /// Compile the policies and tell every problem.
    Check(check::CheckArguments),
    /// What would be decided about a request, and why; nothing is sent.
    Explain(explain::ExplainArguments),
    /// Run the cases (`*.cases.toml`) beside the policies.
    Test(test::TestArguments),
    /// Recorded decisions against other policies: what would change.
    Replay(replay::ReplayArguments),
    /// Two policy directories compared, in words.
    Diff(diff::DiffArguments),
    /// What rules in shadow mode would have refused.
    Shadow(replay::ShadowArguments),
    /// Verify, export or follow the audit log.
    Audit(audit::AuditArguments),
    /// How far ceilings are spent; adjust it, or hold it against the audit log.
    Spend(spend::SpendArguments),
    /// What a tenant was charged, line by line.
    Statement(spend::StatementArguments),
    /// API keys.
    Key(key::KeyArguments),
    /// The route sets of known backends.
    Profile(profile::ProfileArguments),
    /// The JSON Schema of a kind of file, by which editors complete its keys.
    Schema(schema::SchemaArguments),
    /// What models cost.
    Prices(prices::PricesArguments),
    /// Tokens for development.
    Dev(dev::DevArguments),
    /// Print what a shell needs to complete commands.
    #[command(after_help = "\
Examples:
  # For the shell one is in
  source <(fabric-gate completions bash)

  # For every login
  fabric-gate completions zsh > ~/.zfunc/_fabric-gate
  fabric-gate completions fish > ~/.config/fish/completions/fabric-gate.fish")]
    Completions(CompletionsArguments),
    /// Print the man page, or write all of them.
    #[command(after_help = "\
Examples:
  # Read it
  fabric-gate man | man -l -

  # A page for each command
  fabric-gate man --out ~/.local/share/man/man1")]
    Man(ManArguments),
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        env = CONFIG_VARIABLE,
        hide_env_values = true,
        default_value = DEFAULT_FILE
    )]
    config: PathBuf,
}

impl ConfigArgument {
    fn load(&self) -> Result<Config, CommandError> {
        Config::load(&self.config, &SecretResolver::from_process()).map_err(CommandError::Problems)
    }
}

/// A command can't do what it was asked.
#[derive(Debug)]
enum CommandError {
    /// What was checked is bad: exit code 1.
    Bad(String),
    /// The files it needs are bad: exit code 2, every problem told.
    Problems(Vec<Problem>),
    /// Anything else: exit code 2.
    Unusable(String),
}

impl CommandError {
    /// Unusable, with what was attempted and the whole chain of causes.
    fn unusable(doing: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{doing}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        Self::Unusable(text)
    }
}

/// What stands together in the help.
const GROUPS: Groups = &[
    ("Run", &["init", "serve", "health"]),
    (
        "Policies",
        &[
            "check", "explain", "test", "replay", "diff", "shadow", "schema", "profile", "prices",
        ],
    ),
    ("Credentials", &["key", "dev"]),
    ("Records and money", &["audit", "spend", "statement"]),
    ("This program", &["completions", "man"]),
];

/// The command line of `fabric-gate`.
pub fn command() -> clap::Command {
    grouped(Arguments::command(), GROUPS)
}

/// The arguments of this process, or its end with what is wrong with them.
fn parsed<A: FromArgMatches>(command: clap::Command) -> A {
    A::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let done = match parsed::<Arguments>(command()).command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Shadow(arguments) => replay::run_shadow(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Spend(arguments) => spend::run(&arguments),
        Command::Statement(arguments) => spend::run_statement(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Prices(arguments) => prices::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Completions(arguments) => complete(&arguments, command()),
        Command::Man(arguments) => write_pages(&arguments, &command()),
    };
    conclude("fabric-gate", done)
}

/// Tells what went wrong, in the name of `program`, and with which code the process ends.
fn conclude(program: &str, done: Result<(), CommandError>) -> ExitCode {
    let style = Style::stderr();
    let named = |text: &str| format!("{}: {text}", style.bad(program));
    let code = match (output::end(), done) {
        // What was checked is bad whether or not anybody reads all of it.
        (_, Err(CommandError::Bad(text))) => {
            complain(&text);
            return ExitCode::from(1);
        }
        // A reader that goes away has what it wanted, and a command that fails for it did not.
        (Ending::ReaderLeft, _) => return ExitCode::SUCCESS,
        (Ending::Failed(error), _) => {
            complain(&named(&format!("standard output: {error}")));
            2
        }
        (Ending::Whole, Ok(())) => 0,
        (Ending::Whole, Err(CommandError::Problems(problems))) => {
            complain(render_text(&problems).trim_end());
            2
        }
        (Ending::Whole, Err(CommandError::Unusable(text))) => {
            complain(&named(&text));
            2
        }
    };
    ExitCode::from(code)
}

/// A runtime for a command that asks a gate of its own.
fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| CommandError::unusable("the runtime", &error))
}

/// Logs to standard error. What is returned hears the same, and passes it on once it is told where
/// to.
fn log_to_stderr() -> LogTap {
    // `rmcp` tells of each request as of a connection, and below that what agents remember.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset| EnvFilter::new("info,pingora=warn,rmcp=error"));
    let tap = LogTap::default();
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr))
        .with(tap.clone());
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        complain("the log was set up twice");
    }
    tap
}

//! `fabric-memory check`: the configuration, every problem told.

use clap::Args;

use super::{CommandError, ConfigArgument, say};
use crate::cli::output;
use crate::config::memory::MemoryConfig;
use crate::policy::{render_json, render_text};
use crate::secret::SecretResolver;

/// Exit code 0 when the configuration is good, 1 when it is not.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The configuration of the folder one is in
  fabric-memory check

  # For a program
  fabric-memory check --config /etc/fabric-memory/memory.toml --json")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<(), CommandError> {
    let file = &arguments.config.config;
    match MemoryConfig::load(file, &SecretResolver::from_process()) {
        Ok(_) if arguments.json => {
            output::json(&serde_json::json!({ "good": true, "problems": [] }));
            Ok(())
        }
        Ok(_) => {
            say(&format!("{}: good", file.display()));
            Ok(())
        }
        Err(problems) if arguments.json => {
            let problems = render_json(&problems);
            output::json(&serde_json::json!({ "good": false, "problems": problems }));
            Err(CommandError::Bad(String::new()))
        }
        Err(problems) => Err(CommandError::Bad(
            render_text(&problems).trim_end().to_owned(),
        )),
    }
}

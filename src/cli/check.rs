//! `fabric-gate check`: the policies compiled, every problem told.

use std::path::PathBuf;

use clap::Args;

use super::{CommandError, ConfigArgument, output, say};
use crate::policy::{check, render_json, render_text};
use crate::secret::SecretResolver;

/// Exit code 0 when the policies are good, 1 when they are not.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The policies of the configuration
  fabric-gate check

  # A folder before it is put in force
  fabric-gate check policies.new

  # For a program
  fabric-gate check --json policies.new")]
pub(super) struct CheckArguments {
    /// The policy directory; the configured one when absent.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<(), CommandError> {
    let directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => arguments.config.load()?.policies_directory,
    };
    match check(&directory, &SecretResolver::from_process()) {
        Ok(summary) => {
            if arguments.json {
                let summary = serde_json::to_value(&summary).unwrap_or_default();
                output::json(
                    &serde_json::json!({ "good": true, "summary": summary, "problems": [] }),
                );
            } else {
                say(&summary.to_string());
            }
            Ok(())
        }
        Err(problems) if arguments.json => {
            output::json(&serde_json::json!({ "good": false, "problems": render_json(&problems) }));
            Err(CommandError::Bad(String::new()))
        }
        Err(problems) => Err(CommandError::Bad(
            render_text(&problems).trim_end().to_owned(),
        )),
    }
}

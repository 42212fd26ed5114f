//! `fabric-memory health`: asks the running service how it is.

use clap::Args;

use super::{CommandError, ConfigArgument};
use crate::cli::health::Question;

/// Exit code 0 when the service is ready, 1 when it is not or nobody answers.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Ready? What fails is named
  fabric-memory health --config config/memory.toml

  # For a liveness probe: no file is read, and what others are down with does not count
  fabric-memory health --live --address 127.0.0.1:9902

  # Every check, for a program
  fabric-memory health --json")]
pub(super) struct HealthArguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    question: Question,
}

pub(super) fn run(arguments: &HealthArguments) -> Result<(), CommandError> {
    let question = &arguments.question;
    let address = match question.address {
        Some(address) => address,
        None => arguments.config.load()?.operations.ok_or_else(|| {
            CommandError::Unusable(
                "[operations] is switched off, so there is nobody to ask: say `enabled = true`, or name an address by --address".to_owned(),
            )
        })?,
    };
    question.ask(address)
}

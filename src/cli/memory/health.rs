//! `fabric-memory health`: asks the running service how it is.

use clap::Args;

use super::{CommandError, ConfigArgument};
use crate::cli::health::Question;

/// Exit code 0 when the service is ready, 1 when it is not or nobody answers.
#[derive(Args, Debug)]
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

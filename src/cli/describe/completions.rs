//! `completions SHELL`: what a shell needs to complete a command line.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::CommandError;
use crate::cli::output::Output;

#[derive(Args, Debug)]
pub(in crate::cli) struct CompletionsArguments {
    /// Which shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(in crate::cli) fn complete(
    arguments: &CompletionsArguments,
    mut command: Command,
) -> Result<(), CommandError> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    Output::lock()
        .write_all(&script)
        .map_err(|error| CommandError::unusable("the script", &error))
}

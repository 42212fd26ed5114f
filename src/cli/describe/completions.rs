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
    clap_complete::generate(arguments.shell, &mut command, name.as_str(), &mut script);
    if arguments.shell == Shell::Bash {
        script = with_one_separator(&name, &script);
    }
    Output::lock()
        .write_all(&script)
        .map_err(|error| CommandError::unusable("the script", &error))
}

/// Of a program with a hyphen in its name the script's first half calls a command
/// `fabric__gate__subcmd__audit` and its second half `fabric__subcmd__gate__subcmd__audit`, so that
/// nothing is offered beyond the first word (<https://github.com/clap-rs/clap/issues/6421>).
fn with_one_separator(name: &str, script: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(script);
    text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
        .into_bytes()
}

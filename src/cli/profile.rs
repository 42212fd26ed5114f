//! `fabric-gate profile`: the route sets of known backends, to read and to start from.

use clap::{Args, Subcommand};

use super::output::{self, Style, Table};
use super::{CommandError, ConfigArgument, say};
use crate::policy::profiles::{PROFILES, Profile};

#[derive(Args, Debug)]
pub(super) struct ProfileArguments {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// Name every profile there is.
    List(ListArguments),
    /// Print the routes a profile brings.
    Show(ShowArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Every backend that is known
  fabric-gate profile list")]
struct ListArguments {
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    // Every command takes it; profiles are in the program.
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # What a profile lets through
  fabric-gate profile show langgraph

  # To change it: its routes as own routes of an upstream
  fabric-gate profile show langgraph --upstream threads > policies/35-threads.toml")]
struct ShowArguments {
    /// Which profile.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print them as own routes of the upstream of this name, for a file of the policy directory.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &ProfileArguments) -> Result<(), CommandError> {
    match &arguments.command {
        ProfileCommand::List(arguments) => {
            list(arguments);
            Ok(())
        }
        ProfileCommand::Show(arguments) => show(arguments),
    }
}

fn list(arguments: &ListArguments) {
    if arguments.json {
        let profiles: Vec<_> = PROFILES
            .iter()
            .map(|profile| serde_json::json!({ "name": profile.name, "summary": profile.summary }))
            .collect();
        output::json(&serde_json::json!({ "profiles": profiles }));
        return;
    }
    let mut table = Table::new(["PROFILE", "BACKEND"]);
    for profile in PROFILES {
        table.row([&profile.name, &profile.summary]);
    }
    say(&table.render(Style::stdout()));
}

fn show(arguments: &ShowArguments) -> Result<(), CommandError> {
    let name = &arguments.name;
    let profile = Profile::named(name).ok_or_else(|| {
        let known: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        CommandError::Unusable(format!(
            "there is no profile `{name}`; there are {}",
            known.join(", ")
        ))
    })?;
    let text = match &arguments.upstream {
        Some(upstream) => profile.as_policy_file(upstream),
        None => profile.text.to_owned(),
    };
    if arguments.json {
        let document = serde_json::json!({
            "name": profile.name,
            "summary": profile.summary,
            "policy": text,
        });
        output::json(&document);
    } else {
        say(text.trim_end());
    }
    Ok(())
}

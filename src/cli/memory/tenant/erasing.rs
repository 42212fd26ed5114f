//! All of a tenant, or of one of its users, gone.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::{Opened, TenantArguments, runtime, user};
use crate::cli::output::{self, Style};
use crate::cli::{CommandError, say};
use crate::identity::UserId;
use crate::memory::{Oversight, Receipt};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Everything of a tenant; on a terminal it asks for the id to be typed again
  fabric-memory erase --tenant acme

  # One user: its own memory, and its name from what it wrote into shared memory, which stays
  fabric-memory erase --tenant acme --user alice

  # Without a question, with the receipt kept
  fabric-memory erase --tenant acme --yes --json > receipt.json

There is no way back but a backup. With SQLite the service must not be running; a service that runs
erases by `DELETE /v1/tenants/{id}`.")]
pub(in crate::cli::memory) struct EraseArguments {
    #[command(flatten)]
    which: TenantArguments,
    /// Only this user of the tenant.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Do not ask on a terminal; elsewhere nobody is asked.
    #[arg(long)]
    yes: bool,
    /// Print the receipt as a JSON document.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli::memory) fn erase(arguments: &EraseArguments) -> Result<(), CommandError> {
    let (config, over) = arguments.which.resolve()?;
    let one = arguments
        .user
        .as_deref()
        .map(|name| user("--user", name))
        .transpose()?;
    let receipt = runtime()?.block_on(async {
        let opened = Opened::to_write(&config).await?;
        let erased = match arguments.yes {
            true => Ok(()),
            // A script said what goes as it wrote the tenant's id.
            false if !io::stdin().is_terminal() => Ok(()),
            false => confirm(&opened, &over, one.as_ref()).await,
        };
        let erased = match (erased, &one) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => told(&over, opened.memory.erase_overseen(&over).await),
            (Ok(()), Some(user)) => {
                told(&over, opened.memory.erase_overseen_user(&over, user).await)
            }
        };
        opened.close().await;
        erased
    })?;
    if arguments.json {
        output::json(&receipt.document());
    } else {
        let whose = match &receipt.user {
            Some(user) => format!("{} of {}", user, receipt.tenant),
            None => receipt.tenant.clone(),
        };
        say(&format!(
            "{whose}: erased {} entries of {} bytes, and the name from {} versions of shared memory",
            receipt.erased.entries, receipt.erased.bytes, receipt.erased.anonymised
        ));
        say(&format!("receipt {} {}", receipt.id, receipt.digest()));
    }
    Ok(())
}

fn told<E: std::error::Error>(
    over: &Oversight,
    erased: Result<Receipt, E>,
) -> Result<Receipt, CommandError> {
    erased.map_err(|error| CommandError::unusable(over.tenant(), &error))
}

/// Asks whoever sits at the terminal to type what goes.
async fn confirm(
    opened: &Opened,
    over: &Oversight,
    user: Option<&UserId>,
) -> Result<(), CommandError> {
    // What can't be counted, because it is damaged, can be erased.
    let held = opened.memory.census(over).await.unwrap_or_default();
    let entries: u64 = held
        .iter()
        .filter(|used| {
            user.is_none_or(|user| {
                *used.namespace.owner() == crate::memory::Owner::User(user.clone())
            })
        })
        .map(|used| used.entries)
        .sum();
    let wanted = user.map_or(over.tenant().as_str(), UserId::as_str);
    let warning = Style::stderr().bad(format!(
        "All {entries} memories of `{wanted}` will be gone for good."
    ));
    let mut terminal = io::stderr().lock();
    let asked =
        write!(terminal, "{warning}\nType `{wanted}` to go on: ").and_then(|()| terminal.flush());
    asked.map_err(|error| CommandError::unusable("asking", &error))?;
    let mut typed = String::new();
    io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| CommandError::unusable("asking", &error))?;
    if typed.trim_end_matches(['\n', '\r']) == wanted {
        Ok(())
    } else {
        Err(CommandError::Unusable("nothing was erased".to_owned()))
    }
}

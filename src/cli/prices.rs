//! `fabric-gate prices`: prices out of other tables, and those that are built in.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::{self, Style, Table};
use super::{CommandError, ConfigArgument, complain, say};
use crate::budget::prices::{Imported, ListedPrice, import};
use crate::inspect::Glob;
use crate::policy::built_in_prices;

#[derive(Args, Debug)]
pub(super) struct PricesArguments {
    #[command(subcommand)]
    command: PricesCommand,
}

#[derive(Debug, Subcommand)]
enum PricesCommand {
    /// Turn LiteLLM's model_prices_and_context_window.json into entries of a policy file.
    Import(ImportArguments),
    /// Name every model whose price is built in.
    List(ListArguments),
    /// Print the price of a model as it is built in, as an entry of a policy file.
    Show(ShowArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The prices of two families, as a policy file
  fabric-gate prices import --model 'gpt-*' --model 'claude-*' --out policies/60-prices.toml model_prices_and_context_window.json

  # What it would take and what it would leave out
  fabric-gate prices import --json model_prices_and_context_window.json")]
struct ImportArguments {
    /// The table.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Models to take, `*` for any characters; all when absent. May be given several times.
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
    /// Write the entries there; to standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print a JSON document, with what was left out.
    #[arg(long)]
    json: bool,
    // Every command takes it; a table is no part of a configuration.
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Every model
  fabric-gate prices list

  # For a program
  fabric-gate prices list --json")]
struct ListArguments {
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # To change it: the entry, put into a policy file
  fabric-gate prices show gpt-4o-mini >> policies/60-prices.toml")]
struct ShowArguments {
    /// Which model.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &PricesArguments) -> Result<(), CommandError> {
    match &arguments.command {
        PricesCommand::Import(arguments) => import_table(arguments),
        PricesCommand::List(arguments) => {
            list(arguments);
            Ok(())
        }
        PricesCommand::Show(arguments) => show(arguments),
    }
}

fn import_table(arguments: &ImportArguments) -> Result<(), CommandError> {
    let shown = arguments.file.display();
    let table = fs::read(&arguments.file)
        .map_err(|error| CommandError::unusable(format!("reading {shown}"), &error))?;
    let mut imported = import(&table)
        .map_err(|error| CommandError::unusable(format!("reading {shown}"), &error))?;
    let wanted: Vec<Glob> = arguments.models.iter().map(|it| Glob::new(it)).collect();
    let is_wanted =
        |model: &str| wanted.is_empty() || wanted.iter().any(|pattern| pattern.matches(model));
    imported.prices.retain(|(model, _)| is_wanted(model));
    imported.skipped.retain(|skipped| is_wanted(&skipped.model));
    if !arguments.json {
        complain(&left_out(&imported));
    }
    if imported.prices.is_empty() {
        return Err(CommandError::Bad(format!("{shown} has no price to take")));
    }
    let entries = entries(&imported, &arguments.file);
    if let Some(out) = &arguments.out {
        write(out, &entries).map_err(|error| {
            CommandError::unusable(format!("writing {}", out.display()), &error)
        })?;
    }
    if arguments.json {
        output::json(&as_json(&imported));
    } else if arguments.out.is_none() {
        say(entries.trim_end());
    }
    Ok(())
}

/// The policy file.
fn entries(imported: &Imported, table: &Path) -> String {
    let name = table.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|it| !it.is_control()).collect();
    let mut text = format!(
        "# USD per million tokens. Imported from {name} by fabric-gate {}.\n",
        env!("CARGO_PKG_VERSION")
    );
    for (model, price) in &imported.prices {
        text.push('\n');
        text.push_str(&price.to_entry(model, &[]));
    }
    text
}

/// What the policy file does not have, for people.
fn left_out(imported: &Imported) -> String {
    let mut lines: Vec<String> = imported
        .skipped
        .iter()
        .map(|skipped| format!("left out {:?}: {}", skipped.model, skipped.reason))
        .collect();
    for (field, entries) in &imported.left_out {
        lines.push(format!("no place for `{field}` of {entries} entries"));
    }
    let taken = imported.prices.len();
    lines.push(format!(
        "{taken} prices taken, {} entries left out",
        imported.skipped.len()
    ));
    lines.join("\n")
}

fn as_json(imported: &Imported) -> serde_json::Value {
    let prices = imported.prices.iter();
    let prices: Vec<_> = prices
        .map(|(model, price)| entry_as_json(&price.to_entry(model, &[])))
        .collect();
    let skipped = imported.skipped.iter();
    let skipped: Vec<_> = skipped
        .map(|skipped| {
            serde_json::json!({ "model": skipped.model, "reason": skipped.reason.to_string() })
        })
        .collect();
    serde_json::json!({
        "prices": prices,
        "skipped": skipped,
        "fields_left_out": imported.left_out,
    })
}

/// The keys of an entry.
fn entry_as_json(entry: &str) -> serde_json::Value {
    let table = entry.parse::<toml::Table>().unwrap_or_default();
    let entry = table.get("prices").and_then(|prices| prices.get(0));
    serde_json::to_value(entry).unwrap_or_default()
}

/// Puts the file in its place at once: a gate may be watching the folder.
fn write(out: &Path, text: &str) -> std::io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(".new");
    let beside = out.with_file_name(name);
    fs::write(&beside, text)?;
    fs::rename(&beside, out)
}

fn list(arguments: &ListArguments) {
    let prices = built_in_prices();
    if arguments.json {
        let entries: Vec<_> = prices.iter().map(|it| entry_as_json(&entry(it))).collect();
        output::json(&serde_json::json!({ "prices": entries }));
        return;
    }
    let mut table = Table::new(["USD PER MILLION TOKENS", ">INPUT", ">OUTPUT"]);
    for price in prices {
        let rates = &price.stated.card.rates;
        for model in &price.models {
            table.row([&model.as_str(), &rates.input, &rates.output]);
        }
    }
    say(&table.render(Style::stdout()));
}

fn show(arguments: &ShowArguments) -> Result<(), CommandError> {
    let model = &arguments.model;
    let named = |price: &&ListedPrice| price.models.iter().any(|it| it.as_str() == model);
    let price = built_in_prices().iter().find(named).ok_or_else(|| {
        CommandError::Unusable(format!("no price is built in for the model `{model}`"))
    })?;
    let entry = entry(price);
    if arguments.json {
        output::json(&entry_as_json(&entry));
    } else {
        say(entry.trim_end());
    }
    Ok(())
}

fn entry(price: &ListedPrice) -> String {
    let names: Vec<&str> = price.models.iter().map(Glob::as_str).collect();
    let (model, aliases) = names.split_first().unwrap_or((&"", &[]));
    price.stated.to_entry(model, aliases)
}

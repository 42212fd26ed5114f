//! What a tenant keeps: counted, or as JSON Lines.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Opened, TenantArguments, nothing, runtime};
use crate::cli::output::{self, Output, Progress, Style, Table};
use crate::cli::{CommandError, complain, say};
use crate::memory::{Oversight, Owner, TenantExport};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # How much each user of a tenant keeps
  fabric-memory stats --tenant acme

  # For a program
  fabric-memory stats --tenant acme --json

A tenant that keeps nothing is counted as such, and told of on standard error: it may be mistyped.")]
pub(in crate::cli::memory) struct StatsArguments {
    #[command(flatten)]
    which: TenantArguments,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # All of a tenant as JSON Lines
  fabric-memory export --tenant acme --out acme.jsonl

  # With the earlier versions of each entry, compressed on the way
  fabric-memory export --tenant acme --history | zstd > acme.jsonl.zst

The last line says that the file is whole. Exit code 1 where the tenant keeps nothing.")]
pub(in crate::cli::memory) struct ExportArguments {
    #[command(flatten)]
    which: TenantArguments,
    /// Write to this file, which must not be there yet; to standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Earlier versions of entries as well.
    #[arg(long)]
    history: bool,
    /// With --out, print a JSON document about the file. Without it the lines themselves are JSON.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli::memory) fn stats(arguments: &StatsArguments) -> Result<(), CommandError> {
    let (config, over) = arguments.which.resolve()?;
    let uses = runtime()?.block_on(async {
        let opened = Opened::to_read(&config, over.tenant()).await?;
        let uses = opened.memory.census(&over).await;
        opened.close().await;
        uses.map_err(|error| CommandError::unusable(over.tenant(), &error))
    })?;
    let (entries, bytes) = uses.iter().fold((0_u64, 0_u64), |(entries, bytes), used| {
        (entries + used.entries, bytes + used.bytes)
    });
    if arguments.json {
        let namespaces: Vec<_> = uses
            .iter()
            .map(|used| {
                let user = match used.namespace.owner() {
                    Owner::User(user) => Some(user.as_str()),
                    Owner::Shared => None,
                };
                json!({
                    "namespace": used.namespace.to_string(), "user": user,
                    "entries": used.entries, "bytes": used.bytes,
                })
            })
            .collect();
        output::json(&json!({
            "tenant": over.tenant().as_str(), "entries": entries, "bytes": bytes,
            "namespaces": namespaces,
        }));
    } else {
        let mut table = Table::new(["NAMESPACE", ">ENTRIES", ">BYTES"]);
        for used in &uses {
            match used.namespace.owner() {
                Owner::User(user) => table.row([&user.as_str(), &used.entries, &used.bytes]),
                Owner::Shared => table.row([&"(shared)", &used.entries, &used.bytes]),
            }
        }
        table.row([&"(all)", &entries, &bytes]);
        say(&table.render(Style::stdout()));
    }
    if uses.is_empty() {
        complain(&nothing(&over));
    }
    Ok(())
}

pub(in crate::cli::memory) fn export(arguments: &ExportArguments) -> Result<(), CommandError> {
    let (config, over) = arguments.which.resolve()?;
    let runtime = runtime()?;
    let entries = runtime.block_on(async {
        let opened = Opened::to_read(&config, over.tenant()).await?;
        let written = write(&opened, &over, arguments).await;
        opened.close().await;
        written
    })?;
    if let Some(file) = &arguments.out {
        if arguments.json {
            output::json(&json!({
                "tenant": over.tenant().as_str(), "file": file, "entries": entries,
            }));
        } else {
            say(&format!(
                "{}: {entries} entries in {}",
                over.tenant(),
                file.display()
            ));
        }
    }
    Ok(())
}

async fn write(
    opened: &Opened,
    over: &Oversight,
    arguments: &ExportArguments,
) -> Result<u64, CommandError> {
    let unread = |error| CommandError::unusable(over.tenant(), &error);
    let memory = Arc::clone(&opened.memory);
    let begun = TenantExport::begin(memory, over.clone(), arguments.history).await;
    let (mut export, head) = begun.map_err(unread)?;
    let expected = export.expected();
    if expected == 0 {
        return Err(CommandError::Bad(nothing(over)));
    }
    let progress = Progress::of_things("exporting", Some(expected));
    let (place, progress) = match &arguments.out {
        Some(path) => (Place::File(make(path)?, path), progress),
        None => (
            Place::Output(BufWriter::new(Output::lock())),
            progress.beside_results(),
        ),
    };
    let mut place = place;
    let mut lines = head;
    loop {
        place.write(&lines)?;
        progress.reach(export.entries());
        match export.next().await.map_err(unread)? {
            Some(more) => lines = more,
            None => break,
        }
    }
    place.end()?;
    Ok(export.entries())
}

/// Where an export goes.
enum Place<'path> {
    File(BufWriter<File>, &'path Path),
    Output(BufWriter<Output>),
}

impl Place<'_> {
    fn write(&mut self, lines: &[u8]) -> Result<(), CommandError> {
        let written = match self {
            Self::File(file, _) => file.write_all(lines),
            Self::Output(out) => out.write_all(lines),
        };
        written.map_err(|error| self.unusable(&error))
    }

    /// What was acknowledged as exported is on disk.
    fn end(mut self) -> Result<(), CommandError> {
        let ended = match &mut self {
            Self::File(file, _) => file.flush().and_then(|()| file.get_ref().sync_all()),
            Self::Output(out) => out.flush(),
        };
        ended.map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &std::io::Error) -> CommandError {
        match self {
            Self::File(_, path) => CommandError::unusable(path.display(), error),
            Self::Output(_) => CommandError::unusable("the export", error),
        }
    }
}

/// It holds what people told their agents: only its owner reads it.
fn make(path: &Path) -> Result<BufWriter<File>, CommandError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.map(BufWriter::new)
        .map_err(|error| CommandError::unusable(path.display(), &error))
}

//! A tenant's export, read back in.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Opened, TenantArguments, runtime};
use crate::cli::output::{self, Progress};
use crate::cli::{CommandError, say};
use crate::inspect::json as strict;
use crate::memory::{ImportReport, ImportRules, Memory, MemoryError, TenantImport};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Whether every line of a file could be taken; nothing is written
  fabric-memory import --tenant acme --dry-run acme.jsonl

  # Take it; what an earlier import made is not made twice
  fabric-memory import --tenant acme acme.jsonl

  # Move a tenant to another store
  fabric-memory export --tenant acme | fabric-memory import --tenant acme --config new.toml

Lines go into the namespaces they were exported from, within the quotas. Exit code 1 and the lines
that can't be taken if there are any; those before them are imported. With SQLite the service must
not be running.")]
pub(in crate::cli::memory) struct ImportArguments {
    #[command(flatten)]
    which: TenantArguments,
    /// A tenant's export, or a user's; `-`, or none, reads standard input.
    file: Option<PathBuf>,
    /// Judge every line and write none.
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli::memory) fn import(arguments: &ImportArguments) -> Result<(), CommandError> {
    let (config, over) = arguments.which.resolve()?;
    let source = Source::open(arguments.file.as_deref())?;
    let rules = ImportRules {
        foreign: false,
        dry_run: arguments.dry_run,
    };
    let report = runtime()?.block_on(async {
        let opened = Opened::to_write(&config).await?;
        let import = TenantImport::new(Arc::clone(&opened.memory), over.clone(), rules);
        let taken = take(import, source, &opened.memory).await;
        opened.close().await;
        taken
    })?;
    if arguments.json {
        output::json(&document(&report, rules));
    } else {
        let done = match rules.dry_run {
            true => "would be made",
            false => "made",
        };
        say(&format!(
            "{}: {} entries {done}, {} there already, {} earlier versions passed over",
            over.tenant(),
            report.created,
            report.existed,
            report.skipped
        ));
    }
    complaint(&report).map_or(Ok(()), |text| Err(CommandError::Bad(text)))
}

async fn take(
    mut import: TenantImport,
    mut source: Source,
    memory: &Memory,
) -> Result<ImportReport, CommandError> {
    let progress = Progress::of_bytes("importing", source.bytes);
    // Escaped, a byte of text takes up to six.
    let longest = memory.bounds().entry_bytes.saturating_mul(6) + 64 * 1024;
    let mut number = 0;
    while let Some(line) = source.line(longest)? {
        number += 1;
        progress.add(line.len() as u64);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let members = match line.len() as u64 > longest {
            true => Err(MemoryError::invalid("line", "it is too long")),
            false => object(&line),
        };
        if let ControlFlow::Break(()) = import.line(number, members).await {
            break;
        }
    }
    Ok(import.finish().await)
}

/// The object of a line. A name that stands twice is refused: which one counts is left open
/// (RFC 8259 section 4).
fn object(line: &[u8]) -> Result<Map<String, Value>, MemoryError> {
    let wrong = |error: &dyn std::fmt::Display| MemoryError::invalid("line", error.to_string());
    let members = serde_json::from_slice(line).map_err(|error| wrong(&error))?;
    match strict::Value::parse(line, &strict::Limits::default()) {
        Ok(_) => Ok(members),
        Err(fault) => Err(wrong(&fault)),
    }
}

fn document(report: &ImportReport, rules: ImportRules) -> Value {
    let refused = report.refused.iter();
    let refused: Vec<_> = refused
        .map(|refused| json!({ "line": refused.line, "detail": refused.error.to_string() }))
        .collect();
    json!({
        "dry_run": rules.dry_run,
        "lines": report.lines,
        "imported_through": report.imported_through,
        "created": report.created,
        "existed": report.existed,
        "skipped": report.skipped,
        "unlinked": report.unlinked,
        "complete": report.complete,
        "refused": refused,
    })
}

fn complaint(report: &ImportReport) -> Option<String> {
    let mut lines: Vec<String> = report
        .refused
        .iter()
        .map(|refused| format!("line {}: {}", refused.line, refused.error))
        .collect();
    if lines.is_empty() && !report.complete {
        lines.push(
            "the file has no last line: it was cut short, and what it lacks is not imported"
                .to_owned(),
        );
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Where the lines come from.
struct Source {
    reader: Box<dyn BufRead>,
    bytes: Option<u64>,
    name: String,
}

impl Source {
    fn open(path: Option<&Path>) -> Result<Self, CommandError> {
        if path.is_none() && io::stdin().is_terminal() {
            let text = "which file? `-` reads what is typed";
            return Err(CommandError::Unusable(text.to_owned()));
        }
        let path = path.unwrap_or(Path::new("-"));
        if path == Path::new("-") {
            return Ok(Self {
                reader: Box::new(BufReader::new(io::stdin())),
                bytes: None,
                name: "standard input".to_owned(),
            });
        }
        let unusable = |error| CommandError::unusable(path.display(), &error);
        let file = File::open(path).map_err(unusable)?;
        let metadata = file.metadata().map_err(unusable)?;
        Ok(Self {
            reader: Box::new(BufReader::new(file)),
            bytes: metadata.is_file().then_some(metadata.len()),
            name: path.display().to_string(),
        })
    }

    /// The next line, of which at most one byte more than `longest` is read.
    fn line(&mut self, longest: u64) -> Result<Option<Vec<u8>>, CommandError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.reader).take(longest.saturating_add(1));
        let read = bounded
            .read_until(b'\n', &mut line)
            .map_err(|error| CommandError::unusable(&self.name, &error))?;
        Ok((read > 0).then_some(line))
    }
}

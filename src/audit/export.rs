//! Records for whoever has to be shown them.
//!
//! As JSON Lines each record is the log's own line, byte for byte, so that it still proves its
//! place by number and hash; a last line, signed like a checkpoint, says how many there are, which
//! is the first and the last, and what all of them hash to. Every record is checked on its way out:
//! an export never passes on what was edited.

use std::io::{self, Write};
use std::path::PathBuf;

use super::chain::Problem;
use super::filter::{Facets, Filter, Matcher};
use super::flat;
use super::json::push_timestamp;
use super::keys::{KeyError, LogKeys};
use super::record::{number, text};
use super::settings::Settings;
use super::walk::walk;
use crate::clock::Clock;

/// How an export or a tail is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Lines of the log and a signed line about them.
    JsonLines,
    /// One row per record under a header; lists joined by spaces.
    Csv,
    /// OCSF 1.3 events, one per line.
    Ocsf,
}

impl ExportFormat {
    /// Writes what stands before the first record.
    pub(super) fn begin(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Csv => flat::write_csv_header(out),
            Self::JsonLines | Self::Ocsf => Ok(()),
        }
    }

    /// Writes a record, of which `line` is the log's own line without its break.
    pub(super) fn record(self, line: &[u8], out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::JsonLines => {
                out.write_all(line)?;
                out.write_all(b"\n")
            }
            Self::Csv => flat::write_csv(line, out),
            Self::Ocsf => super::ocsf::write(line, out),
        }
    }
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportSummary {
    /// Records.
    pub records: u64,
    /// BLAKE3 of the lines of the log that were exported, with their line breaks.
    pub digest: String,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log can't be read or the export not written.
    #[error("the export can't be made")]
    Io(#[from] io::Error),
    /// There is no key.
    #[error("the audit log has no key")]
    Key(#[from] KeyError),
    /// A record is not as it was written.
    #[error("{problem}, in `{}` line {line}", file.display())]
    Bad {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        #[source]
        problem: Problem,
    },
}

/// Writes every record that matches: lineage by lineage, oldest first.
///
/// # Errors
/// Something can't be read or written, or a record was changed. `out` then holds what came before.
pub fn export(
    settings: &Settings,
    clock: &dyn Clock,
    filter: &Filter,
    format: ExportFormat,
    out: &mut impl Write,
) -> Result<ExportSummary, ExportError> {
    let keys = LogKeys::load(&settings.secret)?;
    let matcher = Matcher::new(filter);
    let mut digest = blake3::Hasher::new();
    let mut summary = ExportSummary::default();
    let mut ranges: Vec<(u32, u64, u64)> = Vec::new();
    format.begin(out)?;
    walk(settings, &keys, filter.since, |position, line| {
        if !Facets::of(line).is_some_and(|facets| matcher.matches(&facets)) {
            return Ok(());
        }
        format.record(line, out)?;
        digest.update(line);
        digest.update(b"\n");
        summary.records += 1;
        match ranges.last_mut() {
            Some((known, _, last)) if *known == position.lineage => *last = position.seq,
            Some(_) | None => ranges.push((position.lineage, position.seq, position.seq)),
        }
        Ok(())
    })?;
    summary.digest = digest.finalize().to_hex().to_string();
    if format == ExportFormat::JsonLines {
        out.write_all(&footer(&keys, clock, filter, &summary, &ranges))?;
    }
    out.flush()?;
    Ok(summary)
}

fn footer(
    keys: &LogKeys,
    clock: &dyn Clock,
    filter: &Filter,
    summary: &ExportSummary,
    ranges: &[(u32, u64, u64)],
) -> Vec<u8> {
    let mut line = Vec::new();
    line.extend_from_slice(b"{\"kind\":\"export\",\"ts\":");
    push_timestamp(&mut line, clock.now());
    match &filter.tenant {
        Some(tenant) => text(&mut line, b",\"tenant_id\":", tenant.as_str()),
        None => line.extend_from_slice(b",\"tenant_id\":null"),
    }
    number(&mut line, b",\"records\":", summary.records);
    line.extend_from_slice(b",\"lineages\":[");
    for (index, (lineage, first, last)) in ranges.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        number(&mut line, b"{\"lineage\":", (*lineage).into());
        number(&mut line, b",\"first_seq\":", *first);
        number(&mut line, b",\"last_seq\":", *last);
        line.push(b'}');
    }
    text(&mut line, b"],\"digest\":", &summary.digest);
    text(&mut line, b",\"public_key\":", &keys.public_key());
    let signature = keys.sign(&line);
    text(&mut line, b",\"signature\":", &signature);
    line.extend_from_slice(b"}\n");
    line
}

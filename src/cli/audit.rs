//! `fabric-gate audit verify|export|tail`.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::output::{self, Output, Progress, Style};
use super::{CommandError, ConfigArgument, say};
use crate::audit::{ExportFormat, Filter, export, tail, verify_watched};
use crate::clock::{Clock, SystemClock};

/// How often a tail looks for new records.
const FOLLOW: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(super) struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check every record, the chain and the checkpoints; exit code 1 and the first bad record if anything is wrong.
    #[command(after_help = "\
Examples:
  # The whole log
  fabric-gate audit verify

  # For a program, of a gate whose configuration is elsewhere
  fabric-gate audit verify --config /etc/fabric-gate/gate.toml --json

The log may be in use meanwhile.")]
    Verify {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print a JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Write records to standard output.
    #[command(after_help = "\
Examples:
  # What a tenant did in a month, as lines that prove themselves
  fabric-gate audit export --tenant acme --since 2026-10-01 --until 2026-11-01 > acme.jsonl

  # Every denial of the last day, for a spreadsheet
  fabric-gate audit export --since 24h --decision deny --format csv > denials.csv

  # Events for a SIEM
  fabric-gate audit export --since 1h --format ocsf

Exit code 2 at the first record that is not as it was written: what is changed is not passed on.")]
    Export {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// Format of the records.
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Jsonl)]
        format: Format,
        /// The same as --format jsonl.
        #[arg(long, conflicts_with = "format")]
        json: bool,
    },
    /// Print the last records, and those that come.
    #[command(after_help = "\
Examples:
  # Denials of a tenant as they come
  fabric-gate audit tail --tenant acme --decision deny

  # The last hundred records, and no more
  fabric-gate audit tail -n 100 --no-follow")]
    Tail {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// How many of the last records.
        #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
        lines: usize,
        /// End after them.
        #[arg(long)]
        no_follow: bool,
        /// Format of the records.
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Jsonl)]
        format: Format,
        /// The same as --format jsonl.
        #[arg(long, conflicts_with = "format")]
        json: bool,
    },
}

#[derive(Args, Debug)]
struct FilterArguments {
    /// Only this tenant's records.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Not before this time: RFC 3339, a day (`2026-11-21`, UTC), or a time ago (`90s`, `15m`, `24h`, `7d`, `2w`).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// `permit` or `deny`.
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
}

impl FilterArguments {
    fn parse(&self) -> Result<Filter, CommandError> {
        let [tenant, since, until, decision] =
            [&self.tenant, &self.since, &self.until, &self.decision].map(Option::as_deref);
        Filter::parse(tenant, since, until, decision, SystemClock.now())
            .map_err(|error| CommandError::Unusable(error.to_string()))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines of the log; after an export a signed line about them.
    Jsonl,
    /// A table.
    Csv,
    /// OCSF events.
    Ocsf,
}

impl From<Format> for ExportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::JsonLines,
            Format::Csv => Self::Csv,
            Format::Ocsf => Self::Ocsf,
        }
    }
}

pub(super) fn run(arguments: &AuditArguments) -> Result<(), CommandError> {
    match &arguments.command {
        AuditCommand::Verify { config, json } => run_verify(config, *json),
        AuditCommand::Export {
            config,
            filter,
            format,
            json: _,
        } => {
            let settings = super::serve::audit_settings(&config.load()?)?;
            let progress = Progress::of_bytes("writing records", None).beside_results();
            let mut out = progress.counting(io::BufWriter::new(Output::lock()));
            let filter = filter.parse()?;
            export(&settings, &SystemClock, &filter, (*format).into(), &mut out)
                .map_err(|error| CommandError::unusable("the export", &error))?;
            out.flush()
                .map_err(|error| CommandError::unusable("the export", &error))
        }
        AuditCommand::Tail {
            config,
            filter,
            lines,
            no_follow,
            format,
            json: _,
        } => {
            let settings = super::serve::audit_settings(&config.load()?)?;
            let more = || {
                thread::sleep(FOLLOW);
                !no_follow
            };
            tail(
                &settings.directory,
                &filter.parse()?,
                *lines,
                (*format).into(),
                &mut Output::lock(),
                more,
            )
            .map_err(|error| CommandError::unusable("the audit log", &error))
        }
    }
}

fn run_verify(config: &ConfigArgument, json: bool) -> Result<(), CommandError> {
    let settings = super::serve::audit_settings(&config.load()?)?;
    let progress = Progress::of_bytes("verifying", Some(0));
    let report = verify_watched(&settings, &|bytes, of| {
        progress.add_of(bytes, of);
    })
    .map_err(|error| CommandError::unusable("the audit log", &error))?;
    drop(progress);
    if json {
        output::json(&report);
    }
    match &report.first_bad {
        Some(bad) => {
            let text = format!(
                "the audit log is not as it was written: {} line {}, record {}: {}",
                bad.file.display(),
                bad.line,
                bad.seq,
                bad.problem
            );
            Err(CommandError::Bad(text))
        }
        None if json => Ok(()),
        None => {
            say(&format!(
                "{}: {} records in {} chains are as they were written, as far as {} checkpoints tell",
                Style::stdout().good("good"),
                report.records,
                report.lineages.len(),
                report.checkpoints
            ));
            Ok(())
        }
    }
}

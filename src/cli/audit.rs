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
    Verify {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print a JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Write records to standard output.
    Export {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// Format of the records.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
    },
    /// Print the last records, and those that come.
    Tail {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// How many of the last records.
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: usize,
        /// End after them.
        #[arg(long)]
        no_follow: bool,
    },
}

#[derive(Args, Debug)]
struct FilterArguments {
    /// Only this tenant's records.
    #[arg(long)]
    tenant: Option<String>,
    /// Not before this time: RFC 3339, or a time ago (`90s`, `15m`, `24h`, `7d`).
    #[arg(long)]
    since: Option<String>,
    /// Before this time.
    #[arg(long)]
    until: Option<String>,
    /// `permit` or `deny`.
    #[arg(long)]
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
    /// Lines of the log, and a signed line about them.
    Jsonl,
    /// A table.
    Csv,
    /// OCSF events.
    Ocsf,
}

pub(super) fn run(arguments: &AuditArguments) -> Result<(), CommandError> {
    match &arguments.command {
        AuditCommand::Verify { config, json } => run_verify(config, *json),
        AuditCommand::Export {
            config,
            filter,
            format,
        } => {
            let settings = super::serve::audit_settings(&config.load()?)?;
            let format = match format {
                Format::Jsonl => ExportFormat::JsonLines,
                Format::Csv => ExportFormat::Csv,
                Format::Ocsf => ExportFormat::Ocsf,
            };
            let progress = Progress::of_bytes("writing records", None).beside_results();
            let mut out = progress.counting(io::BufWriter::new(Output::lock()));
            export(&settings, &SystemClock, &filter.parse()?, format, &mut out)
                .map_err(|error| CommandError::unusable("the export", &error))?;
            out.flush()
                .map_err(|error| CommandError::unusable("the export", &error))
        }
        AuditCommand::Tail {
            config,
            filter,
            lines,
            no_follow,
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

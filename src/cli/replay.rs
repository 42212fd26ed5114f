//! `fabric-gate replay` and `fabric-gate shadow`: recorded decisions against other policies, and what
//! rules in shadow mode would have refused.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{CommandError, ConfigArgument, say};
use crate::audit::Filter;
use crate::clock::{Clock, SystemClock};
use crate::explain::replay::{render, render_shadow, replay, shadow};
use crate::policy::{PolicyDirectory, PolicySnapshot, compile};
use crate::secret::SecretResolver;

/// Exit code 0 where nothing would change, 1 where something would, 2 where it can't be told.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The configured log against policies that are not in force
  fabric-gate replay --policies next/policies

  # A file of records, of one tenant
  fabric-gate replay --audit yesterday.jsonl --policies next/policies --tenant acme

  # A week, for a program
  fabric-gate replay --policies next/policies --since 7d --json | jq .groups")]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    asked: Asked,
}

/// Exit code 0, or 2 where it can't be told.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # A week
  fabric-gate shadow --since 7d

  # What may be enforced for a tenant, for a program
  fabric-gate shadow --since 30d --tenant acme --json | jq '.rules[] | select(.safe_to_enforce)'")]
pub(super) struct ShadowArguments {
    #[command(flatten)]
    asked: Asked,
}

/// Which records, by which policies, and how the answer is printed.
#[derive(Args, Debug)]
struct Asked {
    /// A file of records, or the folder of a log; the configured log when absent.
    #[arg(long, value_name = "FILE|DIR")]
    audit: Option<PathBuf>,
    /// The policies to judge by; the configured ones when absent.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// From this time on: RFC 3339, or a time ago (`90s`, `15m`, `24h`, `7d`).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only this tenant.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

impl Asked {
    fn filter(&self) -> Result<Filter, CommandError> {
        let [tenant, since, until] = [&self.tenant, &self.since, &self.until].map(Option::as_deref);
        Filter::parse(tenant, since, until, None, SystemClock.now())
            .map_err(|error| CommandError::Unusable(error.to_string()))
    }

    /// The log and the policies, those that are configured where none are named.
    fn sources(&self) -> Result<(PathBuf, PolicySnapshot), CommandError> {
        let (audit, policies) = match (&self.audit, &self.policies) {
            (Some(audit), Some(policies)) => (audit.clone(), policies.clone()),
            (audit, policies) => {
                let config = self.config.load()?;
                let audit = audit.clone().unwrap_or(config.audit.directory);
                (audit, policies.clone().unwrap_or(config.policies_directory))
            }
        };
        let snapshot = PolicyDirectory::read(&policies)
            .and_then(|files| compile(&files, &SecretResolver::from_process()))
            .map_err(CommandError::Problems)?;
        Ok((audit, snapshot))
    }

    /// Says the report as text, or as a document.
    fn tell<R: Serialize>(&self, report: &R, text: fn(&R) -> String) -> Result<(), CommandError> {
        say(&match self.json {
            true => serde_json::to_string(report)
                .map_err(|error| CommandError::unusable("the answer", &error))?,
            false => text(report),
        });
        Ok(())
    }
}

pub(super) fn run(ReplayArguments { asked }: &ReplayArguments) -> Result<(), CommandError> {
    let filter = asked.filter()?;
    let (audit, snapshot) = asked.sources()?;
    let report = replay(&audit, &filter, &snapshot).map_err(|error| unreadable(&audit, &error))?;
    asked.tell(&report, render)?;
    match report.changes() {
        false => Ok(()),
        true => Err(CommandError::Bad(String::new())),
    }
}

pub(super) fn run_shadow(ShadowArguments { asked }: &ShadowArguments) -> Result<(), CommandError> {
    let filter = asked.filter()?;
    let (audit, snapshot) = asked.sources()?;
    let report = shadow(&audit, &filter, &snapshot).map_err(|error| unreadable(&audit, &error))?;
    asked.tell(&report, render_shadow)
}

fn unreadable(audit: &Path, error: &std::io::Error) -> CommandError {
    CommandError::unusable(format!("the audit log `{}`", audit.display()), error)
}

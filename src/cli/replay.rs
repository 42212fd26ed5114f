//! `fabric-gate replay` and `fabric-gate shadow`: recorded decisions against other policies, and what
//! rules in shadow mode would have refused.

use std::path::{Path, PathBuf};

use clap::Args;

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
    /// A file of records, or the folder of a log; the configured log when absent.
    #[arg(long, value_name = "FILE|DIR")]
    audit: Option<PathBuf>,
    /// The policies to judge by; the configured ones when absent.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
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
    /// A file of records, or the folder of a log; the configured log when absent.
    #[arg(long, value_name = "FILE|DIR")]
    audit: Option<PathBuf>,
    /// The policies that say which rules there are; the configured ones when absent.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    config: ConfigArgument,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

/// Which records.
#[derive(Args, Debug)]
struct Window {
    /// From this time on: RFC 3339, or a time ago (`90s`, `15m`, `24h`, `7d`).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only this tenant.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

impl Window {
    fn filter(&self) -> Result<Filter, CommandError> {
        let [tenant, since, until] = [&self.tenant, &self.since, &self.until].map(Option::as_deref);
        Filter::parse(tenant, since, until, None, SystemClock.now())
            .map_err(|error| CommandError::Unusable(error.to_string()))
    }
}

pub(super) fn run(arguments: &ReplayArguments) -> Result<(), CommandError> {
    let filter = arguments.window.filter()?;
    let (audit, policies) = (&arguments.audit, &arguments.policies);
    let (audit, snapshot) = found(audit, policies, &arguments.config)?;
    let report = replay(&audit, &filter, &snapshot).map_err(|error| unreadable(&audit, &error))?;
    say(&match arguments.json {
        true => document(&report)?,
        false => render(&report),
    });
    match report.changes() {
        false => Ok(()),
        true => Err(CommandError::Bad(String::new())),
    }
}

pub(super) fn run_shadow(arguments: &ShadowArguments) -> Result<(), CommandError> {
    let filter = arguments.window.filter()?;
    let (audit, policies) = (&arguments.audit, &arguments.policies);
    let (audit, snapshot) = found(audit, policies, &arguments.config)?;
    let report = shadow(&audit, &filter, &snapshot).map_err(|error| unreadable(&audit, &error))?;
    say(&match arguments.json {
        true => document(&report)?,
        false => render_shadow(&report),
    });
    Ok(())
}

/// The log and the policies, those that are configured where none are named.
fn found(
    audit: &Option<PathBuf>,
    policies: &Option<PathBuf>,
    config: &ConfigArgument,
) -> Result<(PathBuf, PolicySnapshot), CommandError> {
    let (audit, policies) = match (audit, policies) {
        (Some(audit), Some(policies)) => (audit.clone(), policies.clone()),
        _ => {
            let config = config.load()?;
            let audit = audit.clone().unwrap_or(config.audit.directory);
            (audit, policies.clone().unwrap_or(config.policies_directory))
        }
    };
    let snapshot = PolicyDirectory::read(&policies)
        .and_then(|files| compile(&files, &SecretResolver::from_process()))
        .map_err(CommandError::Problems)?;
    Ok((audit, snapshot))
}

fn unreadable(audit: &Path, error: &std::io::Error) -> CommandError {
    CommandError::unusable(format!("the audit log `{}`", audit.display()), error)
}

fn document(report: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string(report).map_err(|error| CommandError::unusable("the answer", &error))
}

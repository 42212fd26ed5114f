//! `fabric-gate test`: the cases beside the policies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{CommandError, ConfigArgument, say};
use crate::clock::SystemClock;
use crate::explain::cases::{Case, CaseResult, cases_in, junit, read, render, run as run_cases};
use crate::policy::{PolicyDirectory, PolicySnapshot, compile};
use crate::secret::SecretResolver;

/// Exit code 0 when all cases pass, 1 when one fails, 2 when they can't be run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The cases beside the policies of a folder
  fabric-gate test policies

  # Those that are about something
  fabric-gate test --filter contractor

  # For a CI system
  fabric-gate test policies --junit > cases.xml")]
pub(super) struct TestArguments {
    /// The policy directory; the configured one when absent.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Only cases whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    /// Print a JUnit document.
    #[arg(long, conflicts_with = "json")]
    junit: bool,
}

pub(super) fn run(arguments: &TestArguments) -> Result<(), CommandError> {
    let directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => arguments.config.load()?.policies_directory,
    };
    let (snapshot, cases) = load(&directory, arguments.filter.as_deref())?;
    let runtime = super::runtime()?;
    let asked = runtime.block_on(run_cases(snapshot, &cases, Arc::new(SystemClock)));
    let results = asked.map_err(|error| CommandError::Unusable(error.to_string()))?;
    if arguments.json {
        say(&document(&results).to_string());
    } else if arguments.junit {
        say(&junit(&results));
    } else {
        say(&render(&results));
    }
    match results.iter().all(CaseResult::passed) {
        true => Ok(()),
        false => Err(CommandError::Bad(String::new())),
    }
}

fn load(
    directory: &Path,
    filter: Option<&str>,
) -> Result<(PolicySnapshot, Vec<Case>), CommandError> {
    let snapshot = PolicyDirectory::read(directory)
        .and_then(|files| compile(&files, &SecretResolver::from_process()))
        .map_err(CommandError::Problems)?;
    let files = cases_in(directory).map_err(CommandError::Problems)?;
    let mut cases = read(&files).map_err(CommandError::Problems)?;
    let there = cases.len();
    cases.retain(|case| filter.is_none_or(|filter| case.name.contains(filter)));
    // A run of nothing is no run that passed.
    match (cases.is_empty(), there) {
        (false, _) => Ok((snapshot, cases)),
        (true, 0) => Err(CommandError::Unusable(format!(
            "there is no case in `{}`: write some into a file called `*.cases.toml`",
            directory.display()
        ))),
        (true, there) => Err(CommandError::Unusable(format!(
            "none of the {there} cases has a name with `{}` in it",
            filter.unwrap_or_default()
        ))),
    }
}

fn document(results: &[CaseResult]) -> serde_json::Value {
    let passed = results.iter().filter(|result| result.passed()).count();
    let case = |result: &CaseResult| {
        json!({
            "name": result.name, "at": result.at, "passed": result.passed(),
            "differences": result.differences, "explanation": result.explanation,
        })
    };
    json!({
        "good": passed == results.len(),
        "passed": passed,
        "failed": results.len() - passed,
        "cases": results.iter().map(case).collect::<Vec<_>>(),
    })
}

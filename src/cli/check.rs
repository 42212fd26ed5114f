//! `fabric-gate check`: the configuration and the policies judged, every problem told.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{CommandError, ConfigArgument, complain, output, say};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::pipeline::InstallError;
use crate::policy::{
    Checked, LINTS, MAX_FILE_BYTES, Problem, ProblemKind, Summary, check, lint_named,
    render_github, render_human, render_json, render_sarif, render_text,
};
use crate::secret::SecretResolver;

/// Exit code 0 when the policies are good, 1 when they are not, 2 when there are none to look at.
/// Warnings are good, unless `--deny-warnings` says otherwise.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # The policies of the configuration
  fabric-gate check

  # A folder before it is put in force
  fabric-gate check policies.new

  # For a program
  fabric-gate check --json policies.new")]
pub(super) struct CheckArguments {
    /// The policy directory. Without it the configuration is checked, and the directory it names.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// How to tell it: `human` on a terminal, `short` elsewhere.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// End with exit code 1 when there are warnings.
    #[arg(long)]
    deny_warnings: bool,
    /// Say nothing of what this lint finds; may be given several times.
    #[arg(long, value_name = "LINT", value_parser = known_lint)]
    allow: Vec<String>,
    /// List every lint: what it finds, why that matters and what to do.
    #[arg(long, exclusive = true)]
    lints: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each problem with the line it is about.
    Human,
    /// `FILE:LINE:COLUMN: SEVERITY: MESSAGE`, one line each, for editors.
    Short,
    /// A JSON document.
    Json,
    /// Commands of a GitHub workflow.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<(), CommandError> {
    if arguments.lints {
        say(&described());
        return Ok(());
    }
    let checked = judged(arguments)?;
    let (problems, summary, mut warnings) = match checked {
        Ok(checked) => (Vec::new(), Some(checked.summary), checked.warnings),
        Err(problems) => (problems, None, Vec::new()),
    };
    warnings.retain(|warning| {
        let allowed = |name: &String| warning.lint == Some(name.as_str());
        !arguments.allow.iter().any(allowed)
    });
    let good = problems.is_empty() && (warnings.is_empty() || !arguments.deny_warnings);
    tell(format(arguments), &problems, &warnings, summary.as_ref());
    match good {
        true => Ok(()),
        false => Err(CommandError::Bad(String::new())),
    }
}

/// The outer error is for what could not be checked, the inner one what is wrong.
fn judged(arguments: &CheckArguments) -> Result<Result<Checked, Vec<Problem>>, CommandError> {
    let secrets = SecretResolver::from_process();
    let now = SystemClock.now();
    if let Some(directory) = &arguments.directory {
        let checked = check(directory, &secrets, now);
        if let (false, Err(problems)) = (directory.is_dir(), &checked) {
            tell(format(arguments), problems, &[], None);
            let directory = directory.display();
            return Err(CommandError::Unusable(format!(
                "{directory} is no folder; no policy was looked at"
            )));
        }
        return Ok(checked);
    }
    let file = &arguments.config.config;
    let config = Config::load(file, &secrets).map_err(|problems| {
        tell(format(arguments), &problems, &[], None);
        let file = file.display();
        CommandError::Unusable(format!("{file} can't be used; no policy was looked at"))
    })?;
    let directory = &config.policies_directory;
    let checked = check(directory, &secrets, now);
    Ok(checked.and_then(|checked| together(&config, directory, checked)))
}

/// What the configuration and the policies are good for by themselves, and not together.
fn together(config: &Config, directory: &Path, checked: Checked) -> Result<Checked, Vec<Problem>> {
    if checked.snapshot.development.is_some() && !config.listens_on_loopback() {
        let problem = Problem::of_file(
            directory.display().to_string(),
            ProblemKind::NotInstalled,
            InstallError::DevelopmentBeyondLoopback.to_string(),
        );
        return Err(vec![problem]);
    }
    Ok(checked)
}

fn format(arguments: &CheckArguments) -> Format {
    match arguments.format {
        Some(format) => format,
        None if arguments.json => Format::Json,
        None if io::stderr().is_terminal() => Format::Human,
        None => Format::Short,
    }
}

/// What programs read goes to standard output, what people read about trouble to standard error.
fn tell(format: Format, problems: &[Problem], warnings: &[Problem], summary: Option<&Summary>) {
    let all: Vec<Problem> = problems.iter().chain(warnings).cloned().collect();
    let trouble = |text: String| {
        if !all.is_empty() {
            complain(text.trim_end());
        }
        if let Some(summary) = summary {
            say(&match warnings.is_empty() {
                true => format!("{summary}; no problems"),
                false => summary.to_string(),
            });
        }
    };
    match format {
        Format::Human => trouble(render_human(&all, colours(), text_of)),
        Format::Short => trouble(render_text(&all)),
        Format::Json => output::json(&json!({
            "good": problems.is_empty(),
            "summary": summary,
            "problems": render_json(problems),
            "warnings": render_json(warnings),
        })),
        Format::Github if all.is_empty() => {}
        Format::Github => say(render_github(&all).trim_end()),
        Format::Sarif => output::json(&render_sarif(&all)),
    }
}

/// Colours are for terminals, and for people who want them (<https://no-color.org>).
fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !unwanted
}

/// The text of a file that a problem names, where it is one.
fn text_of(file: &str) -> Option<String> {
    let metadata = fs::metadata(file).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return None;
    }
    fs::read_to_string(file).ok()
}

fn known_lint(name: &str) -> Result<String, String> {
    match lint_named(name) {
        Some(lint) => Ok(lint.name.to_owned()),
        None => Err("there is no such lint; `fabric-gate check --lints` lists them".to_owned()),
    }
}

fn described() -> String {
    let lints = LINTS.iter().map(|lint| {
        format!(
            "{}\n  finds  {}\n  why    {}\n  to do  {}\n",
            lint.name, lint.what, lint.why, lint.remedy
        )
    });
    lints.collect::<Vec<_>>().join("\n")
}

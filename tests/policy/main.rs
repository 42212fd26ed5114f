//! Policy directories as users write them: a sound one compiles to what it says, a broken one
//! tells everything that is wrong at once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a helper of a test can't do fails the test"
)]

mod alerts;
mod broken;
mod check_command;
mod claims;
mod conflicts;
mod follow;
mod limits;
mod lints;
mod models;
mod price_commands;
mod prices;
mod profile_costs;
mod profiles;
mod rewriting;
mod schemas;
mod sound;

use std::path::Path;

use fabric_gate::policy::{PolicyDirectory, PolicySnapshot, Problem, ProblemKind, compile};
use fabric_gate::secret::SecretResolver;

/// Compiles one file with the given text.
fn compiled(text: &str) -> Result<PolicySnapshot, Vec<Problem>> {
    let texts = [("p.toml", text)];
    let directory = PolicyDirectory::from_texts(Path::new("policies"), texts)?;
    compile(
        &directory,
        &SecretResolver::with_environment([("SECRET", "s")]),
    )
}

/// The problems of a text that has to be refused: kind and whole line of each.
fn refused(text: &str) -> Vec<(ProblemKind, String)> {
    let problems = compiled(text).expect_err("refused");
    let lines = problems.iter();
    lines
        .map(|problem| (problem.kind, problem.to_string()))
        .collect()
}

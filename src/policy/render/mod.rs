//! Problems told to people, editors and programs.
//!
//! | format | for |
//! | --- | --- |
//! | [`render_human`] | a terminal: the line of the file with a mark under what is wrong |
//! | [`render_text`] | editors and logs: one line each, `FILE:LINE:COLUMN: SEVERITY: MESSAGE` |
//! | [`render_json`] | programs |
//! | [`render_github`] | the log of a GitHub workflow, which shows them beside the changed lines |
//! | [`render_sarif`] | code scanning |

mod excerpt;
mod github;
mod human;
mod sarif;

pub use self::github::render_github;
pub use self::human::render_human;
pub use self::sarif::render_sarif;
use super::problem::{Problem, Severity};

/// One line per problem, and a last one with their number.
pub fn render_text(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{problem}\n"));
    }
    text.push_str(&format!("{}\n", count(problems)));
    text
}

/// `[{"severity", "lint", "file", "line", "column", "at", "kind", "message", "suggestion"}]`; keys
/// that do not apply are left out.
pub fn render_json(problems: &[Problem]) -> serde_json::Value {
    serde_json::json!(problems)
}

/// `3 problems`, `1 problem, 2 warnings`.
fn count(problems: &[Problem]) -> String {
    let of = |severity| {
        let same = problems.iter().filter(|it| it.severity == severity);
        same.count()
    };
    let told = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    match (of(Severity::Error), of(Severity::Warning)) {
        (errors, 0) => told(errors, "problem"),
        (0, warnings) => told(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", told(errors, "problem"), told(warnings, "warning")),
    }
}

//! Problems as a terminal shows them: what, where, and the line itself.

use super::count;
use super::excerpt::Excerpt;
use crate::policy::lint::lint_named;
use crate::policy::problem::{Problem, Severity};

/// Each problem with the line it is about and a mark under it, and a last line with their number.
/// `source` gives the text of a file, where it can be had. What looks like a secret in a line is
/// not repeated.
pub fn render_human(
    problems: &[Problem],
    colour: bool,
    mut source: impl FnMut(&str) -> Option<String>,
) -> String {
    let paint = Paint { colour };
    let mut text = String::new();
    let mut read: Option<(&str, Option<String>)> = None;
    for problem in problems {
        if read.as_ref().is_none_or(|(file, _)| *file != problem.file) {
            read = Some((&problem.file, source(&problem.file)));
        }
        let content = read.as_ref().and_then(|(_, content)| content.as_deref());
        text.push_str(&one(problem, content, paint));
        text.push('\n');
    }
    text.push_str(&format!("{}\n", count(problems)));
    text
}

fn one(problem: &Problem, content: Option<&str>, paint: Paint) -> String {
    let label = problem.label();
    let label = match problem.severity {
        Severity::Error => paint.red(&label),
        Severity::Warning => paint.yellow(&label),
    };
    let excerpt = content
        .zip(problem.position)
        .and_then(|(text, position)| Excerpt::of(text, position));
    let width = excerpt.as_ref().map_or(1, |it| it.number.len());
    let edge = |sign: &str| paint.blue(&format!("{}{sign}", " ".repeat(width)));
    let mut lines = vec![
        format!("{label}: {}", paint.bold(&problem.sentence())),
        format!("{} {}", edge("-->"), problem.location()),
    ];
    if let Some(excerpt) = &excerpt {
        lines.push(edge(" |"));
        let number = paint.blue(&format!("{} |", excerpt.number));
        lines.push(format!("{number} {}", excerpt.line));
        let marks = "^".repeat(excerpt.width);
        let marks = match problem.severity {
            Severity::Error => paint.red(&marks),
            Severity::Warning => paint.yellow(&marks),
        };
        lines.push(format!("{} {}{marks}", edge(" |"), excerpt.indent));
    }
    if !problem.at.is_empty() {
        lines.push(format!("{} in {}", edge(" ="), problem.at));
    }
    if let Some(lint) = problem.lint.and_then(lint_named) {
        lines.push(format!("{} why: {}", edge(" ="), lint.why));
        lines.push(format!("{} help: {}", edge(" ="), lint.remedy));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Colours of a terminal (ECMA-48 SGR), or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn red(self, text: &str) -> String {
        self.in_style("1;31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.in_style("1;33", text)
    }

    fn blue(self, text: &str) -> String {
        self.in_style("34", text)
    }

    fn bold(self, text: &str) -> String {
        self.in_style("1", text)
    }

    fn in_style(self, style: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

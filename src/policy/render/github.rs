//! Problems as commands of a GitHub workflow, which shows them beside the changed lines.

use crate::policy::problem::{Problem, Severity};

/// `::error file=…,line=…,col=…,title=…::…`, one line each
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).
pub fn render_github(problems: &[Problem]) -> String {
    problems.iter().map(one).collect()
}

fn one(problem: &Problem) -> String {
    let command = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = format!("file={}", property(&problem.file));
    if let Some(position) = problem.position {
        properties.push_str(&format!(",line={},col={}", position.line, position.column));
    }
    if let Some(lint) = problem.lint {
        properties.push_str(&format!(",title={}", property(lint)));
    }
    let message = match problem.at.as_str() {
        "" => problem.sentence(),
        at => format!("{at}: {}", problem.sentence()),
    };
    format!("::{command} {properties}::{}\n", data(&message))
}

/// What a message may not hold as it is: a line of its own could be another command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ProblemKind;

    #[test]
    fn nothing_in_a_problem_ends_its_command_or_begins_another() {
        let problem = Problem::of_file(
            "a,b:c.toml",
            ProblemKind::Syntax,
            "100% wrong\n::set-env name=x::y",
        );
        assert_eq!(
            render_github(&[problem]),
            "::error file=a%2Cb%3Ac.toml::100%25 wrong%0A::set-env name=x::y\n"
        );
    }
}

//! What is wrong with a directory of policy files, in full.
//!
//! Nothing stops at the first mistake: everything that reads policies adds to a [`Report`], and
//! the directory is taken only if the report stays empty. A [`Problem`] says where (file, line,
//! column, key), what kind, and what would be right, for people and for programs.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// One mistake, or something that is probably one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the files are refused for it.
    pub severity: Severity,
    /// The lint that found it, for a warning; `None` for an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lint: Option<&'static str>,
    /// The file, or the directory when the mistake is about all of it.
    pub file: String,
    /// Where in the file; `None` when the mistake is about all of it.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// Section, entry and key: `[[routes]] "session.read" upstream`. Empty outside of any section.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// What sort of mistake.
    pub kind: ProblemKind,
    /// What is wrong, in a sentence. Never a secret.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// Whether files are refused for a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// They are.
    Error,
    /// They are taken; a person should look.
    Warning,
}

/// A place in a text, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset in a text; past the end is the end.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.get(line_start..);
        Self {
            line: before.matches('\n').count() + 1,
            column: line.map_or(0, |line| line.chars().count()) + 1,
        }
    }
}

/// What sort of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A file or the directory can't be read, or is not what it has to be.
    Unreadable,
    /// Not TOML.
    Syntax,
    /// A key or section that does not exist.
    UnknownKey,
    /// A key or section that exists and that this version can't honour.
    NotSupportedYet,
    /// A value of another type than the key's.
    WrongType,
    /// A value outside of what the key takes.
    BadValue,
    /// A key that has to be there.
    Missing,
    /// A name or value that has to be unique.
    Duplicate,
    /// A reference to something that is not there.
    NothingThere,
    /// A condition that can never hold.
    NeverMatches,
    /// Two settings that exclude each other.
    Conflict,
    /// A secret that can't be had.
    Secret,
    /// Sound by itself, and refused by the part of the process that has to use it.
    NotInstalled,
    /// Sound, and probably not what was meant: what lints find.
    Suspicious,
}

impl Problem {
    /// A problem of a whole file or directory.
    pub fn of_file(file: impl Into<String>, kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            lint: None,
            file: file.into(),
            position: None,
            at: String::new(),
            kind,
            message: message.into(),
            suggestion: None,
        }
    }

    /// A problem at a place.
    fn at(place: &Place, kind: ProblemKind, message: String, suggestion: Option<&str>) -> Self {
        let at = match (place.section.is_empty(), place.key.is_empty()) {
            (false, false) => format!("{} {}", place.section, place.key),
            (false, true) => place.section.to_string(),
            (true, _) => place.key.to_owned(),
        };
        Self {
            position: Some(place.source.position(place.offset)),
            at,
            suggestion: suggestion.map(str::to_owned),
            ..Self::of_file(place.source.path.clone(), kind, message)
        }
    }

    /// What a lint found at a place.
    pub(crate) fn found_by(
        lint: &'static str,
        place: &Place,
        message: String,
        suggestion: Option<&str>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            lint: Some(lint),
            ..Self::at(place, ProblemKind::Suspicious, message, suggestion)
        }
    }

    /// `error`, or `warning[shadow-rule]`.
    pub fn label(&self) -> String {
        match (self.severity, self.lint) {
            (Severity::Error, _) => "error".to_owned(),
            (Severity::Warning, None) => "warning".to_owned(),
            (Severity::Warning, Some(lint)) => format!("warning[{lint}]"),
        }
    }

    /// `policies/20-routes.toml:12:8`.
    pub fn location(&self) -> String {
        match self.position {
            Some(position) => format!("{}:{}:{}", self.file, position.line, position.column),
            None => self.file.clone(),
        }
    }

    /// The message with what was probably meant.
    pub fn sentence(&self) -> String {
        match &self.suggestion {
            Some(suggestion) => format!("{}, did you mean `{suggestion}`?", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Problem {
    /// `policies/20-routes.toml:12:8: error: [[routes]] "x": unknown key `metods`, did you mean
    /// `methods`?`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: ", self.location(), self.label())?;
        if !self.at.is_empty() {
            write!(formatter, "{}: ", self.at)?;
        }
        formatter.write_str(&self.sentence())
    }
}

/// The text of one file, kept so that an offset can be told as line and column.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// Path as it is shown.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

impl SourceText {
    /// Line and column of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> Position {
        Position::of(&self.text, offset)
    }
}

/// Where something stands: file, offset, section and key.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) source: Arc<SourceText>,
    pub(crate) offset: usize,
    pub(crate) section: Arc<str>,
    pub(crate) key: &'static str,
}

impl Place {
    /// `file:line` for naming a second place inside a message.
    pub(crate) fn short(&self) -> String {
        let position = self.source.position(self.offset);
        format!("{}:{}", self.source.path, position.line)
    }
}

/// A value together with where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Located<T> {
    /// The same place with another value.
    pub(crate) fn with<U>(&self, value: U) -> Located<U> {
        Located {
            value,
            place: self.place.clone(),
        }
    }
}

/// Most problems that are told one by one. Four megabytes of something else than a policy would
/// otherwise keep the process busy with describing it.
const MAX_PROBLEMS: usize = 500;

/// Every problem met so far. Behind cells, because readers of nested tables share it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: RefCell<Vec<Problem>>,
    untold: Cell<usize>,
}

impl Report {
    /// Adds a problem at a place.
    pub(crate) fn add(&self, place: &Place, kind: ProblemKind, message: impl Into<String>) {
        self.add_suggesting(place, kind, message, None);
    }

    /// Adds a problem at a place, with what was probably meant.
    pub(crate) fn add_suggesting(
        &self,
        place: &Place,
        kind: ProblemKind,
        message: impl Into<String>,
        suggestion: Option<&str>,
    ) {
        if self.problems.borrow().len() >= MAX_PROBLEMS {
            self.untold.set(self.untold.get() + 1);
            return;
        }
        let problem = Problem::at(place, kind, message.into(), suggestion);
        self.problems.borrow_mut().push(problem);
    }

    /// Whether nothing was added.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// Everything, by file and position, and how many more there are at the end.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        drop_misspelt(&mut problems);
        let untold = self.untold.get();
        problems
            .sort_by(|left, right| (&left.file, left.position).cmp(&(&right.file, right.position)));
        // A parser that lost its way says the same of one place again and again.
        problems.dedup();
        if untold > 0
            && let Some(last) = problems.last()
        {
            let message = format!("and {untold} more problems");
            problems.push(Problem::of_file(last.file.clone(), last.kind, message));
        }
        problems
    }
}

/// Takes away that a key is missing where a misspelt one is told to be it: that is one mistake.
fn drop_misspelt(problems: &mut Vec<Problem>) {
    let misspelt: Vec<_> = problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::UnknownKey)
        .filter_map(|problem| {
            let key = problem.suggestion.as_ref()?;
            let message = missing(key);
            Some((problem.file.clone(), problem.at.clone(), message))
        })
        .collect();
    problems.retain(|problem| {
        let told = |(file, at, message): &(String, String, String)| {
            problem.file == *file && problem.at == *at && problem.message == *message
        };
        problem.kind != ProblemKind::Missing || !misspelt.iter().any(told)
    });
}

/// That a key is missing.
pub(crate) fn missing(key: &str) -> String {
    format!("the key `{key}` is missing")
}

/// The candidate that was probably meant by `word`: one at most a third of its letters away by
/// insertions, deletions, replacements and swaps of neighbours, or `word` with a unit after it.
pub(crate) fn closest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::osa_distance(word, candidate);
            let near = distance <= (candidate.len() / 3).max(1);
            let lacks_unit = candidate
                .strip_prefix(word)
                .is_some_and(|rest| rest.starts_with('_'));
            (near || lacks_unit).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let source = SourceText {
            path: "p".into(),
            text: "a\nüb = 1\n".into(),
        };
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        let b = source.text.find('b').unwrap();
        assert_eq!(source.position(b), Position { line: 2, column: 2 });
        assert_eq!(source.position(999), Position { line: 3, column: 1 });
    }

    #[test]
    fn only_a_near_miss_is_suggested() {
        let keys = ["methods", "path", "roles", "upstream"];
        assert_eq!(closest("metods", keys), Some("methods"));
        assert_eq!(closest("role", keys), Some("roles"));
        assert_eq!(closest("quota", keys), None);
        assert_eq!(
            closest("timeout", ["timeout_seconds"]),
            Some("timeout_seconds")
        );
    }
}

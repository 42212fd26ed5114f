//! What the programs say of themselves: help, completions, man pages and the reference. All of it
//! comes out of the same commands that read the arguments, so none of it can be about others.

mod completions;
mod man;
mod reference;
pub mod shapes;

use clap::Command;
use clap::builder::Styles;

pub(in crate::cli) use completions::{CompletionsArguments, complete};
pub use man::pages;
pub(in crate::cli) use man::{ManArguments, write as write_pages};
pub use reference::reference;

/// Heading of the examples in what stands below the options of a command.
const EXAMPLES: &str = "Examples:";

/// Commands that stand together in the help of a program.
pub(in crate::cli) type Groups = &'static [(&'static str, &'static [&'static str])];

/// The command with its subcommands listed by group. One that is in no group stands below `Other`.
pub(in crate::cli) fn grouped(command: Command, groups: Groups) -> Command {
    let styles = Styles::default();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let widest = command
        .get_subcommands()
        .map(|it| it.get_name().len())
        .max()
        .unwrap_or_default();
    let entry = |name: &str| {
        let found = command.find_subcommand(name)?;
        let about = found.get_about().map(ToString::to_string);
        let padding = " ".repeat(widest.saturating_sub(name.len()));
        let about = about.unwrap_or_default();
        Some(format!("  {literal}{name}{literal:#}{padding}  {about}\n"))
    };
    let others: Vec<&str> = command
        .get_subcommands()
        .map(Command::get_name)
        .filter(|name| !groups.iter().any(|(_, names)| names.contains(name)))
        .collect();
    let mut listed = String::new();
    for (heading, names) in groups.iter().copied().chain([("Other", others.as_slice())]) {
        let entries: String = names.iter().filter_map(|name| entry(name)).collect();
        if !entries.is_empty() {
            listed.push_str(&format!("{header}{heading}:{header:#}\n{entries}\n"));
        }
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listed}\
         {header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// An example of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it is for.
    pub says: String,
    /// What is typed. It may be a pipe of several commands.
    pub line: String,
}

/// What stands below the options of a command: its examples, and notes.
pub fn below(command: &Command) -> (Vec<Example>, String) {
    let text = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut examples = Vec::new();
    let mut notes = Vec::new();
    let mut says = String::new();
    let mut among_examples = false;
    for line in text.lines() {
        match line.strip_prefix("  ") {
            _ if line == EXAMPLES => among_examples = true,
            Some(example) if among_examples => match example.strip_prefix("# ") {
                Some(comment) => says = comment.to_owned(),
                None => examples.push(Example {
                    says: std::mem::take(&mut says),
                    line: example.to_owned(),
                }),
            },
            _ if among_examples && line.is_empty() => {}
            _ => {
                among_examples = false;
                notes.push(line);
            }
        }
    }
    (examples, notes.join("\n").trim().to_owned())
}

/// Every command below this one that is no mere heading of others, itself included, by the words
/// that call it.
pub fn every(command: &Command) -> Vec<(String, Command)> {
    let mut built = command.clone();
    built.build();
    let mut found = Vec::new();
    gather(&built, built.get_name().to_owned(), &mut found);
    found
}

fn gather(command: &Command, path: String, found: &mut Vec<(String, Command)>) {
    found.push((path.clone(), command.clone()));
    for below in command.get_subcommands() {
        if below.get_name() != "help" {
            gather(below, format!("{path} {}", below.get_name()), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_told_from_notes() {
        let command = Command::new("x").after_help(
            "Examples:\n  # First\n  x --a\n\n  # Second\n  x --b | head\n\nA note\nof two lines.",
        );
        let (examples, notes) = below(&command);
        let typed: Vec<_> = examples.iter().map(|it| (&*it.says, &*it.line)).collect();
        assert_eq!(typed, [("First", "x --a"), ("Second", "x --b | head")]);
        assert_eq!(notes, "A note\nof two lines.");
    }

    #[test]
    fn a_command_in_no_group_is_listed_all_the_same() {
        let mut command = Command::new("x")
            .subcommand(Command::new("one").about("First."))
            .subcommand(Command::new("two").about("Second."));
        command = grouped(command, &[("Things", &["one", "absent"])]);
        let help = command.render_help().to_string();
        assert!(help.contains("Things:\n  one  First.\n"), "{help}");
        assert!(
            help.contains("Other:\n  two   Second.\n") || help.contains("Other:\n  two  Second.\n"),
            "{help}"
        );
        assert!(!help.contains("absent"), "{help}");
    }
}

//! The reference of both programs as a page, `docs/commands.md`.

use clap::{Arg, ArgAction, Command};

use super::man::EXIT_CODES;
use super::shapes::{SHAPES, Shape};
use super::{below, every};

/// What stands before the commands.
const HEAD: &str = "\
# Commands

<!-- Made from the programs themselves: `UPDATE_DOCS=1 cargo test --test commands`. -->

Both programs say the same by `--help`, and as man pages by `man --out DIR`. `completions SHELL` prints what a shell needs to complete them; `make install`
puts all of it in its place.

Results go to standard output, what people read about trouble to standard error. Colours and progress bars are for terminals only; `NO_COLOR` switches
colours off and `CLICOLOR_FORCE=1` on. With `--json` a result is one JSON document and nothing else is on standard output: members may be added to those
shown here, none is taken away within a major version. A reader that goes away (`| head`) ends a command quietly.

";

/// The page about these programs.
pub fn reference(programs: &[Command]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| exit code | means |\n| --- | --- |\n");
    for (code, means) in EXIT_CODES {
        page.push_str(&format!("| {code} | {means} |\n"));
    }
    page.push_str("\n| variable | says |\n| --- | --- |\n");
    page.push_str(&variables(programs));
    page.push_str(
        "| `RUST_LOG` | what `serve` writes to its log, as in `RUST_LOG=info,fabric_gate=debug` |\n",
    );
    for program in programs {
        for (path, command) in every(program) {
            page.push_str(&section(&path, command));
        }
    }
    page
}

fn variables(programs: &[Command]) -> String {
    let mut rows = Vec::new();
    for (_, command) in programs.iter().flat_map(every) {
        for argument in command.get_arguments() {
            if let (Some(name), Some(help)) = (argument.get_env(), argument.get_help()) {
                let name = name.to_string_lossy();
                let row = format!("| `{name}` | {} |\n", cell(&help.to_string()));
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
    }
    rows.concat()
}

fn section(path: &str, mut command: Command) -> String {
    let depth = path.split(' ').count();
    let heading = if depth == 1 { "##" } else { "###" };
    let mut text = format!("\n{heading} {path}\n\n");
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        text.push_str(&format!("{about}\n\n"));
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    text.push_str(&format!("```text\n{usage}\n```\n"));
    let rows: String = command.get_arguments().filter_map(row).collect();
    if !rows.is_empty() {
        text.push_str("\n| argument | means | default |\n| --- | --- | --- |\n");
        text.push_str(&rows);
    }
    let (examples, notes) = below(&command);
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}\n"));
    }
    if !examples.is_empty() {
        let mut lines = String::new();
        for example in &examples {
            if !example.says.is_empty() {
                let apart = if lines.is_empty() { "" } else { "\n" };
                lines.push_str(&format!("{apart}# {}\n", example.says));
            }
            lines.push_str(&format!("{}\n", example.line));
        }
        text.push_str(&format!("\n```sh\n{lines}```\n"));
    }
    let shape = SHAPES.iter().find(|(named, _)| *named == path);
    match shape {
        Some((_, Shape::Document(example))) => {
            text.push_str(&format!("\n`--json` prints\n\n```json\n{example}\n```\n"));
        }
        Some((_, Shape::Lines(says))) => {
            text.push_str(&format!("\nJSON Lines: {says}\n"));
        }
        None => {}
    }
    text
}

fn row(argument: &Arg) -> Option<String> {
    if argument.is_hide_set() || ["help", "version"].contains(&argument.get_id().as_str()) {
        return None;
    }
    let value = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map(ToString::to_string)
        .unwrap_or_default();
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let name = match (name.is_empty(), takes) {
        (true, _) => value,
        (false, true) => format!("{name} {value}"),
        (false, false) => name,
    };
    let mut means = argument.get_help()?.to_string();
    let choices = argument.get_possible_values();
    if takes && !choices.is_empty() {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| format!("`{}`", choice.get_name()))
            .collect();
        means.push_str(&format!(" One of {}.", choices.join(", ")));
    }
    let defaults: Vec<String> = match takes {
        true => argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect(),
        false => Vec::new(),
    };
    Some(format!(
        "| `{name}` | {} | {} |\n",
        cell(&means),
        defaults.join(", ")
    ))
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

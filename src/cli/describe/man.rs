//! `man`: a page for the program and one for each of its commands.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::{below, every};
use crate::cli::output::Output;
use crate::cli::{CommandError, say};

#[derive(Args, Debug)]
pub(in crate::cli) struct ManArguments {
    /// Write every page into this folder, as NAME.1; the program's own page to standard output when absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(in crate::cli) fn write(
    arguments: &ManArguments,
    command: &Command,
) -> Result<(), CommandError> {
    let pages = pages(command).map_err(|error| CommandError::unusable("the pages", &error))?;
    let Some(folder) = &arguments.out else {
        let first = pages.first().map(|(_, text)| text.as_slice());
        return Output::lock()
            .write_all(first.unwrap_or_default())
            .map_err(|error| CommandError::unusable("the page", &error));
    };
    let unusable = |error| CommandError::unusable(folder.display(), &error);
    fs::create_dir_all(folder).map_err(unusable)?;
    for (name, text) in &pages {
        fs::write(folder.join(name), text).map_err(unusable)?;
    }
    say(&format!("{} pages in {}", pages.len(), folder.display()));
    Ok(())
}

/// The pages of a program, by file name; its own first.
///
/// # Errors
/// Never; it is the shape of what renders them.
pub fn pages(command: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let names: Vec<String> = every(command).into_iter().map(|(path, _)| path).collect();
    every(command)
        .into_iter()
        .map(|(path, command)| {
            let page = page(&path, command, &names)?;
            Ok((format!("{}.1", path.replace(' ', "-")), page))
        })
        .collect()
}

fn page(path: &str, command: Command, all: &[String]) -> io::Result<Vec<u8>> {
    let (examples, notes) = below(&command);
    let has_commands = command.has_subcommands();
    let variables: Vec<(String, String)> = command
        .get_arguments()
        .filter_map(|argument| {
            let name = argument.get_env()?.to_string_lossy().into_owned();
            Some((name, argument.get_help()?.to_string()))
        })
        .collect();
    let program = path.split(' ').next().unwrap_or(path).to_owned();
    let name = path.replace(' ', "-");
    // Below the name of the page: `fabric-gate-audit-tail`, which `man` finds it by.
    let command = command.display_name(name.clone()).bin_name(path.to_owned());
    let man = Man::new(command)
        .title(name.to_uppercase())
        .date(CHANGED)
        .source(format!("{program} {}", env!("CARGO_PKG_VERSION")))
        .manual("Fabric Gate");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    paragraphs(&mut out, &notes)?;
    man.render_options_section(&mut out)?;
    if has_commands {
        writeln!(out, ".SH COMMANDS")?;
        for below in all.iter().filter(|it| is_below(it, path)) {
            writeln!(out, ".TP\n\\fB{}\\fR(1)", escaped(&below.replace(' ', "-")))?;
        }
    }
    if !examples.is_empty() {
        writeln!(out, ".SH EXAMPLES")?;
        for (index, example) in examples.iter().enumerate() {
            if index > 0 && !example.says.is_empty() {
                writeln!(out, ".PP")?;
            }
            if !example.says.is_empty() {
                writeln!(out, "{}\n.PP", escaped(&example.says))?;
            }
            writeln!(out, ".nf\n    {}\n.fi", escaped(&example.line))?;
        }
    }
    writeln!(out, ".SH EXIT STATUS")?;
    for (code, means) in EXIT_CODES {
        writeln!(out, ".TP\n{code}\n{}", escaped(means))?;
    }
    if !variables.is_empty() {
        writeln!(out, ".SH ENVIRONMENT")?;
        for (name, means) in &variables {
            writeln!(out, ".TP\n{}\n{}", escaped(name), escaped(means))?;
        }
    }
    let parent = path
        .rsplit_once(' ')
        .map(|(parent, _)| parent.replace(' ', "-"));
    if let Some(parent) = parent {
        writeln!(out, ".SH SEE ALSO\n\\fB{}\\fR(1)", escaped(&parent))?;
    }
    Ok(out)
}

/// When the pages were last another in more than wording. A page without a date can't be read by
/// every reader, and one of the day it was built on is another with each build.
const CHANGED: &str = "2026-11-22";

/// How the programs end.
pub(super) const EXIT_CODES: [(&str, &str); 4] = [
    ("0", "Done."),
    ("1", "The thing that was checked is bad."),
    ("2", "Wrong usage, or input that can't be used."),
    ("130", "Ended by Ctrl-C (as shells report it)."),
];

fn is_below(path: &str, parent: &str) -> bool {
    let rest = path
        .strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix(' '));
    rest.is_some_and(|rest| !rest.contains(' '))
}

fn paragraphs(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    for paragraph in text.split("\n\n").filter(|it| !it.is_empty()) {
        writeln!(out, ".PP")?;
        for line in paragraph.lines() {
            writeln!(out, "{}", escaped(line))?;
        }
    }
    Ok(())
}

/// A line of text as roff reads it: nothing of it is a request or an escape.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let text = text.replace('…', "...").replace('’', "'");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

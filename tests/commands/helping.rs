//! Help, man pages and the reference.

use std::fs;
use std::path::Path;

use clap::Command;
use fabric_gate::cli;
use fabric_gate::cli::describe::shapes::SHAPES;
use fabric_gate::cli::describe::{below, every, pages, reference};

use crate::folder::{Folder, complaint, printed};

fn programs() -> [Command; 2] {
    [cli::command(), cli::memory::command()]
}

/// Commands that do something, other than those that are headings of others.
fn doing(program: &Command) -> Vec<(String, Command)> {
    let mut all = every(program);
    all.retain(|(_, command)| !command.is_subcommand_required_set());
    all
}

#[test]
fn the_help_of_each_program_lists_its_commands_by_group() {
    for mut program in programs() {
        let help = program.render_help().to_string();
        insta::assert_snapshot!(program.get_name().to_owned(), help);
        assert!(
            !help.contains("\nOther:"),
            "a command has no group:\n{help}"
        );
    }
}

#[test]
fn every_command_has_examples_each_with_what_it_is_for() {
    for program in programs() {
        for (path, command) in doing(&program) {
            let (examples, _) = below(&command);
            assert!(!examples.is_empty(), "`{path}` has no examples");
            let own = examples.iter().any(|it| it.line.contains(&path));
            assert!(own, "no example of `{path}` shows it");
            assert!(!examples[0].says.is_empty(), "`{path}`: what for?");
        }
    }
}

/// The words of each call of a program in a line that a shell reads.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut words: Vec<Vec<String>> = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    let mut skipped = false;
    let split = line
        .replace("$(", " | ")
        .replace("<(", " | ")
        .replace(')', " | ");
    for character in split.chars().chain([' ']) {
        match (quote, character) {
            (Some(open), closing) if open == closing => quote = None,
            (None, '\'') => quote = Some('\''),
            (None, ' ' | '"') if !word.is_empty() => {
                let whole = std::mem::take(&mut word);
                match whole.as_str() {
                    "|" => words.push(Vec::new()),
                    ">" | ">>" => skipped = true,
                    _ if std::mem::take(&mut skipped) => {}
                    _ => words.last_mut().unwrap().push(whole),
                }
            }
            (None, ' ' | '"') => {}
            (_, other) => word.push(other),
        }
    }
    words.retain(|call| call.first().is_some_and(|name| name.starts_with("fabric-")));
    words
}

#[test]
fn every_example_is_a_command_line_that_its_program_takes() {
    let mut parsed = 0;
    for program in programs() {
        for (path, command) in every(&program) {
            for example in below(&command).0 {
                let calls = calls(&example.line);
                assert!(
                    !calls.is_empty(),
                    "`{path}`: `{}` calls nothing",
                    example.line
                );
                for words in calls {
                    let mut all = programs().into_iter();
                    let called = all.find(|it| it.get_name() == words[0]).unwrap();
                    let taken = called.try_get_matches_from(&words);
                    assert!(taken.is_ok(), "`{}`: {}", example.line, taken.unwrap_err());
                    parsed += 1;
                }
            }
        }
    }
    assert!(parsed > 40, "{parsed} examples were found");
}

#[test]
fn every_option_says_what_it_means_and_what_it_takes() {
    for program in programs() {
        for (path, command) in every(&program) {
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "`{path}` {id} has no help");
                if argument.get_action().takes_values() {
                    let names = argument.get_value_names().unwrap_or_default();
                    let loud = |name: &str| name.chars().all(|it| !it.is_lowercase());
                    assert!(
                        !names.is_empty() && names.iter().all(|name| loud(name)),
                        "`{path}` {id}: {names:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_form_of_every_json_document_is_written_down() {
    let mut paths: Vec<String> = Vec::new();
    for program in programs() {
        for (path, command) in doing(&program) {
            if command.get_arguments().any(|it| it.get_id() == "json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut written: Vec<_> = SHAPES.iter().map(|(path, _)| (*path).to_owned()).collect();
    written.sort();
    assert_eq!(paths, written);
}

#[test]
fn a_command_without_json_is_one_whose_result_is_no_data() {
    let without = [
        "fabric-gate",
        "fabric-gate serve",
        // It prints a schema, which is JSON, or a page.
        "fabric-gate schema",
        "fabric-gate completions",
        "fabric-gate man",
        "fabric-memory",
        "fabric-memory serve",
        "fabric-memory openapi",
        "fabric-memory completions",
        "fabric-memory man",
    ];
    for program in programs() {
        for (path, command) in doing(&program) {
            let has = command.get_arguments().any(|it| it.get_id() == "json");
            assert!(
                has || without.contains(&path.as_str()),
                "`{path}` has no --json"
            );
        }
    }
}

#[test]
fn the_page_of_commands_is_what_the_programs_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let made = reference(&programs());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &made).unwrap();
    }
    let kept = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        kept == made,
        "docs/commands.md is another: `UPDATE_DOCS=1 cargo test --test commands` writes it"
    );
}

#[test]
fn every_command_has_a_man_page_with_its_examples_and_exit_codes() {
    let folder = Folder::empty();
    for program in programs() {
        let name = program.get_name().to_owned();
        let arguments = ["man", "--out", "pages"];
        printed(&match &*name {
            "fabric-gate" => folder.gate(&arguments),
            _ => folder.memory(&arguments),
        });
        for (file, text) in pages(&program).unwrap() {
            let page = folder.read(&format!("pages/{file}"));
            assert_eq!(page.as_bytes(), text, "{file}");
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"] {
                let heading = format!(".SH {section}");
                let quoted = format!(".SH \"{section}\"");
                assert!(
                    page.contains(&heading) || page.contains(&quoted),
                    "{file}: {section}"
                );
            }
        }
        for (path, command) in doing(&program) {
            let page = folder.read(&format!("pages/{}.1", path.replace(' ', "-")));
            let shown = below(&command).0;
            assert_eq!(page.matches("\n.nf\n").count(), shown.len(), "{path}");
        }
    }
}

#[test]
fn what_is_mistyped_is_answered_with_what_was_meant() {
    let folder = Folder::empty();
    for (typed, meant) in [
        (&["chekc"][..], "check"),
        (&["audit", "verfiy"], "verify"),
        (&["audit", "tail", "--tenat", "acme"], "--tenant"),
    ] {
        let told = complaint(&folder.gate(typed), 2);
        assert!(told.contains(meant), "{typed:?}: {told}");
    }
    let told = complaint(&folder.memory(&["exprot"]), 2);
    assert!(told.contains("export"), "{told}");
}

//! What pages tell to type, and what they call to witness: commands that exist, keys that exist,
//! tests that exist, and no block that nobody looks at.

use std::collections::BTreeSet;
use std::process::Command;

use fabric_gate::config::Config;
use fabric_gate::config::memory::MemoryConfig;
use fabric_gate::policy::{PolicyDirectory, Problem, ProblemKind, compile};
use fabric_gate::secret::SecretResolver;

use crate::pages::{all, blocks, prose, root};

/// The pages whose blocks of a shell are run (`started`).
const FOLLOWED: [&str; 4] = [
    "README.md",
    "docs/getting-started/",
    "docs/incidents.md",
    "docs/operating.md",
];

/// A page that the programs write themselves: its examples are theirs, and held to be commands here.
const WRITTEN: &str = "docs/commands.md";

/// What stands behind a fence, and who looks at such a block.
const KINDS: [(&str, &str); 23] = [
    ("sh", "started"),
    ("sh fails", "started"),
    ("sh serve", "started"),
    ("text output", "started"),
    ("sh install", "started: its targets and scripts are there"),
    ("sh command", "here: the commands are ones"),
    ("python", "started: it is Python"),
    ("toml policy", "main"),
    ("toml config", "main"),
    ("toml memory", "main"),
    ("toml cases", "cases"),
    ("http memory", "tests/memory/documented.rs"),
    ("promql", "tests/telemetry/page.rs"),
    ("yaml values", "tests/deploy/documented.rs"),
    ("yaml inject", "tests/deploy/documented.rs"),
    ("console", "here: the commands are ones"),
    ("json", "here: it is JSON"),
    ("sql", "postgres"),
    ("sh migrate", "postgres"),
    (
        "sql citus",
        "nobody: it needs an extension, and its page says that it was not run",
    ),
    ("yaml", "nobody: it is for another program"),
    ("vim", "nobody: the same"),
    ("text", "nobody: it is what something looks like"),
];

#[test]
fn every_block_says_who_looks_at_it() {
    for block in blocks() {
        let known = KINDS.iter().any(|(kind, _)| *kind == block.info);
        assert!(
            known,
            "{}: `{}` is no kind of block",
            block.place(),
            block.info
        );
        let is_run = ["sh", "sh fails", "sh serve", "text output"].contains(&block.info.as_str());
        let place = block.place();
        assert!(
            !is_run
                || place.starts_with(WRITTEN)
                || FOLLOWED.iter().any(|page| place.starts_with(page)),
            "{place}: nobody runs the shell of this page; say `sh command` or `text`"
        );
    }
}

#[test]
fn every_json_that_is_shown_is_json() {
    for block in crate::pages::with_info("json") {
        let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
        assert!(parsed.is_ok(), "{}: {parsed:?}", block.place());
    }
}

/// Commands of our programs in a text, as one would type them. What stands in quotes is one word.
fn typed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for program in ["fabric-gate", "fabric-memory"] {
        for (at, _) in text.match_indices(program) {
            let arguments = &text[at + program.len()..];
            // A name among another command's arguments is none of ours.
            let before = text[..at].trim_end();
            let begins = before.is_empty() || before.ends_with(['|', '&', ';', '(', '!']);
            if !begins || !arguments.starts_with(' ') {
                continue;
            }
            let mut command = program.to_owned();
            let mut quote = None;
            for char in arguments.chars() {
                match (quote, char) {
                    (Some(open), _) if open == char => quote = None,
                    (Some(_), _) => {}
                    (None, '"' | '\'') => {
                        quote = Some(char);
                        command.push('Q');
                    }
                    (None, '|' | ';' | '&' | '>' | '<' | '#' | '`' | ')' | '\n' | '\\') => break,
                    (None, _) => command.push(char),
                }
            }
            found.push(command.trim().to_owned());
        }
    }
    found
}

/// The parts of a line between backticks.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// A command is one if the program explains it, which it does before it asks for what is missing.
fn is_a_command(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let program = match words.next() {
        Some("fabric-memory") => env!("CARGO_BIN_EXE_fabric-memory"),
        _ => env!("CARGO_BIN_EXE_fabric-gate"),
    };
    let explained = Command::new(program)
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    explained.status.success()
}

#[test]
fn every_command_that_is_shown_is_one() {
    let mut shown = BTreeSet::new();
    for page in all() {
        for (_, line) in prose(&page) {
            for span in spans(&line) {
                if span.starts_with("fabric-gate ") || span.starts_with("fabric-memory ") {
                    shown.extend(typed(span).into_iter().map(|it| (it, page.clone())));
                }
            }
        }
    }
    for block in blocks()
        .into_iter()
        .filter(|block| block.info.starts_with("sh") || block.info == "console")
    {
        for line in block
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            shown.extend(typed(line).into_iter().map(|it| (it, block.page.clone())));
        }
    }
    assert!(shown.len() > 30, "commands are looked for wrong: {shown:?}");
    // `fabric-gate COMMAND --help` speaks of all of them.
    shown.retain(|(command, _)| !command.contains(" COMMAND"));
    for (command, page) in shown {
        assert!(is_a_command(&command), "{}: `{command}`", page.display());
    }
}

#[test]
fn a_command_that_is_none_is_found() {
    assert!(is_a_command("fabric-gate audit verify --config FILE"));
    assert!(!is_a_command("fabric-gate audit verfy"));
    assert!(!is_a_command(
        "fabric-gate audit verify --configuration FILE"
    ));
    assert!(!is_a_command("fabric-memory bakcup acme FILE"));
}

/// Whether a table of a configuration or of policies has this key.
fn is_a_key(table: &str, key: &str) -> bool {
    let environment = SecretResolver::default();
    let unknown = |problems: &[Problem]| {
        problems.iter().any(|problem| {
            problem.kind == ProblemKind::UnknownKey || problem.message.starts_with("unknown")
        })
    };
    let text = format!("{table}\n{key} = 0\n");
    let policy = PolicyDirectory::from_texts(&root(), [("asked.toml", text.as_str())]).map_or_else(
        |problems| !unknown(&problems),
        |files| compile(&files, &environment).map_or_else(|it| !unknown(&it), |_| true),
    );
    let config = Config::parse("asked.toml", &text, &environment);
    let memory = MemoryConfig::parse("asked.toml", &text, &environment);
    policy
        || config.map_or_else(|it| !unknown(&it), |_| true)
        || memory.map_or_else(|it| !unknown(&it), |_| true)
}

/// `[state] retention_days` in a text: the table and the key.
fn named(span: &str) -> Option<(&str, &str)> {
    let (table, rest) = span.split_once("] ")?;
    let double = table.starts_with("[[");
    let close = if double { "]" } else { "" };
    let name = table.trim_start_matches('[').trim_end_matches(']');
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|char| char.is_ascii_lowercase() || char == '_')
    };
    let key = rest.split([' ', ',', '=', '|', '.']).next()?;
    let table = &span[..table.len() + 1];
    (plain(name) && plain(key) && (close.is_empty() || table.ends_with("]]")))
        .then_some((table, key))
}

#[test]
fn every_key_that_is_named_with_its_table_is_one() {
    let mut asked = 0;
    for page in all() {
        for (number, line) in prose(&page) {
            for (table, key) in spans(&line).into_iter().filter_map(named) {
                asked += 1;
                assert!(
                    is_a_key(table, key),
                    "{}:{number}: `{table} {key}`",
                    page.display()
                );
            }
        }
    }
    assert!(asked > 30, "keys are looked for wrong: {asked}");
    assert!(is_a_key("[state]", "retention_days") && !is_a_key("[state]", "retention_dayz"));
    assert!(is_a_key("[[upstreams]]", "profile") && !is_a_key("[[upstreams]]", "profiles"));
}

#[test]
fn every_file_that_is_called_to_witness_is_there_and_has_the_tests_named_with_it() {
    let mut called = 0;
    for page in all() {
        for (number, line) in prose(&page) {
            let mut witness = None;
            for span in spans(&line) {
                let path = span.split([' ', ',']).next().unwrap_or_default();
                let place = format!("{}:{number}: `{span}`", page.display());
                if [
                    "tests/",
                    "src/",
                    "benches/",
                    "deploy/",
                    "scripts/",
                    "examples/",
                ]
                .iter()
                .any(|folder| path.starts_with(folder))
                {
                    called += 1;
                    assert!(root().join(path).exists(), "{place} is not there");
                    witness = path.ends_with(".rs").then(|| root().join(path));
                } else if let Some(file) = &witness
                    && is_a_test_name(span)
                {
                    called += 1;
                    let text = std::fs::read_to_string(file).unwrap();
                    assert!(
                        text.contains(&format!("fn {span}(")),
                        "{place} is no test of {file:?}"
                    );
                }
            }
        }
    }
    assert!(called > 100, "witnesses are looked for wrong: {called}");
}

/// Names of tests are sentences.
fn is_a_test_name(text: &str) -> bool {
    text.matches('_').count() >= 3
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
}

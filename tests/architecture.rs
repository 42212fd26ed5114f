//! The direction of imports: an arrow may only point down.
//!
//! `bin → cli → admin, config → explain → proxy → pipeline → policy, audit → state → ownership, budget →
//! identity, inspect, telemetry → secret → decision, tenant, money, clock, keys`. This test reads `src/**` and fails where a module imports one
//! above it, where pingora is known outside of `proxy`, or axum outside of `admin` (and the place
//! that assembles them).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Module and the modules it may import besides itself.
const ARROWS: [(&str, &[&str]); 23] = [
    ("clock", &[]),
    ("keys", &[]),
    ("tenant", &[]),
    ("decision", &[]),
    ("secret", &[]),
    ("money", &[]),
    ("inspect", &["decision", "money"]),
    ("identity", &["clock", "decision", "tenant"]),
    ("audit", &["clock", "decision", "identity", "tenant"]),
    ("memory", &["clock", "identity", "tenant"]),
    (
        "memory_api",
        &[
            "clock", "decision", "identity", "inspect", "memory", "tenant",
        ],
    ),
    (
        "telemetry",
        &["audit", "budget", "clock", "identity", "money", "tenant"],
    ),
    (
        "ownership",
        &["clock", "decision", "identity", "inspect", "tenant"],
    ),
    (
        "budget",
        &["clock", "decision", "inspect", "money", "tenant"],
    ),
    (
        "state",
        &[
            "budget",
            "clock",
            "decision",
            "identity",
            "money",
            "ownership",
            "tenant",
        ],
    ),
    (
        "policy",
        &[
            "budget",
            "clock",
            "decision",
            "identity",
            "inspect",
            "keys",
            "money",
            "ownership",
            "secret",
            "tenant",
        ],
    ),
    (
        "pipeline",
        &[
            "audit",
            "budget",
            "clock",
            "decision",
            "identity",
            "inspect",
            "money",
            "ownership",
            "policy",
            "telemetry",
            "tenant",
        ],
    ),
    (
        "config",
        &["identity", "keys", "policy", "secret", "tenant"],
    ),
    (
        "proxy",
        &[
            "audit",
            "budget",
            "clock",
            "decision",
            "identity",
            "inspect",
            "money",
            "ownership",
            "pipeline",
            "policy",
            "telemetry",
            "tenant",
        ],
    ),
    (
        "explain",
        &[
            "audit",
            "budget",
            "clock",
            "decision",
            "identity",
            "inspect",
            "money",
            "ownership",
            "pipeline",
            "policy",
            "proxy",
            "telemetry",
            "tenant",
        ],
    ),
    (
        "admin",
        &[
            "audit",
            "budget",
            "clock",
            "decision",
            "explain",
            "money",
            "ownership",
            "pipeline",
            "policy",
            "telemetry",
            "tenant",
        ],
    ),
    (
        "cli",
        &[
            "admin",
            "audit",
            "budget",
            "clock",
            "config",
            "explain",
            "identity",
            "inspect",
            "keys",
            "memory",
            "memory_api",
            "money",
            "ownership",
            "pipeline",
            "policy",
            "proxy",
            "secret",
            "state",
            "telemetry",
            "tenant",
        ],
    ),
    ("bin", &["cli"]),
];

/// A crate and the modules that may know it.
const CONFINED: [(&str, &[&str]); 14] = [
    ("pingora", &["proxy"]),
    ("pingora_timeout", &["proxy"]),
    ("axum", &["admin", "cli", "memory_api"]),
    ("clap", &["cli"]),
    ("prometheus", &["memory_api", "telemetry"]),
    ("hyper", &["memory_api"]),
    ("utoipa", &["cli", "memory_api"]),
    ("rmcp", &["memory_api"]),
    ("notify", &["policy"]),
    ("opentelemetry_proto", &["telemetry"]),
    ("prost", &["telemetry"]),
    ("deadpool_postgres", &["memory"]),
    ("tokio_postgres", &["memory"]),
    ("rusqlite", &["memory", "state"]),
];

/// One line that names another module or crate.
struct Mention {
    file: PathBuf,
    line: usize,
    module: String,
    text: String,
}

fn source_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn mentions() -> Vec<Mention> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let mut found = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        for (index, text) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            // Tests below the code may build what they need from wherever it is.
            if text.starts_with("mod tests {") {
                break;
            }
            let code = text.split("//").next().unwrap_or_default();
            found.push(Mention {
                file: relative.to_owned(),
                line: index + 1,
                module: module.clone(),
                text: code.to_owned(),
            });
        }
    }
    found
}

/// Whether `text` names `path::` as a whole word.
fn names(text: &str, path: &str) -> bool {
    let wanted = format!("{path}::");
    text.match_indices(&wanted).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|character| {
            !(character.is_alphanumeric() || character == '_' || character == ':')
        })
    })
}

#[test]
fn no_import_runs_against_the_arrows() {
    let modules: Vec<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for mention in mentions() {
        let (_, allowed) = ARROWS
            .iter()
            .find(|(module, _)| *module == mention.module)
            .unwrap_or_else(|| {
                panic!(
                    "`{}` has no place in the arrows: give it one",
                    mention.module
                )
            });
        for other in &modules {
            let imports = names(&mention.text, &format!("crate::{other}"))
                || names(&mention.text, &format!("fabric_gate::{other}"));
            if imports && *other != mention.module && !allowed.contains(other) {
                wrong.push(format!(
                    "{}:{} imports `{other}`",
                    mention.file.display(),
                    mention.line
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the arrows:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_explain_can_suppose_a_caller() {
    let wrong: Vec<String> = mentions()
        .iter()
        .filter(|mention| mention.module != "explain")
        .filter(|mention| mention.text.contains("Principal::supposed"))
        .map(|mention| format!("{}:{}", mention.file.display(), mention.line))
        .collect();
    assert!(
        wrong.is_empty(),
        "who is only supposed to call is let in by nothing:\n{}",
        wrong.join("\n")
    );
    let asks = mentions();
    let mut asks = asks
        .iter()
        .filter(|it| it.text.contains("Principal::supposed("));
    assert!(asks.next().is_some(), "the test looks for what is there");
}

#[test]
fn crates_that_shape_code_are_known_in_one_place_each() {
    let mut wrong = Vec::new();
    for mention in mentions() {
        for (library, places) in CONFINED {
            if names(&mention.text, library) && !places.contains(&mention.module.as_str()) {
                wrong.push(format!(
                    "{}:{} knows `{library}`",
                    mention.file.display(),
                    mention.line
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "crates beyond their place:\n{}",
        wrong.join("\n")
    );
}

/// What makes the rights of the operator, over any tenant, and who may know it.
const RIGHTS_OF_THE_OPERATOR: [(&str, &[&str]); 3] = [
    ("at_this_machine", &["memory/caller/", "cli/memory/tenant/"]),
    (
        "Operator",
        &["memory/caller/", "memory/mod.rs", "cli/memory/tenant/"],
    ),
    ("Oversight", &["memory/", "cli/memory/tenant/"]),
];

#[test]
fn no_request_can_come_by_the_rights_of_the_operator() {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let mut wrong = Vec::new();
    let mut known = 0;
    for mention in mentions() {
        for (name, places) in RIGHTS_OF_THE_OPERATOR {
            if !mention
                .text
                .split(|it| !is_part(it))
                .any(|word| word == name)
            {
                continue;
            }
            known += 1;
            let file = mention.file.to_string_lossy();
            if !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file}:{} knows `{name}`", mention.line));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "rights over any tenant beyond the commands:\n{}",
        wrong.join("\n")
    );
    assert!(
        known > 10,
        "{known} places know them: have they another name?"
    );
}

#[test]
fn no_source_file_is_past_five_hundred_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let long: Vec<String> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .map(|(file, lines)| format!("{} has {lines} lines", file.display()))
        .collect();
    assert!(
        long.is_empty(),
        "which two ideas are in each?\n{}",
        long.join("\n")
    );
}

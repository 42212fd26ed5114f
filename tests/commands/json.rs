//! `--json`: one document on standard output, of the form that is written down, and nothing else.

use std::process::Output;

use fabric_gate::cli::describe::shapes::{SHAPES, Shape};
use serde_json::{Deserializer, Value};

use crate::folder::{Folder, text};
use crate::memory::{LINES, memory_folder};

/// What a command printed, as what it promises to print.
fn held_to_its_shape(path: &str, output: &Output) {
    let (_, shape) = SHAPES.iter().find(|(named, _)| *named == path).unwrap();
    let printed = text(&output.stdout);
    let values: Vec<Value> = Deserializer::from_str(&printed)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("`{path}`: {error}:\n{printed}\n{}", text(&output.stderr)));
    match shape {
        Shape::Lines(_) => {
            assert!(!values.is_empty(), "`{path}` printed nothing");
            assert_eq!(
                values.len(),
                printed.lines().count(),
                "`{path}`: a line each"
            );
        }
        Shape::Document(example) => {
            assert_eq!(values.len(), 1, "`{path}`: {printed}");
            let example: Value = serde_json::from_str(example).unwrap();
            held(path, &example, &values[0], "");
        }
    }
}

fn held(path: &str, example: &Value, actual: &Value, at: &str) {
    match (example, actual) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(example), Value::Object(actual)) => {
            for (name, example) in example {
                let there = actual.get(name);
                let there = there.unwrap_or_else(|| panic!("`{path}` has no {at}/{name}"));
                held(path, example, there, &format!("{at}/{name}"));
            }
        }
        (Value::Array(example), Value::Array(actual)) => {
            if let (Some(example), Some(actual)) = (example.first(), actual.first()) {
                held(path, example, actual, &format!("{at}/0"));
            }
        }
        (example, actual) => assert_eq!(
            std::mem::discriminant(example),
            std::mem::discriminant(actual),
            "`{path}` {at}: {example} and {actual}"
        ),
    }
}

const CASE: &str = r#"
[[cases]]
name = "somebody of a listed tenant is let in"
as = { tenant = "acme", user = "alice" }
request = { method = "GET", path = "/x" }
expect = { decision = "permit" }
"#;

/// Nobody answers it: that is bad, and told in the same form.
const ASKS_A_RUNNING_PROGRAM: &str = "health";

const PRICES: &str = r#"{"gpt-x":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":2e-6},"old":{"mode":"nothing"}}"#;

#[test]
fn every_command_of_the_gate_prints_the_json_it_promises() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    folder.write("prices.json", PRICES);
    folder.write("policies/one.cases.toml", CASE);
    let all: &[(&str, &[&str])] = &[
        ("fabric-gate init", &["init", "another"]),
        ("fabric-gate check", &["check"]),
        ("fabric-gate health", &["health"]),
        (
            "fabric-gate explain",
            &[
                "explain", "--tenant", "acme", "--user", "alice", "GET", "/x",
            ],
        ),
        ("fabric-gate test", &["test"]),
        ("fabric-gate replay", &["replay"]),
        ("fabric-gate diff", &["diff", "policies", "policies"]),
        ("fabric-gate shadow", &["shadow"]),
        ("fabric-gate profile list", &["profile", "list"]),
        ("fabric-gate profile show", &["profile", "show", "a2a"]),
        (
            "fabric-gate prices import",
            &["prices", "import", "prices.json"],
        ),
        ("fabric-gate prices list", &["prices", "list"]),
        (
            "fabric-gate prices show",
            &["prices", "show", "gpt-4o-mini"],
        ),
        ("fabric-gate key new", &["key", "new", "--tenant", "acme"]),
        (
            "fabric-gate dev token",
            &["dev", "token", "--tenant", "acme", "--user", "alice"],
        ),
        ("fabric-gate audit verify", &["audit", "verify"]),
        ("fabric-gate audit export", &["audit", "export"]),
        ("fabric-gate audit tail", &["audit", "tail", "--no-follow"]),
        ("fabric-gate spend", &["spend"]),
        (
            "fabric-gate spend adjust",
            &[
                "spend", "adjust", "--tenant", "acme", "--usd=1", "--reason", "why",
            ],
        ),
        ("fabric-gate spend verify", &["spend", "verify"]),
        ("fabric-gate statement", &["statement", "--tenant", "acme"]),
    ];
    for (path, arguments) in all {
        let output = folder.gate(&[arguments, &["--json"][..]].concat());
        let bad = i32::from(arguments[0] == ASKS_A_RUNNING_PROGRAM);
        assert_eq!(output.status.code(), Some(bad), "`{path}`: {output:?}");
        held_to_its_shape(path, &output);
    }
    let tried: Vec<&str> = all.iter().map(|(path, _)| *path).collect();
    for (path, _) in SHAPES
        .iter()
        .filter(|(it, _)| it.starts_with("fabric-gate "))
    {
        assert!(tried.contains(path), "`{path}` was not run");
    }
}

#[test]
fn every_command_of_the_memory_service_prints_the_json_it_promises() {
    let folder = memory_folder();
    folder.write("acme.jsonl", LINES);
    let tenant = ["--tenant", "acme"];
    let all: &[(&str, &[&str])] = &[
        ("fabric-memory check", &["check"]),
        ("fabric-memory health", &["health"]),
        ("fabric-memory migrate", &["migrate"]),
        ("fabric-memory import", &["import", "acme.jsonl"]),
        ("fabric-memory stats", &["stats"]),
        ("fabric-memory export", &["export", "--out", "out.jsonl"]),
        ("fabric-memory backup", &["backup", "acme", "acme.db"]),
        ("fabric-memory restore", &["restore", "acme", "acme.db"]),
        ("fabric-memory erase", &["erase", "--yes"]),
    ];
    for (path, arguments) in all {
        let whose: &[&str] = match arguments[0] {
            "check" | "health" | "migrate" | "backup" | "restore" => &[],
            _ => &tenant,
        };
        let output = folder.memory(&[arguments, whose, &["--json"]].concat());
        let bad = i32::from(arguments[0] == ASKS_A_RUNNING_PROGRAM);
        assert_eq!(output.status.code(), Some(bad), "`{path}`: {output:?}");
        held_to_its_shape(path, &output);
    }
    let tried: Vec<&str> = all.iter().map(|(path, _)| *path).collect();
    for (path, _) in SHAPES
        .iter()
        .filter(|(it, _)| it.starts_with("fabric-memory "))
    {
        assert!(tried.contains(path), "`{path}` was not run");
    }
}

#[test]
fn what_is_bad_is_a_document_too_and_ends_with_1() {
    let folder = Folder::initial(&[]);
    folder.write("policies/99.toml", "[tenancy]\nunknwon = \"deny\"\n");
    let output = folder.gate(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["good"], false);
}

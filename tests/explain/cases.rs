//! `*.cases.toml`: the shipped ones pass, a wrong expectation fails, and a mistake in a file is told
//! with its place.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn test(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .arg("test")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

const POLICIES: &str = r#"
[[tenants]]
id = "acme"
[[upstreams]]
name = "backend"
url = "http://127.0.0.1:9"
authorization = "handle:tenant/{tenant}/key"
assertion = true
[[routes]]
name = "read"
upstream = "backend"
methods = ["GET"]
path = "/things/{id}"
roles = ["member"]
resource = { kind = "thing", id = "path:id" }
"#;

/// A folder with these policies and cases.
fn folder(cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), POLICIES).unwrap();
    fs::write(folder.path().join("a.cases.toml"), cases).unwrap();
    folder
}

fn run(folder: &Path, more: &[&str]) -> Output {
    let path = folder.display().to_string();
    let arguments: Vec<&str> = std::iter::once(path.as_str())
        .chain(more.iter().copied())
        .collect();
    test(&arguments)
}

#[test]
fn the_cases_of_the_shipped_policies_pass() {
    let output = test(&["policies"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("19 passed, 0 failed"),
        "{}",
        text(&output)
    );
}

const GOOD: &str = r#"
[[cases]]
name = "a member reads what its tenant has"
as = { tenant = "acme", user = "alice", roles = ["member"] }
owned = [{ kind = "thing", id = "t-1", tenant = "acme" }]
request = { method = "GET", path = "/things/t-1" }
expect = { decision = "permit", backend = { headers = { authorization = "Bearer …", x-fabric-assertion = "…" } } }
"#;

#[test]
fn a_good_case_passes_without_secrets_backends_or_files() {
    let folder = folder(GOOD);
    let before = fs::read_dir(folder.path()).unwrap().count();
    let output = run(folder.path(), &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
}

#[test]
fn a_case_that_expects_otherwise_fails_with_what_came() {
    let wrong = GOOD
        .replace("\"permit\"", "\"deny\"")
        .replace("name = \"a", "name = \"no");
    let folder = folder(&format!("{GOOD}{wrong}"));
    let output = run(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output);
    assert!(
        told.contains("decision: expected deny, got permit"),
        "{told}"
    );
    assert!(told.contains("a.cases.toml:9"), "{told}");
    assert!(told.contains("1 passed, 1 failed"), "{told}");
    let output = run(folder.path(), &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["failed"], 1);
    assert_eq!(document["cases"][1]["differences"][0]["what"], "decision");
    let output = run(folder.path(), &["--filter", "a member"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = run(folder.path(), &["--junit"]);
    assert!(
        text(&output).contains("failures=\"1\""),
        "{}",
        text(&output)
    );
}

#[test]
fn what_belongs_to_another_case_is_not_there() {
    let unowned = GOOD
        .replace(
            "owned = [{ kind = \"thing\", id = \"t-1\", tenant = \"acme\" }]\n",
            "",
        )
        .replace("name = \"a", "name = \"no");
    let folder = folder(&format!("{GOOD}{unowned}"));
    let output = run(folder.path(), &[]);
    assert!(
        text(&output).contains("expected permit, got deny"),
        "{}",
        text(&output)
    );
}

#[test]
fn every_mistake_in_a_file_is_told_with_its_place() {
    let folder = folder(
        r#"
[[cases]]
name = "one"
request = { method = "GET", path = "/", header = {} }
expect = { decison = "permit" }
[[cases]]
name = "one"
request = { method = "GET" }
expect = { decision = "allow" }
[[case]]
"#,
    );
    let output = run(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output);
    for expected in [
        "a.cases.toml:4:",
        "unknown key `header`, did you mean `headers`?",
        "a.cases.toml:5:",
        "did you mean `decision`?",
        "the name stands at",
        "the key `path` is missing",
        "`allow` is none of",
        "did you mean `cases`?",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn a_run_of_nothing_is_no_run_that_passed() {
    let folder = folder(GOOD);
    assert_eq!(
        run(folder.path(), &["--filter", "nobody"]).status.code(),
        Some(2)
    );
    fs::remove_file(folder.path().join("a.cases.toml")).unwrap();
    assert_eq!(run(folder.path(), &[]).status.code(), Some(2));
}

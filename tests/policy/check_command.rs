//! `fabric-gate check` as a command: what goes where, and how it ends.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use super::*;

const BROKEN: &str = "tests/policy/broken/01-mistyped-key";
const WARNED: &str = "tests/policy/lints/shadow-rule/trips";
const GOOD: &str = "tests/policy/lints/shadow-rule/holds";

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .arg("check")
        .args(arguments)
        .env_remove("FABRIC_GATE_CONFIG")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(arguments: &[&str]) -> Option<i32> {
    check(arguments).status.code()
}

#[test]
fn what_is_no_folder_ends_with_2_and_a_folder_without_policies_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let told = check(&[nowhere.to_str().unwrap(), "--format", "short"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(stderr(&told).contains("nowhere: error:"), "{told:?}");
    assert!(stderr(&told).contains("is no folder"), "{told:?}");
    assert_ne!(code(&[folder.path().to_str().unwrap()]), Some(2));
}

#[test]
fn errors_end_with_1_and_warnings_only_where_they_are_denied() {
    assert_eq!(code(&[GOOD, "--deny-warnings"]), Some(0));
    assert_eq!(code(&[WARNED]), Some(0));
    assert_eq!(code(&[WARNED, "--deny-warnings"]), Some(1));
    let allowed = ["--deny-warnings", "--allow", "shadow-rule"];
    assert_eq!(code(&[&[WARNED], &allowed[..]].concat()), Some(0));
    let another = ["--deny-warnings", "--allow", "role-near-miss"];
    assert_eq!(code(&[&[WARNED], &another[..]].concat()), Some(1));
    assert_eq!(code(&[BROKEN]), Some(1));
}

#[test]
fn a_lint_that_does_not_exist_is_wrong_usage() {
    let output = check(&[WARNED, "--allow", "shadow-rul"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("check --lints"), "{output:?}");
}

#[test]
fn away_from_a_terminal_each_problem_is_one_line_that_editors_read() {
    let output = check(&[BROKEN]);
    let told = stderr(&output);
    let (problems, number) = told.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(number, "3 problems");
    let file = format!("{BROKEN}/policies.toml:");
    for line in problems.lines() {
        let rest = line.strip_prefix(&file).expect("the file");
        let mut parts = rest.splitn(3, ':');
        let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
        assert!(number() > 0 && number() > 0);
        assert!(parts.next().unwrap().starts_with(" error: "), "{line}");
    }
    assert_eq!(stdout(&output), "", "nothing for programs");
}

#[test]
fn the_line_in_question_is_shown_without_colours_away_from_a_terminal() {
    let told = stderr(&check(&[BROKEN, "--format", "human"]));
    assert!(told.contains("metods = [\"GET\"]\n"), "{told}");
    assert!(told.contains("| ^^^^^^\n"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_warning_is_told_to_people_beside_what_the_policies_hold() {
    let output = check(&[WARNED]);
    assert!(
        stderr(&output).contains(": warning[shadow-rule]: [[rules]] "),
        "{output:?}"
    );
    assert!(stdout(&output).starts_with("revision "), "{output:?}");
    assert!(!stdout(&output).contains("no problems"), "{output:?}");
    let good = check(&[GOOD]);
    assert!(stdout(&good).contains("; no problems"), "{good:?}");
    assert_eq!(stderr(&good), "");
}

#[test]
fn programs_get_one_document_on_standard_output() {
    for arguments in [&["--json"][..], &["--format", "json"]] {
        let document = |directory: &str| -> Value {
            let output = check(&[&[directory], arguments].concat());
            assert_eq!(stderr(&output), "");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let warned = document(WARNED);
        assert_eq!(warned["good"], true);
        assert_eq!(warned["problems"], serde_json::json!([]));
        assert_eq!(warned["warnings"][0]["lint"], "shadow-rule");
        assert_eq!(warned["summary"]["rules"], 1);
        let broken = document(BROKEN);
        assert_eq!(broken["good"], false);
        assert_eq!(broken["problems"].as_array().unwrap().len(), 3);
        assert_eq!(broken["summary"], Value::Null);
    }
    let sarif = check(&[BROKEN, "--format", "sarif"]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let github = stdout(&check(&[WARNED, "--format", "github"]));
    assert!(
        github.starts_with(&format!("::warning file={WARNED}/policies.toml,line=")),
        "{github}"
    );
    assert_eq!(stdout(&check(&[GOOD, "--format", "github"])), "");
}

#[test]
fn every_lint_is_described_on_request() {
    let told = stdout(&check(&["--lints"]));
    for lint in fabric_gate::policy::LINTS {
        assert!(told.contains(&format!("{}\n", lint.name)), "{}", lint.name);
        assert!(told.contains(lint.remedy), "{}", lint.name);
    }
}

/// A configuration beside a policy directory; answers its path.
fn configured(folder: &Path, listen: &str, extra: &str) -> String {
    let policies = folder.join("policies");
    fs::create_dir_all(&policies).unwrap();
    fs::write(
        policies.join("p.toml"),
        "[[tenants]]\nid = \"acme\"\n[development]\ntenant = \"acme\"\nuser = \"me\"\n\
         [[upstreams]]\nname = \"u\"\nurl = \"http://127.0.0.1:1\"\n\
         [[routes]]\nname = \"r\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/r\"\n",
    )
    .unwrap();
    let config = folder.join("gate.toml");
    let text = format!(
        "[listen]\naddress = \"{listen}\"\n{extra}\n[policies]\ndirectory = \"{}\"\n",
        policies.display()
    );
    fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

#[test]
fn what_serve_would_refuse_of_configuration_and_policies_together_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let open = configured(folder.path(), "0.0.0.0:8080", "");
    let output = check(&["--config", &open]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("`[development]`"), "{output:?}");
    let closed = configured(folder.path(), "127.0.0.1:8080", "");
    assert_eq!(code(&["--config", &closed]), Some(0));
}

#[test]
fn a_configuration_that_can_not_be_used_is_told_in_the_format_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1:8080", "addres = \"x\"");
    let output = check(&["--config", &config, "--json"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["good"], false);
    assert_eq!(told["problems"][0]["file"], config);
    assert_eq!(told["problems"][0]["line"], 3);
}

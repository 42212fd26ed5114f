//! Policy directories with a mistake in each, and what a person is told about them.
//!
//! Every directory of `tests/policy/broken` is checked, and the whole output is kept: read it as
//! somebody would who made the mistake. Does it say what, where, and what to do?

use std::fs;
use std::path::{Path, PathBuf};

use fabric_gate::clock::Timestamp;
use fabric_gate::policy::{
    check, render_github, render_human, render_json, render_sarif, render_text,
};

use super::*;

/// Every directory of broken policies, by name.
fn directories() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/policy/broken").unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn problems_of(directory: &Path) -> Vec<Problem> {
    let secrets = SecretResolver::with_environment([("SECRET", "s")]);
    match check(directory, &secrets, Timestamp::from_seconds(1_700_000_000)) {
        Ok(_) => panic!("{} is not broken", directory.display()),
        Err(problems) => problems,
    }
}

fn problems() -> Vec<Problem> {
    problems_of(Path::new("tests/policy/broken/00-everything"))
}

fn source(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()
}

fn name_of(directory: &Path) -> String {
    directory
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

#[test]
fn what_a_person_is_told_about_each_mistake_reads_as_it_was_read() {
    let directories = directories();
    assert!(directories.len() > 30, "{}", directories.len());
    for directory in directories {
        let told = render_human(&problems_of(&directory), false, source);
        insta::with_settings!({ snapshot_suffix => name_of(&directory), omit_expression => true }, {
            insta::assert_snapshot!("human", told);
        });
    }
}

#[test]
fn what_a_program_is_told_keeps_its_shape() {
    for name in ["01-mistyped-key", "04-references-to-nothing", "19-syntax"] {
        let directory = Path::new("tests/policy/broken").join(name);
        let told = render_json(&problems_of(&directory));
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
            insta::assert_snapshot!("json", serde_json::to_string_pretty(&told).unwrap());
        });
    }
}

#[test]
fn what_a_workflow_and_code_scanning_are_told_keeps_its_shape() {
    let problems = problems_of(Path::new("tests/policy/broken/04-references-to-nothing"));
    insta::assert_snapshot!("github", render_github(&problems));
    let results = render_sarif(&problems)["runs"][0]["results"].clone();
    insta::assert_snapshot!(
        "sarif_results",
        serde_json::to_string_pretty(&results).unwrap()
    );
}

#[test]
fn every_problem_of_a_broken_directory_is_told_at_once() {
    insta::assert_snapshot!(render_text(&problems()));
}

#[test]
fn a_program_gets_the_same_problems_with_line_and_kind() {
    let json = render_json(&problems());
    let list = json.as_array().unwrap();
    assert_eq!(list.len(), problems().len());
    let typo = list
        .iter()
        .find(|problem| problem["suggestion"] == "methods")
        .expect("the misspelt key");
    assert_eq!(
        typo["file"],
        "tests/policy/broken/00-everything/30-routes.toml"
    );
    assert_eq!(typo["severity"], "error");
    assert_eq!(typo["line"], 13);
    assert_eq!(typo["column"], 1);
    assert_eq!(typo["at"], "[[routes]] \"session.read\"");
    assert_eq!(typo["kind"], "unknown_key");
}

#[test]
fn a_secret_written_down_by_mistake_is_not_repeated() {
    for directory in directories() {
        let problems = problems_of(&directory);
        let told = [
            render_text(&problems),
            render_human(&problems, true, source),
            render_json(&problems).to_string(),
            render_github(&problems),
            render_sarif(&problems).to_string(),
        ];
        let text = told.concat();
        assert!(!text.contains("hunter2"), "{}: {text}", directory.display());
    }
}

#[test]
fn every_syntax_error_is_told_with_its_line() {
    let problems = refused("[[tenants]]\nid = \n[tenancy\nunknown = \"deny\"\n");
    assert!(
        problems
            .iter()
            .all(|(kind, _)| *kind == ProblemKind::Syntax)
    );
    assert!(
        problems[0].1.starts_with("policies/p.toml:2:"),
        "{problems:?}"
    );
    assert!(problems.len() > 1, "not just the first: {problems:?}");
}

#[test]
fn a_key_given_twice_is_refused() {
    let problems = refused("[tenancy]\nunknown = \"deny\"\nunknown = \"provision\"\n");
    assert_eq!(problems[0].0, ProblemKind::Syntax);
}

#[test]
fn a_file_of_something_else_is_told_in_bounded_length() {
    let keys = (0..50_000).map(|number| format!("key{number} = 1\n"));
    let problems = refused(&keys.collect::<String>());
    assert_eq!(problems.len(), 501);
    assert!(problems[500].1.ends_with("and 49500 more problems"));
}

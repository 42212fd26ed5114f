use std::path::Path;

use fabric_gate::policy::{check, render_json, render_text};
use fabric_gate::secret::SecretResolver;

use super::*;

fn problems() -> Vec<Problem> {
    let directory = Path::new("tests/policy/broken");
    check(directory, &SecretResolver::with_environment([])).expect_err("broken")
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
    assert_eq!(typo["file"], "tests/policy/broken/30-routes.toml");
    assert_eq!(typo["line"], 13);
    assert_eq!(typo["column"], 1);
    assert_eq!(typo["at"], "[[routes]] \"session.read\"");
    assert_eq!(typo["kind"], "unknown_key");
}

#[test]
fn a_secret_written_down_by_mistake_is_not_repeated() {
    assert!(!render_text(&problems()).contains("hunter2"));
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

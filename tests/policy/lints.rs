//! What lints find: each has a directory that trips it, and a twin that differs in that alone and
//! trips nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fabric_gate::clock::Timestamp;
use fabric_gate::policy::{
    LINTS, PolicyDirectory, Severity, check, compile, lint, render_human, render_json,
};

use super::*;

/// When the directories are looked at: 2024-01-01.
const NOW: Timestamp = Timestamp::from_seconds(1_704_067_200);

fn warnings_of(directory: &Path) -> Vec<Problem> {
    let secrets = SecretResolver::with_environment([("SECRET", "s")]);
    match check(directory, &secrets, NOW) {
        Ok(checked) => checked.warnings,
        Err(problems) => panic!("{}: {problems:#?}", directory.display()),
    }
}

fn directory_of(lint: &str, which: &str) -> PathBuf {
    Path::new("tests/policy/lints").join(lint).join(which)
}

/// The warnings about a text, by lint and message.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let directory = PolicyDirectory::from_texts(Path::new("p"), [("p.toml", text)]).unwrap();
    let snapshot = compile(&directory, &SecretResolver::default()).unwrap();
    let warnings = lint(&directory, &snapshot, NOW);
    warnings
        .into_iter()
        .map(|warning| (warning.lint.unwrap(), warning.to_string()))
        .collect()
}

#[test]
fn every_lint_is_tripped_by_its_directory_and_told_so_that_a_person_can_act() {
    for lint in LINTS {
        let warnings = warnings_of(&directory_of(lint.name, "trips"));
        assert!(
            warnings
                .iter()
                .any(|warning| warning.lint == Some(lint.name)),
            "{} finds nothing: {warnings:#?}",
            lint.name
        );
        let told = render_human(&warnings, false, |file| fs::read_to_string(file).ok());
        insta::with_settings!({ snapshot_suffix => lint.name, omit_expression => true }, {
            insta::assert_snapshot!("lint", told);
        });
    }
}

#[test]
fn the_twin_of_each_directory_trips_nothing() {
    for lint in LINTS {
        let warnings = warnings_of(&directory_of(lint.name, "holds"));
        assert!(warnings.is_empty(), "{}: {warnings:#?}", lint.name);
    }
}

#[test]
fn every_directory_belongs_to_a_lint() {
    let entries = fs::read_dir("tests/policy/lints").unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let lints: BTreeSet<String> = LINTS.iter().map(|lint| lint.name.to_owned()).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), lints);
}

#[test]
fn names_of_lints_are_kebab_case_sorted_and_unique() {
    let names: Vec<_> = LINTS.iter().map(|lint| lint.name).collect();
    let kebab = |name: &&str| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    assert!(names.iter().all(kebab), "{names:?}");
    assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
}

#[test]
fn a_warning_is_no_error_and_says_so_to_programs() {
    let warnings = warnings_of(&directory_of("shadow-rule", "trips"));
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].severity, Severity::Warning);
    let json = serde_json::to_string_pretty(&render_json(&warnings)).unwrap();
    insta::assert_snapshot!("json_of_a_warning", json);
}

#[test]
fn the_policies_that_are_shipped_trip_nothing_but_the_trial_that_they_show() {
    let warnings = warnings_of(Path::new("policies"));
    let lints: Vec<_> = warnings.iter().filter_map(|warning| warning.lint).collect();
    assert_eq!(lints, ["shadow-rule"], "{warnings:#?}");
}

#[test]
fn a_route_of_a_profile_is_told_of_where_the_profile_is_named() {
    let text = "[[tenants]]\nid = \"acme\"\n[[api_keys]]\nname = \"k\"\nsha256 = \
                \"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\"\ntenant = \"acme\"\n\
                user = \"k\"\n[[upstreams]]\nname = \"h\"\nurl = \"http://127.0.0.1:1\"\nprofile = \
                \"fabric-harness\"\n";
    let found = found(text);
    let told = |(lint, line): &(&str, String)| {
        *lint == "role-nobody-has" && line.contains("[[upstreams]] \"h\" profile: ")
    };
    assert!(found.iter().any(told), "{found:#?}");
}

#[test]
fn a_route_whose_id_is_in_a_claim_is_shut_to_whoever_has_no_token() {
    let policies = |id: &str| {
        let hash = "0f".repeat(32);
        format!(
            "[[tenants]]\nid = \"acme\"\n[[api_keys]]\nname = \"k\"\nsha256 = \"{hash}\"\ntenant = \
             \"acme\"\nuser = \"k\"\n[[upstreams]]\nname = \"u\"\nurl = \"http://127.0.0.1:1\"\n\
             [[routes]]\nname = \"r\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/r\"\n\
             resource = {{ kind = \"thing\", {id} }}\n"
        )
    };
    let lints = |id: &str| -> Vec<_> {
        let found = found(&policies(id));
        found.into_iter().map(|(lint, _)| lint).collect()
    };
    assert_eq!(
        lints("id = \"claim:thing\""),
        ["credential-reaches-nothing", "route-without-credential"]
    );
    for open in [
        "id = \"query:thing\"",
        "id = [\"claim:thing\", \"query:thing\"]",
        "id = \"claim:thing\", optional = true",
    ] {
        assert_eq!(lints(open), Vec::<&str>::new(), "{open}");
    }
}

#[test]
fn where_nobody_can_call_anything_that_is_told_once() {
    let route = |name: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/{name}\"\n\
             roles = [\"member\"]\n"
        )
    };
    let text = format!(
        "[[tenants]]\nid = \"acme\"\n[[upstreams]]\nname = \"u\"\nurl = \"http://127.0.0.1:1\"\n{}{}",
        route("a"),
        route("b")
    );
    let lints: Vec<_> = found(&text).into_iter().map(|(lint, _)| lint).collect();
    assert_eq!(lints, ["route-without-credential"]);
}

#[test]
fn every_lint_is_documented_with_what_to_do() {
    let page = fs::read_to_string("docs/checking.md").unwrap();
    for lint in LINTS {
        let row = format!(
            "| `{}` | {}: {} | {} |\n",
            lint.name, lint.what, lint.why, lint.remedy
        );
        assert!(page.contains(&row), "docs/checking.md lacks:\n{row}");
    }
}

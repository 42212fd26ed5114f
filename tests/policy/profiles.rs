//! `profile = "…"`: routes that come with an upstream, and what an operator may change about them.

use std::path::Path;

use fabric_gate::policy::profiles::{PROFILES, Profile};
use fabric_gate::policy::{PolicyDirectory, PolicySnapshot, ProblemKind};

use crate::compiled;

const FORGE: &str = "[[upstreams]]\nname = \"forge\"\nurl = \"http://127.0.0.1:1\"\n\
                     profile = \"aether-forge\"\n";

/// What a profile with routes that write shared memory needs beside it.
const SHARED_MEMORY: &str = "[memory]\nshared_write_roles = [\"lead\"]\n";

fn route_names(snapshot: &PolicySnapshot) -> Vec<&str> {
    snapshot.routes.iter().map(|route| &*route.name).collect()
}

#[test]
fn every_profile_compiles_and_names_its_routes_by_the_upstream() {
    for profile in PROFILES {
        let text = format!(
            "{SHARED_MEMORY}[[upstreams]]\nname = \"backend\"\nurl = \"http://127.0.0.1:1\"\n\
             profile = \"{}\"\n",
            profile.name
        );
        let snapshot = compiled(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert!(!snapshot.routes.is_empty(), "{}", profile.name);
        for route in &snapshot.routes {
            assert!(route.name.starts_with("backend."), "{}", route.name);
            assert_eq!(&*route.upstream.name, "backend");
        }
    }
}

#[test]
fn profiles_stand_in_order_of_name_and_are_found_by_it() {
    assert!(PROFILES.is_sorted_by(|left, right| left.name < right.name));
    for profile in PROFILES {
        assert_eq!(Profile::named(profile.name), Some(profile));
    }
    assert_eq!(Profile::named("aether"), None);
}

#[test]
fn a_profile_printed_for_an_upstream_is_what_it_brings() {
    for profile in PROFILES {
        let upstream = "[[upstreams]]\nname = \"backend\"\nurl = \"http://127.0.0.1:1\"\n";
        let with_profile = format!("{SHARED_MEMORY}{upstream}profile = \"{}\"\n", profile.name);
        let brought = compiled(&with_profile).unwrap();
        let file = profile.as_policy_file("backend");
        let says = file.lines().filter_map(|line| line.strip_prefix("# "));
        let keys = ["strip_prefix", "assertion", "identity_headers"];
        let of_upstream = says.filter(|line| keys.iter().any(|key| line.starts_with(key)));
        let of_upstream: Vec<&str> = of_upstream.collect();
        let printed = format!(
            "{SHARED_MEMORY}{upstream}{}\n{file}",
            of_upstream.join("\n")
        );
        let own = compiled(&printed).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(route_names(&own), route_names(&brought), "{}", profile.name);
        for (own, brought) in own.routes.iter().zip(&brought.routes) {
            assert_eq!((&own.path, &own.methods), (&brought.path, &brought.methods));
            let (own, brought) = (&own.upstream, &brought.upstream);
            assert_eq!(own.strip_prefix, brought.strip_prefix, "{}", profile.name);
            assert_eq!(own.assertion, brought.assertion, "{}", profile.name);
        }
    }
}

#[test]
fn an_unknown_profile_is_told_with_the_one_that_was_meant() {
    let problems = compiled(&FORGE.replace("aether-forge", "aether-forgee")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].suggestion.as_deref(), Some("aether-forge"));
}

#[test]
fn an_own_route_of_the_same_name_takes_the_place_of_the_profiles() {
    let own = "[[routes]]\nname = \"forge.agent.tick\"\nupstream = \"forge\"\n\
               methods = [\"POST\"]\npath = \"/elsewhere\"\n";
    let snapshot = compiled(&format!("{FORGE}{own}")).unwrap();
    assert_eq!(route_names(&snapshot), ["forge.agent.tick"]);
    assert_eq!(&*snapshot.routes[0].path, "/elsewhere");
}

#[test]
fn an_own_route_takes_its_path_and_methods_from_the_profiles() {
    let own = |method: &str| {
        format!(
            "{FORGE}[[routes]]\nname = \"mine\"\nupstream = \"forge\"\nmethods = [\"{method}\"]\n\
             path = \"/tenants/{{tenant}}/agents/{{agent}}/tick\"\n"
        )
    };
    let snapshot = compiled(&own("POST")).unwrap();
    assert_eq!(route_names(&snapshot), ["mine"]);
    let snapshot = compiled(&own("GET")).unwrap();
    assert_eq!(route_names(&snapshot), ["mine", "forge.agent.tick"]);
}

#[test]
fn two_upstreams_with_the_same_paths_are_in_conflict_and_the_place_is_in_the_profile() {
    let second = FORGE.replace("\"forge\"", "\"second\"");
    let problems = compiled(&format!("{FORGE}{second}")).unwrap_err();
    assert!(!problems.is_empty());
    for problem in &problems {
        assert_eq!(problem.kind, ProblemKind::Conflict, "{problem}");
        assert_eq!(problem.file, "profile aether-forge");
        assert!(problem.position.is_some(), "{problem}");
        assert!(problem.at.contains("second."), "{problem}");
    }
}

#[test]
fn rules_speak_of_brought_routes_by_their_names() {
    let rule = |routes: &str| {
        format!(
            "{FORGE}[[rules]]\nname = \"no ticks\"\neffect = \"forbid\"\nroutes = [\"{routes}\"]\n"
        )
    };
    assert!(compiled(&rule("forge.agent.tick")).is_ok());
    assert!(compiled(&rule("forge.*")).is_ok());
    assert!(compiled(&rule("agent.tick")).is_err());
}

#[test]
fn a_brought_profile_is_part_of_the_revision() {
    let with = compiled(FORGE).unwrap();
    let digest = PolicyDirectory::from_texts(Path::new("policies"), [("p.toml", FORGE)])
        .unwrap()
        .digest();
    let alone = *blake3::Hasher::new().update(&digest).finalize().as_bytes();
    assert_ne!(with.revision.digest(), &alone);
}

#[test]
fn identity_headers_are_compared_in_one_spelling() {
    let text = format!("{FORGE}identity_headers = [\"SNC_Tenant\", \"snc.userid\"]\n");
    let snapshot = compiled(&text).unwrap();
    assert_eq!(
        snapshot.upstreams[0].identity_headers,
        ["snc-tenant", "snc-userid"]
    );
    assert!(compiled(&format!("{FORGE}identity_headers = [\"a b\"]\n")).is_err());
}

#[test]
fn a_profile_may_ask_for_assertions_and_the_upstream_has_the_last_word() {
    for (profile, stated, expected) in [
        ("memory", "", Some(true)),
        ("memory", "assertion = true", Some(true)),
        ("memory", "assertion = false", Some(false)),
        ("aether-forge", "", None),
        ("aether-forge", "assertion = true", Some(true)),
    ] {
        let text = format!(
            "{SHARED_MEMORY}[[upstreams]]\nname = \"backend\"\nurl = \"http://127.0.0.1:1\"\n\
             profile = \"{profile}\"\n{stated}\n"
        );
        let snapshot = compiled(&text).unwrap();
        let told = snapshot.upstreams[0].assertion;
        assert_eq!(told, expected, "{profile} {stated}");
    }
}

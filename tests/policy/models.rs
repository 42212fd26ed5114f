//! Which models tenants may use, as policies say it.

use super::*;

const SOUND: &str = r#"
[tenancy]
unknown = "provision"
[defaults]
models = { allow = ["gpt-4o"], default = "gpt-4o", default_temperature = 0.70, max_output_tokens = 8192 }
[[tenants]]
id = "acme"
models = { allow = ["gpt-4o", "claude-*"], max_output_tokens = 100 }
[[tenants]]
id = "globex"
[[api_keys]]
name = "k"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
tenant = "acme"
user = "alice"
roles = ["lead"]
[[upstreams]]
name = "u"
url = "http://127.0.0.1:1"
[[routes]]
name = "chat"
upstream = "u"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "openai" }
[[routes]]
name = "free"
upstream = "u"
methods = ["GET"]
path = "/free"
[[rules]]
name = "no o1"
effect = "forbid"
models = ["o1*"]
[costs]
llm_admin_roles = ["lead"]
"#;

fn sound() -> fabric_gate::policy::PolicySnapshot {
    compiled(SOUND).unwrap()
}

/// What is wrong once `from` is `to`.
fn broken(from: &str, to: &str) -> Vec<(ProblemKind, String)> {
    assert!(SOUND.contains(from), "{from}");
    refused(&SOUND.replace(from, to))
}

#[test]
fn a_tenant_has_what_it_says_and_the_defaults_for_the_rest() {
    let snapshot = sound();
    let models = |id: &str| snapshot.models(&id.parse().unwrap()).clone();
    let acme = models("acme");
    assert!(acme.allows("claude-3") && acme.allows("gpt-4o") && !acme.allows("o1"));
    assert_eq!(acme.default.as_deref(), Some("gpt-4o"));
    assert_eq!(acme.max_output_tokens, Some(100));
    assert_eq!(acme.default_temperature.as_ref().unwrap().as_str(), "0.70");
    for other in ["globex", "somebody"] {
        assert!(!models(other).allows("claude-3"), "{other}");
        assert_eq!(models(other).max_output_tokens, Some(8192), "{other}");
    }
}

#[test]
fn models_that_are_not_sound_are_refused() {
    for (from, to, expected) in [
        (
            "default_temperature = 0.70",
            "default_temperature = 2.1",
            "from 0 to 2",
        ),
        (
            "default_temperature = 0.70",
            "default_temperature = -0.5",
            "from 0 to 2",
        ),
        (
            "default_temperature = 0.70",
            "default_temperature = 7e-1",
            "from 0 to 2",
        ),
        (
            "default_temperature = 0.70",
            "default_temperature = nan",
            "from 0 to 2",
        ),
        (
            "default_temperature = 0.70",
            "default_temperature = true",
            "a number is needed",
        ),
        (
            "max_output_tokens = 100",
            "max_output_tokens = 0",
            "not between",
        ),
        (
            "allow = [\"gpt-4o\", \"claude-*\"]",
            "allow = []",
            "matches nothing",
        ),
        (
            "allow = [\"gpt-4o\", \"claude-*\"]",
            "allow = [\"gpt 4o\"]",
            "without blanks",
        ),
        (
            "default = \"gpt-4o\"",
            "default = \"gpt-*\"",
            "without blanks, controls and `*`",
        ),
        (
            "max_output_tokens = 100",
            "max_tokens = 100",
            "unknown key `max_tokens`",
        ),
    ] {
        let problems = broken(from, to);
        assert!(
            problems.iter().any(|(_, line)| line.contains(expected)),
            "{to}: {problems:#?}"
        );
    }
}

#[test]
fn a_default_that_may_not_be_used_is_refused() {
    let problems = broken(
        "allow = [\"gpt-4o\", \"claude-*\"]",
        "allow = [\"claude-*\"]",
    );
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let (kind, line) = &problems[0];
    assert_eq!(*kind, ProblemKind::Conflict);
    assert!(line.contains("p.toml:8:"), "{line}");
    assert!(
        line.contains("the `default` is `gpt-4o`, and `allow` does not have it"),
        "{line}"
    );
}

#[test]
fn models_that_nothing_is_ever_held_against_are_refused() {
    let problems = broken("cost = { usage = \"openai\" }\n", "");
    let lines: Vec<_> = problems
        .iter()
        .filter(|(kind, _)| *kind == ProblemKind::NeverMatches)
        .collect();
    assert_eq!(lines.len(), 3, "both tables and the rule: {problems:#?}");
    let free = broken(
        "models = [\"o1*\"]\n",
        "models = [\"o1*\"]\nroutes = [\"free\"]\n",
    );
    assert!(
        free[0].1.contains("by which its model is known"),
        "{free:#?}"
    );
    let two = broken(
        "models = [\"o1*\"]\n",
        "models = [\"o1*\"]\ntools = [\"x\"]\n",
    );
    assert!(
        two.iter().any(|(_, line)| line.contains("make it two")),
        "{two:#?}"
    );
}

#[test]
fn roles_that_would_open_no_page_are_refused() {
    assert!(sound().settings_page("/v1/tenants/acme/llm").is_some());
    for path in [
        "/v1/tenants//llm",
        "/v1/tenants/a/b/llm",
        "/v1/tenants/acme/llm/",
        "/v1/tenants/acme",
    ] {
        assert!(sound().settings_page(path).is_none(), "{path}");
    }
    let unknown = broken(
        "llm_admin_roles = [\"lead\"]",
        "llm_admin_roles = [\"laed\"]",
    );
    assert!(
        unknown[0]
            .1
            .contains("no credential carries the role `laed`"),
        "{unknown:#?}"
    );
    for path in [
        "/v1/tenants/{id}/llm",
        "/v1/{*rest}",
        "/{a}/tenants/{id}/{what}",
    ] {
        let taken = broken("path = \"/free\"", &format!("path = \"{path}\""));
        assert_eq!(taken.len(), 1, "{taken:#?}");
        assert!(
            taken[0].1.contains("the route `free` takes it"),
            "{path}: {taken:#?}"
        );
    }
    let without = SOUND.replace("[costs]\nllm_admin_roles = [\"lead\"]", "");
    let without = compiled(&without).unwrap();
    assert!(without.settings_page("/v1/tenants/acme/llm").is_none());
}

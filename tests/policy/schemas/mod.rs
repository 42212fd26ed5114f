//! The schemas that editors read, held against the readers of the files.

#![expect(
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod corpus;
mod each_key;

use std::fs;
use std::process::Command;

use fabric_gate::config::keys::{GATE_FILE, MEMORY_FILE};
use fabric_gate::keys::schema;
use fabric_gate::policy::{CASES_FILE, POLICY_FILE};

use self::corpus::*;

#[test]
fn a_section_of_the_process_is_led_to_its_own_file() {
    let mut led = 0;
    for key in GATE_FILE.root.keys {
        if POLICY_FILE.root.key(key.name).is_some() {
            continue;
        }
        let told = crate::refused(&format!("[{}]\nx = 1\n", key.name));
        let home = "it belongs to the gate's own file, `config/gate.toml`";
        let lines: Vec<&str> = told.iter().map(|(_, line)| line.as_str()).collect();
        assert!(lines.iter().any(|line| line.contains(home)), "{lines:?}");
        led += 1;
    }
    assert!(led > 10, "{led}");
}

#[test]
fn what_is_published_is_what_the_program_prints() {
    let printed = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_fabric-gate");
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for (kind, file) in [
        ("policy", "policy"),
        ("cases", "cases"),
        ("config", "gate"),
        ("memory", "memory"),
    ] {
        for (format, path) in [
            ("json", format!("schemas/{file}.schema.json")),
            ("markdown", format!("docs/reference/{file}.md")),
        ] {
            let kept = fs::read_to_string(root().join(&path)).unwrap_or_default();
            assert!(
                kept == printed(&["schema", kind, "--format", format]),
                "{path} is not what the program prints: `make reference` renews it"
            );
        }
    }
}

#[test]
fn a_schema_says_which_draft_it_is_of_and_is_sound_by_it() {
    for file in [&POLICY_FILE, &CASES_FILE, &GATE_FILE, &MEMORY_FILE] {
        let schema = schema(file);
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert!(jsonschema::meta::is_valid(&schema), "{}", file.name);
    }
}

#[test]
fn every_sound_policy_is_taken() {
    let validator = validator(&POLICY_FILE);
    for sound in policies().into_iter().chain(profiles()) {
        assert_eq!(
            complaints(&validator, &sound.table),
            Vec::<String>::new(),
            "{}",
            sound.name
        );
    }
}

#[test]
fn every_sound_configuration_is_taken() {
    for (file, info, kept) in [
        (&GATE_FILE, "config", "config/gate.toml"),
        (&MEMORY_FILE, "memory", "config/memory.toml"),
    ] {
        let validator = validator(file);
        for sound in configurations(info, kept) {
            assert_eq!(
                complaints(&validator, &sound.table),
                Vec::<String>::new(),
                "{}",
                sound.name
            );
        }
    }
}

/// Mistakes, each in a policy of its own.
const MISTAKES: [(&str, &str); 16] = [
    ("unknown section", "[tenant]\nid = \"acme\"\n"),
    ("unknown key", "[tenancy]\nunknwon = \"deny\"\n"),
    (
        "unknown key of a table below",
        "[defaults]\nlimits = { bursts = 3 }\n",
    ),
    ("wrong word", "[tenancy]\nunknown = \"refuse\"\n"),
    ("text for a flag", "[tenancy]\nheader_required = \"yes\"\n"),
    ("number for money", "[costs]\nreserve_usd = 0.5\n"),
    (
        "text for a list",
        "[memory]\nshared_write_roles = \"admin\"\n",
    ),
    ("empty list", "[memory]\nshared_write_roles = []\n"),
    (
        "nothing of what is required",
        "[[tenants]]\nsuspended = true\n",
    ),
    ("beyond the range", "[defaults]\nlimits = { burst = 0 }\n"),
    ("no number of the list", "[costs]\nexhausted_status = 500\n"),
    ("a table for a list of tables", "[tenants]\nid = \"acme\"\n"),
    (
        "two ways that exclude each other",
        "[[issuers]]\nname = \"i\"\nissuer = \"i\"\naudiences = [\"a\"]\njwks_file = \"a\"\ndiscovery = true\n",
    ),
    (
        "a secret that is written out",
        "[costs]\nalerts = { url = \"https://a.example\", secret = \"hunter2\" }\n",
    ),
    (
        "no place",
        "[[upstreams]]\nname = \"u\"\nurl = \"http://u\"\n[[routes]]\nname = \"r\"\nupstream = \"u\"\nmethods = [\"GET\"]\npath = \"/\"\nresource = { kind = \"k\", id = \"id\" }\n",
    ),
    (
        "no methods",
        "[[upstreams]]\nname = \"u\"\nurl = \"http://u\"\n[[routes]]\nname = \"r\"\nupstream = \"u\"\npath = \"/\"\n",
    ),
];

#[test]
fn a_mistake_that_check_refuses_is_refused_by_the_schema() {
    let validator = validator(&POLICY_FILE);
    for (mistake, text) in MISTAKES {
        let policy = parsed(mistake, text).table;
        assert!(!problems(&policy).is_empty(), "check takes: {mistake}");
        assert!(
            !complaints(&validator, &policy).is_empty(),
            "the schema takes: {mistake}"
        );
    }
}

//! The configuration: what is wrong with it is told all at once, and where.

use std::path::Path;
use std::process::Output;

use crate::memory_process::command;

/// `check` on a file with this text.
fn check(text: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("memory.toml"), text).unwrap();
    let arguments = [&["check"], arguments].concat();
    command(folder.path(), &arguments).output().unwrap()
}

const BELIEVED: &str = "[identity]\nassertion_jwks_file = \"keys.json\"\n";

#[test]
fn the_example_is_good_and_every_key_it_shows_is_known() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/memory.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let checked = check(&text, &[]);
    assert!(checked.status.success(), "{checked:?}");
    // With the comment signs gone from what shows a default.
    let shown: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_setting(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(shown.contains("\nbody_bytes ="), "{shown}");
    let checked = check(&shown, &[]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// A setting that can stand in the file beside the others: not one that excludes another.
fn is_setting(line: &str) -> bool {
    let key = line.split_once(" = ").map_or("", |(key, _)| key);
    let word = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let unusable = [
        "url",
        "owner_url",
        "tls",
        "id_pattern",
        "name",
        "issuer",
        "audiences",
        "jwks_url",
    ];
    word && !unusable.contains(&key)
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_what_was_meant() {
    let checked = check(
        "[listen]\n\
         adress = \"x\"\n\
         connections = 0\n\
         tls = { certificate = \"c.pem\" }\n\
         [stor]\n\
         [store]\n\
         url = \"postgres://app:hunter2@db/memory\"\n\
         [memory]\n\
         default_clearance = \"intern\"\n\
         shared_write_roles = [\"a b\"]\n\
         [memory.clearance]\n\
         lead = \"restricte\"\n\
         [limits]\n\
         body_bytes = 2048\n\
         [[issuers]]\n\
         name = \"fabric-gate\"\n\
         issuer = \"https://idp.example.com\"\n\
         audiences = [\"memory\"]\n\
         jwks_url = \"http://idp.example.com/keys\"\n",
        &[],
    );
    assert_eq!(checked.status.code(), Some(1));
    let told = String::from_utf8(checked.stderr).unwrap();
    for problem in [
        "memory.toml:2:1: error: [listen]: unknown key `adress`, did you mean `address`?",
        "memory.toml:3:15: error: [listen] connections: `0` is not between 1 and 1000000",
        "[listen] tls: the key `private_key` is missing",
        "memory.toml:5:2: error: unknown section `stor`, did you mean `store`?",
        "memory.toml:7:7: error: [store] url: a URL with a password is a secret",
        "did you mean `internal`?",
        "memory.toml:10:23: error: [memory] shared_write_roles: a role is",
        "memory.toml:12:8: error: [memory] clearance: `restricte` is none of",
        "`body_bytes` (2048) is less than `[quotas] entry_bytes`",
        "[[issuers]] \"fabric-gate\" jwks_url: the scheme has to be https",
    ] {
        assert!(told.contains(problem), "`{problem}` is not in\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn who_believes_nobody_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("memory.toml"), "[listen]\n").unwrap();
    let started = command(folder.path(), &["serve"]).output().unwrap();
    assert_eq!(started.status.code(), Some(2));
    let told = String::from_utf8(started.stderr).unwrap();
    assert!(told.contains("nobody is believed"), "{told}");
    assert!(
        check(BELIEVED, &[]).status.success(),
        "one source is enough"
    );
}

#[test]
fn nobody_else_is_the_gate_and_no_two_issuers_have_one_name() {
    let issuer = |name: &str, issuer: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nissuer = \"{issuer}\"\naudiences = [\"memory\"]\n\
             jwks_file = \"keys.json\"\n"
        )
    };
    let told = |text: &str| String::from_utf8(check(text, &[]).stderr).unwrap();
    for reserved in [
        issuer("fabric-gate", "https://a.test"),
        issuer("a", "fabric-gate"),
    ] {
        let told = told(&reserved);
        assert!(told.contains("is the gate's own"), "{told}");
    }
    let twice = [issuer("a", "https://a.test"), issuer("a", "https://b.test")].concat();
    assert!(
        told(&twice).contains("the name stands in memory.toml:"),
        "{}",
        told(&twice)
    );
    let both =
        "[identity]\nassertion_jwks_file = \"a\"\nassertion_jwks_url = \"https://a.test/k\"\n";
    assert!(told(both).contains("not both"), "{}", told(both));
}

#[test]
fn the_address_of_a_database_with_a_password_is_a_reference() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{BELIEVED}[store]\nurl = \"env:MEMORY_URL\"\n");
    std::fs::write(folder.path().join("memory.toml"), text).unwrap();
    let check = |url: Option<&str>| {
        let mut command = command(folder.path(), &["check"]);
        if let Some(url) = url {
            command.env("MEMORY_URL", url);
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(check(Some("postgres://app:hunter2@db/memory")).0, Some(0));
    let (code, told) = check(None);
    assert_eq!(code, Some(1));
    assert!(told.contains("`MEMORY_URL` is not set"), "{told}");
    let (_, told) = check(Some("mysql://app:hunter2@db/memory"));
    assert!(told.contains("does not begin with `postgres://`"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let folder = tempfile::tempdir().unwrap();
    let started = command(folder.path(), &["serve"]).output().unwrap();
    assert_eq!(started.status.code(), Some(2));
    let told = String::from_utf8(started.stderr).unwrap();
    assert!(told.contains("--config FILE"), "{told}");
}

#[test]
fn programs_get_the_problems_as_json() {
    let checked = check("[listn]\n", &["--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(told["good"], false);
    assert_eq!(told["problems"][1]["suggestion"], "listen");
}

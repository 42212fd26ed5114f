use secrecy::ExposeSecret;

use super::super::{AuditDurability, AuditFailure};
use super::*;

fn with(text: &str, environment: &SecretResolver) -> Result<Config, Vec<String>> {
    Config::parse("gate.toml", text, environment)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn resolved(text: &str) -> Result<Config, Vec<String>> {
    with(
        text,
        &SecretResolver::with_environment([("TOKEN", "t0k3n")]),
    )
}

#[test]
fn an_empty_file_is_every_default() {
    let config = resolved("").unwrap();
    let address = ListenAddress::Tcp("127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.listen.address, address);
    assert!(config.listen.http2 && config.listen.tls.is_none());
    assert_eq!(config.listen.connections, 10_000);
    assert_eq!(config.listen.header_timeout, Duration::from_secs(10));
    assert_eq!(config.admin.address, "127.0.0.1:9901".parse().unwrap());
    assert!(config.admin.token.is_none(), "no token, no admin API");
    assert!(config.assertion.key.is_none() && config.assertion.previous.is_empty());
    let key = config.state.location.assertion_key();
    assert_eq!(key, Path::new("data/gate.assertion.key"));
    let state = StateLocation::Sqlite("data/gate.db".into());
    assert_eq!(config.state.location, state);
    assert_eq!(config.state.retention_days, None, "kept for ever");
    assert_eq!(config.audit.on_failure, AuditFailure::Deny);
    assert_eq!(config.audit.durability, AuditDurability::Batch);
    assert_eq!(config.audit.rotate_bytes, 256 << 20);
    assert_eq!(
        config.audit.checkpoints,
        Path::new("data/audit-checkpoints.jsonl")
    );
    assert_eq!(config.limits.body_memory_bytes, 256 << 20);
    assert_eq!(config.limits.body_timeout, Duration::from_secs(60));
    assert_eq!(config.shutdown_grace, Duration::from_secs(30));
    assert!(!config.tenant_header_forced);
}

#[test]
fn what_the_file_says_is_what_is_used() {
    let config = resolved(
        r#"
[listen]
address = "unix:/run/gate.sock"
tls = { certificate = "c.pem", private_key = "k.pem", client_ca = "ca.pem" }
hosts = ["API.example.com", "[::1]"]
[admin]
token = "env:TOKEN"
[audit]
directory = "/var/log/gate/"
on_failure = "allow"
durability = "sync"
"#,
    )
    .unwrap();
    assert_eq!(
        config.listen.address,
        ListenAddress::Unix("/run/gate.sock".into())
    );
    let tls = config.listen.tls.unwrap();
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("ca.pem")));
    assert_eq!(config.listen.hosts.unwrap(), ["api.example.com", "[::1]"]);
    assert_eq!(config.admin.token.unwrap().expose_secret(), "t0k3n");
    assert_eq!(config.audit.on_failure, AuditFailure::Allow);
    assert_eq!(config.audit.durability, AuditDurability::Sync);
    assert_eq!(
        config.audit.checkpoints,
        Path::new("/var/log/gate-checkpoints.jsonl")
    );
}

#[test]
fn a_secret_is_not_in_the_debug_output() {
    let config = resolved("[admin]\ntoken = \"env:TOKEN\"\n").unwrap();
    assert!(!format!("{config:?}").contains("t0k3n"));
}

#[test]
fn every_bad_value_is_told_at_once_with_its_line() {
    let problems = resolved(
        "[listen]\naddress = \"localhost\"\nconnections = 0\nhosts = [\"a:1\"]\n\
             [admin]\ntoken = \"hunter2\"\n[state]\nurl = \"postgres://db\"\n\
             [audit]\nkey = \"env:ABSENT\"\nflush_milliseconds = 99999\n",
    );
    assert_eq!(
        problems.unwrap_err(),
        [
            "gate.toml:2:11: error: [listen] address: `localhost` is not `IP:PORT`",
            "gate.toml:3:15: error: [listen] connections: `0` is not between 1 and 1000000",
            "gate.toml:4:9: error: [listen] hosts: `a:1` is not a host name without port",
            "gate.toml:6:9: error: [admin] token: a secret is a reference, `env:NAME` or \
                 `file:PATH`, never the secret itself",
            "gate.toml:8:7: error: [state] url: a gate keeps its state at `sqlite:PATH`, not in PostgreSQL",
            "gate.toml:11:22: error: [audit] flush_milliseconds: `99999` is not between 1 and 10000",
            "gate.toml:10:7: error: [audit] key: the environment variable `ABSENT` is not set",
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    for text in [
        "\n[listen]\naddres = \"x\"\n",
        "\n[lissten]\n",
        "\nport = 1\n",
    ] {
        let problems = resolved(text).unwrap_err();
        assert!(problems[0].contains("unknown field"), "{problems:?}");
        assert!(problems[0].starts_with("gate.toml:"), "{problems:?}");
    }
}

#[test]
fn the_environment_switches_hardened_mode_on_or_is_an_error() {
    let forced = |value: &str| {
        let environment = SecretResolver::with_environment([(TENANT_REQUIRED_VARIABLE, value)]);
        with("", &environment).map(|config| config.tenant_header_forced)
    };
    for (value, expected) in [
        ("1", true),
        ("true", true),
        ("0", false),
        ("false", false),
        ("", false),
    ] {
        assert_eq!(forced(value), Ok(expected), "`{value}`");
    }
    for value in ["yes", "TRUE", "on", " 1"] {
        assert!(forced(value).is_err(), "`{value}` is not taken for off");
    }
}

#[test]
fn only_loopback_and_unix_sockets_are_this_machine() {
    for (address, expected) in [
        ("127.0.0.1:0", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("unix:/run/gate.sock", true),
        ("0.0.0.0:8080", false),
        ("[::]:8080", false),
        ("10.0.0.1:1", false),
    ] {
        let config = resolved(&format!("[listen]\naddress = \"{address}\"\n")).unwrap();
        assert_eq!(config.listens_on_loopback(), expected, "{address}");
    }
}

#[test]
fn the_admin_listener_is_not_the_public_one() {
    let problems = resolved("[listen]\naddress = \"127.0.0.1:9901\"\n").unwrap_err();
    assert!(problems[0].contains("never the public one"), "{problems:?}");
}

#[test]
fn the_keys_of_assertions_are_references() {
    let environment = SecretResolver::with_environment([("NOW", "n"), ("BEFORE", "b")]);
    let text = "[assertion]\nkey = \"env:NOW\"\nprevious = [\"env:BEFORE\"]\n";
    let config = with(text, &environment).unwrap();
    assert_eq!(config.assertion.key.unwrap().expose_secret(), "n");
    let previous = config.assertion.previous.iter();
    assert_eq!(
        previous.map(|key| key.expose_secret()).collect::<Vec<_>>(),
        ["b"]
    );

    for (text, key) in [
        (
            "[assertion]\nkey = \"-----BEGIN PRIVATE KEY-----\"\n",
            "[assertion] key",
        ),
        ("[assertion]\nkey = \"env:UNSET\"\n", "[assertion] key"),
        (
            "[assertion]\nprevious = [\"env:UNSET\"]\n",
            "[assertion] previous",
        ),
    ] {
        let problems = with(text, &environment).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(key), "{problems:?}");
        assert!(!problems[0].contains("BEGIN"), "{problems:?}");
    }
}

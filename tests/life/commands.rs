//! The commands beside `serve`, on the folder of a gate.

use std::path::Path;
use std::process::Output;

use crate::support::raw_client::{self, request};
use crate::world::{self, World, eventually};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[tokio::test]
async fn check_ends_with_0_for_good_policies_with_1_for_bad_ones_and_with_2_without_any_question() {
    let world = world::start().await;
    let check = |arguments: &[&str]| world.gate.run(&[&["check"], arguments].concat());

    assert_eq!(
        check(&[]).status.code(),
        Some(0),
        "the configured directory"
    );
    let good: serde_json::Value = serde_json::from_slice(&check(&["--json"]).stdout).unwrap();
    assert_eq!(good["good"], true);
    let policies = world.gate.folder().join("policies");
    assert_eq!(
        check(&[policies.to_str().unwrap()]).status.code(),
        Some(0),
        "a directory by name"
    );

    world
        .gate
        .write_policy("03.toml", "[tenancy]\nunknwon = \"deny\"\n");
    let bad = check(&[]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stderr).contains("03.toml:2:"),
        "{}",
        text(&bad.stderr)
    );
    let bad = check(&["--json"]);
    assert_eq!(bad.status.code(), Some(1));
    let bad: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(bad["good"], false);
    assert_eq!(bad["problems"][0]["line"], 2, "{bad}");

    assert_eq!(
        check(&["--colour"]).status.code(),
        Some(2),
        "no such option"
    );
}

#[tokio::test]
async fn a_configuration_that_can_not_be_used_ends_any_command_with_2_and_every_problem_told() {
    let world = world::start().await;
    let config = world.gate.folder().join("gate.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let bad = good.replace(
        "flush_milliseconds = 5",
        "flush_milliseconds = 99999\nkey = \"env:FABRIC_GATE_TEST_ABSENT\"",
    );
    std::fs::write(&config, bad).unwrap();

    for command in [&["serve"][..], &["check"], &["audit", "verify"]] {
        let output = world.gate.run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let stderr = text(&output.stderr);
        for told in ["flush_milliseconds", "FABRIC_GATE_TEST_ABSENT"] {
            assert!(
                stderr.contains(told),
                "{command:?} does not tell of `{told}`:\n{stderr}"
            );
        }
    }
}

async fn with_api_key(world: &World, target: &str, key: &str) -> u16 {
    let asked = request("GET", target, &[("X-Api-Key", key)], b"");
    raw_client::exchange(world.gate.address(), asked)
        .await
        .status
}

#[tokio::test]
async fn a_new_key_opens_the_gate_once_its_stanza_is_in_the_policies() {
    let world = world::start().await;
    let made = stdout(&world.gate.run(&[
        "key", "new", "--tenant", "acme", "--role", "member", "--route", "thing",
    ]));
    let (key, stanza) = made.split_once('\n').unwrap();
    assert_eq!(
        with_api_key(&world, "/things/1", key).await,
        401,
        "nobody knows it yet"
    );

    world.gate.write_policy("03.toml", stanza);
    assert_eq!(world.gate.reload().await.status, 200);

    assert_eq!(with_api_key(&world, "/things/1", key).await, 200);
    assert_eq!(
        with_api_key(&world, "/reports/1", key).await,
        403,
        "it is confined to its route"
    );
    let (last, rest) = key.as_bytes().split_last().unwrap();
    let other = if *last == b'a' { 'b' } else { 'a' };
    let forged = format!("{}{other}", text(rest));
    assert_eq!(
        with_api_key(&world, "/things/1", &forged).await,
        401,
        "only the very key"
    );
    assert!(!stanza.contains(key), "the policies have its hash only");
}

#[tokio::test]
async fn a_development_token_opens_the_gate_whose_issuer_reads_the_development_key() {
    let prepared = world::prepare().await;
    let stanza = prepared.key.policy(Path::new("dev/jwks.json"));
    let folder = prepared.builder.folder().to_owned();
    std::fs::create_dir(folder.join("dev")).unwrap();
    std::fs::write(folder.join("policies/00.toml"), stanza).unwrap();
    let world = prepared.with(|gate| gate.alive_is_enough()).start().await;
    let ask = [
        "dev", "token", "--tenant", "acme", "--user", "alice", "--role", "member",
    ];

    let output = world.gate.run(&ask);
    let token = stdout(&output).trim().to_owned();

    eventually("the key file to be read", async || {
        world.get("/things/1", &token).await.status == 200
    })
    .await;
    assert_eq!(
        world.get("/reports/1", &token).await.status,
        403,
        "it has the role it was given"
    );
    let expired = world.gate.run(&[&ask[..], &["--expires-in=-1h"]].concat());
    let expired = world.get("/things/1", stdout(&expired).trim()).await;
    assert_eq!(
        (expired.status, &expired.json()["code"]),
        (401, &"token_expired".into())
    );
}

#[tokio::test]
async fn a_profile_is_listed_and_printed_as_routes_to_start_from() {
    let world = world::start().await;
    let listed = stdout(&world.gate.run(&["profile", "list"]));
    assert!(listed.contains("aether-forge"), "{listed}");
    let listed = stdout(&world.gate.run(&["profile", "list", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let names = listed["profiles"].as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|profile| profile["name"].as_str().unwrap())
        .collect();
    for name in ["aether-forge", "heartbit", "mcp", "openai"] {
        assert!(names.contains(&name), "{names:?}");
    }

    let shown = stdout(&world.gate.run(&["profile", "show", "aether-forge"]));
    assert!(shown.contains("\nname = \"agent.tick\"\n"), "{shown}");
    let own = world
        .gate
        .run(&["profile", "show", "aether-forge", "--upstream", "forge"]);
    let own = stdout(&own);
    assert!(
        own.contains("\nname = \"forge.agent.tick\"\nupstream = \"forge\"\n"),
        "{own}"
    );

    let unknown = world.gate.run(&["profile", "show", "aether"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown.stderr).contains("aether-forge"),
        "{unknown:?}"
    );
}

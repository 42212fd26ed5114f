//! Bad policies: while the gate runs they change nothing and show everywhere, at start they end it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::records;
use crate::support::gate_process::GateProcess;
use crate::world::{self, World, eventually, route};

/// What may happen to a policy directory, and a word that has to be in the complaint.
type Harm = (&'static str, fn(&Path), &'static str);

const HARMS: [Harm; 7] = [
    (
        "half-written",
        |policies| {
            let path = policies.join("02.toml");
            let text = fs::read(&path).unwrap();
            fs::write(path, &text[..text.len() / 2]).unwrap();
        },
        "02.toml",
    ),
    (
        "no TOML",
        |policies| fs::write(policies.join("03.toml"), "[[routes").unwrap(),
        "03.toml",
    ),
    (
        "an unknown key",
        |policies| fs::write(policies.join("03.toml"), "[tenancy]\nunknwon = \"deny\"\n").unwrap(),
        "unknwon",
    ),
    (
        "a reference to nothing",
        |policies| {
            let text = route("lost", "/lost", &[]).replace("\"backend\"", "\"nowhere\"");
            fs::write(policies.join("03.toml"), text).unwrap();
        },
        "nowhere",
    ),
    (
        "emptied",
        |policies| fs::write(policies.join("02.toml"), "").unwrap(),
        "",
    ),
    (
        "without files",
        |policies| {
            for entry in fs::read_dir(policies).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        },
        "",
    ),
    (
        "deleted",
        |policies| fs::remove_dir_all(policies).unwrap(),
        "",
    ),
];

/// The files of a directory, to be put back.
fn copy(policies: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(policies).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn put_back(policies: &Path, files: &[(String, Vec<u8>)]) {
    fs::create_dir_all(policies).unwrap();
    let _ = fs::remove_file(policies.join("03.toml"));
    for (name, text) in files {
        fs::write(policies.join(name), text).unwrap();
    }
}

async fn last_error(gate: &GateProcess) -> Value {
    gate.admin("GET", "/readyz", b"").await.json()["checks"]["policies"]["last_error"].clone()
}

async fn serves_as_before(world: &World) -> bool {
    let member = world.member();
    world.get("/things/1", &member).await.status == 200
        && world.get("/reports/1", &member).await.status == 403
}

#[tokio::test]
async fn a_bad_directory_changes_nothing_and_shows_wherever_one_would_look() {
    let world = world::start().await;
    let policies = world.gate.folder().join("policies");
    let good = copy(&policies);
    let revision = world.gate.admin("GET", "/v1/policy", b"").await.json()["revision"].clone();

    for (harm, inflict, complaint) in HARMS {
        inflict(&policies);
        // A look in the middle of the harm may find another reason to complain first.
        eventually(harm, async || {
            let problems = &last_error(&world.gate).await["problems"];
            !problems.is_null() && problems.to_string().contains(complaint)
        })
        .await;

        assert!(
            serves_as_before(&world).await,
            "{harm}: the policy in service stays"
        );
        let ready = world.gate.admin("GET", "/readyz", b"").await;
        assert_eq!(
            ready.status, 200,
            "{harm}: the gate is ready, for it has a good policy"
        );
        let policy = world.gate.admin("GET", "/v1/policy", b"").await.json();
        assert_eq!(policy["revision"], revision, "{harm}");
        assert!(
            !policy["last_error"]["problems"]
                .as_array()
                .unwrap()
                .is_empty(),
            "{harm}"
        );
        let asked = world.gate.reload().await;
        assert_eq!(
            (asked.status, &asked.json()["result"]),
            (422, &"rejected".into()),
            "{harm}"
        );
        assert!(
            !asked.json()["problems"].as_array().unwrap().is_empty(),
            "{harm}"
        );

        put_back(&policies, &good);
        eventually(harm, async || last_error(&world.gate).await.is_null()).await;
    }

    let rejected = "fabric_gate_policy_reloads_total{result=\"rejected\"}";
    assert!(
        world.metric(rejected).await >= 2 * HARMS.len() as u64,
        "each was refused when it was noticed and when a reload was asked for"
    );
    let folder = world.gate.folder();
    eventually("the refusals in the audit log", async || {
        let events = records::events(folder);
        let refused = events
            .iter()
            .filter(|event| event["event"] == "policy_rejected");
        refused.count() >= 2 * HARMS.len()
    })
    .await;
    assert!(
        world.gate.stderr().contains("policy refused"),
        "and in the process's own log"
    );
}

#[tokio::test]
async fn a_directory_that_was_deleted_is_read_again_once_it_is_back() {
    let world = world::start().await;
    let policies = world.gate.folder().join("policies");
    let good = copy(&policies);
    fs::remove_dir_all(&policies).unwrap();
    eventually("a refusal", async || {
        !last_error(&world.gate).await.is_null()
    })
    .await;

    put_back(&policies, &good);
    fs::write(
        policies.join("03.toml"),
        route("new", "/new/{id}", &["member"]),
    )
    .unwrap();

    eventually("the new route", async || {
        world.get("/new/1", &world.member()).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn bad_policies_at_start_end_the_process_with_two_and_every_problem_told() {
    for (harm, inflict, complaint) in HARMS {
        let prepared = world::prepare().await;
        inflict(&prepared.builder.folder().join("policies"));

        let failed = prepared.builder.try_start().await.err();

        let failed = failed.unwrap_or_else(|| panic!("{harm}: it must not start"));
        assert_eq!(failed.status.code(), Some(2), "{harm}: {}", failed.stderr);
        assert!(
            failed.stderr.contains(complaint),
            "{harm}: {}",
            failed.stderr
        );
    }
}

#[tokio::test]
async fn several_problems_are_told_at_once_each_with_file_and_line() {
    let prepared = world::prepare().await;
    let prepared = prepared.with(|gate| {
        gate.policy("[tenancy]\nunknwon = \"deny\"\n")
            .policy("[[routes]]\nname = \"lost\"\nupstream = \"nowhere\"\npath = \"/lost\"\n")
    });

    let failed = prepared.builder.try_start().await.err().unwrap();

    for told in ["03.toml:2:", "unknwon", "04.toml:3:", "nowhere"] {
        assert!(
            failed.stderr.contains(told),
            "`{told}` is missing:\n{}",
            failed.stderr
        );
    }
}

const DEVELOPMENT: &str =
    "[development]\ntenant = \"acme\"\nuser = \"dev\"\nroles = [\"member\"]\n";

#[tokio::test]
async fn development_access_is_reloaded_on_loopback() {
    let world = world::start().await;

    world.gate.write_policy("03.toml", DEVELOPMENT);

    assert_eq!(world.gate.reload().await.status, 200);
    let request = crate::support::raw_client::request("GET", "/things/1", &[], b"");
    let answer = crate::support::raw_client::exchange(world.gate.address(), request).await;
    assert_eq!(
        answer.status, 200,
        "whoever comes without a credential is the developer"
    );
}

#[tokio::test]
async fn development_access_is_refused_by_a_gate_that_others_can_reach() {
    let mut world = world::start().await;
    let config = world.gate.folder().join("gate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let public = world.gate.address().authority();
    let everywhere = public.replace("127.0.0.1", "0.0.0.0");
    std::fs::write(&config, text.replace(&public, &everywhere)).unwrap();
    world.gate.stop().await;
    world.gate.start_again().await;

    world.gate.write_policy("03.toml", DEVELOPMENT);

    let refused = world.gate.reload().await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("loopback"), "{}", refused.text());
    let request = crate::support::raw_client::request("GET", "/things/1", &[], b"");
    let answer = crate::support::raw_client::exchange(world.gate.address(), request).await;
    assert_eq!(answer.status, 401);
}

//! Policies that change while requests run.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::load::{Load, Plan};
use crate::records;
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::RawClient;
use crate::world::{self, World, eventually, get, route, routes};

/// The routes with `/things/{id}` under a name of its own: each number is another revision.
fn numbered(world: &World, number: usize) -> String {
    routes(world.backend.url()).replace("\"thing\"", &format!("\"thing-{number}\""))
}

/// Writes a policy and has it loaded; answers the revision that is in service then.
async fn put(world: &World, text: &str) -> String {
    world.gate.write_policy("02.toml", text);
    let answer = world.gate.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["revision"].as_str().unwrap().to_owned()
}

async fn revision(world: &World) -> String {
    let policy = world.gate.admin("GET", "/v1/policy", b"").await.json();
    policy["revision"].as_str().unwrap().to_owned()
}

/// Reloads that often under load and checks that every request was judged by one policy whole.
pub async fn reload_under_load(reloads: usize, http1: usize, http2: usize) -> usize {
    let world = world::start().await;
    let mut route_of = HashMap::from([(revision(&world).await, "thing".to_owned())]);
    let plan = Plan {
        address: world.gate.address().clone(),
        target: "/things/1".into(),
        token: world.member(),
    };
    let load = Load::start(&plan, http1, http2);
    load.more(10).await;

    for number in 0..reloads {
        let revision = put(&world, &numbered(&world, number)).await;
        route_of.insert(revision, format!("thing-{number}"));
        load.more(2).await;
    }

    let tally = load.stop().await;
    tally.assert_all_ok();
    assert_eq!(
        tally.connections,
        http1 + http2,
        "a reload closes no connection"
    );
    assert_eq!(
        route_of.len(),
        reloads + 1,
        "every policy has a revision of its own"
    );
    let records = settled_records(&world, tally.answers.len()).await;
    for id in tally.answers.keys() {
        let record = &records[id];
        let revision = record["policy_revision"].as_str().unwrap();
        assert_eq!(
            record["route"].as_str(),
            route_of.get(revision).map(String::as_str),
            "revision and route are of one and the same policy: {record}"
        );
    }
    tally.answers.len()
}

async fn settled_records(world: &World, count: usize) -> HashMap<String, Value> {
    let folder = world.gate.folder();
    eventually("records on disk", async || {
        records::of_requests(folder).len() >= count
    })
    .await;
    records::by_request_id(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_fail_no_request_and_each_is_judged_by_exactly_one_policy() {
    reload_under_load(100, 4, 2).await;
}

#[tokio::test]
async fn a_role_taken_away_counts_from_the_next_request_of_a_live_connection() {
    let world = world::start().await;
    let token = world.member();
    let mut http1 = RawClient::connect(world.gate.address()).await;
    let mut http2 = H2Client::connect(world.gate.address()).await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    http1.send(get("/things/1", &token)).await;
    assert_eq!(http1.read_response().await.status, 200);
    let request = h2_client::request("GET", "/things/1", &headers);
    let answer = http2.request(request, b"", None).await.unwrap();
    assert_eq!(answer.head.status, 200);

    put(
        &world,
        &routes(world.backend.url()).replace("\"member\", ", ""),
    )
    .await;

    http1.send(get("/things/1", &token)).await;
    let answer = http1.read_response().await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &"role_required".into())
    );
    let request = h2_client::request("GET", "/things/1", &headers);
    let answer = http2.request(request, b"", None).await.unwrap();
    assert_eq!(
        (answer.head.status.as_u16(), &answer.json()["code"]),
        (403, &"role_required".into())
    );
    let lead = world.token("acme", "alice", &["lead"]);
    assert_eq!(
        world.get("/things/1", &lead).await.status,
        200,
        "who keeps the role passes"
    );
}

#[tokio::test]
async fn a_file_that_is_renamed_into_place_is_in_service_unasked_and_is_picked_up_once() {
    let world = world::start().await;
    let changes = "fabric_gate_policy_reloads_total{result=\"changed\"}";

    world
        .gate
        .write_policy("03.toml", &route("new", "/new/{id}", &["member"]));

    eventually("the new route", async || {
        world.get("/new/1", &world.member()).await.status == 200
    })
    .await;
    // It is served before it is counted; whoever asks for a reload comes behind both.
    let asked = world.gate.reload().await;
    assert_eq!(asked.json()["result"], "unchanged");
    assert_eq!(world.metric(changes).await, 1);
}

#[tokio::test]
async fn a_mounted_config_map_that_swaps_its_data_link_is_in_service_unasked() {
    let prepared = world::prepare().await;
    let folder = prepared.builder.folder().to_owned();
    let map = folder.join("map");
    let version = |name: &str, extra: &str| {
        let version = map.join(name);
        fs::create_dir_all(&version).unwrap();
        for file in ["00.toml", "01.toml", "02.toml"] {
            fs::copy(folder.join("policies").join(file), version.join(file)).unwrap();
        }
        let routes = version.join("02.toml");
        let text = fs::read_to_string(&routes).unwrap() + extra;
        fs::write(routes, text).unwrap();
    };
    version("..2026_01", "");
    symlink("..2026_01", map.join("..data")).unwrap();
    for file in ["00.toml", "01.toml", "02.toml"] {
        symlink(format!("..data/{file}"), map.join(file)).unwrap();
    }
    let world = prepared
        .with(|gate| gate.section("policies", "directory = \"map\""))
        .start()
        .await;
    assert_eq!(world.get("/new/1", &world.member()).await.status, 404);

    version("..2026_02", &route("new", "/new/{id}", &["member"]));
    symlink("..2026_02", map.join("..data_tmp")).unwrap();
    fs::rename(map.join("..data_tmp"), map.join("..data")).unwrap();

    eventually("the new route", async || {
        world.get("/new/1", &world.member()).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_hangup_reads_the_policies_anew() {
    let world = world::start().await;
    let judged = "fabric_gate_policy_reloads_total{result=\"unchanged\"}";
    assert_eq!(world.metric(judged).await, 0);

    world.gate.signal(Signal::SIGHUP);

    eventually("a reload that found nothing new", async || {
        world.metric(judged).await == 1
    })
    .await;
    assert_eq!(
        world.get("/things/1", &world.member()).await.status,
        200,
        "it lives on"
    );
}

#[tokio::test]
async fn a_reload_that_is_asked_for_says_what_came_of_it() {
    let world = world::start().await;
    let before = revision(&world).await;

    let unchanged = world.gate.reload().await;
    assert_eq!(unchanged.status, 200);
    assert_eq!(unchanged.json()["result"], "unchanged");
    assert_eq!(unchanged.json()["revision"], before.as_str());

    let after = put(&world, &numbered(&world, 1)).await;
    assert_ne!(after, before);
    assert_eq!(revision(&world).await, after);
    let exposition = world.gate.admin("GET", "/metrics", b"").await.text();
    let info: Vec<_> = exposition
        .lines()
        .filter(|line| line.starts_with("fabric_gate_policy_info{"))
        .collect();
    assert_eq!(
        info,
        [format!("fabric_gate_policy_info{{revision=\"{after}\"}} 1")]
    );
}

#[tokio::test]
async fn what_is_probably_not_meant_is_told_by_a_reload_and_by_the_status() {
    let world = world::start().await;
    let told = |document: &serde_json::Value| {
        let warnings = document["warnings"].as_array().unwrap();
        warnings
            .iter()
            .any(|warning| warning["lint"] == "shadow-rule")
    };
    for (mode, expected) in [("shadow", true), ("enforce", false)] {
        let rule = format!(
            "[[rules]]\nname = \"trial\"\neffect = \"forbid\"\nusers = [\"mallory\"]\nmode = \"{mode}\"\n"
        );
        world.gate.write_policy("03.toml", &rule);
        let answer = world.gate.reload().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(told(&answer.json()), expected, "{}", answer.text());
        let status = world.gate.admin("GET", "/v1/policy", b"").await.json();
        assert_eq!(told(&status), expected, "{status}");
    }
}

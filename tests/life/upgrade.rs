//! Upgrades in place: the listeners change hands, and no caller notices.
//!
//! pingora's process that is relieved goes on accepting for five seconds, and then waits for the
//! connections it has. The successor serves about a second after its start, most of which it waits
//! for pingora's next look at the socket the listeners come by.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{Load, Plan};
use crate::records;
use crate::support::raw_client::RawClient;
use crate::world::{self, World, eventually, get};

/// What an upgrade took.
#[derive(Debug)]
pub struct Took {
    /// From the start of the successor until it is the one in the pid file and ready.
    pub hand_over: Duration,
    /// Until the one before had ended.
    pub whole: Duration,
}

/// How often an admin listener of this folder came up.
fn admin_listeners(world: &World) -> usize {
    world
        .gate
        .stderr()
        .matches("the admin listener is up")
        .count()
}

/// Starts a successor and waits until it serves and has the admin address; answers the process
/// that is relieved.
async fn hand_over(world: &mut World) -> Child {
    let listeners = admin_listeners(world);
    let old = world.gate.upgrade();
    let pid_file = world.gate.folder().join("data/gate.pid");
    let pid = world.gate.pid().to_string();
    eventually("the successor in the pid file", async || {
        std::fs::read_to_string(&pid_file).is_ok_and(|text| text.trim() == pid)
    })
    .await;
    eventually("its admin listener", async || {
        admin_listeners(world) > listeners
    })
    .await;
    world.gate.wait_until_ready().await.unwrap();
    old
}

async fn wait_for_end(old: &mut Child) {
    let status = {
        let mut ended = None;
        while ended.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ended = old.try_wait().unwrap();
        }
        ended.unwrap()
    };
    assert_eq!(
        status.code(),
        Some(0),
        "how the process that was relieved ended"
    );
}

/// Upgrades that often under load without a failed request; answers what each took and how many
/// requests there were.
pub async fn upgrade_under_load(upgrades: usize) -> (Vec<Took>, usize) {
    let mut world = world::start().await;
    let plan = Plan {
        address: world.gate.address().clone(),
        target: "/things/1".into(),
        token: world.member(),
    };
    let load = Load::start(&plan, 4, 2);
    let mut took = Vec::new();
    for _ in 0..upgrades {
        load.more(20).await;
        let begun = Instant::now();
        let mut old = hand_over(&mut world).await;
        let hand_over = begun.elapsed();
        wait_for_end(&mut old).await;
        took.push(Took {
            hand_over,
            whole: begun.elapsed(),
        });
    }
    load.more(20).await;
    let tally = load.stop().await;
    tally.assert_all_ok();

    let status = world.gate.stop().await;
    assert_eq!(status.code(), Some(0));
    let recorded = records::by_request_id(world.gate.folder());
    let lost: Vec<_> = tally
        .answers
        .keys()
        .filter(|id| !recorded.contains_key(*id))
        .collect();
    assert!(lost.is_empty(), "{} answers without a record", lost.len());
    assert_eq!(
        recorded.len(),
        tally.answers.len(),
        "and no record without an answer"
    );
    let report = records::verified(&world.gate);
    assert_eq!(
        report["lineages"].as_array().unwrap().len(),
        2,
        "the two take turns: {report}"
    );
    (took, tally.answers.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_fails_no_request_and_loses_no_record() {
    upgrade_under_load(1).await;
}

/// The grace of the process that is relieved: the hand-over has to fit into it, for the stream to be
/// seen on both sides of it.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_stream_outlives_the_hand_over_until_the_grace_is_over() {
    let prepared = world::prepare().await;
    let mut world = prepared
        .with(|gate| gate.section("shutdown", &format!("grace_seconds = {}", GRACE.as_secs())))
        .start()
        .await;
    let mut client = RawClient::connect(world.gate.address()).await;
    client.send(get("/things/events", &world.member())).await;
    client.read_until("data: first").await;

    let begun = Instant::now();
    let mut old = hand_over(&mut world).await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    assert!(
        old.try_wait().unwrap().is_none(),
        "the old process has a stream to serve"
    );
    client.read_to_end().await;
    let cut = begun.elapsed();
    wait_for_end(&mut old).await;

    assert!(cut >= GRACE, "cut {cut:?} after the hand-over had begun");
    assert_eq!(
        world.get("/things/1", &world.member()).await.status,
        200,
        "the successor serves on"
    );
    assert!(
        world.gate.folder().join("data/gate.pid").exists(),
        "the pid file is the successor's"
    );
    let recorded = records::of_requests(world.gate.folder());
    let stream = recorded.iter().find(|record| record["reason"] == "cut_off");
    assert!(stream.is_some(), "{recorded:?}");
}

#[tokio::test]
async fn an_upgrade_with_nobody_to_relieve_is_refused() {
    let mut world = world::start().await;
    world.gate.stop().await;

    let output = world.gate.run(&["serve", "--upgrade"]);

    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("no running process to relieve"), "{stderr}");
}

#[tokio::test]
async fn a_pid_file_that_a_crash_left_behind_gets_no_stranger_a_signal() {
    let mut world = world::start().await;
    world.gate.kill();
    let mut stranger = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = world.gate.folder().join("data/gate.pid");
    std::fs::write(pid_file, format!("{}\n", stranger.id())).unwrap();

    let output = world.gate.run(&["serve", "--upgrade"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was told to go"
    );
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_successor_with_bad_policies_leaves_the_old_process_serving() {
    let mut world = world::start().await;
    let pid_file = world.gate.folder().join("data/gate.pid");
    let before = std::fs::read_to_string(&pid_file).unwrap();
    world.gate.write_policy("03.toml", "[[routes");

    let output = world.gate.run(&["serve", "--upgrade"]);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), before);
    std::fs::remove_file(world.gate.folder().join("policies/03.toml")).unwrap();
    let mut old = hand_over(&mut world).await;
    assert_eq!(
        world.get("/things/1", &world.member()).await.status,
        200,
        "mended, it takes over"
    );
    old.kill().unwrap();
    old.wait().unwrap();
}

#[tokio::test]
async fn a_second_process_on_the_same_address_is_refused_and_the_first_serves_on() {
    let world = world::start().await;

    let output = world.gate.run(&["serve"]);

    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cannot listen on"), "{stderr}");
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
}

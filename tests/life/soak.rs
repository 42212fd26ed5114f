//! The long forms, for `make soak`: each prints its figures and fails on what the short ones fail on.
//!
//! `SOAK_SCALE` (1) divides how long they run: `SOAK_SCALE=10` is a tenth.

use std::time::{Duration, Instant};

use crate::load::{Load, Plan};
use crate::support::http1::Connection;
use crate::world::{self, World};
use crate::{audit_crash, heads, issuer_keys, reload, upgrade};

/// `full`, or as much less of it as is asked for; never less than one.
fn scaled(full: usize) -> usize {
    let scale = std::env::var("SOAK_SCALE").map_or(1, |text| text.parse().unwrap());
    (full / scale).max(1)
}

/// Requests after which connections and the allocator's pools are warm (`docs/experiments.md`): from
/// there on memory has to stay as it is.
const WARM: usize = 500_000;

fn say(figures: impl std::fmt::Display) {
    println!("soak: {figures}");
}

/// Resident memory in KiB and open descriptors of the gate.
fn size(world: &World) -> (u64, usize) {
    let process = format!("/proc/{}", world.gate.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let descriptors = std::fs::read_dir(format!("{process}/fd")).unwrap().count();
    (memory, descriptors)
}

fn plan(world: &World) -> Plan {
    Plan {
        address: world.gate.address().clone(),
        target: "/things/1".into(),
        token: world.member(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn a_thousand_reloads_fail_no_request() {
    let reloads = scaled(1_000);
    let begun = Instant::now();
    let requests = reload::reload_under_load(reloads, 8, 4).await;
    say(format_args!(
        "{reloads} reloads, {requests} requests, 0 failed, {:?}",
        begun.elapsed()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn fifty_upgrades_fail_no_request() {
    let upgrades = scaled(50);
    let (took, requests) = upgrade::upgrade_under_load(upgrades).await;
    let longest = |part: fn(&upgrade::Took) -> Duration| took.iter().map(part).max().unwrap();
    say(format_args!(
        "{upgrades} upgrades, {requests} requests, 0 failed; longest hand-over {:?}, until the old \
         process had ended {:?}",
        longest(|took| took.hand_over),
        longest(|took| took.whole)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn two_hundred_kills_break_no_chain() {
    let kills = scaled(200);
    let (acknowledged, slowest) = audit_crash::kill_under_load(kills).await;
    say(format_args!(
        "{kills} kills, {acknowledged} acknowledged requests, 0 lost, slowest start {slowest:?}"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn a_million_mutated_heads_bring_no_5xx() {
    let heads = scaled(1_000_000);
    let seed = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(1, |since| since.as_secs());
    let begun = Instant::now();
    let answers = heads::fuzz(heads, seed).await;
    say(format_args!(
        "{heads} heads from seed {seed}, {answers} answers, {:?}",
        begun.elapsed()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn a_hundred_thousand_unknown_key_ids_cause_few_fetches() {
    let keys = scaled(100_000).next_multiple_of(1_000);
    let (fetches, bound, slowest) = issuer_keys::flood_of_unknown_keys(keys).await;
    assert!(
        fetches <= bound,
        "{fetches} fetches, and {bound} are permitted"
    );
    assert!(
        slowest < Duration::from_secs(1),
        "the slowest good one took {slowest:?}"
    );
    say(format_args!(
        "{keys} unknown keys, {fetches} fetches ({bound} permitted), slowest good {slowest:?}"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn two_thousand_slow_connections_of_each_kind_are_closed_and_cost_the_others_little() {
    let slow = scaled(2_000);
    let prepared = world::prepare().await;
    let world = prepared
        .with(|gate| gate.listen_extra("header_timeout_seconds = 5\nidle_timeout_seconds = 5"))
        .start()
        .await;
    let load = Load::start(&plan(&world), 4, 0);
    load.more(200).await;
    let (_, descriptors) = size(&world);
    let begun = Instant::now();
    let mut connections = Vec::new();
    for number in 0..2 * slow {
        let mut connection = Connection::new(world.gate.address().connect().await.unwrap());
        if number % 2 == 0 {
            connection
                .send(b"GET /things/1 HTTP/1.1\r\nHost: a\r\nX: ")
                .await
                .unwrap();
        }
        connections.push(connection);
    }
    let (peak, _) = size(&world);
    let mut slowest_close = Duration::ZERO;
    for mut connection in connections {
        let closed = tokio::time::timeout(Duration::from_secs(30), async {
            while connection
                .read_some()
                .await
                .is_ok_and(|more| !more.is_empty())
            {}
        });
        assert!(closed.await.is_ok(), "a slow connection is still open");
        slowest_close = slowest_close.max(begun.elapsed());
    }
    assert!(
        slowest_close < Duration::from_secs(5 + 2) + begun_margin(slow),
        "{slowest_close:?}"
    );
    load.more(200).await;
    let (_, after) = size(&world);
    load.stop().await.assert_all_ok();
    assert!(
        after <= descriptors + 10,
        "{descriptors} descriptors before, {after} after"
    );
    say(format_args!(
        "{slow} slow heads and {slow} silent connections: all closed after {slowest_close:?}, peak \
         {peak} KiB, descriptors {descriptors} before and {after} after"
    ));
}

/// Opening the connections takes time too, and the clock of each starts when it is opened.
fn begun_margin(slow: usize) -> Duration {
    Duration::from_millis(slow as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; `make soak`"]
async fn memory_and_descriptors_do_not_grow_while_everything_happens() {
    let seconds = scaled(600);
    let world = world::start().await;
    let load = Load::start(&plan(&world), 8, 4);
    let slice = Duration::from_millis(seconds as u64 * 1_000 / 20);
    let mut sizes = Vec::new();
    for number in 0..20 {
        world.gate.write_policy(
            "03.toml",
            &world::route("extra", &format!("/extra-{number}"), &[]),
        );
        assert_eq!(world.gate.reload().await.status, 200);
        tokio::time::sleep(slice).await;
        sizes.push(size(&world));
    }
    let tally = load.stop().await;
    tally.assert_all_ok();
    let ((first, _), (middle, few), (last, many)) = (sizes[0], sizes[9], sizes[19]);
    say(format_args!(
        "{} requests in {seconds} s beside 20 reloads: {first}, {middle}, {last} KiB, {few} and {many} \
         descriptors (middle, last)",
        tally.answers.len()
    ));
    assert!(many <= few + 10, "descriptors grow");
    if tally.answers.len() / 2 < WARM {
        say(format_args!(
            "not judged: the gate was not warm in the middle, at {WARM} requests"
        ));
        return;
    }
    assert!(
        last <= middle + (middle / 50).max(1_024),
        "memory grows from {middle} to {last} KiB over the second half"
    );
}

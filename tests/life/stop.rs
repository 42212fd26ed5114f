//! How the process ends: nothing that was accepted is lost, nothing is waited for that is not
//! there, nothing stays behind.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::load::{Load, Plan};
use crate::records;
use crate::support::h2_client::{self, H2Client};
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Answer, Signal as Permission};
use crate::support::transport::Address;
use crate::world::{self, World, get};

/// A grace that no test waits for: a gate that lets it pass does not end in time.
const LONG_GRACE: Duration = Duration::from_secs(600);

/// The grace of gates that are stopped in the middle of a stream.
const SHORT_GRACE: Duration = Duration::from_secs(1);

async fn with_grace(grace: Duration) -> World {
    let prepared = world::prepare().await;
    let grace = format!("grace_seconds = {}", grace.as_secs());
    prepared
        .with(|gate| gate.section("shutdown", &grace))
        .start()
        .await
}

fn assert_nothing_stays_behind(world: &World) {
    let data = world.gate.folder().join("data");
    for name in ["gate.pid", "upgrade.sock"] {
        assert!(!data.join(name).exists(), "`{name}` stays behind");
    }
}

/// A client in the middle of a stream without an end.
async fn streaming(world: &World) -> RawClient {
    let mut client = RawClient::connect(world.gate.address()).await;
    client.send(get("/things/events", &world.member())).await;
    client.read_until("data: first").await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_under_way_is_lost_when_the_process_is_told_to_go_under_load() {
    let mut world = with_grace(LONG_GRACE).await;
    let plan = Plan {
        address: world.gate.address().clone(),
        target: "/things/1".into(),
        token: world.member(),
    };
    let load = Load::start(&plan, 6, 2);
    load.more(50).await;
    assert!(world.gate.folder().join("data/gate.pid").exists());

    let status = world.gate.stop().await;

    let mut tally = load.until_refused().await;
    // One that crosses the end of its connection has no answer. Whether it had begun, the records tell.
    tally.failures.clear();
    tally.assert_all_ok();
    assert_eq!(status.code(), Some(0), "{}", world.gate.stderr());
    assert_nothing_stays_behind(&world);
    let recorded = records::by_request_id(world.gate.folder());
    for id in tally.answers.keys() {
        assert!(
            recorded.contains_key(id),
            "no record of {id}, which was answered"
        );
    }
    assert_eq!(
        recorded.len(),
        tally.answers.len(),
        "what was begun was answered"
    );
    assert!(records::has_event(world.gate.folder(), "shutdown"));
    records::verified(&world.gate);
}

#[tokio::test]
async fn a_request_that_is_under_way_is_answered_and_the_rest_of_the_grace_is_not_waited_for() {
    for http2 in [false, true] {
        let mut world = with_grace(LONG_GRACE).await;
        let permission = Permission::new();
        let held = permission.clone();
        world
            .backend
            .answer_by(move |_| Answer::nothing().wait_for(&held).then_json());
        let asking = ask(&world, "/things/1", http2);
        world.backend.wait_for_requests(1).await;

        world.gate.signal(Signal::SIGTERM);
        refuses_connections(&world).await;
        permission.give();

        let protocol = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        assert_eq!(asking.await.unwrap(), 200, "{protocol}");
        let status = world.gate.wait_for_exit().await;
        assert_eq!(status.code(), Some(0), "{protocol}");
    }
}

trait ThenJson {
    fn then_json(self) -> Self;
}

impl ThenJson for Answer {
    fn then_json(self) -> Self {
        self.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    }
}

/// Sends one request; the task answers its status.
fn ask(world: &World, target: &'static str, http2: bool) -> tokio::task::JoinHandle<u16> {
    let (address, token) = (world.gate.address().clone(), world.member());
    tokio::spawn(async move {
        if http2 {
            let mut client = H2Client::connect(&address).await;
            let authorization = format!("Bearer {token}");
            let headers = [("authorization", authorization.as_str())];
            let request = h2_client::request("GET", target, &headers);
            let answer = client.request(request, b"", None).await.unwrap();
            answer.head.status.as_u16()
        } else {
            let mut client = RawClient::connect(&address).await;
            client.send(get(target, &token)).await;
            client.read_response().await.status
        }
    })
}

async fn refuses_connections(world: &World) {
    let address = world.gate.address();
    world::eventually("no further connections", async || {
        address.connect().await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_cut_at_the_end_of_the_grace_and_recorded() {
    let mut world = with_grace(SHORT_GRACE).await;
    let mut client = streaming(&world).await;

    let told = Instant::now();
    world.gate.signal(Signal::SIGTERM);
    client.read_to_end().await;
    let cut = told.elapsed();
    let status = world.gate.wait_for_exit().await;

    assert!(
        cut >= SHORT_GRACE,
        "the stream was cut after {cut:?}, before its grace was over"
    );
    assert_eq!(status.code(), Some(0));
    assert_nothing_stays_behind(&world);
    let recorded = records::of_requests(world.gate.folder());
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    let ending = (&recorded[0]["status"], &recorded[0]["reason"]);
    assert_eq!(ending, (&200.into(), &"cut_off".into()));
    records::verified(&world.gate);
}

#[tokio::test]
async fn an_interrupt_ends_the_process_without_a_grace_and_records_what_was_under_way() {
    let mut world = with_grace(LONG_GRACE).await;
    let _streaming = streaming(&world).await;
    let _asking = ask(&world, "/things/hang", true);
    world.backend.wait_for_requests(2).await;

    world.gate.signal(Signal::SIGINT);
    let status = world.gate.wait_for_exit().await;

    assert_eq!(status.code(), Some(0));
    assert_nothing_stays_behind(&world);
    let recorded = records::of_requests(world.gate.folder());
    let mut reasons: Vec<_> = recorded
        .iter()
        .filter_map(|record| record["reason"].as_str())
        .collect();
    reasons.sort_unstable();
    // A stream, and a request without an answer, whose connection may be gone before it is.
    assert!(
        reasons == ["cut_off", "internal"] || reasons == ["client_closed", "cut_off"],
        "{reasons:?}"
    );
    records::verified(&world.gate);
}

#[tokio::test]
async fn a_process_whose_policy_changed_just_before_ends_as_it_should() {
    let mut world = world::start().await;
    for round in 0..5 {
        let text = world::route("new", &format!("/new-{round}/{{id}}"), &["member"]);
        world.gate.write_policy("03.toml", &text);
        world.gate.reload().await;
        // The watch has seen the file and waits whether it holds still.

        world.gate.signal(Signal::SIGINT);
        let status = world.gate.wait_for_exit().await;

        assert_eq!(status.code(), Some(0), "{}", world.gate.stderr());
        world.gate.start_again().await;
    }
}

#[tokio::test]
async fn an_idle_process_that_is_told_to_go_waits_for_no_grace() {
    let mut world = with_grace(LONG_GRACE).await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);

    let status = world.gate.stop().await;

    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_gate_on_a_unix_socket_leaves_no_socket_behind_and_starts_again_on_it() {
    let prepared = world::prepare().await;
    let mut world = prepared.with(|gate| gate.on_unix_socket()).start().await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    let Address::Unix(socket) = world.gate.address().clone() else {
        panic!("it listens on a socket");
    };

    world.gate.stop().await;
    assert!(!socket.exists(), "the socket stays behind");

    world.gate.start_again().await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
}

#[tokio::test]
async fn a_killed_process_starts_again_past_what_it_left_behind() {
    let mut world = world::start().await;
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    world.gate.kill();

    world.gate.start_again().await;

    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    let pid = std::fs::read_to_string(world.gate.folder().join("data/gate.pid")).unwrap();
    assert_eq!(pid.trim(), world.gate.pid().to_string());
}

#[tokio::test]
async fn a_gate_that_says_it_is_ready_takes_connections() {
    let mut world = world::start().await;
    for _ in 0..8 {
        let reached = world.gate.address().connect().await;
        assert!(reached.is_ok(), "ready, and nobody listens");
        world.gate.kill();
        world.gate.start_again().await;
    }
}

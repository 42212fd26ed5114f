//! One at a time: requests that stand in line, and leave it whatever becomes of them.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::stage::{Stage, World, eventually};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};

/// A backend that answers once it is told to, one answer for each time.
async fn told(signal: &Signal) -> RecordingBackend {
    let signal = signal.clone();
    RecordingBackend::start(move |request| match request.target().as_str() {
        "/tick/stream" => Answer::event_stream()
            .event("one")
            .wait_for(&signal)
            .end_of_chunks(),
        "/tick/torn" => Answer::nothing().wait_for(&signal).reset(),
        _ => Answer::nothing()
            .wait_for(&signal)
            .then_answer(Answer::json(200, "{}")),
    })
    .await
}

async fn before(backend: &RecordingBackend, serialize: &str) -> World {
    before_with(backend, serialize, 60).await
}

/// The same, where the backend has so many seconds to answer.
async fn before_with(backend: &RecordingBackend, serialize: &str, timeout: u64) -> World {
    let policy = format!(
        "[[upstreams]]\nname = \"forge\"\nurl = \"{url}\"\n\n\
         [[tenants]]\nid = \"globex\"\n\n\
         [[routes]]\nname = \"tick\"\nupstream = \"forge\"\nmethods = [\"POST\"]\n\
         path = \"/tick/{{id}}\"\ntimeout_seconds = {timeout}\nserialize = {serialize}\n\n\
         [[routes]]\nname = \"free\"\nupstream = \"forge\"\nmethods = [\"POST\"]\n\
         path = \"/free\"\n",
        url = backend.url()
    );
    let stage = Stage::new().configured(|builder| builder.policy(policy));
    stage.start().await
}

async fn ask(world: &World, target: &str, authorization: &str) -> RawClient {
    let mut client = RawClient::connect(world.gate.address()).await;
    let headers = [("Authorization", authorization)];
    client
        .send(raw_client::request("POST", target, &headers, b"{}"))
        .await;
    client
}

/// Time for what must not happen.
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn requests_of_one_tenant_go_one_at_a_time_and_others_beside_them() {
    const TICKS: usize = 4;
    let signal = Signal::new();
    let backend = told(&signal).await;
    let world = before(&backend, "{ scope = \"tenant\" }").await;
    let other = world.authorization_of("globex", "bob");
    let mut ticks = JoinSet::new();
    for number in 0..TICKS {
        let mut client = ask(&world, &format!("/tick/{number}"), &world.authorization).await;
        ticks.spawn(async move { client.read_response().await.status });
    }
    backend.wait_for_requests(1).await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(backend.requests().len(), 1, "the others wait");
    let _beside = ask(&world, "/tick/beside", &other).await;
    let _free = ask(&world, "/free", &world.authorization).await;
    backend.wait_for_requests(3).await;

    // Those beside have their turn at the signal as well.
    (0..2).for_each(|_| signal.give());
    for answered in 1..=TICKS {
        signal.give();
        assert_eq!(ticks.join_next().await.unwrap().unwrap(), 200);
        let sent = backend
            .wait_for_requests((3 + answered).min(2 + TICKS))
            .await;
        assert_eq!(sent.len(), (3 + answered).min(2 + TICKS), "two at a time");
    }
}

#[tokio::test]
async fn users_of_one_tenant_do_not_wait_for_each_other_where_the_line_is_the_users() {
    let signal = Signal::new();
    let backend = told(&signal).await;
    let world = before(&backend, "{ scope = \"user\" }").await;
    let bob = world.authorization_of("acme", "bob");
    let _alice = ask(&world, "/tick/alice", &world.authorization).await;
    let _again = ask(&world, "/tick/again", &world.authorization).await;
    let _bob = ask(&world, "/tick/bob", &bob).await;
    backend.wait_for_requests(2).await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(backend.requests().len(), 2, "alice's second waits");
}

#[tokio::test]
async fn a_full_line_is_refused_at_once_and_a_long_wait_in_the_end() {
    let signal = Signal::new();
    let backend = told(&signal).await;
    let world = before(
        &backend,
        "{ scope = \"route\", queue = 1, wait_seconds = 1 }",
    )
    .await;
    let _first = ask(&world, "/tick/first", &world.authorization).await;
    backend.wait_for_requests(1).await;
    let asked = Instant::now();
    let mut waiting = ask(&world, "/tick/waits", &world.authorization).await;
    tokio::time::sleep(SHORT).await;
    let mut refused = ask(&world, "/tick/refused", &world.authorization).await;
    for client in [&mut refused, &mut waiting] {
        let answer = client.read_response().await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json()["code"], "queue_full");
        assert_eq!(answer.header("retry-after").as_deref(), Some("5"));
    }
    assert!(
        asked.elapsed() >= Duration::from_secs(1),
        "one of them waited"
    );
    assert_eq!(backend.requests().len(), 1, "no backend heard of either");
}

#[tokio::test]
async fn the_turn_passes_on_however_a_request_ends() {
    let signal = Signal::new();
    let backend = told(&signal).await;
    let world = before_with(&backend, "{ scope = \"route\" }", 6).await;
    let authorization = &world.authorization;

    // A client that leaves while it runs, and one that leaves while it waits.
    let running = ask(&world, "/tick/leaves", authorization).await;
    backend.wait_for_requests(1).await;
    let waiting = ask(&world, "/tick/gives-up", authorization).await;
    tokio::time::sleep(SHORT).await;
    drop(waiting);
    eventually("its record", async || !world.records("tick").is_empty()).await;
    assert_eq!(world.records("tick")[0]["reason"], "client_closed");
    drop(running);
    // A backend that says nothing in time.
    let mut silent = ask(&world, "/tick/silent", authorization).await;
    assert_eq!(silent.read_response().await.status, 504);
    // One whose connection breaks.
    let mut torn = ask(&world, "/tick/torn", authorization).await;
    backend.wait_for_requests(3).await;
    (0..3).for_each(|_| signal.give());
    assert_eq!(torn.read_response().await.status, 502);
    // A stream holds its turn to its end and no longer.
    let mut stream = ask(&world, "/tick/stream", authorization).await;
    stream.read_until("one").await;
    let mut last = ask(&world, "/tick/last", authorization).await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(backend.requests().len(), 4, "the last waits for the stream");
    drop(stream);
    backend.wait_for_requests(5).await;
    (0..2).for_each(|_| signal.give());
    assert_eq!(last.read_response().await.status, 200);
    let seen: Vec<String> = backend.requests().iter().map(|it| it.target()).collect();
    let ids = ["leaves", "silent", "torn", "stream", "last"];
    assert_eq!(seen, ids.map(|id| format!("/tick/{id}")));
}

#[tokio::test]
async fn a_request_whose_token_ended_while_it_waited_reaches_no_backend() {
    let signal = Signal::new();
    let backend = told(&signal).await;
    let world = before(&backend, "{ scope = \"route\" }").await;
    let mut first = ask(&world, "/tick/first", &world.authorization).await;
    backend.wait_for_requests(1).await;
    let mut waiting = ask(&world, "/tick/waits", &world.authorization_for(1)).await;
    // Not a little more than that second: the gate reads another clock than the one that is slept by.
    tokio::time::sleep(Duration::from_secs(3)).await;
    signal.give();
    assert_eq!(first.read_response().await.status, 200);
    let answer = waiting.read_response().await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["code"], "token_expired");
    assert_eq!(backend.requests().len(), 1);
}

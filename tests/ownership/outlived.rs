//! Requests and answers that go on while what they are about is deleted, and its id becomes
//! somebody else's.

use crate::stage::{Caller, Stage};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::within;

const ROUTES: &str = r#"
[[routes]]
name = "session.say"
upstream = "backend"
methods = ["POST"]
path = "/sessions/{id}/say"
resource = { kind = "session", id = "path:id", claim = true }

[[routes]]
name = "session.read"
upstream = "backend"
methods = ["GET"]
path = "/sessions/{id}/{what}"
resource = { kind = "session", id = "path:id" }

[[routes]]
name = "session.delete"
upstream = "backend"
methods = ["DELETE"]
path = "/sessions/{id}"
resource = { kind = "session", id = "path:id" }
deletes = true
"#;

/// Bob lets go of his session, and alice takes the same id.
async fn change_hands(stage: &Stage) {
    let deleted = stage
        .ask(&stage.bob(), "DELETE", "/sessions/main", "")
        .await;
    assert_eq!(deleted.status, 200);
    let taken = stage
        .ask(&stage.alice(), "POST", "/sessions/main/say", "hers")
        .await;
    assert_eq!(taken.status, 200, "the id is free again");
}

async fn take(stage: &Stage, caller: &Caller) {
    let taken = stage.ask(caller, "POST", "/sessions/main/say", "x").await;
    assert_eq!(taken.status, 200);
}

/// Sends the beginning of a request whose body is `length` bytes.
async fn begin(stage: &Stage, caller: &Caller, length: usize) -> RawClient {
    let mut client = RawClient::connect(stage.gate.address()).await;
    let head = format!(
        "POST /sessions/main/say HTTP/1.1\r\nHost: gate.test\r\nAuthorization: {}\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n",
        caller.authorization
    );
    client.send(head).await;
    client
}

async fn open(stage: &Stage, caller: &Caller, what: &str) -> RawClient {
    let mut client = RawClient::connect(stage.gate.address()).await;
    let headers = [
        ("Authorization", caller.authorization.as_str()),
        ("Connection", "close"),
    ];
    let target = format!("/sessions/main/{what}");
    client
        .send(raw_client::request("GET", &target, &headers, b""))
        .await;
    client
}

#[tokio::test]
async fn a_body_sent_slowly_does_not_reach_who_took_the_id_meanwhile() {
    let backend = RecordingBackend::ok().await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    // Whether the gate reads it whole before it goes on, or passes it on as it comes.
    for length in [9, 200_000] {
        take(&stage, &stage.bob()).await;
        let mut slow = begin(&stage, &stage.bob(), length).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        change_hands(&stage).await;
        let rest = "injected ".repeat(length / 9 + 1);
        let _gone = slow.try_send(&rest.as_bytes()[..length]).await;
        let answer =
            String::from_utf8_lossy(&within("an end", slow.read_to_end()).await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 200"), "{length}: {answer}");
        let reached = backend
            .requests()
            .iter()
            .filter(|it| String::from_utf8_lossy(&it.body.content).contains("injected"))
            .count();
        assert_eq!(
            reached, 0,
            "{length}: what bob said reached alice's session"
        );
        let freed = stage
            .ask(&stage.alice(), "DELETE", "/sessions/main", "")
            .await;
        assert_eq!(freed.status, 200);
    }
}

#[tokio::test]
async fn a_stream_about_what_was_deleted_ends_before_the_next_owner_says_anything() {
    let signal = Signal::new();
    let gives = signal.clone();
    let backend = RecordingBackend::start(move |request| match request.target().as_str() {
        "/sessions/main/events" => Answer::event_stream()
            .event("first")
            .wait_for(&gives)
            .event("hers")
            .end_of_chunks(),
        "/sessions/main/poll" => Answer::nothing()
            .wait_for(&gives)
            .then_answer(Answer::json(200, "{\"said\":\"hers\"}")),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    take(&stage, &stage.bob()).await;
    let mut events = open(&stage, &stage.bob(), "events").await;
    events.read_until("first").await;
    let mut poll = open(&stage, &stage.bob(), "poll").await;
    backend.wait_for_requests(3).await;
    change_hands(&stage).await;
    for _waiting in ["bob's events", "bob's poll", "alice's events"] {
        signal.give();
    }
    let polled = within("an answer", poll.read_response()).await;
    assert_eq!(polled.status, 404, "{}", polled.text());
    let rest = within("the end", events.read_to_end()).await;
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(!rest.contains("hers"), "{rest}");
    assert!(rest.contains("not_found"), "{rest}");

    let mut hers = open(&stage, &stage.alice(), "events").await;
    hers.read_until("hers").await;
}

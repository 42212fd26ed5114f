//! Backends that refuse, reset, hang or say too much: what the client hears, and how often the
//! backend was asked.

use crate::stage::{LONGEST_SILENCE, Stage, World};
use crate::support::raw_client::{self, RawResponse};
use crate::support::recording_backend::{Answer, OnHead, RecordingBackend, Signal};
use crate::support::transport::Endpoint;

async fn before(backend: &RecordingBackend) -> World {
    Stage::new().upstream("h1", backend.url(), "").start().await
}

const STREAMED: (&str, &str) = ("Transfer-Encoding", "chunked");

/// A GET, a POST with a short body and a POST whose body is streamed: each is carried another way.
fn each_way(world: &World, target: &str) -> [(&'static str, Vec<u8>); 3] {
    let mut streamed = world.request("POST", target, &[STREAMED], b"");
    streamed.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
    [
        ("GET", world.request("GET", target, &[], b"")),
        ("short POST", world.request("POST", target, &[], b"x")),
        ("streamed POST", streamed),
    ]
}

/// A backend that closes a connection which it kept open, at the moment the next request is on it.
async fn closing_kept_connections() -> RecordingBackend {
    RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/warm-up" => Answer::json(200, "{}"),
        // The first request on a fresh connection is answered, a later one finds it closed.
        _ if request.connection == 0 => Answer::nothing().close(),
        _ => Answer::json(200, "{}"),
    })
    .await
}

/// Sends a request that is answered and leaves a connection to the backend open, and then another.
///
/// Both go out on one client connection: the second is read when the gate has put the first one's
/// backend connection back.
async fn second_of(world: &World, warm_up: &[u8], request: &[u8]) -> RawResponse {
    let mut client = world.client().await;
    client.send(warm_up).await;
    assert_eq!(client.read_response().await.status, 200);
    client.send(request).await;
    client.read_response().await
}

async fn second_get(world: &World, target: &str) -> RawResponse {
    let warm_up = world.request("GET", "/h1/plain/warm-up", &[], b"");
    second_of(world, &warm_up, &world.request("GET", target, &[], b"")).await
}

#[tokio::test]
async fn a_read_on_a_dead_kept_connection_is_asked_again_once() {
    let backend = closing_kept_connections().await;
    let world = before(&backend).await;

    let answer = second_get(&world, "/h1/plain/x").await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = backend.requests().len() - 1;
    assert_eq!((asked, backend.connections()), (2, 2));
}

#[tokio::test]
async fn a_write_on_a_dead_kept_connection_is_not_repeated() {
    for way in [1, 2] {
        let backend = closing_kept_connections().await;
        let world = before(&backend).await;

        // Each way keeps connections of its own.
        let (name, warm_up) = &each_way(&world, "/h1/plain/warm-up")[way];
        let (_, request) = &each_way(&world, "/h1/plain/x")[way];
        let answer = second_of(&world, warm_up, request).await;

        assert_eq!(answer.status, 502, "{name}");
        let asked = backend.requests().len() - 1;
        assert_eq!(asked, 1, "{name}: it may have been carried out");
        assert_eq!(backend.connections(), 1, "{name}: on the kept connection");
    }
}

#[tokio::test]
async fn a_read_is_not_repeated_without_end() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/warm-up" => Answer::json(200, "{}"),
        _ => Answer::nothing().close(),
    })
    .await;
    let world = before(&backend).await;

    let answer = second_get(&world, "/h1/plain/x").await;

    assert_eq!(answer.status, 502);
    assert_eq!(backend.requests().len() - 1, 2, "once, and once more");
}

#[tokio::test]
async fn a_backend_that_refuses_connections_is_a_502() {
    let listener = Endpoint::Tcp.listen().await;
    let url = listener.url();
    drop(listener);
    let world = Stage::new().upstream("h1", &url, "").start().await;

    for (name, request) in each_way(&world, "/h1/plain/x") {
        let answer = raw_client::exchange(world.gate.address(), request).await;
        assert_eq!(answer.status, 502, "{name}");
        assert_eq!(answer.json()["code"], "upstream_unreachable", "{name}");
    }
}

#[tokio::test]
async fn a_backend_that_fails_before_its_answer_is_a_502() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/reset" => Answer::nothing().reset(),
        "/h1/plain/closed" => Answer::nothing().close(),
        "/h1/plain/in-head" => Answer::bytes("HTTP/1.1 200 OK\r\ncontent-le").reset(),
        "/h1/plain/no-http" => Answer::bytes("SSH-2.0-OpenSSH_9.9\r\n").close(),
        _ => Answer::bytes("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
    })
    .await;
    let world = before(&backend).await;

    for fault in ["reset", "closed", "in-head", "no-http", "two-lengths"] {
        for (name, request) in each_way(&world, &format!("/h1/plain/{fault}")) {
            let answer = raw_client::exchange(world.gate.address(), request).await;
            assert_eq!(answer.status, 502, "{fault} to a {name}");
            assert_eq!(
                answer.json()["code"],
                "upstream_unreachable",
                "{fault} to a {name}"
            );
        }
    }
    assert_eq!(backend.requests().len(), 15, "each was asked once");
}

#[tokio::test]
async fn a_backend_that_never_answers_is_a_504_after_the_routes_timeout() {
    let backend = RecordingBackend::start(|_| Answer::nothing().hang()).await;
    let world = before(&backend).await;

    for (name, request) in each_way(&world, "/h1/brief/x") {
        // The default of 60 s is more than the client waits for.
        let answer = raw_client::exchange(world.gate.address(), request).await;
        assert_eq!(answer.status, 504, "{name}");
        assert_eq!(answer.json()["code"], "upstream_timeout", "{name}");
    }
    assert_eq!(backend.requests().len(), 3, "each was asked once");
}

#[tokio::test]
async fn a_backend_that_hangs_on_a_kept_connection_is_asked_once() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/warm-up" => Answer::json(200, "{}"),
        _ => Answer::nothing().hang(),
    })
    .await;
    let world = before(&backend).await;

    let answer = second_get(&world, "/h1/brief/x").await;

    assert_eq!(answer.status, 504);
    assert_eq!(backend.requests().len() - 1, 1);
}

#[tokio::test]
async fn an_answer_that_falls_silent_is_torn_and_one_that_goes_on_is_not() {
    let signal = Signal::new();
    let held = signal.clone();
    let backend = RecordingBackend::start(move |request| match request.target().as_str() {
        "/h1/brief/silent" => Answer::event_stream().event("one").hang(),
        _ => Answer::event_stream()
            .event("one")
            .wait_for(&held)
            .event("two")
            .wait_for(&held)
            .event("three")
            .end_of_chunks(),
    })
    .await;
    let world = before(&backend).await;

    let mut client = world.client().await;
    client
        .send(world.request("GET", "/h1/brief/silent", &[], b""))
        .await;
    let torn = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(
        torn.contains("data: one") && !torn.contains("\r\n0\r\n"),
        "{torn}"
    );

    // Together longer than any one silence may be.
    let mut client = world.client().await;
    client
        .send(world.request("GET", "/h1/pausing/going-on", &[], b""))
        .await;
    for _ in 0..2 {
        tokio::time::sleep(LONGEST_SILENCE * 5 / 9).await;
        signal.give();
    }
    let answer = client.read_response().await;
    assert!(answer.body.complete && answer.text().ends_with("data: three\n\n"));
}

/// Bytes that come with an answer and are none of it: the connection is not used again. Those that
/// come later, when another request is on the connection already, look like its answer to anybody.
#[tokio::test]
async fn bytes_behind_an_answer_never_become_the_answer_to_another_request() {
    let backend = RecordingBackend::start(|request| {
        let answer = match request.target().as_str() {
            "/h1/plain/length" => "200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "/h1/plain/chunks" => {
                "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            }
            "/h1/plain/204" => "204 No Content\r\n\r\n",
            "/h1/plain/304" => "304 Not Modified\r\n\r\n",
            _ => return Answer::json(200, r#"{"mine":true}"#),
        };
        let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
        Answer::bytes(format!("HTTP/1.1 {answer}{poison}"))
    })
    .await;
    let world = before(&backend).await;

    for kind in ["length", "chunks", "204", "304"] {
        for (name, request) in each_way(&world, &format!("/h1/plain/{kind}")) {
            let mut client = world.client().await;
            client.send(request).await;
            let answer = client.read_response().await;
            assert!(!answer.text().contains("poison"), "{kind} to a {name}");

            let next = world.ask("GET", "/h1/plain/mine", &[], b"").await;
            assert_eq!(
                (next.status, next.text().as_str()),
                (200, r#"{"mine":true}"#),
                "after {kind} to a {name}"
            );
        }
    }
}

/// Content behind an answer that has none would come when another request is on the connection.
#[tokio::test]
async fn a_connection_serves_again_after_content_and_not_after_an_answer_that_has_none() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/none" => Answer::new(204, &[], b""),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let world = before(&backend).await;
    let mut client = world.client().await;
    for (target, status) in [("some", 200), ("none", 204), ("some", 200)] {
        let request = world.request("GET", &format!("/h1/plain/{target}"), &[], b"");
        client.send(request).await;
        assert_eq!(client.read_response().await.status, status);
    }
    let used: Vec<_> = backend
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(used, [0, 0, 1]);
}

#[tokio::test]
async fn a_connection_with_part_of_a_request_on_it_carries_no_other_request() {
    let backend = RecordingBackend::ok().await;
    let reads_on = Signal::new();
    let stalled = Answer::json(200, r#"{"early":true}"#).wait_for(&reads_on);
    backend.on_head(move |head| match head.word(1).as_str() {
        "/h1/brief-judged" => OnHead::Answer(stalled.clone()),
        _ => OnHead::Read,
    });
    let world = before(&backend).await;
    // More than the sockets between the gate and its backend take.
    let mut body = br#"{"tenantId":"acme","content":""#.to_vec();
    body.resize(12 << 20, b'x');
    body.extend_from_slice(b"\"}");

    let first = world.ask("POST", "/h1/brief-judged", &[], &body).await;
    assert_eq!(first.text(), r#"{"early":true}"#);
    let next = world.ask("GET", "/h1/plain/mine", &[], b"").await;
    assert_eq!(next.status, 200, "{}", next.text());

    let requests = backend.requests();
    assert_eq!(requests[1].target(), "/h1/plain/mine");
    assert_ne!(requests[0].connection, requests[1].connection);
    reads_on.give();
}

#[tokio::test]
async fn a_dead_backend_does_not_slow_another_one_down() {
    let dead = RecordingBackend::start(|_| Answer::nothing().hang()).await;
    let good = RecordingBackend::ok().await;
    let world = Stage::new()
        .upstream("h1", dead.url(), "")
        .upstream("good", good.url(), "")
        .start()
        .await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = world.client().await;
        client
            .send(world.request("GET", "/h1/plain/x", &[], b""))
            .await;
        waiting.push(client);
    }
    dead.wait_for_requests(50).await;

    for _ in 0..20 {
        // Whoever waited for the dead one would wait longer than a client here does.
        let answer = world.ask("GET", "/good/plain/x", &[], b"").await;
        assert_eq!(answer.status, 200);
    }
}

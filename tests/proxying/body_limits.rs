//! Bounds on request bodies: their size, their pace, and the memory all of them share; and what
//! `Expect: 100-continue` is answered.

use std::time::Duration;

use crate::stage::{Stage, World, eventually};
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Answer, OnHead, RecordingBackend};
use crate::support::within;

/// `body_bytes` of the `small` routes.
const SMALL: usize = 65_536;

/// A captured and a streamed route, each with a limit of [`SMALL`].
const SMALL_ROUTES: [&str; 2] = ["/h1/small-judged", "/h1/small"];

/// A captured and a streamed route with room for much.
const ROUTES: [&str; 2] = ["/h1/judged-request", "/h1/plain/x"];

const CHUNKED: (&str, &str) = ("Transfer-Encoding", "chunked");
const EXPECTS: (&str, &str) = ("Expect", "100-continue");

async fn before(backend: &RecordingBackend) -> World {
    Stage::new().upstream("h1", backend.url(), "").start().await
}

async fn before_with_limits(backend: &RecordingBackend, limits: &str) -> World {
    let stage = Stage::new().upstream("h1", backend.url(), "");
    stage.limits(limits).start().await
}

/// JSON of exactly this many bytes.
fn json_of(bytes: usize) -> Vec<u8> {
    let mut body = br#"{"tenantId":"acme","content":""#.to_vec();
    body.resize(bytes - 2, b'x');
    body.extend_from_slice(b"\"}");
    body
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn length(bytes: usize) -> String {
    bytes.to_string()
}

/// A connection on which only the head of a POST was sent.
async fn with_head_sent(world: &World, target: &str, headers: &[(&str, &str)]) -> RawClient {
    let mut client = world.client().await;
    client
        .send(world.request("POST", target, headers, b""))
        .await;
    client
}

// size ------------------------------------------------------------------------

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_however_it_is_framed() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let body = json_of(SMALL);

    for target in SMALL_ROUTES {
        let answer = world.ask("POST", target, &[], &body).await;
        assert_eq!(answer.status, 200, "{target} by its length");

        let mut client = with_head_sent(&world, target, &[CHUNKED]).await;
        client.send(chunk(&body)).await;
        client.send("0\r\n\r\n").await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 200, "{target} in chunks");

        let request = world.h2_request("POST", target, &[]);
        let mut client = world.h2_client().await;
        let answer = client.request(request, &body, None).await.unwrap();
        assert_eq!(answer.head.status, 200, "{target} over HTTP/2");
    }

    let requests = backend.requests();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|it| it.body.content == body));
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_a_byte_of_the_body_is_there() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let too_long = length(SMALL + 1);

    for target in SMALL_ROUTES {
        let headers = [("Content-Length", too_long.as_str())];
        let mut client = with_head_sent(&world, target, &headers).await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 413, "{target}");
        assert_eq!(answer.json()["code"], "body_too_large");
        assert!(
            client.read_to_end().await.is_empty(),
            "{target}: unread bytes must not become a next request"
        );
    }

    assert_eq!(backend.connections(), 0, "no backend hears of it");
}

#[tokio::test]
async fn one_byte_beyond_the_limit_is_refused_by_counting() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let body = json_of(SMALL + 1);

    for target in SMALL_ROUTES {
        let mut client = with_head_sent(&world, target, &[CHUNKED]).await;
        client.send(chunk(&body)).await;
        client.send("0\r\n\r\n").await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 413, "{target} in chunks");

        let request = world.h2_request("POST", target, &[]);
        let mut client = world.h2_client().await;
        let answer = client.request(request, &body, None).await.unwrap();
        assert_eq!(answer.head.status, 413, "{target} over HTTP/2");
        assert_eq!(answer.json()["code"], "body_too_large", "{target}");
    }

    let whole = backend.requests().into_iter().filter(|it| it.body.complete);
    assert_eq!(whole.count(), 0, "what is cut off never looks whole");
}

// memory ----------------------------------------------------------------------

const LARGE: usize = 10 << 20;

/// Clients that announced a body of [`LARGE`] bytes, were told to go on, and sent none of it.
async fn announcing(world: &World, clients: usize) -> Vec<RawClient> {
    let length = length(LARGE);
    let headers = [("Content-Length", length.as_str()), EXPECTS];
    let mut announcers = Vec::new();
    for _ in 0..clients {
        let mut client = with_head_sent(world, "/h1/judged-request", &headers).await;
        assert_eq!(client.read_head().await.word(1), "100");
        announcers.push(client);
    }
    announcers
}

/// Clients whose bodies are in the gate's memory but for the last byte.
async fn holding_memory(world: &World, clients: usize) -> Vec<RawClient> {
    let mut holders = announcing(world, clients).await;
    let body = json_of(LARGE);
    for holder in &mut holders {
        holder.send(&body[..LARGE - 1]).await;
    }
    eventually("bodies held in memory", || async {
        // The number is written down when a request ends.
        world.ask("GET", "/h1/plain/x", &[], b"").await;
        world.metric("fabric_gate_body_memory_bytes").await >= (clients * (LARGE - 1)) as f64
    })
    .await;
    holders
}

#[tokio::test]
async fn bodies_that_are_only_announced_keep_nobody_else_out() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, "body_memory_megabytes = 24").await;
    let announcers = announcing(&world, 8).await;

    for target in ROUTES {
        let answer = world.ask("POST", target, &[], &json_of(LARGE)).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
    drop(announcers);
}

#[tokio::test]
async fn bodies_that_do_not_fit_into_the_shared_memory_are_refused_and_the_others_pass() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, "body_memory_megabytes = 24").await;
    let body = json_of(LARGE);
    let mut holders = holding_memory(&world, 2).await;

    for _ in 0..4 {
        let answer = world.ask("POST", "/h1/judged-request", &[], &body).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["code"], "overloaded");
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
    }
    for holder in &mut holders {
        holder.send(&body[LARGE - 1..]).await;
        assert_eq!(holder.read_response().await.status, 200);
    }

    for _ in 0..4 {
        let answer = world.ask("POST", "/h1/judged-request", &[], &body).await;
        assert_eq!(answer.status, 200, "the memory came back");
    }
    // The number is written down behind the answer.
    eventually("no bytes that nobody holds", async || {
        world.metric("fabric_gate_body_memory_bytes").await < 1.0
    })
    .await;
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_where_it_outgrows_the_shared_memory() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, "body_memory_megabytes = 24").await;
    let holders = holding_memory(&world, 2).await;
    let part = chunk(&vec![b' '; 1 << 20]);

    let mut client = with_head_sent(&world, "/h1/judged-request", &[CHUNKED]).await;
    for _ in 0..5 {
        // The gate may close before it has read everything.
        let _ = client.try_send(&part).await;
    }
    assert_eq!(client.read_response().await.status, 503);
    drop(holders);
}

#[tokio::test]
async fn an_answer_that_is_held_back_takes_from_the_same_memory() {
    let backend = RecordingBackend::start(|_| Answer::json(200, "{}")).await;
    let answer = json_of(LARGE);
    backend.answer_by(move |_| Answer::new(200, &[], &answer));
    let world = before_with_limits(&backend, "body_memory_megabytes = 24").await;
    let holders = holding_memory(&world, 2).await;

    let answer = world.ask("GET", "/h1/judged-answer", &[], b"").await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("overloaded"))
    );

    // Clients that leave give back what was set aside for them.
    drop(holders);
    crate::stage::eventually("room for the answer", async || {
        let answer = world.ask("GET", "/h1/judged-answer", &[], b"").await;
        answer.status == 200
    })
    .await;
}

// pace ------------------------------------------------------------------------

/// The default of 60 s is more than a client here waits for its refusal.
const HASTE: &str = "body_timeout_seconds = 1";

#[tokio::test]
async fn a_body_that_stops_coming_is_refused() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, HASTE).await;

    for target in ROUTES {
        let headers = [("Content-Length", "20000")];
        let mut client = with_head_sent(&world, target, &headers).await;
        client.send("{\"tenantId\":\"acme\"").await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 408, "{target}: {}", answer.text());
        assert_eq!(answer.json()["code"], "request_timeout");
        assert!(client.read_to_end().await.is_empty(), "{target}");
    }

    let whole = backend.requests().into_iter().filter(|it| it.body.complete);
    assert_eq!(whole.count(), 0);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_refused() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, HASTE).await;

    for target in ROUTES {
        let mut client = with_head_sent(&world, target, &[CHUNKED]).await;
        let trickling = async {
            // Never a pause long enough to be refused for.
            while client.try_send(chunk(b" ")).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        within(target, trickling).await;
        let answer = client.read_to_end().await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_captured_body_over_http2_that_stops_coming_is_refused() {
    let backend = RecordingBackend::ok().await;
    let world = before_with_limits(&backend, HASTE).await;
    let client = world.h2_client().await;
    let mut sender = client.sender.clone().ready().await.unwrap();

    let request = world.h2_request("POST", "/h1/judged-request", &[]);
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    body.send_data("{".into(), false).unwrap();
    let answer = within("a refusal", answer).await;

    assert_eq!(answer.unwrap().status(), 408);
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn an_upload_that_comes_on_may_take_longer_than_the_timeout_of_a_captured_body() {
    let backend = RecordingBackend::ok().await;
    // No pause comes near it, and all of them together go beyond it.
    let world = before_with_limits(&backend, "body_timeout_seconds = 3").await;
    let mut client = with_head_sent(&world, "/h1/plain/x", &[CHUNKED]).await;

    for _ in 0..16 {
        client.send(chunk(&[b'x'; 1024])).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    client.send("0\r\n\r\n").await;

    assert_eq!(client.read_response().await.status, 200);
    assert_eq!(backend.only_request().body.content.len(), 16 * 1024);
}

// 100-continue ----------------------------------------------------------------

#[tokio::test]
async fn the_gate_itself_asks_for_a_body_it_has_to_read_first() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let body = json_of(20_000);
    let headers = [("Content-Length", "20000"), EXPECTS];

    let mut client = with_head_sent(&world, "/h1/judged-request", &headers).await;
    assert_eq!(client.read_head().await.word(1), "100");
    assert_eq!(backend.connections(), 0, "no backend was asked");
    client.send(&body).await;
    assert_eq!(client.read_response().await.status, 200);

    let request = backend.only_request();
    assert_eq!(request.body.content, body);
    assert_eq!(
        request.head.value("expect"),
        None,
        "the gate has the body, so the backend is not to ask for it"
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_interim_answer() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let body = json_of(100);
    let request = world.request("POST", "/h1/judged-request", &[EXPECTS], &body);
    let request = String::from_utf8(request).unwrap();

    let mut client = world.client().await;
    client
        .send(request.replacen("HTTP/1.1", "HTTP/1.0", 1))
        .await;
    assert_eq!(client.read_head().await.word(1), "200");
}

#[tokio::test]
async fn the_backend_asks_for_a_body_that_is_streamed() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let headers = [("Content-Length", "20000"), EXPECTS];

    let mut client = with_head_sent(&world, "/h1/plain/x", &headers).await;
    assert_eq!(client.read_head().await.word(1), "100");
    client.send(json_of(20_000)).await;
    assert_eq!(client.read_response().await.status, 200);

    // The gate does not ask in its place: what the backend refuses is never asked for.
    backend.on_head(|_| OnHead::Answer(Answer::json(417, "{}").close()));
    let mut client = with_head_sent(&world, "/h1/plain/x", &headers).await;
    assert_eq!(client.read_head().await.word(1), "417");
}

#[tokio::test]
async fn a_refused_request_is_never_asked_for_its_body() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;
    let too_long = length(SMALL + 1);
    for (target, credential, size, status) in [
        ("/h1/plain/x", "none", "20000", "401"),
        ("/h1/judged-request", "none", "20000", "401"),
        ("/h1/nowhere", &world.authorization, "20000", "404"),
        ("/h1/small", &world.authorization, &too_long, "413"),
        ("/h1/small-judged", &world.authorization, &too_long, "413"),
    ] {
        let mut client = world.client().await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: gate.test\r\nAuthorization: {credential}\r\n\
             Content-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
        );
        client.send(head).await;
        let answer = client.read_response().await;
        assert_eq!(answer.head.word(1), status, "{target}");
        assert!(
            client.read_to_end().await.is_empty(),
            "{target}: whether the body comes is not known, so the connection ends"
        );
    }
    assert_eq!(backend.connections(), 0);
}

// broken off, answered early --------------------------------------------------

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole_to_the_backend() {
    let backend = RecordingBackend::ok().await;
    let world = before(&backend).await;

    for target in ROUTES {
        for headers in [[("Content-Length", "20000")], [CHUNKED]] {
            let mut client = with_head_sent(&world, target, &headers).await;
            client.send(chunk(&[b' '; 5_000])).await;
            client.finish_sending().await;
            client.read_to_end().await;
        }
    }

    let whole = backend.requests().into_iter().filter(|it| it.body.complete);
    assert_eq!(whole.count(), 0);
    let captured = world.records("h1.judged-request");
    assert!(
        captured.iter().all(|it| it["reason"] == "request_rejected"),
        "{captured:#?}"
    );
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_reaches_the_client() {
    let backend = RecordingBackend::ok().await;
    backend.on_head(|_| OnHead::Answer(Answer::json(507, r#"{"full":true}"#).close()));
    let world = before(&backend).await;
    let body = json_of(LARGE);

    for target in ROUTES {
        let mut client = world.client().await;
        // The answer can end the connection while the body is still on its way.
        let _ = client
            .try_send(world.request("POST", target, &[], &body))
            .await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 507, "{target}: {}", answer.text());
        assert_eq!(answer.text(), r#"{"full":true}"#, "{target}");
    }
}

//! What needs no body to be judged passes as it comes: uploads, events, large answers to slow
//! clients, every way an answer can be framed.

use std::time::Duration;

use http::HeaderMap;

use crate::stage::{Stage, World};
use crate::support::h2_backend::{H2Answer, H2Backend, H2End};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::transport::Endpoint;
use crate::support::within;

async fn before(backend: &RecordingBackend) -> World {
    Stage::new().upstream("h1", backend.url(), "").start().await
}

#[tokio::test]
async fn the_beginning_of_an_upload_reaches_the_backend_before_its_end_is_sent() {
    let listener = Endpoint::Tcp.listen().await;
    let world = Stage::new()
        .upstream("h1", &listener.url(), "")
        .start()
        .await;
    let mut client = world.client().await;
    let headers = [("Transfer-Encoding", "chunked")];
    client
        .send(world.request("POST", "/h1/plain/x", &headers, b""))
        .await;
    client.send("5\r\nfirst\r\n").await;

    let stream = within("a connection", listener.accept()).await;
    let mut backend = crate::support::http1::Connection::new(stream);
    let mut seen = String::new();
    within("the first chunk", async {
        while !seen.contains("first") {
            seen += &String::from_utf8_lossy(&backend.read_some().await.unwrap());
        }
    })
    .await;

    client.send("4\r\nlast\r\n0\r\n\r\n").await;
    within("the last chunk", async {
        while !seen.ends_with("last\r\n0\r\n\r\n") {
            seen += &String::from_utf8_lossy(&backend.read_some().await.unwrap());
        }
    })
    .await;
    backend
        .send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_response().await.status, 200);
}

#[tokio::test]
async fn every_event_arrives_before_the_next_is_sent() {
    let signal = Signal::new();
    let held = signal.clone();
    let backend = RecordingBackend::start(move |_| {
        Answer::event_stream()
            .event("one")
            .wait_for(&held)
            .event("two")
            .wait_for(&held)
            .event("three")
            .end_of_chunks()
    })
    .await;
    let world = before(&backend).await;
    let mut client = world.client().await;

    client
        .send(world.request("GET", "/h1/plain/events", &[], b""))
        .await;
    let first = client.read_until("data: one\n\n").await;
    assert!(!first.contains("two"));
    signal.give();
    let second = client.read_until("data: two\n\n").await;
    assert!(!second.contains("three"));
    signal.give();
    client.read_until("data: three\n\n").await;
}

#[tokio::test]
async fn every_event_arrives_before_the_next_is_sent_over_http2_and_after_an_upload() {
    let signal = Signal::new();
    let held = signal.clone();
    let backend = RecordingBackend::start(move |_| {
        Answer::event_stream()
            .event("one")
            .wait_for(&held)
            .event("two")
            .end_of_chunks()
    })
    .await;
    let world = before(&backend).await;
    // A body of unknown length is streamed, and its answer comes by pingora's loop.
    for body in [&b""[..], b"asked"] {
        let client = world.h2_client().await;
        let mut sender = client.sender.clone().ready().await.unwrap();
        let request = world.h2_request("POST", "/h1/plain/events", &[]);
        let (answer, mut upload) = sender.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            upload.send_data(body.into(), true).unwrap();
        }
        let mut events = within("an answer", answer).await.unwrap().into_body();

        let first = within("an event", events.data()).await.unwrap().unwrap();
        assert_eq!(first, "data: one\n\n");
        signal.give();
        let second = within("an event", events.data()).await.unwrap().unwrap();
        assert_eq!(second, "data: two\n\n");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    let block = vec![b'x'; 64 << 20];
    let backend = RecordingBackend::start(move |_| Answer::new(200, &[], &block)).await;
    let world = before(&backend).await;
    let mut streamed = world.request(
        "POST",
        "/h1/brief/x",
        &[("Transfer-Encoding", "chunked")],
        b"",
    );
    streamed.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
    let requests = [world.request("GET", "/h1/brief/x", &[], b""), streamed];

    for (before, request) in requests.into_iter().enumerate() {
        let mut client = world.client().await;
        client.send(request).await;
        backend.wait_for_departures(before + 1).await;
    }
}

#[tokio::test]
async fn a_slow_client_slows_the_backend_down_instead_of_filling_memory() {
    const MEGABYTE: usize = 1 << 20;
    const ALL: usize = 64 * MEGABYTE;
    let backend = RecordingBackend::ok().await;
    let block = vec![b'x'; ALL];
    backend.answer_by(move |_| Answer::new(200, &[], &block));
    let world = before(&backend).await;
    world.ask("GET", "/h1/plain/missing", &[], b"").await;
    let before = world.resident_mib();
    let mut most = before;

    for method in ["GET", "POST"] {
        let mut client = world.client().await;
        let headers: &[_] = match method {
            "POST" => &[("Transfer-Encoding", "chunked")],
            _ => &[],
        };
        let mut request = world.request(method, "/h1/plain/x", headers, b"");
        if method == "POST" {
            request.extend_from_slice(b"1\r\nx\r\n0\r\n\r\n");
        }
        client.send(request).await;
        assert_eq!(client.read_head().await.word(1), "200");
        // The client reads nothing for a while, and then everything.
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            most = most.max(world.resident_mib());
        }
        let read = client.read_bytes(ALL).await;
        assert_eq!(read, ALL, "{method}");
        most = most.max(world.resident_mib());
    }

    assert!(
        most < before + 24,
        "resident memory went from {before} to {most} MiB"
    );
}

#[tokio::test]
async fn an_answer_without_a_body_ends_with_its_head() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/204" => Answer::head(204, &[]),
        "/h1/plain/304" => Answer::head(304, &[("etag", "\"v1\""), ("content-length", "9")]),
        _ => Answer::new(200, &[("etag", "\"v1\"")], "nine byte"),
    })
    .await;
    let world = before(&backend).await;
    let mut client = world.client().await;

    for target in ["/h1/plain/204", "/h1/plain/304"] {
        client.send(world.request("GET", target, &[], b"")).await;
        let answer = client.read_response().await;
        assert!(target.ends_with(&answer.status.to_string()), "{answer:?}");
    }
    client
        .send(world.request("HEAD", "/h1/plain/x", &[], b""))
        .await;
    let head = client.read_response_to_head().await;
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length").as_deref(),
        Some("9"),
        "what a GET would get"
    );

    client
        .send(world.request("GET", "/h1/plain/x", &[], b""))
        .await;
    let answer = client.read_response().await;
    assert_eq!(
        answer.text(),
        "nine byte",
        "the same connection, so no answer left a byte behind"
    );
}

#[tokio::test]
async fn an_answer_without_a_body_ends_with_its_head_from_and_to_http2() {
    let backend = H2Backend::start(|request| {
        let status = match request.head.uri.path() {
            "/h2/plain/204" => 204,
            "/h2/plain/304" => 304,
            _ => 200,
        };
        H2Answer::new(status, "")
    })
    .await;
    let stage = Stage::new().upstream("h2", backend.url(), "http2 = true");
    let world = stage.start().await;
    let mut raw = world.client().await;
    let mut h2 = world.h2_client().await;

    for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
        let target = format!("/h2/plain/{status}");
        let request = world.h2_request(method, &target, &[]);
        let answer = h2.request(request, b"", None).await.unwrap();
        assert_eq!(
            (answer.head.status.as_u16(), answer.body.len()),
            (status, 0)
        );

        raw.send(world.request(method, &target, &[], b"")).await;
        let answer = match method {
            "HEAD" => raw.read_response_to_head().await,
            _ => raw.read_response().await,
        };
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn an_answer_arrives_whole_however_the_backend_frames_it() {
    let backend = RecordingBackend::start(|request| match request.target().as_str() {
        "/h1/plain/length" => Answer::new(200, &[], "a body"),
        "/h1/plain/chunks" => Answer::chunked(200, &[], &[b"a ", b"body"]),
        "/h1/plain/trickle" => Answer::chunked(200, &[], &[b"a ", b"body"]).trickled(),
        "/h1/plain/empty-chunks" => Answer::chunked(200, &[], &[]),
        _ => Answer::head(200, &[]).send("a body").close(),
    })
    .await;
    let world = before(&backend).await;
    let mut h2 = world.h2_client().await;

    for kind in ["length", "chunks", "trickle", "to-the-end", "empty-chunks"] {
        let expected = if kind == "empty-chunks" { "" } else { "a body" };
        let target = format!("/h1/plain/{kind}");
        // The last one is streamed up, so that its answer comes by pingora's loop.
        for (method, headers, body) in [
            ("GET", None, ""),
            ("POST", Some(("Transfer-Encoding", "chunked")), "0\r\n\r\n"),
            (
                "POST",
                Some(("Transfer-Encoding", "chunked")),
                "1\r\nx\r\n0\r\n\r\n",
            ),
        ] {
            let headers: Vec<_> = headers.into_iter().collect();
            let mut request = world.request(method, &target, &headers, b"");
            request.extend_from_slice(body.as_bytes());
            let mut client = world.client().await;
            client.send(&request).await;
            let answer = client.read_response().await;
            assert_eq!(answer.text(), expected, "{kind} to {method} {body:?}");
            assert!(answer.body.complete, "{kind} to {method} {body:?}");
        }

        let request = world.h2_request("GET", &target, &[]);
        let answer = h2.request(request, b"", None).await.unwrap();
        assert_eq!(answer.body, expected.as_bytes(), "{kind} over HTTP/2");
    }
}

#[tokio::test]
async fn trailers_of_an_answer_pass_between_http2_connections() {
    let backend = H2Backend::start(|_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        H2Answer {
            end: H2End::Trailers(trailers),
            ..H2Answer::new(200, "body")
        }
    })
    .await;
    let stage = Stage::new().upstream("h2", backend.url(), "http2 = true");
    let world = stage.start().await;
    let mut client = world.h2_client().await;

    for (method, body) in [("GET", &b""[..]), ("POST", b"streamed up")] {
        let request = world.h2_request(method, "/h2/plain/x", &[]);
        let answer = client.request(request, body, None).await.unwrap();
        assert_eq!(answer.body, b"body", "{method}");
        assert_eq!(answer.trailers.unwrap()["x-sum"], "7", "{method}");
    }
}

#[tokio::test]
async fn a_request_sent_ahead_is_not_taken_for_part_of_another() {
    let backend = RecordingBackend::start(|request| Answer::new(200, &[], request.target())).await;
    let world = before(&backend).await;
    let mut client = world.client().await;

    let ahead = [
        world.request("GET", "/h1/plain/first", &[], b""),
        world.request("GET", "/h1/plain/second", &[], b""),
    ];
    client.send(ahead.concat()).await;

    assert_eq!(client.read_response().await.text(), "/h1/plain/first");
    assert!(
        client.read_to_end().await.is_empty(),
        "pipelining is not served: the connection ends, and the client asks again"
    );
    assert_eq!(backend.only_request().target(), "/h1/plain/first");
}

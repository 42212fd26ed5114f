//! gRPC: HTTP/2 on both sides, messages in both directions, status in trailers, and refusals that
//! a gRPC client understands.

use bytes::Bytes;
use http::HeaderMap;

use crate::stage::{Stage, World};
use crate::support::h2_backend::{H2Answer, H2Backend};
use crate::support::h2_client::{self, H2Client};
use crate::support::transport::{Endpoint, Listener};
use crate::support::within;

const GRPC: (&str, &str) = ("content-type", "application/grpc");

fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], bytes].concat()
}

async fn before(url: &str) -> World {
    let stage = Stage::new().upstream("h2", url, "http2 = true");
    stage.start().await
}

#[tokio::test]
async fn a_unary_call_comes_back_with_its_status() {
    let backend = H2Backend::start(|request| {
        assert_eq!(request.body, message(b"ping"));
        H2Answer::grpc(b"pong", 0)
    })
    .await;
    let world = before(backend.url()).await;
    let mut client = world.h2_client().await;

    let headers = [GRPC, ("te", "trailers")];
    let request = world.h2_request("POST", "/h2/plain/Service/Call", &headers);
    let answer = client.request(request, &message(b"ping"), None).await;
    let answer = answer.unwrap();

    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.body, message(b"pong"));
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    let seen = backend.requests().remove(0);
    assert_eq!(
        seen.head.headers.get("te").map(|value| value.as_bytes()),
        Some(&b"trailers"[..]),
        "gRPC servers may insist on it"
    );
    assert_eq!(seen.head.headers["x-fabric-tenant"], "acme");
}

#[tokio::test]
async fn a_status_other_than_ok_passes_as_the_backend_said_it() {
    let backend = H2Backend::start(|_| H2Answer::grpc(b"", 9)).await;
    let world = before(backend.url()).await;
    let mut client = world.h2_client().await;

    let request = world.h2_request("POST", "/h2/plain/Service/Call", &[GRPC]);
    let answer = client.request(request, &message(b""), None).await.unwrap();

    assert_eq!(answer.trailers.unwrap()["grpc-status"], "9");
}

/// Accepts one connection and its only stream, and answers every message with itself.
async fn echo_messages(listener: Listener) {
    let stream = listener.accept().await;
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let head = http::Response::builder().header(GRPC.0, GRPC.1);
    let mut answer = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    let mut incoming = request.into_body();
    while let Some(data) = incoming.data().await {
        let data = data.unwrap();
        let _ = incoming.flow_control().release_capacity(data.len());
        answer.send_data(data, false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    answer.send_trailers(trailers).unwrap();
}

/// A stream of this client on which an answer has begun.
async fn open_stream(world: &World, client: &H2Client) -> (h2::SendStream<Bytes>, h2::RecvStream) {
    let mut sender = client.sender.clone().ready().await.unwrap();
    let request = world.h2_request("POST", "/h2/plain/Service/Chat", &[GRPC]);
    let (answer, upload) = sender.send_request(request, false).unwrap();
    let answer = within("the head of the answer", answer).await.unwrap();
    (upload, answer.into_body())
}

async fn echoed(upload: &mut h2::SendStream<Bytes>, answer: &mut h2::RecvStream, text: &[u8]) {
    upload.send_data(message(text).into(), false).unwrap();
    let back = within("an echo", answer.data()).await.unwrap().unwrap();
    let _ = answer.flow_control().release_capacity(back.len());
    assert_eq!(back, message(text));
}

#[tokio::test]
async fn messages_of_a_stream_pass_both_ways_one_by_one() {
    let listener = Endpoint::Tcp.listen().await;
    let world = before(&listener.url()).await;
    let backend = tokio::spawn(echo_messages(listener));
    let client = world.h2_client().await;
    let (mut upload, mut answer) = open_stream(&world, &client).await;

    for text in [b"one", b"two"] {
        echoed(&mut upload, &mut answer, text).await;
    }
    upload.send_data(Bytes::new(), true).unwrap();

    assert!(within("the end", answer.data()).await.is_none());
    let trailers = within("trailers", answer.trailers()).await.unwrap();
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    backend.await.unwrap();
}

#[tokio::test]
async fn a_stream_in_conversation_may_be_as_slow_as_it_likes() {
    let listener = Endpoint::Tcp.listen().await;
    let stage = Stage::new().upstream("h2", &listener.url(), "http2 = true");
    let world = stage.limits("body_timeout_seconds = 2").start().await;
    tokio::spawn(echo_messages(listener));
    let client = world.h2_client().await;
    let (mut upload, mut answer) = open_stream(&world, &client).await;

    for text in [b"one", b"two"] {
        tokio::time::sleep(std::time::Duration::from_millis(2_300)).await;
        echoed(&mut upload, &mut answer, text).await;
    }
}

#[tokio::test]
async fn a_refusal_is_a_grpc_status_without_a_body() {
    let backend = H2Backend::start(|_| H2Answer::grpc(b"pong", 0)).await;
    let world = before(backend.url()).await;
    let mut client = world.h2_client().await;
    let stranger = h2_client::request("POST", "/h2/plain/Service/Call", &[GRPC]);
    for (request, status, code) in [
        (stranger, "16", "credentials_missing"),
        (
            world.h2_request("POST", "/h2/none", &[GRPC]),
            "5",
            "not_found",
        ),
        (
            world.h2_request("DELETE", "/h2/small", &[GRPC]),
            "12",
            "method_not_allowed",
        ),
    ] {
        let answer = client.request(request, &message(b""), None).await.unwrap();
        assert_eq!(answer.head.status, 200, "{code}");
        assert_eq!(answer.head.headers["content-type"], "application/grpc");
        assert_eq!(answer.head.headers["grpc-status"], status, "{code}");
        assert_eq!(answer.head.headers["grpc-message"], code);
        assert!(answer.body.is_empty() && answer.trailers.is_none());
    }
    assert!(backend.requests().is_empty());
}

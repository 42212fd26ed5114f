//! WebSocket: through the routes that take it, both ways, and through no other.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::stage::{Stage, World};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};
use crate::support::transport::BoxedStream;
use crate::support::within;

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A backend that takes a moment to switch protocols. One that answers before pingora's loop first
/// looks loses its socket at once: the loop takes the end of the (empty) request body, which is
/// still in its queue then, for the end of the socket.
async fn echoing() -> RecordingBackend {
    RecordingBackend::start(|request| {
        let ready = Signal::new();
        let given = ready.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            given.give();
        });
        let echo = Answer::echo_websocket(&request.head);
        Answer::nothing().wait_for(&ready).then_answer(echo)
    })
    .await
}

fn handshake(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gate.test\r\n{more}{HANDSHAKE}\r\n")
}

async fn open(world: &World) -> WebSocketStream<BoxedStream> {
    let mut client = world.client().await;
    let credential = format!("Authorization: {}\r\n", world.authorization);
    client.send(handshake("/h1/socket", &credential)).await;
    let answer = client.read_head().await;
    assert_eq!(answer.word(1), "101", "{}", answer.text());
    let stream = client.into_stream();
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

async fn echoed(socket: &mut WebSocketStream<BoxedStream>, message: Message) {
    within("sending", socket.send(message.clone()))
        .await
        .unwrap();
    let back = within("an echo", socket.next()).await.unwrap();
    let back = back.unwrap_or_else(|error| panic!("{error} in place of an echo"));
    assert_eq!(back, message);
}

#[tokio::test]
async fn messages_pass_both_ways() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let mut socket = open(&world).await;

    echoed(&mut socket, Message::text("hello")).await;
    echoed(&mut socket, Message::binary(vec![7; 300_000])).await;
    within("closing", socket.close(None)).await.unwrap();
    drop(socket);

    backend.wait_for_departures(1).await;
    let record = world.record("h1.socket").await;
    assert_eq!(
        (&record["status"], &record["decision"]),
        (&101.into(), &"permit".into())
    );
}

#[tokio::test]
async fn bounds_on_bodies_do_not_end_a_socket() {
    let backend = echoing().await;
    let stage = Stage::new().upstream("h1", backend.url(), "");
    let world = stage.limits("body_timeout_seconds = 1").start().await;
    let mut socket = open(&world).await;

    // Longer than any pause inside a body may be, slower than any body, and more than its limit.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    echoed(&mut socket, Message::text("after a pause")).await;
    for _ in 0..20 {
        echoed(&mut socket, Message::binary(vec![7; 1 << 20])).await;
    }
}

#[tokio::test]
async fn a_token_in_the_query_opens_a_socket_and_stays_at_the_gate() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let token = world.authorization.strip_prefix("Bearer ").unwrap();
    let mut client = world.client().await;

    let target = format!("/h1/socket?a=1&token={token}&b=2");
    client.send(handshake(&target, "")).await;
    assert_eq!(client.read_head().await.word(1), "101");

    let request = backend.only_request();
    assert_eq!(request.target(), "/h1/socket?a=1&b=2");
    assert!(!request.head.text().contains(token));
    assert_eq!(request.head.value("x-fabric-tenant").unwrap(), "acme");
}

#[tokio::test]
async fn an_upgrade_is_refused_where_the_route_does_not_say_websocket() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let credential = format!("Authorization: {}\r\n", world.authorization);

    for target in ["/h1/plain/x", "/h1/judged-answer"] {
        let mut client = world.client().await;
        client.send(handshake(target, &credential)).await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(answer.json()["code"], "request_rejected");
    }
    let mut client = world.client().await;
    client.send(handshake("/h1/socket", "")).await;
    assert_eq!(client.read_head().await.word(1), "401", "no credential");

    assert_eq!(backend.connections(), 0, "no backend hears of it");
}

#[tokio::test]
async fn a_backend_that_switches_protocols_unasked_is_not_followed() {
    let backend = RecordingBackend::start(|_| {
        Answer::bytes(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nsecret",
        )
    })
    .await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;

    for (headers, body) in [
        (vec![], &b""[..]),
        (
            vec![("Transfer-Encoding", "chunked")],
            b"1\r\nx\r\n0\r\n\r\n",
        ),
    ] {
        let mut request = world.request("POST", "/h1/plain/x", &headers, b"");
        request.extend_from_slice(body);
        let mut client = world.client().await;
        client.send(request).await;
        let head = client.read_head().await;
        assert_eq!(head.word(1), "502", "{headers:?}: {}", head.text());
    }
}

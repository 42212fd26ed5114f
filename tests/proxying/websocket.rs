//! WebSocket: through the routes that take it, both ways, and through no other.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::stage::{Stage, World};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::transport::BoxedStream;
use crate::support::within;

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A backend that switches protocols at once.
async fn echoing() -> RecordingBackend {
    RecordingBackend::start(|request| Answer::echo_websocket(&request.head)).await
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
    client.into_websocket().await
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
async fn the_handshake_carries_the_assertion_where_the_upstream_wants_it() {
    for (extra, wanted) in [("assertion = true", true), ("", false)] {
        let backend = echoing().await;
        let stage = Stage::new().upstream("h1", backend.url(), extra);
        let world = stage.start().await;
        let mut client = world.client().await;
        let fields = format!(
            "Authorization: {}\r\nX_Fabric_Assertion: mine\r\n",
            world.authorization
        );
        client.send(handshake("/h1/socket", &fields)).await;
        assert_eq!(client.read_head().await.word(1), "101");
        let head = backend.requests()[0].head.clone();
        let said = head.value("x-fabric-assertion");
        assert_eq!(said.is_some(), wanted, "{}", head.text());
        assert!(!head.text().contains("mine"), "{}", head.text());
    }
}

#[tokio::test]
async fn no_socket_is_lost_to_a_backend_that_answers_in_the_same_instant() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    for _ in 0..500 {
        let mut socket = open(&world).await;
        echoed(&mut socket, Message::text("hello")).await;
    }
}

#[tokio::test]
async fn what_either_side_says_in_one_breath_with_the_handshake_arrives() {
    let backend = RecordingBackend::start(|request| {
        let key = request.head.value("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}\u{5}early\u{80}\u{1}!"
        );
        // Latin-1: the frames are bytes.
        let bytes: Vec<u8> = head.chars().map(|it| it as u8).collect();
        Answer::bytes(bytes).until_the_client_leaves()
    })
    .await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let mut client = world.client().await;
    let credential = format!("Authorization: {}\r\n", world.authorization);
    let mut request = handshake("/h1/socket", &credential).into_bytes();
    request.extend_from_slice(&[0x82, 0x81, 0, 0, 0, 0, b'x', 0x88, 0x80, 0, 0, 0, 0]);
    client.send(request).await;
    let seen = client.read_until("!").await;
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    assert!(seen.contains("\r\n\r\n\u{1}\u{5}early"), "{seen}");
    drop(client);
    backend.wait_for_departures(1).await;
    let record = world.record("h1.socket").await;
    assert_eq!(
        (&record["bytes_in"], &record["bytes_out"]),
        (&13.into(), &10.into())
    );
    assert_eq!(record["reason"], "ok", "the client said goodbye");
}

#[tokio::test]
async fn an_answer_that_is_no_switch_is_an_ordinary_answer() {
    let backend = RecordingBackend::start(|_| Answer::json(404, r#"{"error":"no socket"}"#)).await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let mut client = world.client().await;
    let credential = format!("Authorization: {}\r\n", world.authorization);

    client.send(handshake("/h1/socket", &credential)).await;
    let answer = client.read_response().await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"error":"no socket"}"#);
    let record = world.record("h1.socket").await;
    assert_eq!(
        (&record["status"], &record["upstream_status"]),
        (&404.into(), &404.into())
    );
}

#[tokio::test]
async fn a_switch_that_does_not_fit_what_was_asked_is_no_switch() {
    for (name, fields) in [
        ("no accept", String::new()),
        (
            "another key",
            "Sec-WebSocket-Accept: AAAALMBiTxaQ9kYGzzhZRbK+xOo=\r\n".to_owned(),
        ),
        (
            "a protocol nobody offered",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: chat\r\n"
                .to_owned(),
        ),
    ] {
        let backend = RecordingBackend::start(move |_| {
            Answer::bytes(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\n{fields}\r\nsecret"
            ))
        })
        .await;
        let world = Stage::new().upstream("h1", backend.url(), "").start().await;
        let mut client = world.client().await;
        let credential = format!("Authorization: {}\r\n", world.authorization);
        client.send(handshake("/h1/socket", &credential)).await;
        let answer = client.read_response().await;
        assert_eq!(answer.status, 502, "{name}");
        assert_eq!(answer.json()["code"], "upstream_unreadable", "{name}");
        assert!(!answer.text().contains("secret"), "{name}");
    }
}

#[tokio::test]
async fn of_the_handshake_the_backend_gets_what_the_gate_knows() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let mut client = world.client().await;
    let more = format!(
        "Authorization: {}\r\nX-Fabric-Tenant: acme\r\nSec-WebSocket-Protocol: chat\r\n\
         Sec-WebSocket-Extensions: x-other, permessage-deflate\r\n",
        world.authorization
    );
    client.send(handshake("/h1/socket", &more)).await;
    assert_eq!(client.read_head().await.word(1), "101");

    let request = backend.only_request();
    let value = |name: &str| request.head.value(name).unwrap();
    assert_eq!(value("upgrade"), "websocket");
    assert_eq!(value("connection").to_ascii_lowercase(), "upgrade");
    assert_eq!(value("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(value("sec-websocket-protocol"), "chat");
    assert_eq!(value("sec-websocket-extensions"), "permessage-deflate");
    assert_eq!(value("x-fabric-user"), "alice");
}

#[tokio::test]
async fn an_upgrade_to_anything_else_reaches_no_backend() {
    let backend = echoing().await;
    let world = Stage::new().upstream("h1", backend.url(), "").start().await;
    let credential = format!("Authorization: {}\r\n", world.authorization);
    let good = handshake("/h1/socket", &credential);
    for bad in [
        good.replace("Upgrade: websocket", "Upgrade: x"),
        good.replace("Version: 13", "Version: 8"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        good.replace(
            "Sec-WebSocket-Version",
            "Content-Length: 1\r\nSec-WebSocket-Version",
        ) + "x",
    ] {
        let mut client = world.client().await;
        client.send(bad).await;
        let answer = client.read_response().await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &"request_rejected".into())
        );
    }
    assert_eq!(backend.connections(), 0);
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

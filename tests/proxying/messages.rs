//! What a client says on a socket is looked into where a route says so: each id has to be its own.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::stage::{Stage, World};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::transport::BoxedStream;
use crate::support::within;

async fn backend() -> RecordingBackend {
    RecordingBackend::start(|request| match request.target().as_str() {
        "/tasks" => Answer::json(
            201,
            &format!(
                "{{\"id\":{}}}",
                String::from_utf8_lossy(&request.body.content)
            ),
        ),
        _ => Answer::echo_websocket(&request.head),
    })
    .await
}

async fn before(backend: &RecordingBackend) -> World {
    let policy = format!(
        "[[upstreams]]\nname = \"b\"\nurl = \"{url}\"\n\n[[tenants]]\nid = \"globex\"\n\n\
         [[routes]]\nname = \"task.create\"\nupstream = \"b\"\nmethods = [\"POST\"]\npath = \"/tasks\"\n\
         creates = {{ kind = \"task\", id = \"body:/id\" }}\n\n\
         [[routes]]\nname = \"socket\"\nupstream = \"b\"\nmethods = [\"GET\"]\npath = \"/socket\"\n\
         websocket = true\nbody_bytes = 65536\n\
         resource = {{ kind = \"task\", id = [\"message:/task\", \"message:/tasks/*\"], optional = true }}\n",
        url = backend.url()
    );
    let stage = Stage::new().configured(|builder| builder.policy(policy));
    stage.start().await
}

/// Makes a task of this id for the caller.
async fn create(world: &World, authorization: &str, id: &str) {
    let headers = [("Authorization", authorization)];
    let body = format!("\"{id}\"");
    let request = raw_client::request("POST", "/tasks", &headers, body.as_bytes());
    let answer = raw_client::exchange(world.gate.address(), request).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

async fn socket(world: &World, authorization: &str) -> WebSocketStream<BoxedStream> {
    let mut client = RawClient::connect(world.gate.address()).await;
    let handshake = format!(
        "GET /socket HTTP/1.1\r\nHost: gate.test\r\nAuthorization: {authorization}\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.send(handshake).await;
    assert_eq!(client.read_head().await.word(1), "101");
    client.into_websocket().await
}

/// What comes back for a message: itself, or the status and reason of a close frame.
async fn answer(
    socket: &mut WebSocketStream<BoxedStream>,
    message: Message,
) -> Result<Message, (u16, String)> {
    within("sending", socket.send(message)).await.unwrap();
    match within("an answer", socket.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => Err((frame.code.into(), frame.reason.to_string())),
        message => Ok(message),
    }
}

#[tokio::test]
async fn a_message_about_ones_own_task_passes_and_about_anothers_ends_the_socket() {
    let backend = backend().await;
    let world = before(&backend).await;
    let (alice, bob) = (
        &world.authorization,
        &world.authorization_of("globex", "bob"),
    );
    create(&world, alice, "t-1").await;
    create(&world, bob, "t-2").await;
    for (who, own, other) in [(alice, "t-1", "t-2"), (bob, "t-2", "t-1")] {
        for (good, bad) in [
            (
                format!("{{\"task\":\"{own}\"}}"),
                format!("{{\"task\":\"{other}\"}}"),
            ),
            (
                format!("{{\"tasks\":[\"{own}\",\"{own}\"]}}"),
                format!("{{\"tasks\":[\"{own}\",\"{other}\"]}}"),
            ),
            (
                "{\"hello\":1}".to_owned(),
                "{\"task\":\"nobody\u{2019}s\"}".to_owned(),
            ),
        ] {
            let mut socket = socket(&world, who).await;
            let good = Message::text(good);
            assert_eq!(answer(&mut socket, good.clone()).await, Ok(good));
            let refused = (1008, "not_found".to_owned());
            assert_eq!(answer(&mut socket, Message::text(bad)).await, Err(refused));
        }
    }
    crate::stage::eventually("records", async || world.records("socket").len() == 6).await;
    for record in world.records("socket") {
        assert_eq!(record["reason"], "not_found");
    }
    for request in backend.requests() {
        assert!(request.head.value("sec-websocket-extensions").is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_socket() {
    let backend = backend().await;
    let world = before(&backend).await;
    for (message, status, reason) in [
        (Message::text("no json"), 1008, "request_rejected"),
        (
            Message::text("{\"task\":\"a\",\"task\":\"b\"}"),
            1008,
            "request_rejected",
        ),
        (Message::text("{\"task\":{}}"), 1008, "request_rejected"),
        (Message::binary(vec![1, 2, 3]), 1003, "request_rejected"),
        (
            Message::text(format!("\"{}\"", "x".repeat(70_000))),
            1009,
            "body_too_large",
        ),
    ] {
        let mut socket = socket(&world, &world.authorization).await;
        let expected = (status, reason.to_owned());
        assert_eq!(answer(&mut socket, message).await, Err(expected));
    }
}

#[tokio::test]
async fn a_message_in_pieces_is_judged_whole_and_none_of_it_passes_before() {
    let backend = backend().await;
    let world = before(&backend).await;
    create(&world, &world.authorization, "t-1").await;
    let piece = |text: &str, opcode, last| {
        Message::Frame(Frame::message(text.to_owned(), OpCode::Data(opcode), last))
    };
    let mut socket = socket(&world, &world.authorization).await;
    socket
        .send(piece("{\"task\":", Data::Text, false))
        .await
        .unwrap();
    socket.send(Message::Ping("?".into())).await.unwrap();
    let pong = within("a pong", socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("?".into()));
    let rest = piece("\"t-1\"}", Data::Continue, true);
    let whole = Message::text("{\"task\":\"t-1\"}");
    assert_eq!(answer(&mut socket, rest).await, Ok(whole));

    socket
        .send(piece("{\"task\":", Data::Text, false))
        .await
        .unwrap();
    let rest = piece("\"t-2\"}", Data::Continue, true);
    assert_eq!(answer(&mut socket, rest).await.unwrap_err().0, 1008);
}

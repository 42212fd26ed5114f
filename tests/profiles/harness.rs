//! `profile = "fabric-harness"`.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{Caller, NEVER, Stage, ask, ask_posting, column};
use crate::standins::harness;
use crate::support::raw_client::RawClient;
use crate::support::within;

async fn stage() -> Stage {
    Stage::start("fabric-harness", harness::start().await).await
}

/// Asks for the socket as a browser does: the token in the query.
async fn handshake(stage: &Stage, caller: &Caller, id: &str) -> RawClient {
    let mut client = RawClient::connect(stage.gate.address()).await;
    let request = format!(
        "GET /sessions/{id}/ws?token={} HTTP/1.1\r\nHost: gate.test\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        caller.token
    );
    client.send(request).await;
    client
}

#[tokio::test]
async fn the_first_tenant_to_use_a_session_id_owns_it() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let prompt = json!({"prompt": "acme-canary"});
    alice.make("/agents/writer/s-1", prompt).await;

    let before = stage.backend.seen().len();
    let foreign = bob
        .post("/agents/writer/s-1", json!({"prompt": "mine?"}))
        .await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let foreign = bob
        .post("/agents/other/s-1", json!({"prompt": "mine?"}))
        .await;
    assert_eq!(foreign.status, 404, "by another agent's name: {foreign:?}");
    let writes = stage.backend.seen().split_off(before);
    assert!(
        writes.iter().all(|seen| !seen.line.starts_with("POST")),
        "{writes:?}"
    );

    bob.make("/agents/writer/s-2", json!({"prompt": "globex-canary"}))
        .await;
    alice
        .make("/agents/writer/s-1", json!({"prompt": "more"}))
        .await;
    let session = alice.read("/sessions/s-1").await;
    assert_eq!(session["entries"].as_array().unwrap().len(), 2, "{session}");
}

#[tokio::test]
async fn a_foreign_session_is_as_absent_as_one_that_never_was() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = "0b1d6ad2-7f0e-4a71-9d55-3f6a1c2b4e5f";
    let prompt = json!({"prompt": "acme-canary"});
    alice.make(&format!("/agents/writer/{id}"), prompt).await;
    for target in [
        "/agents/writer/{id}",
        "/agents/writer/{id}/stream",
        "/sessions/{id}",
        "/sessions/{id}/events",
    ] {
        stage.absent_for(&bob, ask("GET", target), id, NEVER).await;
        stage.absent_for(&bob, ask("HEAD", target), id, NEVER).await;
        let own = alice.send(ask("GET", target), id).await;
        assert!(own.text().contains("acme-canary"), "{target}: {own:?}");
    }
}

#[tokio::test]
async fn sessions_are_listed_to_their_tenant() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    alice.make("/agents/writer/a-1", json!({})).await;
    bob.make("/agents/writer/b-1", json!({})).await;
    for (caller, expected) in [(&alice, "a-1"), (&bob, "b-1")] {
        let list = caller.read("/sessions").await;
        assert_eq!(column(&list["sessions"], "/sessionId"), [expected]);
        assert_eq!(list["total"], 1);
    }
}

#[tokio::test]
async fn approvals_are_decided_by_reviewers_of_the_sessions_tenant() {
    let stage = stage().await;
    let alice = stage.alice();
    alice.make("/agents/writer/s-1", json!({})).await;
    let asked = ask_posting("/sessions/{id}/approvals/ap-1/approve", "{}");
    let reviewer = stage.caller("acme", "rita", &["reviewer"]);
    let foreign = stage.caller("globex", "rob", &["reviewer"]);
    assert_eq!(alice.send(asked, "s-1").await.status, 403);
    stage.absent_for(&foreign, asked, "s-1", "s-9").await;
    let session = alice.read("/sessions/s-1").await;
    assert_eq!(session["approvals"][0]["state"], "pending");
    assert_eq!(reviewer.send(asked, "s-1").await.status, 200);
    let session = alice.read("/sessions/s-1").await;
    assert_eq!(session["approvals"][0]["state"], "decided");
}

#[tokio::test]
async fn a_socket_opens_to_the_sessions_tenant_by_the_token_in_the_query() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    alice
        .make("/agents/writer/s-1", json!({"prompt": "acme-canary"}))
        .await;

    let mut refused = handshake(&stage, &bob, "s-1").await;
    let refused = refused.read_response().await;
    assert_eq!(refused.status, 404, "{refused:?}");
    let unknown = handshake(&stage, &bob, "s-9").await.read_response().await;
    assert_eq!(refused.text(), unknown.text());

    let mut client = handshake(&stage, &alice, "s-1").await;
    let head = client.read_head().await;
    assert_eq!(head.word(1), "101", "{}", head.text());
    let mut socket = client.into_websocket().await;
    let hello = within("a message", socket.next()).await.unwrap().unwrap();
    assert!(hello.into_text().unwrap().contains("acme-canary"));
    within("sending", socket.send(Message::text("hi")))
        .await
        .unwrap();
    let echo = within("an echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echo.into_text().unwrap().as_str(), "hi");
    let seen = stage.backend.last("GET /sessions/s-1/ws");
    assert!(
        !seen.line.contains("token"),
        "the token went on: {}",
        seen.line
    );
}

#[tokio::test]
async fn pages_about_every_tenant_are_closed_and_the_health_page_is_open() {
    let stage = stage().await;
    stage.closed(&["/builds", "/ready", "/"]).await;
    assert_eq!(stage.alice().get("/health").await.status, 200);
}

//! Client connections: how many, how long they may be silent, and how long a head may take.

use std::time::Duration;

use crate::stage::{Stage, World, eventually};
use crate::support::raw_client::RawClient;
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::within;

/// A gate with these keys in `[listen]`.
async fn listening(backend: &RecordingBackend, listen: &str) -> World {
    Stage::new()
        .upstream("h1", backend.url(), "")
        .configured(|builder| builder.listen_extra(listen))
        .start()
        .await
}

async fn good_request(world: &World, client: &mut RawClient) {
    client
        .send(world.request("GET", "/h1/plain/x", &[], b""))
        .await;
    assert_eq!(client.read_response().await.status, 200);
}

#[tokio::test]
async fn a_connection_beyond_the_cap_is_told_so_and_one_that_ends_makes_room() {
    let backend = RecordingBackend::ok().await;
    let world = listening(&backend, "connections = 3").await;
    // The gate's own readiness was asked on connections that may still be closing.
    eventually("no connection", async || {
        world.metric("fabric_gate_connections").await < 1.0
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = world.client().await;
        good_request(&world, &mut client).await;
        held.push(client);
    }

    let mut refused = world.client().await;
    let answer = refused.read_response().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "overloaded");
    assert!(answer.header("retry-after").is_some());
    assert!(refused.read_to_end().await.is_empty());
    for client in &mut held {
        good_request(&world, client).await;
    }

    drop(held.pop());
    eventually("room", async || {
        let mut client = world.client().await;
        let request = world.request("GET", "/h1/plain/x", &[], b"");
        client.try_send(request).await.is_ok() && client.read_response().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_it_is_idle_and_serves_before_that() {
    let backend = RecordingBackend::ok().await;
    let world = listening(&backend, "idle_timeout_seconds = 3").await;
    let mut client = world.client().await;
    let mut h2 = world.h2_client().await;

    for _ in 0..3 {
        good_request(&world, &mut client).await;
    }
    let request = world.h2_request("GET", "/h1/plain/x", &[]);
    h2.request(request, b"", None).await.unwrap();

    // The default of 60 s is more than is waited for here.
    assert!(client.read_to_end().await.is_empty(), "without a word");
    within("the end over HTTP/2", async {
        while h2.sender.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go_and_disturb_nobody() {
    const EACH: usize = 100;
    let backend = RecordingBackend::ok().await;
    let world = listening(&backend, "header_timeout_seconds = 3").await;
    let head = world.request("GET", "/h1/plain/x", &[], b"");
    let beginnings: [&[u8]; 3] = [b"", b"GET /h1", &head[..head.len() - 2]];
    let mut ends = tokio::task::JoinSet::new();
    for beginning in beginnings {
        for _ in 0..EACH {
            let mut client = world.client().await;
            client.send(beginning).await;
            let long = beginning.len() > 24;
            ends.spawn(async move { (long, client.read_to_end().await) });
        }
    }
    let mut trickling = world.client().await;
    let trickled = tokio::spawn(async move {
        for byte in head {
            if trickling.try_send([byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    let answer = world.ask("GET", "/h1/plain/x", &[], b"").await;
    assert_eq!(answer.status, 200);
    let all = async {
        while let Some(ended) = ends.join_next().await {
            let (long, seen) = ended.unwrap();
            let seen = String::from_utf8(seen).unwrap();
            assert!(
                seen.starts_with("HTTP/1.1 408 ") || (!long && seen.is_empty()),
                "{seen}"
            );
        }
        trickled.await.unwrap();
    };
    within("the end of all", all).await;

    eventually("no connection", async || {
        world.metric("fabric_gate_connections").await < 1.0
    })
    .await;
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_request_shorter_than_the_preface_of_http2_is_answered_without_more_of_it() {
    let backend = RecordingBackend::start(|_| Answer::json(200, "{}")).await;
    let world = listening(&backend, "header_timeout_seconds = 300").await;
    let mut client = world.client().await;

    client.send("GET / HTTP/1.0\r\n\r\n").await;

    assert_eq!(client.read_response().await.status, 404);
}

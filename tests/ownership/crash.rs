//! SIGKILL at any point of a creation: what a caller was told of is its own, and nobody else's.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::stage::{Caller, Stage};
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::within;

const ROUTES: &str = r#"
[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id" }

[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
"#;

/// Rounds of load and SIGKILL.
const ROUNDS: u64 = 8;

/// Creates until the gate is gone; answers the ids of answers that came whole.
async fn create_until_killed(
    address: crate::support::transport::Address,
    caller: Caller,
) -> Vec<String> {
    let mut told = Vec::new();
    let authorization = caller.authorization.as_str();
    let request = raw_client::request("POST", "/tasks", &[("Authorization", authorization)], b"{}");
    let mut client = RawClient::connect(&address).await;
    while let Some(answer) = client.try_exchange(&request).await {
        if answer.status == 201 {
            told.push(answer.json()["id"].as_str().unwrap().to_owned());
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_creations_gives_nothing_to_the_wrong_tenant() {
    let minted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&minted);
    let backend = RecordingBackend::start(move |request| match request.method().as_str() {
        "POST" => {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            Answer::json(201, &format!("{{\"id\":\"task-{number}\"}}"))
        }
        _ => Answer::json(200, "{\"ok\":true}"),
    })
    .await;
    let mut stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let (mut hers, mut his) = (HashSet::new(), HashSet::new());
    for round in 0..ROUNDS {
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            for (whose, caller) in [(true, &alice), (false, &bob)] {
                let creating = create_until_killed(stage.gate.address().clone(), caller.clone());
                callers.spawn(async move { (whose, creating.await) });
            }
        }
        let enough = minted.load(Ordering::SeqCst) + 10;
        let busy = async {
            while minted.load(Ordering::SeqCst) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("creations", busy).await;
        tokio::time::sleep(Duration::from_micros(370 * round)).await;
        stage.gate.kill();
        while let Some(done) = callers.join_next().await {
            let (whose, told) = done.unwrap();
            if whose { &mut hers } else { &mut his }.extend(told);
        }
        stage.gate.start_again().await;
    }
    assert!(
        hers.len() > 20 && his.len() > 20,
        "{} and {} creations",
        hers.len(),
        his.len()
    );
    for number in 0..minted.load(Ordering::SeqCst) {
        let id = format!("task-{number}");
        let target = format!("/tasks/{id}");
        let for_her = stage.ask(&alice, "GET", &target, "").await.status;
        let for_him = stage.ask(&bob, "GET", &target, "").await.status;
        match (hers.contains(&id), his.contains(&id)) {
            (true, _) => assert_eq!((for_her, for_him), (200, 404), "{id} is hers"),
            (_, true) => assert_eq!((for_her, for_him), (404, 200), "{id} is his"),
            (false, false) => {
                assert_ne!(
                    (for_her, for_him),
                    (200, 200),
                    "{id}, which nobody was told of"
                );
            }
        }
    }
}

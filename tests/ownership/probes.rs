//! What the gate asks a backend in place of a denied request changes nothing there, and nobody can
//! make it slow for others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::Stage;
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id" }

[[routes]]
name = "task"
upstream = "backend"
methods = ["GET", "HEAD", "DELETE"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
deletes = true

[[routes]]
name = "task.clear"
upstream = "backend"
methods = ["DELETE"]
path = "/clear"
resource = { kind = "task", id = "query:id" }
deletes = true
"#;

/// A backend that takes `1,2` for two tasks and `*` for all of them, as several do.
fn of_lists(tasks: &Arc<Mutex<Vec<String>>>, request: &Recorded) -> Answer {
    if request.method() == "POST" {
        let id = String::from_utf8(request.body.content.clone()).unwrap();
        tasks.lock().unwrap().push(id.clone());
        return Answer::json(201, &format!("{{\"id\":\"{id}\"}}"));
    }
    let target = request.target();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut names: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("id="))
        .collect();
    names.extend(
        path.strip_prefix("/tasks/")
            .into_iter()
            .flat_map(|ids| ids.split(',')),
    );
    let mut tasks = tasks.lock().unwrap();
    let before = tasks.len();
    let is_named = |id: &String| names.contains(&"*") || names.contains(&id.as_str());
    let any = tasks.iter().any(is_named);
    if request.method() == "DELETE" {
        tasks.retain(|id| !is_named(id));
        return match tasks.len() == before {
            true => Answer::json(404, "{}"),
            false => Answer::json(200, "{}"),
        };
    }
    Answer::json(if any { 200 } else { 404 }, "{}")
}

#[tokio::test]
async fn a_deletion_of_what_is_not_the_callers_deletes_nothing_at_a_backend_that_reads_lists() {
    let tasks: Arc<Mutex<Vec<String>>> = Arc::default();
    let known = Arc::clone(&tasks);
    let backend = RecordingBackend::start(move |request| of_lists(&known, request)).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for id in 0..10 {
        stage.ask(&alice, "POST", "/tasks", id.to_string()).await;
    }
    stage.ask(&bob, "POST", "/tasks", "bobs-1").await;
    let all = tasks.lock().unwrap().clone();
    let digits = "1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9";
    for target in [
        "/tasks/*,a",
        "/tasks/*",
        &format!("/tasks/{digits}"),
        "/clear?id=bobs-1&id=alices",
    ] {
        let answer = stage.ask(&bob, "DELETE", target, "").await;
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(*tasks.lock().unwrap(), all, "{target}");
    }
    let own = stage.ask(&bob, "DELETE", "/tasks/bobs-1", "").await;
    assert_eq!((own.status, tasks.lock().unwrap().len()), (200, 10));
}

/// Far more than an answer takes on any machine.
const ALICE_WAITS: Duration = Duration::from_secs(8);

#[tokio::test]
async fn who_sends_slowly_keeps_no_other_tenant_waiting_for_what_is_not_there() {
    let backend = RecordingBackend::start(|_| Answer::json(404, "{}")).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let mut slow = Vec::new();
    for turn in 0..70 {
        let target = format!("/tasks/nobodys?turn={turn}");
        let authorization = bob.authorization.as_str();
        let fields = [("Authorization", authorization), ("Content-Length", "2")];
        let mut client = RawClient::connect(stage.gate.address()).await;
        client
            .send(raw_client::request("GET", &target, &fields, b""))
            .await;
        slow.push(client);
    }
    // Who waited for as long as these do would wait longer than Alice does below.
    tokio::time::sleep(ALICE_WAITS + Duration::from_secs(2)).await;
    for client in &mut slow {
        client.send("{}").await;
        assert_eq!(client.read_response().await.status, 404);
    }
    // The first two teach; the others are answered from memory.
    for _ in 0..6 {
        let asking = stage.ask(&alice, "GET", "/tasks/nobodys", "");
        let answer = tokio::time::timeout(ALICE_WAITS, asking).await;
        assert_eq!(answer.expect("Alice waited").status, 404);
    }
}

#[tokio::test]
async fn behind_a_head_the_length_is_that_of_the_asked_id() {
    let backend = RecordingBackend::start(|request| {
        let target = request.target();
        let length = target.trim_start_matches("/tasks/").len() + 8;
        match request.method().as_str() {
            "HEAD" => Answer::head(404, &[("content-length", &length.to_string())]),
            _ => Answer::new(404, &[], "x".repeat(length)),
        }
    })
    .await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let bob = stage.bob();
    for round in 0..16 {
        let id = match round {
            0..12 => "abcdefghijklmnop",
            _ => "abcdefghijklmnopqrstuvwxyz",
        };
        let fields = [("Authorization", bob.authorization.as_str())];
        let request = raw_client::request("HEAD", &format!("/tasks/{id}"), &fields, b"");
        let mut client = RawClient::connect(stage.gate.address()).await;
        client.send(request).await;
        let answer = client.read_response_to_head().await;
        let length = answer.header("content-length").unwrap();
        assert_eq!(length, (id.len() + 8).to_string(), "round {round}");
    }
}

//! Ids that the backend mints: the caller who got one owns it.

use crate::stage::Stage;
use crate::support::recording_backend::{Answer, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = { kind = "task", id = "body:/id", as = "uuid" }

[[routes]]
name = "thread.create"
upstream = "backend"
methods = ["POST"]
path = "/threads"
creates = { kind = "thread", id = "header:location" }
resource = { kind = "thread", id = "body:/thread_id", claim = true, optional = true }

[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id", as = "uuid" }

[[routes]]
name = "task.delete"
upstream = "backend"
methods = ["DELETE"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id", as = "uuid" }
deletes = true

[[routes]]
name = "thread.read"
upstream = "backend"
methods = ["GET"]
path = "/threads/{id}"
resource = { kind = "thread", id = "path:id" }

[[routes]]
name = "adopted"
upstream = "backend"
methods = ["GET"]
path = "/adopted/{id}"
resource = { kind = "task", id = "path:id", as = "uuid" }
unknown = "adopt"

[[routes]]
name = "passed"
upstream = "backend"
methods = ["GET"]
path = "/passed/{id}"
resource = { kind = "task", id = "path:id", as = "uuid" }
unknown = "pass"
"#;

const TASK: &str = "0b9d6b6f-8a11-4b53-9c1c-5f0c3f2e9a77";

/// Answers creations with `id`, and everything else with 200.
async fn minting(id: &'static str) -> RecordingBackend {
    RecordingBackend::start(
        move |request| match (request.method().as_str(), request.target()) {
            ("POST", target) if target.starts_with("/tasks") => {
                Answer::json(201, &format!("{{\"id\":\"{id}\",\"state\":\"pending\"}}"))
            }
            ("POST", target) if target.starts_with("/threads") => {
                let location = format!("/threads/{id}");
                Answer::new(201, &[("Location", &location)], "")
            }
            ("DELETE", _) => Answer::head(204, &[]),
            _ => Answer::json(200, "{\"ok\":true}"),
        },
    )
    .await
}

#[tokio::test]
async fn an_id_in_the_body_of_an_answer_belongs_to_who_asked_for_it() {
    let backend = minting(TASK).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let created = stage.ask(&alice, "POST", "/tasks", "{}").await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["id"], TASK);
    let spelled = format!("/tasks/{}", TASK.to_uppercase());
    assert_eq!(stage.ask(&alice, "GET", &spelled, "").await.status, 200);
    assert_eq!(stage.ask(&bob, "GET", &spelled, "").await.status, 404);
}

#[tokio::test]
async fn an_id_in_a_field_of_an_answer_belongs_to_who_asked_for_it() {
    let backend = minting("t-7").await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    assert_eq!(
        stage.ask(&alice, "POST", "/threads", "{}").await.status,
        201
    );
    assert_eq!(
        stage.ask(&alice, "GET", "/threads/t-7", "").await.status,
        200
    );
    assert_eq!(stage.ask(&bob, "GET", "/threads/t-7", "").await.status, 404);
}

#[tokio::test]
async fn a_creation_that_answers_with_anothers_id_is_no_way_to_read_it() {
    let backend = minting("t-7").await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    stage
        .ask(&alice, "POST", "/threads", "{\"thread_id\":\"t-7\"}")
        .await;
    let seen = backend.requests().len();
    let named = stage
        .ask(&bob, "POST", "/threads", "{\"thread_id\":\"t-7\"}")
        .await;
    assert_eq!(named.status, 404, "he names it");
    assert_eq!(backend.requests().len(), seen, "and nobody hears of it");
    let unnamed = stage.ask(&bob, "POST", "/threads", "{}").await;
    assert_eq!(unnamed.status, 404, "the backend names it");
    assert!(!unnamed.text().contains("t-7") && unnamed.header("location").is_none());
    assert_eq!(
        stage.ask(&alice, "GET", "/threads/t-7", "").await.status,
        200
    );
}

#[tokio::test]
async fn an_owner_is_known_after_a_restart_and_a_deleted_thing_is_gone() {
    let backend = minting(TASK).await;
    let mut stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    stage.ask(&alice, "POST", "/tasks", "{}").await;
    stage.gate.kill();
    stage.gate.start_again().await;
    let target = format!("/tasks/{TASK}");
    assert_eq!(stage.ask(&bob, "GET", &target, "").await.status, 404);
    assert_eq!(stage.ask(&alice, "GET", &target, "").await.status, 200);
    assert_eq!(stage.ask(&bob, "DELETE", &target, "").await.status, 404);
    assert_eq!(stage.ask(&alice, "DELETE", &target, "").await.status, 204);
    assert_eq!(stage.ask(&alice, "GET", &target, "").await.status, 404);
}

#[tokio::test]
async fn an_unknown_id_is_adopted_or_passed_where_the_route_says_so() {
    let backend = minting(TASK).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for caller in [&alice, &bob] {
        let passed = stage
            .ask(caller, "GET", &format!("/passed/{TASK}"), "")
            .await;
        assert_eq!(passed.status, 200, "nobody's");
    }
    let adopted = format!("/adopted/{TASK}");
    assert_eq!(stage.ask(&alice, "GET", &adopted, "").await.status, 200);
    assert_eq!(stage.ask(&bob, "GET", &adopted, "").await.status, 404);
    let passed = stage.ask(&bob, "GET", &format!("/passed/{TASK}"), "").await;
    assert_eq!(passed.status, 404, "what has an owner is no longer passed");
}

#[tokio::test]
async fn a_creation_that_cant_be_read_is_not_passed_on() {
    let stage_backend = RecordingBackend::start(|_| Answer::new(201, &[], "<id>7</id>")).await;
    let stage = Stage::start(stage_backend.url(), ROUTES).await;
    let answer = stage.ask(&stage.alice(), "POST", "/tasks", "{}").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()["code"], "upstream_unreadable");
}

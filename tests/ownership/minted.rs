//! Ids that the backend mints: the caller who got one owns it.

use crate::stage::Stage;
use crate::support::raw_client::{self, RawClient};
use crate::support::recording_backend::{Answer, RecordingBackend, Signal};

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
name = "run.stream"
upstream = "backend"
methods = ["POST"]
path = "/runs"
creates = { kind = "run", id = ["event:/run/id", "body:/run/id"] }

[[routes]]
name = "run.read"
upstream = "backend"
methods = ["GET"]
path = "/runs/{id}"
resource = { kind = "run", id = "path:id" }

[[routes]]
name = "guarded"
upstream = "backend"
methods = ["GET"]
path = "/guarded"
guard = { tenant = "body:/tenantId" }

[[routes]]
name = "guarded.one"
upstream = "backend"
methods = ["GET"]
path = "/guarded/{id}"
guard = { tenant = "body:/tenantId" }

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
    let heard = backend.requests().into_iter().skip(seen);
    let heard = heard.filter(|it| it.target().contains("t-7") || it.method() == "POST");
    assert_eq!(heard.count(), 0, "and nobody hears of it");
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

/// A stream that says what it is about in its second event, and goes on when told.
fn stream(id: &str, go_on: &Signal) -> Answer {
    Answer::event_stream()
        .event("{\"type\":\"hello\"}")
        .event(&format!("{{\"run\":{{\"id\":\"{id}\"}}}}"))
        .wait_for(go_on)
        .event("[DONE]")
        .end_of_chunks()
}

#[tokio::test]
async fn an_id_in_an_event_is_owned_before_the_caller_sees_it() {
    let go_on = Signal::new();
    let waiting = go_on.clone();
    let backend = RecordingBackend::start(move |request| match request.method().as_str() {
        "POST" => stream("r-1", &waiting),
        _ => Answer::json(200, "{\"ok\":true}"),
    })
    .await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let authorization = [("Authorization", alice.authorization.as_str())];
    let mut client = RawClient::connect(stage.gate.address()).await;
    client
        .send(raw_client::request("POST", "/runs", &authorization, b"{}"))
        .await;
    client.read_until("r-1").await;
    assert_eq!(stage.ask(&alice, "GET", "/runs/r-1", "").await.status, 200);
    assert_eq!(stage.ask(&bob, "GET", "/runs/r-1", "").await.status, 404);
    go_on.give();
    let rest = client.read_until("0\r\n\r\n").await;
    assert!(rest.contains("data: [DONE]\n\n"), "{rest}");

    let stolen = RawClient::connect(stage.gate.address());
    let mut client = stolen.await;
    let authorization = [("Authorization", bob.authorization.as_str())];
    client
        .send(raw_client::request("POST", "/runs", &authorization, b"{}"))
        .await;
    let seen = client.read_until("}").await;
    assert!(!seen.contains("r-1"), "{seen}");
    assert_eq!(
        stage.ask(&alice, "GET", "/runs/r-1", "").await.status,
        200,
        "still hers"
    );
}

#[tokio::test]
async fn an_event_that_names_another_tenant_ends_the_stream_and_raises_an_alert() {
    let backend = RecordingBackend::start(|_| {
        Answer::event_stream()
            .event("{\"tenantId\":\"acme\",\"text\":\"mine\"}")
            .event("{\"tenantId\":\"globex\",\"text\":\"theirs\"}")
            .end_of_chunks()
    })
    .await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let authorization = stage.alice().authorization;
    let mut client = RawClient::connect(stage.gate.address()).await;
    let headers = [("Authorization", authorization.as_str())];
    client
        .send(raw_client::request("GET", "/guarded", &headers, b""))
        .await;
    let seen = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
    assert!(!seen.contains("theirs"), "{seen}");
    assert!(
        !seen.ends_with("0\r\n\r\n"),
        "broken off, not ended: {seen}"
    );
    let record = stage.record("guarded").await;
    assert_eq!(record["alert"], "foreign_answer", "{record}");
}

#[tokio::test]
async fn an_answer_that_names_another_tenant_is_the_backends_404_with_an_alert() {
    let backend = RecordingBackend::start(|request| {
        let target = request.target();
        let id = target.rsplit('/').next().unwrap_or_default();
        match id {
            "mine" => Answer::json(200, "{\"tenantId\":\"acme\"}"),
            "theirs" => Answer::json(200, "{\"tenantId\":\"globex\"}"),
            _ => Answer::json(404, &format!("{{\"error\":\"no {id}\"}}")),
        }
    })
    .await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    let alice = stage.alice();
    let ask = |id: &'static str| stage.ask(&alice, "GET", id, "");
    assert_eq!(ask("/guarded/mine").await.status, 200);
    let never = ask("/guarded/nobody").await;
    let theirs = ask("/guarded/theirs").await;
    assert_eq!((never.status, theirs.status), (404, 404));
    assert_eq!(never.text(), "{\"error\":\"no nobody\"}");
    assert_eq!(theirs.text(), "{\"error\":\"no theirs\"}");
    let records = stage.records_of("guarded.one", 3).await;
    let alerts: Vec<_> = records.iter().map(|record| record.get("alert")).collect();
    assert_eq!(alerts, [None, None, Some(&"foreign_answer".into())]);
    assert_eq!(records[2]["decision"], "deny");
}

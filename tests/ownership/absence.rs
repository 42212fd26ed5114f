//! What belongs to another, what nobody has heard of and what the backend does not find are told
//! alike, byte for byte.
//!
//! Each backend here words its 404 in a way that real ones do. Bob asks for three ids of one shape:
//! Alice's, one that never was, and one of his own that the backend has forgotten. The third goes to
//! the backend, so its answer is what the others are held to.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::stage::{Caller, Stage};
use crate::support::h2_client::{self, H2Client};
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
methods = ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }

[[routes]]
name = "task.cancel"
upstream = "backend"
methods = ["POST"]
path = "/tasks/{id}/cancel"
resource = { kind = "task", id = "path:id" }

[[routes]]
name = "task.find"
upstream = "backend"
methods = ["GET"]
path = "/find"
resource = { kind = "task", id = ["query:id", "header:x-task"] }

[[routes]]
name = "task.socket"
upstream = "backend"
methods = ["GET"]
path = "/sockets/{id}"
websocket = true
resource = { kind = "task", id = "path:id" }
"#;

/// Enough requests for the backend to be asked, learned from, and left alone.
const ROUNDS: usize = 14;

/// How a backend says that something is not there: to a request, of an id, in some request.
type Words = fn(&Recorded, &str, u64) -> Answer;

/// A backend with one set of tasks for everybody.
struct Tasks {
    backend: RecordingBackend,
    stage: Stage,
    tasks: Arc<Mutex<HashSet<String>>>,
}

impl Tasks {
    async fn start(words: Words) -> Self {
        let tasks = Arc::new(Mutex::new(HashSet::new()));
        let known = Arc::clone(&tasks);
        let turn = AtomicU64::new(0);
        let backend = RecordingBackend::start(move |request| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            if request.method() == "POST" && request.target() == "/tasks" {
                let id = String::from_utf8(request.body.content.clone()).unwrap();
                known.lock().unwrap().insert(id.clone());
                return Answer::json(201, &format!("{{\"id\":\"{id}\"}}"));
            }
            let id = asked_for(request);
            if known.lock().unwrap().contains(&id) {
                return Answer::json(200, &format!("{{\"id\":\"{id}\",\"result\":7}}"));
            }
            words(request, &id, turn)
        })
        .await;
        let stage = Stage::start(backend.url(), ROUTES).await;
        Self {
            backend,
            stage,
            tasks,
        }
    }

    /// A task of this caller's.
    async fn made_by(&self, caller: &Caller, id: &str) {
        let answer = self.stage.ask(caller, "POST", "/tasks", id).await;
        assert_eq!(answer.status, 201);
    }

    /// Holds every method to the promise, with further headers of the request.
    async fn hold(&self, headers: &[(&str, &str)], requests: &[(&str, &str)]) {
        let (alice, bob) = (self.stage.alice(), self.stage.bob());
        for (turn, (method, template)) in requests.iter().enumerate() {
            for round in 0..ROUNDS {
                let ids = ["a", "b", "c"].map(|kind| {
                    format!("{kind}{turn:03x}0000-0000-4000-8000-0000000000{round:02}")
                });
                let [foreign, unknown, gone] = &ids;
                self.made_by(&alice, foreign).await;
                self.made_by(&bob, gone).await;
                self.tasks.lock().unwrap().remove(gone);

                let asked = self.backend.requests().len();
                let told = [
                    self.told(&bob, method, template, headers, foreign).await,
                    self.told(&bob, method, template, headers, unknown).await,
                    self.told(&bob, method, template, headers, gone).await,
                ];
                let [of_foreign, of_unknown, of_gone] = &told;
                let call = format!("{method} {template} in round {round}");
                assert_eq!(of_foreign, of_gone, "another's and a gone one: {call}");
                assert_eq!(of_unknown, of_gone, "an unknown and a gone one: {call}");
                for request in self.backend.requests().iter().skip(asked) {
                    let text = request.head.text();
                    assert!(
                        !text.contains(foreign.as_str()),
                        "another's reached it: {text}"
                    );
                }
                let hers = self.told(&alice, method, template, headers, foreign).await;
                assert_ne!(hers, *of_foreign, "Alice reaches her own: {call}");
            }
        }
    }

    /// The whole answer, with the id, the date and the gate's request id left out.
    async fn told(
        &self,
        caller: &Caller,
        method: &str,
        template: &str,
        headers: &[(&str, &str)],
        id: &str,
    ) -> String {
        let target = match template.strip_prefix("header:") {
            Some(target) => target.to_owned(),
            None => template.trim_end_matches("#long").replace("ID", id),
        };
        let mut fields = vec![("Authorization", caller.authorization.as_str())];
        if template.starts_with("header:") {
            fields.push(("X-Task", id));
        }
        fields.extend_from_slice(headers);
        let body = match method {
            "POST" | "PUT" | "PATCH" => "{\"reason\":\"none\"}".to_owned(),
            _ => String::new(),
        };
        // So much that the gate passes it on without reading it first.
        let body = if template.ends_with("#long") {
            "x".repeat(40_000)
        } else {
            body
        };
        let request = raw_client::request(method, &target, &fields, body.as_bytes());
        let mut client = RawClient::connect(self.stage.gate.address()).await;
        client.send(request).await;
        let answer = if method == "HEAD" {
            client.read_response_to_head().await
        } else {
            client.read_response().await
        };
        // The connection can be used again, as it can behind the backend's own answer; behind one
        // to a handshake it never can.
        if !headers.contains(&("Upgrade", "websocket")) {
            client
                .send(raw_client::request("GET", "/nowhere", &[], b""))
                .await;
            assert_eq!(client.read_response().await.status, 404);
        }
        masked(&format!("{}{}", answer.head.text(), answer.text()), id)
    }
}

fn asked_for(request: &Recorded) -> String {
    if let Some(id) = request.head.value("x-task") {
        return id;
    }
    let target = request.target();
    if let Some((_, id)) = target.split_once("?id=") {
        return id.to_owned();
    }
    let path = target.split('?').next().unwrap_or_default();
    path.split('/').nth(2).unwrap_or_default().to_owned()
}

/// The text without what differs between any two requests.
fn masked(text: &str, id: &str) -> String {
    let lines = text.replace(id, "<id>");
    let lines = lines.split("\r\n").map(|line| {
        let name = line.split(':').next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "date" | "x-request-id" | "x-trace" => format!("{name}: <{}>", line.len()),
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

const EVERY_METHOD: [(&str, &str); 12] = [
    ("GET", "/tasks/ID"),
    ("GET", "/tasks/ID?verbose=1"),
    ("HEAD", "/tasks/ID"),
    ("OPTIONS", "/tasks/ID"),
    ("DELETE", "/tasks/ID"),
    ("PUT", "/tasks/ID"),
    ("PATCH", "/tasks/ID"),
    ("POST", "/tasks/ID/cancel"),
    ("POST", "/tasks/ID/cancel#long"),
    ("PUT", "/tasks/ID#long"),
    ("GET", "/find?id=ID"),
    ("GET", "header:/find"),
];

fn plain(_: &Recorded, _: &str, _: u64) -> Answer {
    Answer::json(404, r#"{"error":"task not found"}"#)
}

fn echoing(_: &Recorded, id: &str, turn: u64) -> Answer {
    let date = format!(
        "Sun, 22 Nov 2026 05:{:02}:{:02} GMT",
        turn / 60 % 60,
        turn % 60
    );
    let trace = format!(
        "{:032x}",
        u128::from(turn).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    );
    let fields = [
        ("server", "uvicorn"),
        ("date", &date),
        ("x-trace", &trace),
        ("content-type", "application/json"),
        ("vary", "Origin"),
    ];
    let body = format!("{{\"detail\":\"Task with ID {id} not found\"}}");
    Answer::new(404, &fields, body)
}

fn chunked(_: &Recorded, id: &str, _: u64) -> Answer {
    let body = format!("<h1>{id}</h1>");
    Answer::chunked(
        404,
        &[("content-type", "text/html")],
        &[body.as_bytes(), b"<hr>"],
    )
}

fn empty(_: &Recorded, _: &str, _: u64) -> Answer {
    Answer::new(404, &[], "")
}

fn malformed(_: &Recorded, id: &str, _: u64) -> Answer {
    Answer::json(422, &format!("{{\"input\":\"{id}\"}}"))
}

#[tokio::test]
async fn a_constant_404_is_told_alike_by_every_method() {
    Tasks::start(plain).await.hold(&[], &EVERY_METHOD).await;
}

#[tokio::test]
async fn a_404_that_repeats_the_id_is_told_alike_by_every_method() {
    Tasks::start(echoing).await.hold(&[], &EVERY_METHOD).await;
}

#[tokio::test]
async fn a_404_of_unknown_length_is_told_alike_by_every_method() {
    Tasks::start(chunked).await.hold(&[], &EVERY_METHOD).await;
}

#[tokio::test]
async fn an_empty_404_and_another_refusal_are_told_alike_by_every_method() {
    Tasks::start(empty).await.hold(&[], &EVERY_METHOD).await;
    Tasks::start(malformed).await.hold(&[], &EVERY_METHOD).await;
}

/// Tags depend on the id, and conditions are looked at first.
fn tagged(request: &Recorded, id: &str, _: u64) -> Answer {
    if request.head.value("if-match").is_some() {
        return Answer::json(412, r#"{"error":"precondition failed"}"#);
    }
    if request.head.value("accept").as_deref() == Some("text/html") {
        return Answer::new(404, &[("content-type", "text/html")], "<p>no");
    }
    let tag = format!("\"{}\"", id.len());
    Answer::new(404, &[("etag", &tag)], "no such task")
}

#[tokio::test]
async fn what_the_caller_says_beside_the_id_shapes_the_answer_as_at_the_backend() {
    let tasks = Tasks::start(tagged).await;
    let reading = [
        ("GET", "/tasks/ID"),
        ("HEAD", "/tasks/ID"),
        ("DELETE", "/tasks/ID"),
    ];
    for headers in [
        vec![],
        vec![("If-Match", "\"1\"")],
        vec![("If-None-Match", "\"36\"")],
        vec![("Accept", "text/html")],
    ] {
        tasks.hold(&headers, &reading).await;
    }
}

/// What nobody can make up: a time and a count.
fn dated(_: &Recorded, id: &str, turn: u64) -> Answer {
    let body = format!("{{\"id\":\"{id}\",\"request\":{turn}}}");
    Answer::json(404, &body)
}

#[tokio::test]
async fn a_404_that_counts_is_asked_for_each_time() {
    let tasks = Tasks::start(dated).await;
    let bob = tasks.stage.bob();
    for round in 0..ROUNDS {
        let id = format!("00000000-0000-4000-8000-0000000000{round:02}");
        let heard = tasks.backend.requests().len();
        let answer = tasks
            .stage
            .ask(&bob, "GET", &format!("/tasks/{id}"), "")
            .await;
        assert_eq!(answer.json()["id"], id.as_str());
        assert_eq!(answer.json()["request"], heard, "the backend's own count");
    }
}

#[tokio::test]
async fn a_404_that_is_learned_is_not_asked_for_each_time() {
    let tasks = Tasks::start(echoing).await;
    let bob = tasks.stage.bob();
    for round in 0..40 {
        let target = format!("/tasks/00000000-0000-4000-8000-0000000000{round:02}");
        assert_eq!(tasks.stage.ask(&bob, "GET", &target, "").await.status, 404);
    }
    let asked = tasks.backend.requests().len();
    assert!(
        (2..=10).contains(&asked),
        "asked {asked} times about 40 ids"
    );
}

#[tokio::test]
async fn what_the_backend_repeats_of_one_caller_is_told_to_no_other() {
    fn repeating(request: &Recorded, _: &str, _: u64) -> Answer {
        let user = request.head.value("x-fabric-user").unwrap_or_default();
        Answer::json(404, &format!("{{\"user\":\"{user}\"}}"))
    }
    let tasks = Tasks::start(repeating).await;
    let (alice, bob) = (tasks.stage.alice(), tasks.stage.bob());
    for _ in 0..ROUNDS {
        for (caller, user) in [(&alice, "alice"), (&bob, "bob")] {
            let answer = tasks.stage.ask(caller, "GET", "/tasks/nobodys", "").await;
            assert_eq!(answer.json()["user"], user);
        }
    }
}

#[tokio::test]
async fn over_http2_the_three_are_told_alike() {
    let tasks = Tasks::start(echoing).await;
    let (alice, bob) = (tasks.stage.alice(), tasks.stage.bob());
    let mut client = H2Client::connect(tasks.stage.gate.address()).await;
    for round in 0..ROUNDS {
        let ids =
            ["a", "b", "c"].map(|kind| format!("{kind}000000-0000-4000-8000-0000000000{round:02}"));
        let [foreign, _, gone] = &ids;
        tasks.made_by(&alice, foreign).await;
        tasks.made_by(&bob, gone).await;
        tasks.tasks.lock().unwrap().remove(gone);
        let mut told = Vec::new();
        for id in &ids {
            let fields = [("authorization", bob.authorization.as_str())];
            let request = h2_client::request("GET", &format!("/tasks/{id}"), &fields);
            let answer = client.request(request, b"", None).await.unwrap();
            let mut text = format!("{}\r\n", answer.head.status);
            for (name, value) in &answer.head.headers {
                text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
            }
            text.push_str(&String::from_utf8(answer.body).unwrap());
            told.push(masked(&text, id));
        }
        assert_eq!(told[0], told[2], "round {round}");
        assert_eq!(told[1], told[2], "round {round}");
    }
}

#[tokio::test]
async fn a_socket_that_is_not_the_callers_is_refused_as_one_that_is_gone() {
    let tasks = Tasks::start(echoing).await;
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    tasks.hold(&headers, &[("GET", "/sockets/ID")]).await;
}

#[tokio::test]
async fn a_backend_that_fails_is_not_learned_from() {
    let tasks = Tasks::start(|_, _, _| Answer::json(503, r#"{"busy":true}"#)).await;
    let bob = tasks.stage.bob();
    let ask = async || tasks.stage.ask(&bob, "GET", "/tasks/nobodys", "").await;
    for _ in 0..3 {
        let answer = ask().await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (503, r#"{"busy":true}"#)
        );
    }
    tasks
        .backend
        .answer_by(|_| Answer::json(404, r#"{"gone":1}"#));
    assert_eq!(ask().await.text(), r#"{"gone":1}"#);
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_says_nothing_about_ids() {
    let tasks = Tasks::start(plain).await;
    let (alice, bob) = (tasks.stage.alice(), tasks.stage.bob());
    tasks.made_by(&alice, "hers-000-1").await;
    let Tasks { backend, stage, .. } = tasks;
    drop(backend);
    for caller in [&alice, &bob] {
        let answer = stage.ask(caller, "GET", "/tasks/hers-000-1", "").await;
        assert_eq!(answer.status, 502);
    }
}

#[tokio::test]
async fn a_backend_that_finds_what_cannot_exist_is_not_believed() {
    let tasks = Tasks::start(|_, _, _| Answer::json(200, r#"{"any":"thing"}"#)).await;
    let bob = tasks.stage.bob();
    for _ in 0..ROUNDS {
        let answer = tasks.stage.ask(&bob, "GET", "/tasks/nobodys", "").await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["code"], "not_found");
    }
}

#[tokio::test]
async fn what_a_policy_states_is_said_without_asking() {
    let backend = RecordingBackend::ok().await;
    let routes = r#"
[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{id}"
resource = { kind = "task", id = "path:id" }
not_found = { status = 410, content_type = "application/json", body = '{"gone":"{id}"}' }

[[routes]]
name = "rpc"
upstream = "backend"
methods = ["POST"]
path = "/rpc"
resource = { kind = "task", id = "body:/params/id" }
errors = "json-rpc"

[[routes]]
name = "file.read"
upstream = "backend"
methods = ["POST"]
path = "/files/{id}"
resource = { kind = "file", id = "path:id" }
errors = "openai"
"#;
    let stage = Stage::start(backend.url(), routes).await;
    let bob = stage.bob();
    let gone = stage.ask(&bob, "GET", "/tasks/t%22-1", "").await;
    assert_eq!(
        (gone.status, gone.json()["gone"].as_str()),
        (410, Some("t\"-1"))
    );

    let call = r#"{"jsonrpc":"2.0","id":"q-1","method":"tasks/get","params":{"id":"t-1"}}"#;
    let rpc = stage.ask(&bob, "POST", "/rpc", call).await;
    assert_eq!((rpc.status, rpc.json()["id"].as_str()), (404, Some("q-1")));
    assert_eq!(rpc.json()["error"]["code"], -32001);

    let file = stage.ask(&bob, "POST", "/files/f-1", "").await;
    assert_eq!(
        (file.status, file.json()["error"]["code"].as_str()),
        (404, Some("not_found"))
    );
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_record_says_deny_not_found_and_what_was_asked_for() {
    let tasks = Tasks::start(malformed).await;
    let (alice, bob) = (tasks.stage.alice(), tasks.stage.bob());
    tasks.made_by(&alice, "hers-000-1").await;
    let answer = tasks.stage.ask(&bob, "GET", "/tasks/hers-000-1", "").await;
    assert_eq!(answer.status, 422);
    let record = tasks.stage.record("task").await;
    assert_eq!(record["decision"], "deny");
    assert_eq!(record["reason"], "not_found");
    assert_eq!(record["status"], 422);
    assert_eq!(record["upstream"], serde_json::Value::Null);
    assert_eq!(record["resource"]["id"], "hers-000-1");
}

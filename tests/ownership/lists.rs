//! Lists: the caller gets the items that are its own, and nothing tells of the others.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::stage::{Caller, Stage};
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend, Signal};

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

[[routes]]
name = "task.list"
upstream = "backend"
methods = ["GET"]
path = "/tasks"
list = { kind = "task", items = "body:/tasks", id = "/id", total = ["body:/total", "header:x-total"], first = "body:/first", last = "body:/last" }

[[routes]]
name = "task.search"
upstream = "backend"
methods = ["POST"]
path = "/search"
list = { kind = "task", items = "body:", id = "/id" }

[[routes]]
name = "task.mine"
upstream = "backend"
methods = ["GET"]
path = "/mine"
list = { kind = "task", items = "body:/tasks", id = "/id", owner = "user", unless_roles = ["lead"], total = "body:/total" }

[[routes]]
name = "task.open"
upstream = "backend"
methods = ["GET"]
path = "/open"
unknown = "pass"
list = { kind = "task", items = "body:/tasks", id = "/id" }

[[routes]]
name = "task.watch"
upstream = "backend"
methods = ["GET"]
path = "/watch"
list = { kind = "task", items = "body:/tasks", id = "/id" }
"#;

/// A backend that makes a task of whatever id it is told, and lists what the test says.
struct Lists {
    stage: Stage,
    backend: RecordingBackend,
    answer: Arc<Mutex<Answer>>,
}

impl Lists {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new(Answer::json(200, "{}")));
        let said = Arc::clone(&answer);
        let backend = RecordingBackend::start(move |request: &Recorded| {
            match (request.method().as_str(), request.target().as_str()) {
                ("POST", "/tasks") => {
                    Answer::json(201, &String::from_utf8_lossy(&request.body.content))
                }
                ("GET", target) if target.starts_with("/tasks/") => Answer::json(200, "{}"),
                _ => said.lock().unwrap().clone(),
            }
        })
        .await;
        let stage = Stage::start(backend.url(), ROUTES).await;
        Self {
            stage,
            backend,
            answer,
        }
    }

    /// `a1`, `a2`: Alice's of acme; `b1`: Bob's of globex.
    async fn with_tasks() -> Self {
        let lists = Self::start().await;
        lists.make(&lists.stage.alice(), &["a1", "a2"]).await;
        lists.make(&lists.stage.bob(), &["b1"]).await;
        lists
    }

    async fn make(&self, caller: &Caller, ids: &[&str]) {
        for id in ids {
            let body = json!({ "id": id }).to_string();
            let made = self.stage.ask(caller, "POST", "/tasks", body).await;
            assert_eq!(made.status, 201, "{}", made.text());
        }
    }

    fn will_answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn get(&self, caller: &Caller, target: &str) -> RawResponse {
        self.stage.ask(caller, "GET", target, "").await
    }
}

#[tokio::test]
async fn each_caller_gets_its_own_items_and_numbers() {
    let lists = Lists::with_tasks().await;
    let body = r#"{"tasks": [ {"id":"b1", "x":1.0}, {"id":"a1"},{"id":"nobodys"} , {"id": "a2"} ], "total": 4, "first":"b1", "last":"a2"}"#;
    let fields = [
        ("content-type", "application/json"),
        ("x-total", "4"),
        ("x-total-count", "4"),
        ("etag", "\"7\""),
        ("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("digest", "sha-256=x"),
        (
            "link",
            "</tasks?after=b1>; rel=\"next\", </tasks?page=9>; rel=\"last\"",
        ),
    ];
    lists.will_answer(Answer::new(200, &fields, body));
    let alice = lists.get(&lists.stage.alice(), "/tasks").await;
    assert_eq!(
        alice.text(),
        r#"{"tasks": [ {"id":"a1"} , {"id": "a2"} ], "total": 2, "first":"a1", "last":"a2"}"#
    );
    assert_eq!(alice.header("x-total").as_deref(), Some("2"));
    assert_eq!(
        alice.header("content-length").as_deref(),
        Some(alice.text().len().to_string().as_str())
    );
    for gone in ["etag", "last-modified", "digest", "x-total-count", "link"] {
        assert_eq!(alice.header(gone), None, "{gone}");
    }
    let bob = lists.get(&lists.stage.bob(), "/tasks").await;
    assert_eq!(
        bob.text(),
        r#"{"tasks": [ {"id":"b1", "x":1.0} ], "total": 1, "first":"b1", "last":"b1"}"#
    );
    let stranger = lists.stage.caller("globex", "carol", &[]);
    assert_eq!(
        lists.get(&stranger, "/tasks").await.text(),
        bob.text(),
        "the tenant owns, not the user"
    );
}

#[tokio::test]
async fn a_total_does_not_tell_whether_something_of_anothers_matches_a_search() {
    let lists = Lists::with_tasks().await;
    let alice = lists.stage.alice();
    for (target, with_bobs, without) in [
        (
            "/tasks?id=b1&page=2",
            r#"{"tasks":[],"total":1}"#,
            r#"{"tasks":[],"total":0}"#,
        ),
        (
            "/tasks?status=running&limit=1",
            r#"{"tasks":[{"id":"a1"}],"total":2}"#,
            r#"{"tasks":[{"id":"a1"}],"total":1}"#,
        ),
    ] {
        let mut told = Vec::new();
        for body in [with_bobs, without] {
            lists.will_answer(Answer::json(200, body));
            told.push(lists.get(&alice, target).await.text());
        }
        assert_eq!(told[0], told[1], "{target}");
    }
}

#[tokio::test]
async fn a_total_of_other_pages_is_the_number_of_what_the_caller_owns() {
    let lists = Lists::with_tasks().await;
    let body = r#"{"tasks":[{"id":"a1"},{"id":"b1"}],"total":90}"#;
    let fields = [("x-total", "90")];
    lists.will_answer(Answer::new(200, &fields, body));
    let alice = lists.get(&lists.stage.alice(), "/tasks?limit=2").await;
    assert_eq!(alice.text(), r#"{"tasks":[{"id":"a1"}],"total":2}"#);
    assert_eq!(alice.header("x-total").as_deref(), Some("2"));
    let bob = lists.get(&lists.stage.bob(), "/tasks?limit=2").await;
    assert_eq!(bob.text(), r#"{"tasks":[{"id":"b1"}],"total":1}"#);
}

#[tokio::test]
async fn a_list_of_a_users_own_hides_the_rest_of_the_tenant_save_from_named_roles() {
    let lists = Lists::with_tasks().await;
    let amy = lists.stage.caller("acme", "amy", &[]);
    lists.make(&amy, &["amys"]).await;
    lists.will_answer(Answer::json(
        200,
        r#"{"tasks":[{"id":"a1"},{"id":"b1"},{"id":"amys"}],"total":9}"#,
    ));
    let text = |response: RawResponse| response.text();
    assert_eq!(
        text(lists.get(&amy, "/mine").await),
        r#"{"tasks":[{"id":"amys"}],"total":1}"#
    );
    assert_eq!(
        text(lists.get(&lists.stage.alice(), "/mine").await),
        r#"{"tasks":[{"id":"a1"}],"total":2}"#
    );
    let lead = lists.stage.caller("acme", "lee", &["lead"]);
    assert_eq!(
        text(lists.get(&lead, "/mine").await),
        r#"{"tasks":[{"id":"a1"},{"id":"amys"}],"total":3}"#
    );
    let foreign_lead = lists.stage.caller("globex", "lou", &["lead"]);
    assert_eq!(
        text(lists.get(&foreign_lead, "/mine").await),
        r#"{"tasks":[{"id":"b1"}],"total":1}"#
    );
}

#[tokio::test]
async fn what_nobody_owns_is_listed_only_where_it_is_everybodys() {
    let lists = Lists::with_tasks().await;
    let body = r#"{"tasks":[{"id":"nobodys"},{"id":"b1"},{"id":"a1"}]}"#;
    lists.will_answer(Answer::json(200, body));
    let open = lists.get(&lists.stage.alice(), "/open").await;
    assert_eq!(open.text(), r#"{"tasks":[{"id":"nobodys"},{"id":"a1"}]}"#);
    let closed = lists.get(&lists.stage.alice(), "/tasks").await;
    assert_eq!(closed.text(), r#"{"tasks":[{"id":"a1"}]}"#);
}

#[tokio::test]
async fn a_search_by_post_is_a_list_too() {
    let lists = Lists::with_tasks().await;
    lists.will_answer(Answer::json(200, r#"[{"id":"b1"},{"id":"a1"}]"#));
    let ask = async |caller: &Caller| {
        let found = lists.stage.ask(caller, "POST", "/search", "{}").await;
        found.text()
    };
    assert_eq!(ask(&lists.stage.alice()).await, r#"[{"id":"a1"}]"#);
    assert_eq!(ask(&lists.stage.bob()).await, r#"[{"id":"b1"}]"#);
}

#[tokio::test]
async fn a_list_is_asked_for_whole_and_uncoded() {
    let lists = Lists::with_tasks().await;
    lists.will_answer(Answer::json(200, r#"{"tasks":[]}"#));
    let conditions = [
        ("If-None-Match", "\"7\""),
        ("If-Match", "\"7\""),
        ("If-Modified-Since", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("If-Unmodified-Since", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("If-Range", "\"7\""),
        ("Range", "bytes=0-1"),
        ("Accept-Encoding", "br, gzip"),
        ("Accept", "application/json"),
    ];
    let alice = lists.stage.alice();
    for (target, may) in [("/tasks", false), ("/tasks/a1", true)] {
        lists
            .stage
            .ask_with(&alice, "GET", target, &conditions, "")
            .await;
        let asked = lists.backend.requests().pop().unwrap();
        for (name, value) in conditions.iter().take(6) {
            let values = asked.head.values(name);
            assert_eq!(
                values.contains(&(*value).to_owned()),
                may,
                "{name} to {target}"
            );
        }
        assert_eq!(asked.head.values("accept"), ["application/json"]);
    }
    let asked = lists
        .backend
        .requests()
        .into_iter()
        .find(|request| request.target() == "/tasks" && request.method() == "GET")
        .unwrap();
    assert_eq!(asked.head.values("accept-encoding"), ["identity"]);
}

#[tokio::test]
async fn the_head_of_a_list_tells_nothing_of_its_length() {
    let lists = Lists::with_tasks().await;
    let fields = [
        ("content-type", "application/json"),
        ("content-length", "4711"),
        ("x-total", "90"),
        ("etag", "\"7\""),
    ];
    lists.will_answer(Answer::head(200, &fields));
    let alice = lists.stage.alice();
    let headers = [("Authorization", alice.authorization.as_str())];
    let mut client = RawClient::connect(lists.stage.gate.address()).await;
    client
        .send(raw_client::request("HEAD", "/tasks", &headers, b""))
        .await;
    let answered = client.read_response_to_head().await;
    assert_eq!(answered.status, 200);
    assert_eq!(
        answered.header("content-type").as_deref(),
        Some("application/json")
    );
    for gone in ["content-length", "x-total", "etag"] {
        assert_eq!(answered.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn a_coded_list_is_decoded_and_answered_uncoded() {
    let lists = Lists::with_tasks().await;
    let body = br#"{"tasks":[{"id":"b1"},{"id":"a1"}]}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(body).unwrap();
    let gzip = gzip.finish().unwrap();
    for (coding, body) in [
        ("gzip", gzip),
        ("zstd", zstd::encode_all(&body[..], 3).unwrap()),
    ] {
        let fields = [("content-encoding", coding)];
        lists.will_answer(Answer::new(200, &fields, body));
        let alice = lists.get(&lists.stage.alice(), "/tasks").await;
        assert_eq!(alice.text(), r#"{"tasks":[{"id":"a1"}]}"#, "{coding}");
        assert_eq!(alice.header("content-encoding"), None);
        let bob = lists.get(&lists.stage.bob(), "/tasks").await;
        assert_eq!(bob.text(), r#"{"tasks":[{"id":"b1"}]}"#, "{coding}");
    }
    let bomb = zstd::encode_all(&vec![b' '; 64 << 20][..], 3).unwrap();
    lists.will_answer(Answer::new(200, &[("content-encoding", "zstd")], bomb));
    let refused = lists.get(&lists.stage.alice(), "/tasks").await;
    assert_eq!(refused.status, 502, "64 MiB of blanks in a few bytes");
}

#[tokio::test]
async fn what_can_not_be_understood_is_refused_and_errors_pass() {
    let lists = Lists::with_tasks().await;
    let alice = lists.stage.alice();
    for (fields, body) in [
        (&[][..], "not json"),
        (&[], ""),
        (&[], "{}"),
        (&[], r#"{"items":[{"id":"a1"}]}"#),
        (&[], r#"{"tasks":{"a1":{}}}"#),
        (&[], r#"{"tasks":[{"id":"a1"}]"#),
        (&[], r#"{"tasks":[],"tasks":[{"id":"b1"}]}"#),
        (&[], r#"{"tasks":[],"total":"many"}"#),
        (&[("content-encoding", "gzip")], r#"{"tasks":[]}"#),
        (&[("content-encoding", "compress")], r#"{"tasks":[]}"#),
    ] {
        lists.will_answer(Answer::new(200, fields, body));
        let refused = lists.get(&alice, "/tasks").await;
        assert_eq!(refused.status, 502, "{body}");
        assert_eq!(refused.json()["code"], "upstream_unreadable", "{body}");
    }
    lists.will_answer(Answer::new(206, &[], r#"{"tasks":[{"id":"a1"}]}"#));
    assert_eq!(lists.get(&alice, "/tasks").await.status, 502);
    lists.will_answer(Answer::new(400, &[], "bad limit"));
    let passed = lists.get(&alice, "/tasks").await;
    assert_eq!((passed.status, passed.text().as_str()), (400, "bad limit"));
    lists.will_answer(Answer::head(204, &[("x-total", "9")]));
    let none = lists.get(&alice, "/tasks").await;
    assert_eq!((none.status, none.header("x-total")), (204, None));
}

#[tokio::test]
async fn lines_are_items() {
    let lists = Lists::with_tasks().await;
    let body = "{\"id\":\"b1\"}\n{\"id\":\"a1\"}\n{\"id\":\"nobodys\"}\n{\"id\":\"a2\"}\n";
    let fields = [("content-type", "application/x-ndjson; charset=utf-8")];
    lists.will_answer(Answer::new(200, &fields, body));
    let alice = lists.get(&lists.stage.alice(), "/tasks").await;
    assert_eq!(alice.text(), "{\"id\":\"a1\"}\n{\"id\":\"a2\"}\n");
    let bob = lists.get(&lists.stage.bob(), "/tasks").await;
    assert_eq!(bob.text(), "{\"id\":\"b1\"}\n");
}

#[tokio::test]
async fn events_are_passed_on_one_by_one_if_they_are_the_callers() {
    let lists = Lists::with_tasks().await;
    let go_on = Signal::new();
    let answer = Answer::event_stream()
        .event(r#"{"id":"b1"}"#)
        .event(r#"{"id":"a1"}"#)
        .wait_for(&go_on)
        .event(r#"{"tasks":[{"id":"b1"},{"id":"a2"}]}"#)
        .event(r#"{"id":"b1"}"#)
        .event("[DONE]")
        .chunk("data: {\"id\":\"a1\"}\n")
        .end_of_chunks();
    lists.will_answer(answer);
    let alice = lists.stage.alice();
    let headers = [("Authorization", alice.authorization.as_str())];
    let mut client = RawClient::connect(lists.stage.gate.address()).await;
    client
        .send(raw_client::request("GET", "/watch", &headers, b""))
        .await;
    let before = client.read_until("\"a1\"").await;
    assert!(!before.contains("\"b1\""), "{before}");
    go_on.give();
    let rest = client.read_until("[DONE]").await;
    assert!(rest.contains(r#"data: {"tasks":[{"id":"a2"}]}"#), "{rest}");
    assert!(!rest.contains("\"b1\""), "{rest}");

    go_on.give();
    let bob = lists.get(&lists.stage.bob(), "/watch").await;
    assert_eq!(
        bob.text(),
        "data: {\"id\":\"b1\"}\n\ndata: {\"tasks\":[{\"id\":\"b1\"}]}\n\n\
         data: {\"id\":\"b1\"}\n\ndata: [DONE]\n\n"
    );
}

#[tokio::test]
async fn a_list_shows_an_id_if_and_only_if_reading_it_works() {
    let lists = Lists::start().await;
    let alice = lists.stage.alice();
    let bob = lists.stage.bob();
    let strategy = proptest::collection::vec((0_usize..3, 0_usize..12), 1..10);
    let mut runner = TestRunner::new(Config::with_cases(1));
    let mut made = BTreeSet::new();
    for round in 0..12 {
        use proptest::strategy::{Strategy, ValueTree};
        let tasks = strategy.new_tree(&mut runner).unwrap().current();
        for (by, number) in tasks {
            let id = format!("t-{number}");
            let fresh = made.insert(id.clone());
            let caller = [&alice, &bob].get(by).copied();
            if let Some(caller) = caller.filter(|_| fresh) {
                lists.make(caller, &[&id]).await;
            }
        }
        let all: Vec<Value> = made.iter().map(|id| json!({ "id": id })).collect();
        lists.will_answer(Answer::json(200, &json!({ "tasks": all }).to_string()));
        for caller in [&alice, &bob] {
            let listed = lists.get(caller, "/tasks").await.json();
            let listed: Vec<&str> = listed["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap())
                .collect();
            for id in &made {
                let read = lists.get(caller, &format!("/tasks/{id}")).await;
                assert_eq!(
                    listed.contains(&id.as_str()),
                    read.status == 200,
                    "{id} in round {round}"
                );
            }
        }
    }
}

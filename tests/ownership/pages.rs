//! Pages of lists: leaving out what is another's ends no iterator early, and no place in the list
//! tells of what stands before it.

use serde_json::{Value, json};

use crate::stage::{Caller, Stage};
use crate::support::recording_backend::{Answer, Recorded, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "file.create"
upstream = "backend"
methods = ["POST"]
path = "/files"
creates = { kind = "file", id = "body:/id" }

[[routes]]
name = "file.list"
upstream = "backend"
methods = ["GET"]
path = "/files"

[routes.list]
kind = "file"
items = "body:/data"
id = "/id"
first = "body:/first_id"
last = "body:/last_id"
has_more = "body:/has_more"
after = "query:after"
pages = 6

[[routes]]
name = "task.list"
upstream = "backend"
methods = ["GET"]
path = "/tasks"

[routes.list]
kind = "file"
items = "body:/tasks"
id = "/id"
total = "body:/total"
offset = "query:offset"
limit = "query:limit"
page = 3
pages = 12
"#;

/// A backend that keeps everybody's files in one list, and gives it in pages.
async fn backend(all: &'static [&'static str]) -> RecordingBackend {
    RecordingBackend::start(move |request: &Recorded| {
        let target = request.target();
        if request.method() == "POST" {
            return Answer::json(201, &String::from_utf8_lossy(&request.body.content));
        }
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let parameter = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
        };
        let limit = parameter("limit").map_or(2, |limit| limit.parse().unwrap());
        if parameter("offset").as_deref() == Some("x") {
            return Answer::json(422, "{\"error\":\"offset\"}");
        }
        let start = match (parameter("offset"), parameter("after")) {
            (Some(offset), _) => offset.parse().unwrap(),
            (None, Some(after)) => all.iter().position(|id| *id == after).unwrap() + 1,
            (None, None) => 0,
        };
        let page: Vec<&str> = all.iter().skip(start).take(limit).copied().collect();
        let items: Vec<Value> = page.iter().map(|id| json!({ "id": id })).collect();
        let body = if target.starts_with("/files") {
            json!({
                "data": items,
                "first_id": page.first(),
                "last_id": page.last(),
                "has_more": start + page.len() < all.len(),
            })
        } else {
            json!({ "tasks": items, "total": all.len() })
        };
        Answer::json(200, &body.to_string())
    })
    .await
}

async fn stage(all: &'static [&'static str]) -> (RecordingBackend, Stage) {
    let backend = backend(all).await;
    let stage = Stage::start(backend.url(), ROUTES).await;
    for id in all {
        let caller = match id.starts_with('a') {
            true => stage.alice(),
            false => stage.bob(),
        };
        let body = json!({ "id": id }).to_string();
        let made = stage.ask(&caller, "POST", "/files", body).await;
        assert_eq!(made.status, 201);
    }
    (backend, stage)
}

fn ids(items: &Value) -> Vec<String> {
    let items = items.as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Reads all as OpenAI's own clients do: they stop at an empty page, and go on behind the last item.
async fn as_a_stock_client(stage: &Stage, caller: &Caller) -> Vec<String> {
    let mut read = Vec::new();
    let mut target = "/files?limit=2".to_owned();
    loop {
        let page = stage.ask(caller, "GET", &target, "").await.json();
        let more = ids(&page["data"]);
        assert_eq!(
            page["last_id"],
            json!(more.last()),
            "a cursor names an own item"
        );
        assert_eq!(page["first_id"], json!(more.first()));
        if more.is_empty() || page["has_more"] == json!(false) {
            read.extend(more);
            return read;
        }
        target = format!("/files?limit=2&after={}", more.last().unwrap());
        read.extend(more);
    }
}

#[tokio::test]
async fn a_stock_client_reads_all_of_its_own_across_pages_that_are_others() {
    const ALL: &[&str] = &[
        "b1", "b2", "b3", "b4", "a1", "b5", "b6", "b7", "a2", "a3", "b8", "b9", "b10",
    ];
    let (_backend, stage) = stage(ALL).await;
    assert_eq!(
        as_a_stock_client(&stage, &stage.alice()).await,
        ["a1", "a2", "a3"]
    );
    assert_eq!(as_a_stock_client(&stage, &stage.bob()).await.len(), 10);
    let nobody = stage.caller("acme-2", "x", &[]);
    let refused = stage.ask(&nobody, "GET", "/files?limit=2", "").await;
    assert_eq!(refused.status, 403, "an unknown tenant lists nothing");
}

#[tokio::test]
async fn a_list_that_is_read_too_far_is_refused_and_not_said_to_be_over() {
    const ALL: &[&str] = &[
        "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b13", "b14",
        "a1",
    ];
    let (backend, stage) = stage(ALL).await;
    let before = backend.requests().len();
    let refused = stage.ask(&stage.alice(), "GET", "/files?limit=2", "").await;
    assert_eq!(refused.status, 502);
    assert_eq!(refused.json()["code"], "upstream_unreadable");
    assert_eq!(
        backend.requests().len() - before,
        7,
        "one page and six more"
    );
    let wider = stage.ask(&stage.alice(), "GET", "/files?limit=3", "").await;
    assert_eq!(ids(&wider.json()["data"]), ["a1"]);
}

#[tokio::test]
async fn offsets_count_the_callers_own_items() {
    const ALL: &[&str] = &[
        "b1", "a1", "b2", "b3", "a2", "a3", "b4", "b5", "b6", "a4", "b7", "a5",
    ];
    let (backend, stage) = stage(ALL).await;
    let alice = stage.alice();
    for (target, expected, total) in [
        ("/tasks?offset=0&limit=2", &["a1", "a2"][..], 5),
        ("/tasks?offset=2&limit=2", &["a3", "a4"], 5),
        ("/tasks?limit=2&offset=4", &["a5"], 5),
        ("/tasks?offset=5&limit=2", &[], 5),
        ("/tasks?limit=100", &["a1", "a2", "a3", "a4", "a5"], 5),
        ("/tasks?offset=0&limit=2&offset=7", &["a1", "a2"], 5),
    ] {
        let page = stage.ask(&alice, "GET", target, "").await.json();
        assert_eq!(ids(&page["tasks"]), expected, "{target}");
        assert_eq!(page["total"], json!(total), "{target}");
    }
    let bobs = stage
        .ask(&stage.bob(), "GET", "/tasks?offset=6&limit=9", "")
        .await;
    assert_eq!(ids(&bobs.json()["tasks"]), ["b7"]);
    let asked = backend.requests();
    assert!(
        asked
            .iter()
            .all(|request| !request.target().contains("offset=4&")
                && !request.target().contains("offset=7")),
        "no offset of a caller's reaches the backend"
    );
}

#[tokio::test]
async fn what_comes_back_does_not_depend_on_what_others_have() {
    const FEW: &[&str] = &["a1", "a2", "a3"];
    const MANY: &[&str] = &["b1", "a1", "b2", "b3", "b4", "a2", "b5", "a3", "b6"];
    let (_few, alone) = stage(FEW).await;
    let (_many, among) = stage(MANY).await;
    for target in [
        "/tasks?offset=0&limit=2",
        "/tasks?offset=2&limit=2",
        "/tasks?limit=9",
    ] {
        let alone = alone.ask(&alone.alice(), "GET", target, "").await;
        let among = among.ask(&among.alice(), "GET", target, "").await;
        assert_eq!(alone.text(), among.text(), "{target}");
    }
}

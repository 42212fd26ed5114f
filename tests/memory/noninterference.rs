//! Non-interference over HTTP: every byte that one caller is sent is the same with and without
//! others beside it, on each store.

use std::collections::HashMap;

use fabric_gate::memory::{Bounds, Quotas};
use serde_json::{Value, json};

use crate::behaviour::stage::Stage as Ground;
use crate::stage::{ALICE, Answer, LEAD, Stage, Who};

/// In everything that the others write, names of theirs included.
const CANARY: &str = "canaryquartz";

/// Enough for each caller alone, and not for two if they shared it.
const QUOTAS: Quotas = Quotas {
    tenant_bytes: None,
    tenant_entries: None,
    user_bytes: Some(9_000),
    user_entries: Some(12),
    versions: 5,
};

const OTHER_TENANT: Who = ("globex", "alice", &["lead", "tenant-admin"]);
const OTHER_USER: Who = ("acme", "al", &[]);

/// One call: method, path, body. `{n}` stands for the nth id that the caller was sent.
type Call = (&'static str, &'static str, Value);

/// Calls of every kind: what goes well, what does not, and what names things of nobody.
fn calls() -> Vec<Call> {
    let none = Value::Null;
    vec![
        (
            "POST",
            "/v1/memories",
            json!({"content": "red fox", "key": "k", "tags": ["t"]}),
        ),
        (
            "POST",
            "/v1/memories",
            json!({"content": "fox and hen", "embedding": [1.0, 0.5]}),
        ),
        ("POST", "/v1/memories", json!({"content": "x", "key": "k"})),
        (
            "POST",
            "/v1/memories",
            json!({"content": "x", "embedding": [1.0, 2.0, 3.0]}),
        ),
        ("PUT", "/v1/memories/{0}", json!({"content": "the red fox"})),
        ("PATCH", "/v1/memories/{0}", json!({"importance": 9})),
        ("GET", "/v1/memories/{0}", none.clone()),
        ("HEAD", "/v1/memories/{0}", none.clone()),
        ("GET", "/v1/memories/{0}/history", none.clone()),
        ("GET", "/v1/memories/{99}", none.clone()),
        ("PATCH", "/v1/memories/{99}", json!({"importance": 9})),
        ("DELETE", "/v1/memories/{99}", none.clone()),
        ("GET", "/v1/memories/nothing/history", none.clone()),
        ("POST", "/v1/memories/{0}/promote", none.clone()),
        ("GET", "/v1/memories?limit=1", none.clone()),
        ("GET", "/v1/memories?scope=shared&tag=t", none.clone()),
        (
            "POST",
            "/v1/memories/search",
            json!({"query": "fox canaryquartz"}),
        ),
        (
            "POST",
            "/v1/memories/search",
            json!({"query": "fox", "embedding": [1.0, 0.4]}),
        ),
        (
            "POST",
            "/v1/memories/bulk",
            json!({"operations": [
            {"op": "create", "memory": {"content": "of many"}}, {"op": "create", "memory": {"content": "of many too"}}]}),
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a", "b"], "key": "k", "value": {"v": 1}}),
        ),
        ("GET", "/store/items?namespace=a.b&key=k", none.clone()),
        (
            "GET",
            "/store/items?namespace=a.b&key=canaryquartz",
            none.clone(),
        ),
        (
            "POST",
            "/store/items/search",
            json!({"namespace_prefix": [], "limit": 10}),
        ),
        ("POST", "/store/namespaces", json!({"limit": 10})),
        ("GET", "/v1/namespaces", none.clone()),
        ("GET", "/v1/stats", none.clone()),
        ("GET", "/v1/export", none.clone()),
        (
            "POST",
            "/v1/memories/prune",
            json!({"keep": 2, "dry_run": true}),
        ),
        (
            "POST",
            "/v1/memories/bulk",
            json!({"operations":
            (0..10).map(|_| json!({"op": "create", "memory": {"content": "more"}})).collect::<Vec<_>>()}),
        ),
        ("POST", "/v1/memories/prune", json!({"keep": 3})),
        ("DELETE", "/v1/memories/{1}", none.clone()),
        ("GET", "/v1/memories", none.clone()),
        ("GET", "/v1/stats", none),
    ]
}

/// What the others do before each call: much the same, under the same keys and words.
fn theirs() -> Vec<Call> {
    let text = format!("red fox hen {CANARY}");
    let none = Value::Null;
    vec![
        (
            "POST",
            "/v1/memories",
            json!({"content": text, "key": "k", "agent": CANARY}),
        ),
        (
            "POST",
            "/v1/memories",
            json!({"content": text, "embedding": [1.0, 0.5, 0.25]}),
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a", "b"], "key": "k", "value": {"v": CANARY}}),
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": [CANARY], "key": CANARY, "value": {"v": 1}}),
        ),
        ("GET", "/v1/memories", none.clone()),
        ("POST", "/v1/memories/search", json!({"query": "fox hen"})),
        ("GET", "/v1/memories/{0}", none.clone()),
        ("DELETE", "/v1/memories/{0}", none),
        ("POST", "/v1/memories/prune", json!({"keep": 1})),
    ]
}

/// Ids by the order in which one caller was sent them, and everything else that is drawn by lot.
#[derive(Default)]
struct Ids(Vec<String>);

impl Ids {
    fn filled(&self, path: &str) -> String {
        let Some((before, rest)) = path.split_once('{') else {
            return path.to_owned();
        };
        let (number, after) = rest.split_once('}').unwrap();
        let unknown = "01900000-0000-7000-8000-000000000000".to_owned();
        let id = self.0.get(number.parse::<usize>().unwrap());
        format!("{before}{}{after}", id.unwrap_or(&unknown))
    }

    /// The answer with ids as their numbers and cursors as one word.
    fn masked(&mut self, answer: &Answer) -> String {
        let (status, headers, mut body) = answer.masked();
        if let Ok(value) = serde_json::from_slice::<Value>(&answer.body)
            && let Some(cursor) = value["next_cursor"].as_str()
        {
            body = body.replace(cursor, "CURSOR");
        }
        let text = format!("{status} {headers:?} {body}");
        let mut masked = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            // Ids are ASCII, so a place that is none begins a character.
            match rest
                .get(..36)
                .filter(|text| uuid::Uuid::try_parse(text).is_ok())
            {
                Some(id) => {
                    let known = self.0.iter().position(|it| it == id);
                    let number = known.unwrap_or_else(|| {
                        self.0.push(id.to_owned());
                        self.0.len() - 1
                    });
                    masked.push_str(&format!("#{number}"));
                    rest = &rest[36..];
                }
                None => {
                    masked.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        masked
    }
}

async fn call(stage: &Stage, who: Who, ids: &Ids, (method, path, body): &Call) -> Answer {
    let target = ids.filled(path);
    match body {
        Value::Null => stage.send(who, method, &target, &[], "").await,
        body => stage.ask(who, method, &target, body.clone()).await,
    }
}

/// All that Alice is sent, with `others` beside her.
async fn sent(ground: &Ground, others: &[Who]) -> Vec<(Call, String)> {
    let store = std::sync::Arc::clone(&ground.store);
    let stage = Stage::over(store, QUOTAS, Bounds::default()).await;
    stage.share("a red fox for all").await;
    let (mut ids, mut sent) = (Ids::default(), Vec::new());
    let mut of_others: HashMap<&str, Ids> = HashMap::new();
    let theirs = theirs();
    for (number, mine) in calls().iter().enumerate() {
        for (turn, other) in others.iter().enumerate() {
            let ids = of_others.entry(other.1).or_default();
            let answer = call(&stage, *other, ids, &theirs[(number + turn) % theirs.len()]).await;
            ids.masked(&answer);
        }
        let answer = call(&stage, ALICE, &ids, mine).await;
        assert!(
            answer.status < 500 || answer.status == 507,
            "{mine:?}: {}",
            answer.text()
        );
        sent.push((mine.clone(), ids.masked(&answer)));
    }
    sent
}

async fn every_byte_is_the_same(alone: &Ground, beside: &Ground) {
    let expected = sent(alone, &[]).await;
    let given = sent(beside, &[OTHER_TENANT, OTHER_USER]).await;
    for ((call, given), (_, expected)) in given.iter().zip(&expected) {
        assert_eq!(given, expected, "{call:?}");
        // An answer may repeat what was asked for.
        let asked = format!("{call:?}").contains(CANARY);
        assert!(asked || !given.contains(CANARY), "{call:?}: {given}");
    }
    let told: String = expected
        .into_iter()
        .map(|(_, answer)| answer + "\n")
        .collect();
    for status in ["200 ", "201 ", "404 ", "409 ", "507 "] {
        let tried = told.lines().any(|line| line.starts_with(status));
        assert!(tried, "the calls try {status}: {told}");
    }
    assert!(
        told.contains("a red fox for all"),
        "what {LEAD:?} shares is seen"
    );
}

#[tokio::test]
async fn what_others_do_changes_no_byte_on_the_plain_store() {
    every_byte_is_the_same(&Ground::reference().await, &Ground::reference().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_changes_no_byte_on_sqlite() {
    every_byte_is_the_same(&Ground::sqlite().await, &Ground::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_changes_no_byte_on_postgres() {
    every_byte_is_the_same(&Ground::postgres().await, &Ground::postgres().await).await;
}

//! The store of LangGraph's API: the requests its SDKs send, and what they are answered.

use serde_json::{Value, json};

use crate::stage::{ALICE, Answer, Stage, Who};

async fn put(stage: &Stage, who: Who, namespace: &[&str], key: &str, value: Value) {
    let body = json!({"namespace": namespace, "key": key, "value": value});
    let answer = stage.ask(who, "PUT", "/store/items", body).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (204, ""),
        "{answer:?}"
    );
}

async fn read(stage: &Stage, who: Who, namespace: &str, key: &str) -> Value {
    let path = format!("/store/items?namespace={namespace}&key={key}");
    let answer = stage.get(who, &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn search(stage: &Stage, who: Who, body: Value) -> Answer {
    stage.ask(who, "POST", "/store/items/search", body).await
}

/// The keys that a search answers.
async fn found(stage: &Stage, who: Who, body: Value) -> Vec<String> {
    let answer = search(stage, who, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    let keys = items.iter().map(|item| item["key"].as_str().unwrap());
    keys.map(str::to_owned).collect()
}

async fn namespaces(stage: &Stage, who: Who, body: Value) -> Value {
    let answer = stage.ask(who, "POST", "/store/namespaces", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["namespaces"].clone()
}

#[tokio::test]
async fn an_item_is_kept_replaced_read_and_let_go_of() {
    let stage = Stage::open().await;
    put(
        &stage,
        ALICE,
        &["users", "ann"],
        "a.b c",
        json!({"likes": "tea"}),
    )
    .await;
    let item = read(&stage, ALICE, "users.ann", "a.b%20c").await;
    assert_eq!(item["namespace"], json!(["users", "ann"]));
    assert_eq!(item["key"], "a.b c");
    assert_eq!(item["value"], json!({"likes": "tea"}));
    assert_eq!(item["created_at"], item["updated_at"]);

    stage.clock.advance_seconds(5);
    put(
        &stage,
        ALICE,
        &["users", "ann"],
        "a.b c",
        json!({"likes": null}),
    )
    .await;
    let again = read(&stage, ALICE, "users.ann", "a.b%20c").await;
    assert_eq!(again["value"], json!({"likes": null}));
    assert_eq!(again["created_at"], item["created_at"]);
    assert_ne!(again["updated_at"], item["updated_at"]);

    for _ in ["there", "gone"] {
        let body = json!({"namespace": ["users", "ann"], "key": "a.b c"});
        let answer = stage.ask(ALICE, "DELETE", "/store/items", body).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    }
    assert_eq!(
        read(&stage, ALICE, "users.ann", "a.b%20c").await,
        Value::Null
    );
}

#[tokio::test]
async fn no_labels_lead_to_the_items_of_another_user_or_tenant() {
    let stage = Stage::open().await;
    put(&stage, ALICE, &["notes"], "k", json!({"text": "canary"})).await;
    for other in [
        ("acme", "bob", &["lead", "tenant-admin"][..]),
        ("globex", "alice", &[]),
        ("acme", "ali", &[]),
    ] {
        for namespace in ["notes", "tenant:acme:user:alice:.notes", "alice.notes", "*"] {
            assert_eq!(
                read(&stage, other, namespace, "k").await,
                Value::Null,
                "{other:?}"
            );
        }
        let all = search(
            &stage,
            other,
            json!({"namespace_prefix": [], "query": "canary"}),
        )
        .await;
        assert_eq!(all.json(), json!({"items": []}), "{other:?}");
        assert_eq!(
            namespaces(&stage, other, json!({})).await,
            json!([]),
            "{other:?}"
        );
        let body = json!({"namespace": ["notes"], "key": "k"});
        stage.ask(other, "DELETE", "/store/items", body).await;
        put(&stage, other, &["notes"], "k", json!({"text": "theirs"})).await;
    }
    assert_eq!(
        read(&stage, ALICE, "notes", "k").await["value"],
        json!({"text": "canary"}),
        "what others put and delete at the same labels is theirs"
    );
    assert_eq!(
        namespaces(&stage, ALICE, json!({})).await,
        json!([["notes"]])
    );
}

#[tokio::test]
async fn an_item_is_no_memory_and_a_memory_no_item() {
    let stage = Stage::open().await;
    put(&stage, ALICE, &["notes"], "k", json!({"text": "canary"})).await;
    let memories = json!({"query": "canary"});
    let answer = stage
        .ask(ALICE, "POST", "/v1/memories/search", memories)
        .await;
    assert_eq!(answer.json(), json!({"memories": []}), "{answer:?}");
    stage.note(ALICE, "canary").await;
    let items = json!({"namespace_prefix": [], "query": "canary"});
    assert_eq!(found(&stage, ALICE, items).await, ["k"]);
}

#[tokio::test]
async fn items_are_listed_below_labels_last_written_first() {
    let stage = Stage::open().await;
    for (namespace, key) in [
        (&["a"][..], "1"),
        (&["a", "b"], "2"),
        (&["ab"], "3"),
        (&["a", "b", "c"], "4"),
        (&["a%2Fb"], "5"),
    ] {
        put(
            &stage,
            ALICE,
            namespace,
            key,
            json!({"n": key.parse::<u32>().unwrap()}),
        )
        .await;
        stage.clock.advance_seconds(1);
    }
    for (body, keys) in [
        (
            json!({"namespace_prefix": []}),
            &["5", "4", "3", "2", "1"][..],
        ),
        (json!({"namespace_prefix": ["a"]}), &["4", "2", "1"]),
        (json!({"namespace_prefix": ["a", "b"]}), &["4", "2"]),
        (
            json!({"namespace_prefix": ["a"], "limit": 1, "offset": 1}),
            &["2"],
        ),
        (
            json!({"namespace_prefix": ["a"], "limit": 0, "query": ""}),
            &["4", "2", "1"],
        ),
        (
            json!({"namespace_prefix": [], "filter": {"n": {"$gt": 1, "$lte": 3}}}),
            &["3", "2"],
        ),
        (
            json!({"namespace_prefix": [], "filter": {"n": {"$ne": 5}}}),
            &["4", "3", "2", "1"],
        ),
        (
            json!({"namespace_prefix": ["a"], "filter": {"n": 4}}),
            &["4"],
        ),
        (json!({"namespace_prefix": ["a"], "filter": {"n": 3}}), &[]),
    ] {
        assert_eq!(found(&stage, ALICE, body.clone()).await, keys, "{body}");
    }
}

#[tokio::test]
async fn a_query_finds_words_of_the_value_and_what_it_does_not_find_follows_without_a_score() {
    let stage = Stage::open().await;
    let kept = [
        ("tea", json!({"text": "She drinks green tea"}), Value::Null),
        ("coffee", json!({"text": "Er trinkt Kaffee"}), Value::Null),
        ("secret", json!({"text": "tea in secret"}), json!(false)),
        (
            "title",
            json!({"title": "tea", "body": "milk"}),
            json!(["body"]),
        ),
    ];
    for (key, value, index) in kept {
        let body = json!({"namespace": ["n"], "key": key, "value": value, "index": index});
        assert_eq!(
            stage.ask(ALICE, "PUT", "/store/items", body).await.status,
            204
        );
        stage.clock.advance_seconds(1);
    }
    let answer = search(
        &stage,
        ALICE,
        json!({"namespace_prefix": ["n"], "query": "TEA"}),
    )
    .await;
    let items = answer.json()["items"].as_array().unwrap().clone();
    let scored: Vec<_> = items
        .iter()
        .map(|item| (item["key"].as_str().unwrap(), item["score"].is_f64()))
        .collect();
    let expected = [
        ("tea", true),
        ("title", false),
        ("secret", false),
        ("coffee", false),
    ];
    assert_eq!(scored, expected);
    for (limit, offset, keys) in [
        (1, 0, &["tea"][..]),
        (2, 1, &["title", "secret"]),
        (9, 3, &["coffee"]),
        (9, 4, &[]),
    ] {
        let body =
            json!({"namespace_prefix": [], "query": "tea", "limit": limit, "offset": offset});
        assert_eq!(found(&stage, ALICE, body).await, keys);
    }
    let milk = json!({"namespace_prefix": [], "query": "milk", "limit": 1});
    assert_eq!(found(&stage, ALICE, milk).await, ["title"]);
}

#[tokio::test]
async fn namespaces_are_listed_by_prefix_suffix_and_depth() {
    let stage = Stage::open().await;
    for namespace in [
        &["u", "ann", "notes"][..],
        &["u", "bob", "notes"],
        &["u", "ann"],
        &["v"],
    ] {
        put(&stage, ALICE, namespace, "k", json!({})).await;
    }
    for (body, expected) in [
        (
            json!({}),
            json!([
                ["u", "ann"],
                ["u", "ann", "notes"],
                ["u", "bob", "notes"],
                ["v"]
            ]),
        ),
        (json!({"max_depth": 1}), json!([["u"], ["v"]])),
        (
            json!({"prefix": ["u", "*", "notes"], "max_depth": 2}),
            json!([["u", "ann"], ["u", "bob"]]),
        ),
        (
            json!({"suffix": ["ann", "*"]}),
            json!([["u", "ann", "notes"]]),
        ),
        (
            json!({"prefix": ["u"], "limit": 1, "offset": 1}),
            json!([["u", "ann", "notes"]]),
        ),
        (json!({"prefix": ["w"]}), json!([])),
    ] {
        assert_eq!(
            namespaces(&stage, ALICE, body.clone()).await,
            expected,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_item_with_a_lifetime_is_forgotten_unless_it_is_read() {
    let stage = Stage::open().await;
    let body = json!({"namespace": ["n"], "key": "k", "value": {"a": 1}, "ttl": 1});
    assert_eq!(
        stage.ask(ALICE, "PUT", "/store/items", body).await.status,
        204
    );
    let refreshing = "/store/items?namespace=n&key=k&refresh_ttl=true";
    let looking = "/store/items?namespace=n&key=k&refresh_ttl=false";
    for (seconds, path, there) in [
        (40, refreshing, true),
        (40, looking, true),
        (30, looking, false),
    ] {
        stage.clock.advance_seconds(seconds);
        let answer = stage.get(ALICE, path).await;
        assert_eq!(answer.json() != Value::Null, there, "{seconds} {path}");
    }
    let all = json!({"namespace_prefix": []});
    assert!(found(&stage, ALICE, all).await.is_empty());
    assert_eq!(namespaces(&stage, ALICE, json!({})).await, json!([]));
}

#[tokio::test]
async fn a_refusal_is_worded_as_the_sdk_reads_it() {
    let stage = Stage::open().await;
    for (method, path, body, status) in [
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a.b"], "key": "k", "value": {}}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": [""], "key": "k", "value": {}}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": [], "key": "k", "value": {}}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a"], "key": "", "value": {}}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a"], "key": "k", "value": null}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a"], "key": "k", "value": "x"}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a"], "key": "k", "value": {}, "ttl": 0}),
            422,
        ),
        (
            "PUT",
            "/store/items",
            json!({"namespace": ["a"], "key": "k", "value": {"a": "\u{0}"}}),
            422,
        ),
        ("GET", "/store/items?namespace=a&key=", Value::Null, 422),
        ("GET", "/store/items?namespace=a..b&key=k", Value::Null, 422),
        ("GET", "/store/items?key=k", Value::Null, 422),
        ("POST", "/store/items/search", json!({}), 422),
        (
            "POST",
            "/store/items/search",
            json!({"namespace_prefix": [], "limit": 1001}),
            422,
        ),
        (
            "POST",
            "/store/items/search",
            json!({"namespace_prefix": [], "limit": -1}),
            422,
        ),
        (
            "POST",
            "/store/items/search",
            json!({"namespace_prefix": [], "filter": {"a": {"$in": [1]}}}),
            422,
        ),
        ("POST", "/store/namespaces", json!({"max_depth": 0}), 422),
        ("POST", "/store/namespaces", json!([1]), 422),
        ("POST", "/store/items", json!({}), 405),
    ] {
        let answer = stage.ask(ALICE, method, path, body.clone()).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        if status == 422 {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(
                answer.json()["detail"]
                    .as_str()
                    .is_some_and(|it| !it.is_empty())
            );
        }
    }
    let nobody = stage
        .ask(("acme", "", &[]), "POST", "/store/namespaces", json!({}))
        .await;
    assert_eq!(nobody.status, 401, "{nobody:?}");
}

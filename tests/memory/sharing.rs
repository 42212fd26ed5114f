//! Who may do what with one memory, and what everybody else is answered.

use fabric_gate::memory::{Address, Area, Change, Fields};
use serde_json::json;

use crate::people::caller;
use crate::stage::{ADMIN, ALICE, Answer, BOB, LEAD, STRANGER, Stage, Who, id};

const UNKNOWN: &str = "01900000-0000-7000-8000-000000000000";

/// Every way to name one memory.
const NAMED: [(&str, &str, Option<&str>); 7] = [
    ("GET", "", None),
    ("HEAD", "", None),
    ("PUT", "", Some(r#"{"content":"mine"}"#)),
    ("PATCH", "", Some(r#"{"importance":1}"#)),
    ("DELETE", "", None),
    ("GET", "/history", None),
    ("POST", "/promote", None),
];

async fn name(stage: &Stage, who: Who, id: &str, way: (&str, &str, Option<&str>)) -> Answer {
    let (method, suffix, body) = way;
    let kind = [("content-type", "application/json")];
    let headers = if body.is_some() { &kind[..] } else { &[] };
    let target = format!("/v1/memories/{id}{suffix}");
    stage
        .send(
            who,
            method,
            &target,
            headers,
            body.unwrap_or_default().to_owned(),
        )
        .await
}

#[tokio::test]
async fn all_of_a_tenant_read_shared_memory_and_only_its_roles_write_it() {
    let stage = Stage::open().await;
    let body = json!({ "content": "ours", "scope": "shared" });
    let refused = stage.ask(ALICE, "POST", "/v1/memories", body.clone()).await;
    assert_eq!(refused.refused(403), "role_required");
    let made = stage.remember(LEAD, body).await;
    assert_eq!(made["namespace"], "tenant:acme:shared:");
    assert_eq!(made["author"], "lena");
    for way in NAMED {
        let answer = name(&stage, ALICE, &id(&made), way).await;
        let reads = way.0 == "HEAD" || way.0 == "GET";
        assert_eq!(answer.status, if reads { 200 } else { 403 }, "{way:?}");
    }
    let target = format!("/v1/memories/{}", id(&made));
    let written = stage
        .ask(LEAD, "PUT", &target, json!({ "content": "all ours" }))
        .await;
    assert_eq!(written.of(200)["version"], 2);
    assert_eq!(stage.delete(LEAD, &target).await.status, 204);
}

#[tokio::test]
async fn nobody_reads_or_writes_above_its_clearance() {
    let stage = Stage::open().await;
    let secret: Who = ("acme", "alice", &["secret"]);
    let body = json!({ "content": "x", "confidentiality": "confidential" });
    let refused = stage.ask(ALICE, "POST", "/v1/memories", body.clone()).await;
    assert_eq!(refused.refused(403), "forbidden");
    let target = format!("/v1/memories/{}", id(&stage.remember(secret, body).await));
    assert_eq!(stage.get(secret, &target).await.status, 200);
    assert_eq!(
        stage.get(ALICE, &target).await.status,
        404,
        "the same user without the role"
    );
    assert!(stage.contents(ALICE, "").await.is_empty());
    let note = format!("/v1/memories/{}", stage.note(ALICE, "y").await);
    let raised = stage
        .ask(
            ALICE,
            "PATCH",
            &note,
            json!({ "confidentiality": "restricted" }),
        )
        .await;
    assert_eq!(raised.refused(403), "forbidden");
}

#[tokio::test]
async fn a_promotion_copies_once_and_lowers_nothing() {
    let stage = Stage::open().await;
    let body = json!({ "content": "x", "confidentiality": "restricted", "source_ids": ["s"], "agent": "a" });
    let original = stage.remember(LEAD, body).await;
    let target = format!("/v1/memories/{}", id(&original));
    let promoted = stage
        .send(LEAD, "POST", &format!("{target}/promote"), &[], "")
        .await;
    let copy = promoted.of(201);
    assert_eq!(
        promoted.header("location"),
        Some(format!("../{}", id(&copy)).as_str())
    );
    assert_eq!(
        (&copy["scope"], &copy["author"]),
        (&json!("shared"), &json!("lena"))
    );
    assert_eq!(copy["confidentiality"], "restricted");
    assert_eq!(copy["source_ids"], json!(["s", id(&original)]));
    assert_eq!(
        stage.get(LEAD, &target).await.of(200),
        original,
        "the original stays"
    );
    stage
        .ask(LEAD, "PATCH", &target, json!({ "importance": 1 }))
        .await
        .of(200);
    let again = stage
        .send(LEAD, "POST", &format!("{target}/promote"), &[], "")
        .await;
    assert_eq!(again.of(200), copy);
    let of_copy = format!("/v1/memories/{}/promote", id(&copy));
    assert_eq!(
        id(&stage.send(LEAD, "POST", &of_copy, &[], "").await.of(200)),
        id(&copy)
    );
    let own = stage.note(ALICE, "y").await;
    let refused = stage
        .send(
            ALICE,
            "POST",
            &format!("/v1/memories/{own}/promote"),
            &[],
            "",
        )
        .await;
    assert_eq!(refused.refused(403), "role_required");
}

#[tokio::test]
async fn a_memory_with_as_many_sources_as_there_may_be_is_promoted_as_one_with_fewer() {
    let stage = Stage::open().await;
    for count in [99, 100] {
        let sources: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
        let body = json!({ "content": "x", "source_ids": sources });
        let original = stage.remember(LEAD, body).await;
        let target = format!("/v1/memories/{}", id(&original));
        let promote = format!("{target}/promote");
        let copy = stage.send(LEAD, "POST", &promote, &[], "").await.of(201);
        let mut expected = sources[..99].to_vec();
        expected.push(id(&original));
        assert_eq!(copy["source_ids"], json!(expected), "{count}");
        let again = stage.send(LEAD, "POST", &promote, &[], "").await.of(200);
        assert_eq!(again, copy, "{count}");
        assert_eq!(stage.get(LEAD, &target).await.of(200), original, "{count}");
        let copied = format!("/v1/memories/{}", id(&copy));
        let patch = json!({ "importance": 9 });
        stage.ask(LEAD, "PATCH", &copied, patch).await.of(200);
        let again = stage.send(LEAD, "POST", &promote, &[], "").await.of(200);
        assert_eq!(again["version"], 2, "the copy that was changed");
    }
}

#[tokio::test]
async fn an_original_that_names_itself_is_named_once_and_nothing_gives_way_to_it() {
    let stage = Stage::open().await;
    let original = stage.note(LEAD, "x").await;
    let mut sources: Vec<String> = (0..99).map(|number| format!("s{number}")).collect();
    sources.insert(0, original.clone());
    let target = format!("/v1/memories/{original}");
    let patch = json!({ "source_ids": sources });
    stage.ask(LEAD, "PATCH", &target, patch).await.of(200);
    let promote = format!("{target}/promote");
    let copy = stage.send(LEAD, "POST", &promote, &[], "").await.of(201);
    assert_eq!(copy["source_ids"], json!(sources));
}

#[tokio::test]
async fn a_key_that_looks_like_a_promotions_is_not_taken_for_one() {
    let stage = Stage::open().await;
    let original = stage.note(LEAD, "x").await;
    let posing =
        json!({ "content": "y", "scope": "shared", "key": format!("promoted:{original}") });
    stage.remember(LEAD, posing).await;
    let promoted = stage
        .send(
            LEAD,
            "POST",
            &format!("/v1/memories/{original}/promote"),
            &[],
            "",
        )
        .await;
    assert_eq!(promoted.refused(409), "key_taken");
}

#[tokio::test]
async fn a_foreign_memory_an_unknown_one_and_no_id_at_all_are_answered_alike() {
    let stage = Stage::open().await;
    let alices = stage.note(ALICE, "secret").await;
    let shared = stage.share("ours").await;
    let above = json!({ "content": "x", "scope": "shared", "confidentiality": "restricted" });
    let above = id(&stage.remember(LEAD, above).await);
    for way in NAMED {
        let unknown = name(&stage, STRANGER, UNKNOWN, way).await;
        assert_eq!(unknown.status, 404, "{way:?}");
        let cases = [
            (STRANGER, alices.as_str()),
            (STRANGER, &shared),
            (BOB, &alices),
            (LEAD, &alices),
            (ADMIN, &alices),
            (BOB, &above),
            (ALICE, "nothing"),
            (ALICE, "%FF"),
            (ALICE, "01900000000070008000000000000000"),
            (ALICE, &alices.to_uppercase()),
        ];
        for (who, id) in cases {
            let answer = name(&stage, who, id, way).await;
            assert_eq!(answer.masked(), unknown.masked(), "{way:?} {who:?} {id}");
        }
    }
    assert_eq!(
        stage
            .get(ALICE, &format!("/v1/memories/{alices}"))
            .await
            .of(200)["version"],
        1
    );
    for way in NAMED.into_iter().filter(|way| way.1 != "/promote") {
        let own = name(&stage, ALICE, &alices, way).await;
        assert!((200..300).contains(&own.status), "{way:?}: {own:?}");
        if way.0 == "DELETE" {
            break;
        }
    }
}

#[tokio::test]
async fn an_item_is_no_memory_and_has_a_history_like_one() {
    let stage = Stage::open().await;
    let alice = caller("acme", "alice", &[]);
    let item = Change::Create {
        address: Address {
            area: Area::Items,
            path: "a/".to_owned(),
            key: Some("k".to_owned()),
        },
        fields: Fields::new("x"),
        created_at: None,
    };
    let item = stage.memory.write_one(&alice.own(), item).await.unwrap();
    let item = item.entry().unwrap().id;
    for way in NAMED.into_iter().filter(|way| way.1 != "/history") {
        let answer = name(&stage, ALICE, &item.to_string(), way).await;
        assert_eq!(answer.status, 404, "{way:?}");
    }
    let body = json!({ "operations": [{ "op": "delete", "id": item.to_string() }] });
    let answer = stage.ask(ALICE, "POST", "/v1/memories/bulk", body).await;
    assert_eq!(answer.status, 404);
    assert!(stage.contents(ALICE, "").await.is_empty());
    let history = stage
        .get(ALICE, &format!("/v1/memories/{item}/history"))
        .await
        .of(200);
    assert_eq!(history["versions"][0]["content"], "x");
}

//! Export and import.

use fabric_gate::memory::{Bounds, Quotas};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::stage::{ALICE, Answer, BOB, LEAD, STRANGER, Stage, Who, id};

async fn export(stage: &Stage, who: Who, query: &str) -> String {
    let answer = stage.get(who, &format!("/v1/export{query}")).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.status, 200);
    answer.text()
}

async fn import(stage: &Stage, who: Who, query: &str, lines: &str) -> Answer {
    let headers = [("content-type", "application/x-ndjson")];
    let target = format!("/v1/import{query}");
    stage
        .send(who, "POST", &target, &headers, lines.to_owned())
        .await
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What an export says of its entries that an import keeps, sorted.
fn kept(export: &str) -> Vec<String> {
    let mut entries = lines(export);
    entries.retain(|line| line.get("format").is_none());
    let mut texts: Vec<String> = entries
        .into_iter()
        .map(|mut entry| {
            let members = entry.as_object_mut().unwrap();
            for own in [
                "id",
                "namespace",
                "scope",
                "key",
                "updated_at",
                "last_accessed",
                "access_count",
                "version",
                "author",
                "expires_at",
            ] {
                members.remove(own);
            }
            entry.to_string()
        })
        .collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn an_export_is_framed_and_holds_the_callers_own_or_shared_memory() {
    let stage = Stage::open().await;
    for number in 0..250 {
        stage.note(ALICE, &format!("a{number}")).await;
    }
    stage.note(BOB, "bob's").await;
    stage.note(STRANGER, "theirs").await;
    stage.share("ours").await;
    let own = lines(&export(&stage, ALICE, "").await);
    assert_eq!(own.len(), 252);
    assert_eq!(own[0]["format"], "fabric-memory/1");
    assert_eq!(own[0]["namespace"], "tenant:acme:user:alice:");
    assert_eq!(
        own[251],
        json!({ "format": "fabric-memory/1", "end": true, "entries": 250 })
    );
    assert!(
        own[1..251]
            .iter()
            .all(|it| it["namespace"] == "tenant:acme:user:alice:")
    );
    let shared = lines(&export(&stage, ALICE, "?scope=shared").await);
    assert_eq!((shared.len(), &shared[1]["content"]), (3, &json!("ours")));
    let empty = lines(&export(&stage, LEAD, "").await);
    assert_eq!(empty.len(), 2);
}

#[tokio::test]
async fn history_is_exported_where_it_is_asked_for_and_not_imported() {
    let stage = Stage::open().await;
    let target = format!("/v1/memories/{}", stage.note(ALICE, "v1").await);
    stage
        .ask(ALICE, "PUT", &target, json!({ "content": "v2" }))
        .await
        .of(200);
    assert_eq!(lines(&export(&stage, ALICE, "").await).len(), 3);
    let with = export(&stage, ALICE, "?history=true").await;
    let found = lines(&with);
    assert_eq!(found.len(), 4);
    assert_eq!(
        (&found[1]["content"], &found[2]["content"]),
        (&json!("v2"), &json!("v1"))
    );
    let report = import(&stage, BOB, "", &with).await.of(200);
    assert_eq!(
        (&report["created"], &report["skipped"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn an_import_gives_ids_of_its_own_and_makes_the_copies_name_each_other() {
    let stage = Stage::open().await;
    let one = stage.note(ALICE, "one").await;
    let body = json!({ "content": "two", "related_ids": [one, "elsewhere"], "source_ids": [one] });
    stage.clock.advance_seconds(5);
    stage.remember(ALICE, body).await;
    let exported = export(&stage, ALICE, "").await;
    stage.clock.advance_seconds(60);
    let report = import(&stage, BOB, "", &exported).await.of(200);
    assert_eq!(
        report,
        json!({
            "dry_run": false, "lines": 4, "imported_through": 4, "created": 2, "existed": 0,
            "skipped": 0, "unlinked": 0, "complete": true, "refused": [],
        })
    );
    let list = stage.get(BOB, "/v1/memories").await.of(200);
    let (two, copy) = (&list["memories"][0], &list["memories"][1]);
    assert_ne!(id(copy), one);
    assert_eq!(two["related_ids"], json!([id(copy), "elsewhere"]));
    assert_eq!(two["source_ids"], json!([id(copy)]));
    assert_eq!(copy["created_at"], "2027-01-15T08:00:00.000000Z", "kept");
    assert_eq!(
        (&copy["author"], &copy["namespace"]),
        (&json!("bob"), &json!("tenant:acme:user:bob:"))
    );
    let again = import(&stage, BOB, "", &exported).await.of(200);
    assert_eq!(
        (&again["created"], &again["existed"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(
        stage.get(BOB, "/v1/memories").await.of(200),
        list,
        "nothing was made twice"
    );
}

#[tokio::test]
async fn another_tenants_export_is_taken_only_where_that_is_said() {
    let stage = Stage::open().await;
    stage.note(STRANGER, "theirs").await;
    let exported = export(&stage, STRANGER, "").await;
    let refused = import(&stage, ALICE, "", &exported).await;
    assert_eq!(refused.refused(400), "request_rejected");
    assert_eq!(refused.json()["line"], 1);
    let headless: String = exported
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        import(&stage, ALICE, "", &headless).await.status,
        400,
        "nor without its first line"
    );
    assert!(stage.contents(ALICE, "").await.is_empty());
    assert_eq!(
        import(&stage, ALICE, "?foreign=true", &exported)
            .await
            .of(200)["created"],
        1
    );
    assert_eq!(stage.contents(ALICE, "").await, ["theirs"]);
    let beginning = r#"{"content":"x","namespace":"tenant:acme2:user:alice:"}"#;
    assert_eq!(
        import(&stage, ALICE, "", beginning).await.status,
        400,
        "`acme2` is not `acme`"
    );
}

#[tokio::test]
async fn an_import_can_name_nobody_elses_namespace_owner_or_id() {
    let stage = Stage::open().await;
    let bobs = stage.note(BOB, "bob's").await;
    let smuggling = json!({
        "id": bobs, "namespace": "tenant:acme:user:bob:", "owner": "bob", "tenant": "globex",
        "user": "bob", "scope": "shared", "author": "bob", "version": 9, "content": "mine",
    });
    import(&stage, ALICE, "", &smuggling.to_string())
        .await
        .of(200);
    let own = stage.get(ALICE, "/v1/memories?scope=user").await.of(200);
    let memory = &own["memories"][0];
    assert_eq!(
        (&memory["author"], &memory["version"]),
        (&json!("alice"), &json!(1))
    );
    assert_ne!(id(memory), bobs);
    assert_eq!(stage.contents(BOB, "").await, ["bob's"]);
    assert!(stage.contents(ALICE, "scope=shared").await.is_empty());
    let refused = import(&stage, ALICE, "?scope=shared", "{\"content\":\"x\"}").await;
    assert_eq!(refused.refused(403), "role_required");
    import(&stage, LEAD, "?scope=shared", "{\"content\":\"x\"}")
        .await
        .of(200);
    assert_eq!(stage.contents(ALICE, "scope=shared").await, ["x"]);
}

#[tokio::test]
async fn an_import_stops_at_the_first_chunk_with_a_wrong_line_and_says_how_far_it_got() {
    let stage = Stage::open().await;
    let mut text = String::new();
    for number in 1..=1200 {
        text.push_str(&match number {
            702 => "{\"content\":\"x\",\"colour\":1}\n".to_owned(),
            703 => "not json\n".to_owned(),
            _ => format!("{{\"content\":\"c{number}\"}}\n"),
        });
    }
    let answer = import(&stage, ALICE, "", &text).await;
    assert_eq!(answer.refused(400), "request_rejected");
    let problem = answer.json();
    assert_eq!(
        (&problem["line"], &problem["imported_through"]),
        (&json!(702), &json!(500))
    );
    assert_eq!(
        (&problem["created"], &problem["lines"]),
        (&json!(500), &json!(1000))
    );
    let refused: Vec<_> = problem["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["line"].clone())
        .collect();
    assert_eq!(refused, [702, 703], "all wrong lines of the chunk");
    assert_eq!(stage.contents(ALICE, "limit=200").await.len(), 500);
    let dry = import(&stage, ALICE, "?dry_run=true", &text).await;
    assert_eq!(
        (dry.status, &dry.json()["lines"]),
        (400, &json!(1200)),
        "a dry run reads on"
    );
    let mended = text
        .replace(",\"colour\":1", "")
        .replace("not json", "{\"content\":\"y\"}");
    let report = import(&stage, ALICE, "", &mended).await.of(200);
    assert_eq!(
        (&report["existed"], &report["created"]),
        (&json!(500), &json!(700))
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_a_quota_stops_a_chunk_whole() {
    let quotas = Quotas {
        user_entries: Some(2),
        versions: 5,
        ..Quotas::default()
    };
    let stage = Stage::with(quotas, Bounds::default()).await;
    let text = "{\"content\":\"1\"}\n{\"content\":\"2\"}\n{\"content\":\"3\"}";
    let dry = import(&stage, ALICE, "?dry_run=true", text).await.of(200);
    assert_eq!(
        (&dry["dry_run"], &dry["created"]),
        (&json!(true), &json!(3))
    );
    let full = import(&stage, ALICE, "", text).await;
    assert_eq!(full.refused(507), "quota_exceeded");
    assert_eq!(
        (&full.json()["line"], &full.json()["created"]),
        (&json!(3), &json!(0))
    );
    assert!(stage.contents(ALICE, "").await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_no_json_lines_or_too_long_is_refused() {
    let stage = Stage::open().await;
    let json = [("content-type", "application/json")];
    let answer = stage.send(ALICE, "POST", "/v1/import", &json, "{}").await;
    assert_eq!(answer.refused(415), "media_type_unsupported");
    let long = format!(
        "{{\"content\":\"x\"}}\n{{\"content\":\"{}\"}}",
        "x".repeat(2_000_000)
    );
    assert_eq!(
        import(&stage, ALICE, "", &long).await.refused(413),
        "body_too_large"
    );
    let large = "{\"content\":\"x\"}\n".repeat(300_000);
    let answer = import(&stage, ALICE, "", &large).await;
    assert_eq!(answer.refused(413), "body_too_large");
    assert!(
        answer.json()["created"].is_u64(),
        "how far it got: {}",
        answer.text()
    );
    let twice = import(&stage, ALICE, "", "{\"content\":\"x\",\"content\":\"y\"}").await;
    assert_eq!(twice.refused(400), "request_rejected");
    assert_eq!(
        import(&stage, ALICE, "", "").await.of(200)["complete"],
        false
    );
}

fn memories() -> impl Strategy<Value = Vec<Value>> {
    let text = "[a-zäé😀\"\\\\ \n]{1,12}";
    let memory = (
        text,
        proptest::option::of("[a-z]{1,5}"),
        proptest::collection::btree_set("[a-c]", 0..3),
        1..=10u8,
        proptest::option::of(proptest::collection::vec(0.1f32..1.0, 3)),
        proptest::option::of(60..100_000u64),
    )
        .prop_map(|(content, agent, tags, importance, embedding, ttl)| {
            json!({
                "content": content, "agent": agent, "tags": tags, "importance": importance,
                "metadata": { "n": { "m": [importance, null, content] } },
                "embedding": embedding, "ttl_seconds": ttl,
            })
        });
    proptest::collection::vec(memory, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_one_tenant_exports_another_imports_with_the_same_contents_and_other_ids(
        memories in memories(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let stage = Stage::open().await;
            for memory in &memories {
                stage.remember(ALICE, memory.clone()).await;
                stage.clock.advance_seconds(1);
            }
            let exported = export(&stage, ALICE, "").await;
            import(&stage, STRANGER, "?foreign=true", &exported).await.of(200);
            let copied = export(&stage, STRANGER, "").await;
            assert_eq!(kept(&exported), kept(&copied));
            let ids = |text: &str| lines(text).iter().filter_map(|it| it["id"].as_str().map(str::to_owned)).collect::<Vec<_>>();
            let copies = ids(&copied);
            assert_eq!(copies.len(), memories.len());
            assert!(ids(&exported).iter().all(|id| !copies.contains(id)));
        });
    }
}

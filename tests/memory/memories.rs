//! `/v1/memories`: what each route does for who may, and answers to who may not.

use serde_json::{Value, json};

use crate::people::caller;
use crate::stage::{ALICE, BOB, LEAD, STRANGER, Stage, Who, id};

#[tokio::test]
async fn what_is_remembered_is_answered_whole_and_found_by_its_location() {
    let stage = Stage::open().await;
    let body = json!({
        "content": "Tea at four", "key": "tea", "agent": "butler", "session": "s-1",
        "category": "habit", "tags": ["tea", "b", "tea"], "importance": 7,
        "memory_type": "semantic", "keywords": ["drink"], "summary": "tea", "strength": 0.5,
        "related_ids": ["r"], "source_ids": ["s"], "metadata": { "n": 1 },
        "embedding": [0.5, 1.5], "confidentiality": "public", "ttl_seconds": 60,
    });
    let made = stage.ask(ALICE, "POST", "/v1/memories", body).await;
    let memory = made.of(201);
    let expected = json!({
        "id": memory["id"], "namespace": "tenant:acme:user:alice:", "scope": "user", "key": "tea",
        "agent": "butler", "session": "s-1", "content": "Tea at four", "category": "habit",
        "tags": ["b", "tea"], "keywords": ["drink"], "summary": "tea", "importance": 7,
        "memory_type": "semantic", "strength": 0.5, "related_ids": ["r"], "source_ids": ["s"],
        "metadata": { "n": 1 }, "confidentiality": "public", "ttl_seconds": 60,
        "created_at": "2027-01-15T08:00:00.000000Z", "updated_at": "2027-01-15T08:00:00.000000Z",
        "last_accessed": "2027-01-15T08:00:00.000000Z", "access_count": 0,
        "expires_at": "2027-01-15T08:01:00.000000Z", "version": 1, "author": "alice",
    });
    assert_eq!(
        memory, expected,
        "the embedding is shown where it is asked for"
    );
    assert_eq!(made.header("etag"), Some("\"1\""));
    let location = made.header("location").unwrap();
    assert_eq!(
        location,
        format!("memories/{}", id(&memory)),
        "behind any prefix"
    );
    let target = format!("/v1/memories/{}", id(&memory));
    assert_eq!(stage.get(ALICE, &target).await.of(200), memory);
    let with = stage
        .get(ALICE, &format!("{target}?include=embedding"))
        .await
        .of(200);
    assert_eq!(with["embedding"], json!([0.5, 1.5]));
    let head = stage.send(ALICE, "HEAD", &target, &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), Some("\"1\""));
}

#[tokio::test]
async fn a_creation_with_a_key_is_repeated_without_a_second_memory() {
    let stage = Stage::open().await;
    let body = json!({ "content": "x", "key": "k" });
    let first = stage.remember(ALICE, body.clone()).await;
    let again = stage.ask(ALICE, "POST", "/v1/memories", body.clone()).await;
    assert_eq!(again.of(200), first);
    assert_eq!(again.header("location"), None);
    let other = stage
        .ask(
            ALICE,
            "POST",
            "/v1/memories",
            json!({ "content": "y", "key": "k" }),
        )
        .await;
    assert_eq!(other.refused(409), "key_taken");
    assert_ne!(id(&stage.remember(BOB, body.clone()).await), id(&first));
    assert_ne!(id(&stage.remember(STRANGER, body).await), id(&first));
}

#[tokio::test]
async fn a_put_replaces_all_but_key_and_scope_and_a_patch_only_what_it_says() {
    let stage = Stage::open().await;
    let body = json!({ "content": "x", "key": "k", "tags": ["a"], "importance": 9, "metadata": { "a": 1, "b": 2 } });
    let target = format!("/v1/memories/{}", id(&stage.remember(ALICE, body).await));
    let patch = json!({ "importance": 3, "metadata": { "b": null } });
    let headers = [("content-type", "application/merge-patch+json")];
    let patched = stage
        .send(ALICE, "PATCH", &target, &headers, patch.to_string())
        .await;
    let patched = patched.of(200);
    assert_eq!(patched["importance"], 3);
    assert_eq!(patched["metadata"], json!({ "a": 1 }));
    assert_eq!(
        (&patched["tags"], &patched["key"]),
        (&json!(["a"]), &json!("k"))
    );
    let put = stage
        .ask(ALICE, "PUT", &target, json!({ "content": "y" }))
        .await
        .of(200);
    assert_eq!(put["importance"], 5);
    assert_eq!((&put["tags"], &put["key"]), (&json!([]), &json!("k")));
    assert_eq!(put["version"], 3);
    let keyless = json!({ "content": "y", "key": null });
    assert_eq!(
        stage.ask(ALICE, "PUT", &target, keyless).await.of(200)["key"],
        Value::Null
    );
    let moved = json!({ "content": "y", "scope": "shared" });
    assert_eq!(
        stage
            .ask(LEAD, "PUT", &target, moved.clone())
            .await
            .refused(404),
        "not_found"
    );
    assert_eq!(
        stage.ask(ALICE, "PUT", &target, moved).await.refused(400),
        "request_rejected"
    );
}

#[tokio::test]
async fn history_tells_every_version_that_is_kept_and_who_wrote_it() {
    let stage = Stage::open().await;
    let shared = stage.share("v1").await;
    let target = format!("/v1/memories/{shared}");
    let other: Who = ("acme", "max", &["lead"]);
    for (who, content) in [(other, "v2"), (LEAD, "v3")] {
        stage
            .ask(who, "PUT", &target, json!({ "content": content }))
            .await
            .of(200);
    }
    let history = stage.get(ALICE, &format!("{target}/history")).await.of(200);
    let rows: Vec<_> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["version"].as_u64().unwrap(),
                it["author"].as_str().unwrap().to_owned(),
                it["content"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [(3, "lena", "v3"), (2, "max", "v2"), (1, "lena", "v1")];
    let expected =
        expected.map(|(version, author, content)| (version, author.to_owned(), content.to_owned()));
    assert_eq!(rows, expected);
    for number in 4..=9 {
        stage
            .ask(
                LEAD,
                "PUT",
                &target,
                json!({ "content": format!("v{number}") }),
            )
            .await
            .of(200);
    }
    let history = stage.get(ALICE, &format!("{target}/history")).await.of(200);
    assert_eq!(
        history["versions"].as_array().unwrap().len(),
        5,
        "as many as are kept"
    );
}

#[tokio::test]
async fn a_list_is_newest_first_goes_on_by_its_cursor_and_shows_nobody_elses() {
    let stage = Stage::open().await;
    for number in 0..7 {
        stage.clock.advance_seconds(1);
        stage.note(ALICE, &format!("a{number}")).await;
        stage.note(BOB, &format!("b{number}")).await;
        stage.note(STRANGER, &format!("s{number}")).await;
    }
    stage.share("ours").await;
    let mut expected = vec!["ours".to_owned()];
    expected.extend((0..7).rev().map(|number| format!("a{number}")));
    for limit in [1, 2, 3, 8, 200] {
        assert_eq!(
            stage.contents(ALICE, &format!("limit={limit}")).await,
            expected
        );
    }
    assert_eq!(stage.contents(ALICE, "scope=shared").await, ["ours"]);
    assert_eq!(stage.contents(ALICE, "scope=user").await, expected[1..]);
    let strangers = stage.contents(STRANGER, "").await;
    assert_eq!(strangers.len(), 7);
    assert!(strangers.iter().all(|it| it.starts_with('s')));
}

#[tokio::test]
async fn a_list_holds_what_fits_every_parameter() {
    let stage = Stage::open().await;
    for (content, agent, tags, kind) in [
        ("one", "x", json!(["a", "b"]), "semantic"),
        ("two", "x", json!(["a"]), "episodic"),
        ("three", "y", json!(["a", "b"]), "episodic"),
    ] {
        stage.clock.advance_seconds(1);
        let body = json!({ "content": content, "key": content, "agent": agent, "session": "s", "category": "c",
            "tags": tags, "memory_type": kind });
        stage.remember(ALICE, body).await;
    }
    for (query, expected) in [
        ("agent=x", &["two", "one"][..]),
        ("tag=a&tag=b", &["three", "one"]),
        ("tag=b&agent=y", &["three"]),
        ("memory_type=semantic", &["one"]),
        ("key=two", &["two"]),
        ("session=s&category=c", &["three", "two", "one"]),
        ("session=S", &[]),
        ("tag=%27%20OR%201=1", &[]),
    ] {
        assert_eq!(stage.contents(ALICE, query).await, expected, "{query}");
    }
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "scope=all",
        "agnt=x",
        "agent=x&agent=y",
        "tag=%00",
        "agent=",
        "memory_type=odd",
        "include=all",
        "cursor=x",
        "tenant=globex",
    ] {
        let answer = stage.get(ALICE, &format!("/v1/memories?{wrong}")).await;
        assert_eq!(answer.refused(400), "request_rejected", "{wrong}");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_the_list_it_came_from_alone() {
    let stage = Stage::open().await;
    for who in [ALICE, BOB, STRANGER] {
        stage.note(who, "1").await;
        stage.note(who, "2").await;
    }
    let cursor = |page: Value| page["next_cursor"].as_str().unwrap().to_owned();
    let own = cursor(stage.get(ALICE, "/v1/memories?limit=1").await.of(200));
    let bobs = cursor(stage.get(BOB, "/v1/memories?limit=1").await.of(200));
    let strangers = cursor(stage.get(STRANGER, "/v1/memories?limit=1").await.of(200));
    let page = stage
        .get(ALICE, &format!("/v1/memories?limit=2&cursor={own}"))
        .await;
    assert_eq!(page.of(200)["memories"].as_array().unwrap().len(), 1);
    let malformed = stage.get(ALICE, "/v1/memories?cursor=AAAA").await;
    for other in [
        bobs,
        strangers,
        format!("{own}A"),
        own.replace(&own[..2], "zz"),
    ] {
        let answer = stage
            .get(ALICE, &format!("/v1/memories?cursor={other}"))
            .await;
        assert_eq!(answer.masked(), malformed.masked());
    }
    let filtered = stage
        .get(ALICE, &format!("/v1/memories?agent=x&cursor={own}"))
        .await;
    assert_eq!(filtered.refused(400), "request_rejected");
}

#[tokio::test]
async fn a_memory_is_forgotten_at_the_end_of_its_life_and_swept_away() {
    let stage = Stage::open().await;
    let body = json!({ "content": "x", "ttl_seconds": 60 });
    let target = format!("/v1/memories/{}", id(&stage.remember(ALICE, body).await));
    stage.clock.advance_seconds(59);
    assert_eq!(stage.get(ALICE, &target).await.status, 200);
    stage.clock.advance_seconds(1);
    assert_eq!(stage.get(ALICE, &target).await.status, 404);
    let stats = stage.get(ALICE, "/v1/stats").await.of(200);
    assert_eq!(stats["user"]["entries"], 1, "it counts until it is removed");
    assert_eq!(stage.memory.sweep().await, 1);
    assert_eq!(
        stage.get(ALICE, "/v1/stats").await.of(200)["user"]["entries"],
        0
    );
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_with_what_is_wrong() {
    let stage = Stage::open().await;
    let json = [("content-type", "application/json")];
    for (body, detail) in [
        (r#"{"content":"x","content":"y"}"#, "repeats a member name"),
        (
            r#"{"content":"x","metadata":{"a":1,"\u0061":2}}"#,
            "repeats a member name",
        ),
        ("[]", "expected a map"),
        ("", "EOF"),
        (r#"{"content":"x","tenant":"globex"}"#, "no member `tenant`"),
        (r#"{"content":"x","user":"bob"}"#, "no member `user`"),
        (
            r#"{"content":"x","namespace":"tenant:globex:user:alice:"}"#,
            "set by the service",
        ),
        (r#"{"content":"a\u0000b"}"#, "without NUL"),
        (r#"{"content":"x","ttl_seconds":0}"#, "seconds"),
    ] {
        let answer = stage.send(ALICE, "POST", "/v1/memories", &json, body).await;
        let problem = answer.of(400);
        assert_eq!(problem["code"], "request_rejected");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{body}: {said}");
    }
    let no_type = stage.send(ALICE, "POST", "/v1/memories", &[], "{}").await;
    assert_eq!(no_type.refused(415), "media_type_unsupported");
    let large = json!({ "content": "x".repeat(300_000) });
    assert_eq!(
        stage
            .ask(ALICE, "POST", "/v1/memories", large)
            .await
            .refused(413),
        "entry_too_large"
    );
    let huge = json!({ "content": "x".repeat(2_000_000) });
    assert_eq!(
        stage
            .ask(ALICE, "POST", "/v1/memories", huge)
            .await
            .refused(413),
        "body_too_large"
    );
    let odd = stage.send(ALICE, "PUT", "/v1/memories", &json, "{}").await;
    assert_eq!(odd.refused(405), "method_not_allowed");
    let allowed = odd.header("allow").unwrap();
    for method in ["GET", "HEAD", "POST"] {
        assert!(allowed.contains(method), "{allowed}");
    }
}

#[tokio::test]
async fn a_recall_is_counted_within_a_round_and_changes_no_version() {
    let stage = Stage::open().await;
    let target = format!("/v1/memories/{}", stage.note(ALICE, "x").await);
    let alice = caller("acme", "alice", &[]);
    let id = target.rsplit('/').next().unwrap().parse().unwrap();
    stage.clock.advance_seconds(60);
    stage.memory.recalled(&alice.tenant_scope(), &[id, id]);
    stage.memory.count_recalls().await.unwrap();
    let memory = stage.get(ALICE, &target).await;
    assert_eq!(memory.of(200)["access_count"], 2);
    assert_eq!(
        memory.json()["last_accessed"],
        "2027-01-15T08:01:00.000000Z"
    );
    assert_eq!(memory.header("etag"), Some("\"1\""));
}

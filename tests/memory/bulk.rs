//! Many memories at once: bulk changes, pruning, quotas, erasing.

use fabric_gate::memory::{Bounds, Quotas};
use serde_json::{Value, json};

use crate::stage::{ADMIN, ALICE, BOB, LEAD, STRANGER, Stage, Who, id};

async fn bulk(stage: &Stage, operations: Value) -> crate::stage::Answer {
    let body = json!({ "operations": operations });
    stage.ask(ALICE, "POST", "/v1/memories/bulk", body).await
}

#[tokio::test]
async fn a_bulk_does_every_operation_in_order() {
    let stage = Stage::open().await;
    let (one, two) = (
        stage.note(ALICE, "one").await,
        stage.note(ALICE, "two").await,
    );
    let three = stage.note(ALICE, "three").await;
    let operations = json!([
        { "op": "create", "memory": { "content": "new", "key": "k" } },
        { "op": "put", "memory": { "content": "at a key", "key": "q" } },
        { "op": "put", "id": one, "memory": { "content": "ONE" }, "if_match": 1 },
        { "op": "patch", "id": two, "patch": { "importance": 9 } },
        { "op": "delete", "id": three },
    ]);
    let results = bulk(&stage, operations).await.of(200);
    let status: Vec<_> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].clone())
        .collect();
    assert_eq!(
        status,
        ["created", "created", "updated", "updated", "deleted"]
    );
    assert_eq!(results["results"][2]["memory"]["content"], "ONE");
    assert_eq!(results["results"][3]["memory"]["importance"], 9);
    assert_eq!(results["results"][3]["memory"]["content"], "two");
    assert_eq!(results["results"][4]["id"], three);
    let again = json!([
        { "op": "create", "memory": { "content": "new", "key": "k" } },
        { "op": "put", "memory": { "content": "anew", "key": "q" } },
    ]);
    let results = bulk(&stage, again).await.of(200);
    assert_eq!(results["results"][0]["status"], "existed");
    assert_eq!(results["results"][1]["status"], "updated");
}

#[tokio::test]
async fn a_bulk_with_one_operation_that_can_not_be_done_does_none() {
    let stage = Stage::open().await;
    let own = stage.note(ALICE, "own").await;
    let bobs = stage.note(BOB, "bob's").await;
    let strangers = stage.note(STRANGER, "theirs").await;
    let shared = stage.share("ours").await;
    let wrong = [
        (json!({ "op": "delete", "id": bobs }), 404, "not_found"),
        (json!({ "op": "delete", "id": strangers }), 404, "not_found"),
        (
            json!({ "op": "patch", "id": shared, "patch": {} }),
            404,
            "not_found",
        ),
        (json!({ "op": "delete", "id": "no id" }), 404, "not_found"),
        (
            json!({ "op": "put", "id": own, "memory": { "content": "x" }, "if_match": 2 }),
            412,
            "precondition_failed",
        ),
        (
            json!({ "op": "patch", "id": own, "patch": {}, "if_match": 2 }),
            412,
            "precondition_failed",
        ),
        (
            json!({ "op": "create", "memory": { "content": "" } }),
            400,
            "request_rejected",
        ),
        (
            json!({ "op": "create", "memory": { "content": "x", "scope": "shared" } }),
            400,
            "request_rejected",
        ),
        (
            json!({ "op": "create", "memory": { "content": "x", "confidentiality": "restricted" } }),
            403,
            "forbidden",
        ),
        (
            json!({ "op": "put", "memory": { "content": "x" } }),
            400,
            "request_rejected",
        ),
    ];
    for (operation, status, code) in wrong {
        let operations = json!([{ "op": "create", "memory": { "content": "first" } }, operation]);
        let answer = bulk(&stage, operations).await;
        assert_eq!(answer.refused(status), code, "{operation}");
        assert_eq!(answer.json()["operation"], 1, "{operation}");
    }
    let twice = json!([{ "op": "delete", "id": own }, { "op": "patch", "id": own, "patch": {} }]);
    assert_eq!(bulk(&stage, twice).await.of(400)["operation"], 1);
    for odd in [
        json!([]),
        json!([{ "op": "upsert" }]),
        json!([{ "op": "delete", "id": own, "force": true }]),
        Value::Array(vec![
            json!({ "op": "create", "memory": { "content": "x" } });
            501
        ]),
    ] {
        assert_eq!(bulk(&stage, odd).await.refused(400), "request_rejected");
    }
    assert_eq!(stage.contents(ALICE, "scope=user").await, ["own"]);
    assert_eq!(stage.contents(BOB, "scope=user").await, ["bob's"]);
}

#[tokio::test]
async fn a_bulk_of_shared_memory_needs_the_role() {
    let stage = Stage::open().await;
    let body = json!({ "scope": "shared", "operations": [{ "op": "create", "memory": { "content": "x" } }] });
    let refused = stage
        .ask(ALICE, "POST", "/v1/memories/bulk", body.clone())
        .await;
    assert_eq!(refused.refused(403), "role_required");
    stage
        .ask(LEAD, "POST", "/v1/memories/bulk", body)
        .await
        .of(200);
    assert_eq!(stage.contents(ALICE, "").await, ["x"]);
}

/// Memories of the largest size that a list of them, or a bulk over them, answers with 3 MiB.
async fn large(stage: &Stage, who: Who) -> Vec<String> {
    let content = "x".repeat(256 * 1024);
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(stage.note(who, &content).await);
    }
    ids
}

fn patches(ids: &[String]) -> Value {
    let patch = |id| json!({ "op": "patch", "id": id, "patch": { "importance": 9 } });
    json!({ "operations": ids.iter().map(patch).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_bulk_that_finds_no_room_for_its_answer_is_done_and_told_without_contents() {
    let stage = Stage::open().await;
    let (mine, theirs) = (large(&stage, ALICE).await, large(&stage, STRANGER).await);
    let path = "/v1/memories/bulk";
    let kind = [("content-type", "application/json")];
    let body = patches(&mine).to_string();
    let lying = stage.send_unread(ALICE, "POST", path, &kind, body).await;
    assert_eq!(lying.status(), 200);
    let listed = stage.get(ALICE, "/v1/memories").await;
    assert_eq!(
        listed.refused(503),
        "overloaded",
        "the bulk's answer weighs"
    );

    let mut operations = patches(&mine[1..]);
    let gone = json!({ "op": "delete", "id": mine[0] });
    operations["operations"]
        .as_array_mut()
        .unwrap()
        .insert(0, gone);
    let told = stage.ask(ALICE, "POST", path, operations).await.of(200);
    let results = told["results"].as_array().unwrap();
    assert_eq!(results[0], json!({ "status": "deleted", "id": mine[0] }));
    for (result, id) in results.iter().zip(&mine).skip(1) {
        let short = json!({ "status": "updated", "id": id, "version": 3 });
        assert_eq!(*result, short);
    }
    assert_eq!(results.len(), mine.len());
    let one = format!("/v1/memories/{}", mine[1]);
    assert_eq!(stage.get(ALICE, &one).await.of(200)["version"], 3);

    let other = stage.ask(STRANGER, "POST", path, patches(&theirs)).await;
    assert_eq!(
        other.of(200)["results"][0]["memory"]["version"],
        2,
        "another tenant has room of its own"
    );
    drop(lying);
    let again = stage.ask(ALICE, "POST", path, patches(&mine[1..])).await;
    assert_eq!(again.of(200)["results"][0]["memory"]["version"], 4);
}

#[tokio::test]
async fn pruning_lets_go_of_the_callers_own_alone() {
    let stage = Stage::open().await;
    for who in [ALICE, BOB, STRANGER] {
        stage
            .remember(who, json!({ "content": "weak", "importance": 1 }))
            .await;
        stage
            .remember(who, json!({ "content": "strong", "importance": 9 }))
            .await;
    }
    stage.share("ours").await;
    let prune = async |who, body| stage.ask(who, "POST", "/v1/memories/prune", body).await;
    let dry = prune(ALICE, json!({ "min_importance": 6, "dry_run": true }))
        .await
        .of(200);
    assert_eq!(dry["pruned"], 1);
    let done = prune(ALICE, json!({ "min_importance": 6 })).await.of(200);
    assert_eq!((&done["pruned"], &done["ids"]), (&json!(1), &dry["ids"]));
    assert_eq!(stage.contents(ALICE, "scope=user").await, ["strong"]);
    assert_eq!(stage.contents(BOB, "scope=user").await.len(), 2);
    assert_eq!(stage.contents(STRANGER, "scope=user").await.len(), 2);
    stage.clock.advance_seconds(40 * 86_400);
    assert_eq!(
        prune(BOB, json!({ "older_than": "30d" })).await.of(200)["pruned"],
        2
    );
    let refused = prune(ALICE, json!({ "scope": "shared", "keep": 0 })).await;
    assert_eq!(refused.refused(403), "role_required");
    assert_eq!(
        prune(LEAD, json!({ "scope": "shared", "keep": 0 }))
            .await
            .of(200)["pruned"],
        1
    );
    for wrong in [
        json!({}),
        json!({ "agent": "x" }),
        json!({ "older_than": "soon" }),
        json!({ "min_importance": 11 }),
        json!({ "min_strength": 2 }),
        json!({ "keep": -1 }),
        json!({ "keep": 1, "tenant": "globex" }),
    ] {
        assert_eq!(
            prune(ALICE, wrong.clone()).await.refused(400),
            "request_rejected",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_named_and_what_is_left_is_told() {
    let quotas = Quotas {
        user_entries: Some(2),
        tenant_entries: Some(3),
        versions: 5,
        ..Quotas::default()
    };
    let stage = Stage::with(quotas, Bounds::default()).await;
    stage.note(ALICE, "1").await;
    let stats = stage.get(ALICE, "/v1/stats").await.of(200);
    assert_eq!(
        stats["user"]["quotas"]["entries"],
        json!({ "limit": 2, "left": 1 })
    );
    assert_eq!(stats["user"]["quotas"]["bytes"], Value::Null);
    assert_eq!(stats["limits"]["tenant_entries"], 3);
    stage.note(ALICE, "2").await;
    let full = stage
        .ask(ALICE, "POST", "/v1/memories", json!({ "content": "3" }))
        .await;
    assert_eq!(full.refused(507), "quota_exceeded");
    assert_eq!(full.json()["quota"], "entries_per_user");
    assert_eq!(full.json()["limit"], 2);
    stage.note(BOB, "1").await;
    let full = stage
        .ask(BOB, "POST", "/v1/memories", json!({ "content": "2" }))
        .await;
    assert_eq!(full.json()["quota"], "entries_per_tenant");
    stage
        .note(STRANGER, "another tenant's quota is its own")
        .await;
    let stats = stage.get(BOB, "/v1/stats").await.of(200);
    assert_eq!(
        stats["user"]["entries"], 1,
        "nobody learns what others keep"
    );
}

#[tokio::test]
async fn namespaces_are_the_callers_own_and_shared_ones_by_agent_and_session() {
    let stage = Stage::open().await;
    stage
        .remember(
            ALICE,
            json!({ "content": "x", "agent": "a:b", "session": "s" }),
        )
        .await;
    stage.note(ALICE, "y").await;
    stage
        .remember(BOB, json!({ "content": "x", "agent": "bob's" }))
        .await;
    stage.share("z").await;
    let rows = stage.get(ALICE, "/v1/namespaces").await.of(200);
    let texts: Vec<_> = rows["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["namespace"].as_str().unwrap(),
                it["entries"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        texts,
        [
            ("tenant:acme:user:alice:", 1),
            ("tenant:acme:user:alice:agent:a%3Ab:session:s:", 1),
            ("tenant:acme:shared:", 1),
        ]
    );
}

#[tokio::test]
async fn only_an_administrator_erases_and_only_in_its_own_tenant() {
    let stage = Stage::open().await;
    for who in [ALICE, BOB, STRANGER] {
        stage.note(who, "x").await;
    }
    stage.share("ours").await;
    assert_eq!(
        stage.delete(ALICE, "/v1/users/alice").await.refused(403),
        "role_required"
    );
    assert_eq!(
        stage.delete(ALICE, "/v1/tenants/acme").await.refused(403),
        "role_required"
    );
    let foreign = stage.delete(ADMIN, "/v1/tenants/globex").await;
    assert_eq!(foreign.status, 404);
    for other in ["unknown", "ACME", "%FF"] {
        let answer = stage.delete(ADMIN, &format!("/v1/tenants/{other}")).await;
        assert!([400, 404].contains(&answer.status), "{other}");
    }
    let receipt = stage.delete(ADMIN, "/v1/users/alice").await.of(200);
    assert_eq!(
        (&receipt["tenant"], &receipt["user"]),
        (&json!("acme"), &json!("alice"))
    );
    assert_eq!(
        (&receipt["entries"], &receipt["erased_by"]),
        (&json!(1), &json!("root"))
    );
    assert!(receipt["digest"].as_str().unwrap().starts_with("blake3:"));
    assert_eq!(stage.contents(ALICE, "").await, ["ours"]);
    assert_eq!(
        stage.contents(STRANGER, "").await,
        ["x"],
        "the user of that name elsewhere stays"
    );
    let nobody = stage.delete(ADMIN, "/v1/users/nobody").await.of(200);
    assert_eq!(nobody["entries"], 0);
    let receipt = stage.delete(ADMIN, "/v1/tenants/acme").await.of(200);
    assert_eq!(
        (&receipt["user"], &receipt["entries"]),
        (&Value::Null, &json!(2))
    );
    assert!(stage.contents(BOB, "").await.is_empty());
    assert_eq!(stage.contents(STRANGER, "").await, ["x"]);
}

#[tokio::test]
async fn an_erased_user_is_named_in_shared_memory_no_more() {
    let stage = Stage::open().await;
    let shared = stage.share("ours").await;
    let receipt = stage.delete(ADMIN, "/v1/users/lena").await.of(200);
    assert_eq!(receipt["anonymised"], 1);
    let memory = stage
        .get(ALICE, &format!("/v1/memories/{shared}"))
        .await
        .of(200);
    assert_eq!((id(&memory), &memory["author"]), (shared, &Value::Null));
}

//! `profile = "anthropic"`.

use serde_json::{Value, json};

use crate::stage::{Stage, ask, column};
use crate::standins::anthropic;

async fn stage() -> Stage {
    Stage::start("anthropic", anthropic::start().await).await
}

fn reading(file: &str) -> Value {
    let block = json!({"type": "document", "source": {"type": "file", "file_id": file}});
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]})
}

#[tokio::test]
async fn a_file_is_read_by_its_tenant_alone_and_by_messages_of_its_tenant_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    for target in ["/v1/files/{id}", "/v1/files/{id}/content"] {
        let foreign = bob.send(ask("GET", target), &id).await;
        let unknown = bob.send(ask("GET", target), &"file_0".repeat(6)).await;
        assert_eq!((foreign.status, unknown.status), (404, 404));
        let told = foreign.json();
        assert_eq!(told["error"], unknown.json()["error"], "{foreign:?}");
        assert_eq!(told["type"], "error");
    }
    assert_eq!(
        bob.send(ask("DELETE", "/v1/files/{id}"), &id).await.status,
        404
    );
    let foreign = bob.post("/v1/messages", reading(&id)).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    assert!(!foreign.text().contains("canary"));
    let own = alice.make("/v1/messages", reading(&id)).await;
    assert!(own.to_string().contains("acme-canary"), "{own}");
    assert_eq!(
        alice
            .send(ask("DELETE", "/v1/files/{id}"), &id)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_batch_is_its_tenants_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    let requests = json!({"requests": [{"custom_id": "c", "params": reading(&file)}]});
    let batches = "/v1/messages/batches";
    assert_eq!(bob.post(batches, requests.clone()).await.status, 404);
    let id = alice.make_id(batches, requests, "/id").await;
    let results = format!("{batches}/{id}/results");
    for path in [format!("{batches}/{id}"), results.clone()] {
        assert_eq!(bob.get(&path).await.status, 404, "{path}");
        assert_eq!(alice.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(
        bob.send(ask("DELETE", &format!("{batches}/{id}")), "")
            .await
            .status,
        404
    );
    assert!(alice.get(&results).await.text().contains(&file));
}

#[tokio::test]
async fn lists_hold_the_callers_own_and_their_cursors_name_nothing_else() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let first = bob.make_id("/v1/files", json!("b"), "/id").await;
    let own = alice.make_id("/v1/files", json!("a"), "/id").await;
    let last = bob.make_id("/v1/files", json!("b"), "/id").await;
    let list = alice.read("/v1/files").await;
    assert_eq!(column(&list["data"], "/id"), [own]);
    let text = list.to_string();
    assert!(!text.contains(&first) && !text.contains(&last), "{text}");
}

#[tokio::test]
async fn the_user_of_a_message_meets_no_other_tenant() {
    let stage = stage().await;
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": []});
    body["metadata"]["user_id"] = "u-1".into();
    let mut seen = Vec::new();
    for caller in [stage.alice(), stage.bob()] {
        caller.make("/v1/messages", body.clone()).await;
        let arrived = stage.backend.last("POST /v1/messages").json();
        seen.push(arrived["metadata"]["user_id"].clone());
    }
    assert_ne!(seen[0], seen[1]);
    assert!(!seen.contains(&json!("u-1")), "{seen:?}");
}

#[tokio::test]
async fn the_organisation_is_closed() {
    let pages = ["/v1/organizations/users", "/v1/skills", "/v1/messages"];
    stage().await.closed(&pages).await;
}

#[tokio::test]
async fn no_block_at_any_depth_reads_another_tenants_file() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    let image = json!({"type": "image", "source": {"type": "file", "file_id": file}});
    let within = json!({"type": "document", "source": {"type": "content", "content": [image]}});
    let result =
        |block: &Value| json!({"type": "tool_result", "tool_use_id": "t", "content": [block]});
    let upload = json!({"type": "container_upload", "file_id": file});
    for block in [&image, &within, &result(&image), &result(&within), &upload] {
        let params = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]});
        let batch = json!({"requests": [{"custom_id": "c", "params": params}]});
        for (target, body) in [
            ("/v1/messages", &params),
            ("/v1/messages/count_tokens", &params),
            ("/v1/messages/batches", &batch),
        ] {
            let foreign = bob.post(target, body.clone()).await;
            assert_eq!(foreign.status, 404, "{target} {body}: {foreign:?}");
        }
        alice.make("/v1/messages", params).await;
    }
}

#[tokio::test]
async fn a_page_behind_another_tenants_file_is_one_behind_nothing() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice.make_id("/v1/files", json!("x"), "/id").await;
    for cursor in ["after_id", "before_id"] {
        let target = format!("/v1/files?{cursor}={file}");
        assert_eq!(bob.get(&target).await.status, 404, "{cursor}");
        alice.read(&target).await;
    }
}

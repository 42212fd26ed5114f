//! `profile = "openai"`.

use serde_json::{Value, json};

use crate::stage::{Stage, ask, ask_posting, column};
use crate::standins::openai;

async fn stage() -> Stage {
    Stage::start("openai", openai::start().await).await
}

/// An id of this shape that nobody made.
fn never(like: &str) -> String {
    let digits = |letter: char| if letter.is_ascii_digit() { '7' } else { letter };
    like.chars().map(digits).collect()
}

#[tokio::test]
async fn a_response_is_its_tenants_alone_and_cannot_be_continued_by_another() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let body = json!({"model": "m", "input": "acme-canary"});
    let id = alice.make_id("/v1/responses", body, "/id").await;
    for method in ["GET", "HEAD", "DELETE"] {
        stage
            .absent_for(&bob, ask(method, "/v1/responses/{id}"), &id, &never(&id))
            .await;
    }
    let next = json!({"model": "m", "input": "and?", "previous_response_id": id});
    let foreign = bob.post("/v1/responses", next.clone()).await;
    assert!((400..500).contains(&foreign.status), "{foreign:?}");
    assert!(!foreign.text().contains("canary"));
    assert!(
        foreign.json()["error"]["message"].is_string(),
        "{foreign:?}"
    );
    let own = alice.make("/v1/responses", next).await;
    assert_eq!(own["said"], json!(["acme-canary", "and?"]));
}

#[tokio::test]
async fn a_conversation_is_checked_as_a_text_and_as_an_object() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice.make_id("/v1/conversations", json!({}), "/id").await;
    for conversation in [json!(id), json!({"id": id})] {
        let body = json!({"model": "m", "input": "x", "conversation": conversation});
        let foreign = bob.post("/v1/responses", body.clone()).await;
        assert_eq!(foreign.status, 404, "{body}: {foreign:?}");
        alice.make("/v1/responses", body).await;
    }
    for conversation in [json!([id]), json!({"ID": id}), json!(true)] {
        let body = json!({"model": "m", "input": "x", "conversation": conversation});
        assert_eq!(
            bob.post("/v1/responses", body.clone()).await.status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_streamed_response_is_known_from_its_first_event() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let body = json!({"model": "m", "input": "x", "stream": true});
    let stream = alice.post("/v1/responses", body).await.text();
    let data = stream
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let id = data["response"]["id"].as_str().unwrap();
    alice.read(&format!("/v1/responses/{id}")).await;
    assert_eq!(bob.get(&format!("/v1/responses/{id}")).await.status, 404);
}

#[tokio::test]
async fn files_are_listed_read_and_deleted_by_their_tenant() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    let other = bob
        .make_id("/v1/files", json!("globex-canary"), "/id")
        .await;
    for asked in [
        ask("GET", "/v1/files/{id}"),
        ask("GET", "/v1/files/{id}/content"),
        ask("DELETE", "/v1/files/{id}"),
    ] {
        stage.absent_for(&bob, asked, &id, &never(&id)).await;
    }
    let list = bob.read("/v1/files").await;
    assert_eq!(column(&list["data"], "/id"), [other.as_str()]);
    for cursor in ["first_id", "last_id"] {
        assert_ne!(list[cursor], id.as_str(), "a cursor names a foreign file");
    }
    let content = alice.get(&format!("/v1/files/{id}/content")).await;
    assert!(content.text().contains("acme-canary"));
    assert_eq!(
        alice
            .send(ask("DELETE", "/v1/files/{id}"), &id)
            .await
            .status,
        200
    );
    assert_eq!(alice.get(&format!("/v1/files/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_batch_reads_files_of_its_tenant_and_its_results_are_the_tenants() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    let body = json!({"input_file_id": file, "endpoint": "/v1/responses"});
    let foreign = bob.post("/v1/batches", body.clone()).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let batch = alice.make_id("/v1/batches", body, "/id").await;
    stage
        .absent_for(&bob, ask("GET", "/v1/batches/{id}"), &batch, &never(&batch))
        .await;
    let done = alice.read(&format!("/v1/batches/{batch}")).await;
    let output = done["output_file_id"].as_str().unwrap();
    let results = alice.get(&format!("/v1/files/{output}/content")).await;
    assert!(results.text().contains("acme-canary"), "{results:?}");
    assert_eq!(
        bob.get(&format!("/v1/files/{output}/content")).await.status,
        404
    );
}

#[tokio::test]
async fn vector_stores_and_threads_are_their_tenants_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let store = alice
        .make_id("/v1/vector_stores", json!({"name": "acme-canary"}), "/id")
        .await;
    let thread = alice.make_id("/v1/threads", json!({}), "/id").await;
    for (target, id) in [
        ("/v1/vector_stores/{id}", &store),
        ("/v1/threads/{id}", &thread),
    ] {
        stage
            .absent_for(&bob, ask("GET", target), id, &never(id))
            .await;
        assert_eq!(alice.send(ask("GET", target), id).await.status, 200);
    }
    let tools = json!([{"type": "file_search", "vector_store_ids": [store]}]);
    let body = json!({"model": "m", "input": "x", "tools": tools});
    assert_eq!(bob.post("/v1/responses", body.clone()).await.status, 404);
    alice.make("/v1/responses", body).await;
}

#[tokio::test]
async fn what_is_said_of_users_caches_and_retries_meets_no_other_tenant() {
    let stage = stage().await;
    let body = json!({"model": "m", "input": "x", "user": "u-1", "prompt_cache_key": "c-1"});
    let body = body.to_string();
    let mut seen = Vec::new();
    for caller in [stage.alice(), stage.alice(), stage.bob()] {
        let said = [
            ("Idempotency-Key", "i-1"),
            ("OpenAI-Organization", "org-other"),
            ("OpenAI_Project", "proj-other"),
        ];
        let answer = caller
            .send_with(ask_posting("/v1/responses", &body), &said)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = stage.backend.last("POST /v1/responses");
        assert_eq!(arrived.header("openai-organization"), Vec::<&str>::new());
        assert_eq!(arrived.header("openai_project"), Vec::<&str>::new());
        let document = arrived.json();
        let key = arrived.header("idempotency-key").concat();
        seen.push([
            document["user"].as_str().unwrap().to_owned(),
            document["prompt_cache_key"].as_str().unwrap().to_owned(),
            key,
        ]);
    }
    assert_eq!(seen[0], seen[1], "one tenant's own values stay the same");
    for (of_alice, of_bob) in seen[0].iter().zip(&seen[2]) {
        assert_ne!(of_alice, of_bob);
        assert!(!["u-1", "c-1", "i-1"].contains(&of_alice.as_str()));
    }
}

#[tokio::test]
async fn the_organisation_is_closed() {
    let pages = [
        "/v1/organization/users",
        "/v1/fine_tuning/jobs",
        "/v1/evals",
        "/v1/containers",
    ];
    stage().await.closed(&pages).await;
}

#[tokio::test]
async fn no_input_of_a_response_reads_another_tenants_file_or_container() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice
        .make_id("/v1/files", json!("acme-canary"), "/id")
        .await;
    let made = alice
        .make("/v1/responses", json!({"model": "m", "input": "code"}))
        .await;
    let container = made["output"][0]["container_id"].as_str().unwrap();
    let tool = |container: Value| json!([{"type": "code_interpreter", "container": container}]);
    let image = json!({"type": "computer_screenshot", "file_id": file});
    for body in [
        json!({"input": [{"type": "computer_call_output", "call_id": "c", "output": image}]}),
        json!({"input": "x", "tools": [{"type": "image_generation", "input_image_mask": {"file_id": file}}]}),
        json!({"input": "x", "tools": tool(json!(container))}),
        json!({"input": "x", "tools": tool(json!([container]))}),
        json!({"input": "x", "tools": tool(json!({"type": "auto", "file_ids": [file]}))}),
        json!({"input": "x", "tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": container}}]}),
    ] {
        for target in ["/v1/responses", "/v1/responses/input_tokens"] {
            let foreign = bob.post(target, body.clone()).await;
            assert_eq!(foreign.status, 404, "{body}: {foreign:?}");
        }
        alice.make("/v1/responses", body).await;
    }
    let fresh = json!({"input": "x", "tools": tool(json!({"type": "auto"}))});
    bob.make("/v1/responses", fresh).await;
}

#[tokio::test]
async fn a_page_behind_another_tenants_file_is_one_behind_nothing() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let file = alice.make_id("/v1/files", json!("x"), "/id").await;
    for cursor in ["after", "before", "AFTER", "%61fter"] {
        let target = |id: &str| format!("/v1/files?{cursor}={id}");
        let foreign = bob.get(&target(&file)).await;
        assert_eq!(foreign.status, 404, "{cursor}: {foreign:?}");
        assert_eq!(bob.get(&target(&never(&file))).await.status, 404);
    }
    alice.read(&format!("/v1/files?after={file}")).await;
}

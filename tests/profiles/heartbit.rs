//! `profile = "heartbit"`.

use serde_json::json;

use crate::stage::{NEVER, Stage, ask, column};
use crate::standins::heartbit;

async fn stage() -> Stage {
    Stage::start("heartbit", heartbit::start().await).await
}

#[tokio::test]
async fn a_task_is_its_tenants_alone_in_every_spelling_of_its_id() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/tasks", json!({"task": "acme-canary"}), "/id")
        .await;

    let bare = id.replace('-', "");
    let spellings = [
        id.clone(),
        id.to_uppercase(),
        bare.clone(),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
    ];
    for spelling in &spellings {
        let task = alice.get(&format!("/tasks/{spelling}")).await;
        assert!(task.text().contains("acme-canary"), "{spelling}: {task:?}");
        let task = bob.get(&format!("/tasks/{spelling}")).await;
        assert_eq!(task.status, 404, "{spelling}");
        assert_eq!(task.text(), r#"{"error":"task not found"}"#, "{spelling}");
    }
    for asked in [
        ask("GET", "/tasks/{id}"),
        ask("HEAD", "/tasks/{id}"),
        ask("DELETE", "/tasks/{id}"),
        ask("GET", "/tasks/{id}/events"),
    ] {
        stage.absent_for(&bob, asked, &id, NEVER).await;
    }
    assert_eq!(
        alice.read(&format!("/tasks/{id}")).await["state"],
        "running"
    );
    let events = alice.get(&format!("/tasks/{id}/events")).await;
    assert!(events.text().contains("acme-canary"), "{events:?}");
}

#[tokio::test]
async fn a_list_holds_the_tasks_that_can_be_read_and_counts_them() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let mut of_alice = Vec::new();
    for number in 0..3 {
        of_alice.push(
            alice
                .make_id("/tasks", json!({"task": format!("a{number}")}), "/id")
                .await,
        );
        bob.make_id("/tasks", json!({"task": format!("b{number}")}), "/id")
            .await;
    }
    of_alice.sort();
    let list = alice.read("/tasks").await;
    assert_eq!(column(&list["tasks"], "/id"), of_alice);
    assert_eq!(list["total"], 3);
    for id in &of_alice {
        alice.read(&format!("/tasks/{id}")).await;
    }
}

#[tokio::test]
async fn a_cancelled_task_can_still_be_read_by_its_owner() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice.make_id("/tasks", json!({"task": "x"}), "/id").await;
    let task = format!("/tasks/{id}");
    assert_eq!(bob.send(ask("DELETE", &task), "").await.status, 404);
    assert_eq!(alice.read(&task).await["state"], "running");
    assert_eq!(alice.send(ask("DELETE", &task), "").await.status, 204);
    assert_eq!(alice.read(&task).await["state"], "cancelled");
    assert_eq!(bob.get(&task).await.status, 404);
}

#[tokio::test]
async fn what_a_caller_says_of_himself_in_the_body_is_replaced() {
    let stage = stage().await;
    let body = json!({
        "task": "x", "story_id": "tenant:globex:user:bob:", "entity_context": {"page": 1},
        "user_context": {"tenant_id": "globex", "user_id": "bob", "roles": ["admin"], "user_token": "t"},
    });
    stage.alice().make("/tasks", body).await;
    let seen = stage.backend.last("POST /tasks").json();
    assert_eq!(
        seen["user_context"],
        json!({"tenant_id": "acme", "user_id": "alice"})
    );
    assert_eq!(seen["story_id"], "tenant:acme:user:alice:");
    assert_eq!(seen["entity_context"], json!({"page": 1}), "the rest stays");
}

#[tokio::test]
async fn pages_about_every_tenant_are_closed_and_the_health_page_is_open() {
    let stage = stage().await;
    stage
        .closed(&["/stats", "/todo", "/usage", "/metrics", "/ws"])
        .await;
    assert_eq!(stage.alice().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_place_in_the_list_counts_the_callers_own_tasks_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for _ in 0..8 {
        alice.make("/tasks", json!({"task": "a"})).await;
        bob.make("/tasks", json!({"task": "b"})).await;
    }
    for offset in 0..10 {
        let page = alice.read(&format!("/tasks?limit=1&offset={offset}")).await;
        let own = usize::from(offset < 8);
        assert_eq!(
            page["tasks"].as_array().unwrap().len(),
            own,
            "{offset}: {page}"
        );
        assert_eq!(page["total"], 8, "{offset}: {page}");
    }
}

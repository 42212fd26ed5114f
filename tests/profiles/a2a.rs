//! `profile = "a2a"`: both HTTP bindings.

use serde_json::{Value, json};

use crate::stage::{NEVER, Stage, ask, ask_posting, call, column};
use crate::standins::a2a;

async fn stage() -> Stage {
    Stage::start("a2a", a2a::start().await).await
}

fn message(text: &str) -> Value {
    json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": text}]}})
}

#[tokio::test]
async fn a_task_is_its_tenants_alone_by_rest() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/message:send", message("acme-canary"), "/task/id")
        .await;
    for asked in [
        ask("GET", "/tasks/{id}"),
        ask_posting("/tasks/{id}:cancel", "{}"),
        ask("GET", "/tasks/{id}:subscribe"),
        ask_posting("/tasks/{id}:subscribe", "{}"),
        ask("GET", "/tasks/{id}/pushNotificationConfigs"),
        ask_posting(
            "/tasks/{id}/pushNotificationConfigs",
            r#"{"url":"https://b.example"}"#,
        ),
    ] {
        stage.absent_for(&bob, asked, &id, NEVER).await;
    }
    let own = alice.read(&format!("/tasks/{id}")).await;
    assert_eq!(own["status"]["state"], "TASK_STATE_WORKING");
    let cancelled = alice.post(&format!("/tasks/{id}:cancel"), json!({})).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
}

#[tokio::test]
async fn a_tenant_segment_leads_nowhere_but_home() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/message:send", message("acme-canary"), "/task/id")
        .await;
    assert_eq!(alice.get(&format!("/acme/tasks/{id}")).await.status, 200);
    for path in [format!("/acme/tasks/{id}"), format!("/globex/tasks/{id}")] {
        let answer = bob.get(&path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.text().contains("canary"));
    }
    assert_eq!(
        bob.post("/acme/message:send", message("x")).await.status,
        403
    );
}

#[tokio::test]
async fn a_message_cannot_continue_a_foreign_task_under_either_name_of_the_field() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/message:send", message("acme-canary"), "/task/id")
        .await;
    for field in ["taskId", "task_id"] {
        let mut body = message("mine?");
        body["message"][field] = "{id}".into();
        let body = body.to_string();
        stage
            .absent_for(&bob, ask_posting("/message:send", &body), &id, NEVER)
            .await;
        let rpc = call("SendMessage", serde_json::from_str(&body).unwrap()).to_string();
        stage
            .absent_for(&bob, ask_posting("/", &rpc), &id, NEVER)
            .await;
    }
    let task = alice.read(&format!("/tasks/{id}")).await;
    assert_eq!(task["history"].as_array().unwrap().len(), 1, "{task}");
    let mut more = message("more");
    more["message"]["taskId"] = id.clone().into();
    alice.make("/message:send", more).await;
    let task = alice.read(&format!("/tasks/{id}")).await;
    assert_eq!(task["history"].as_array().unwrap().len(), 2, "{task}");
}

#[tokio::test]
async fn a_context_is_its_tenants_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let made = alice.make("/message:send", message("x")).await;
    let mut body = message("in it");
    body["message"]["contextId"] = made["task"]["contextId"].clone();
    let before = stage.backend.seen().len();
    let foreign = bob.post("/message:send", body.clone()).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let after = stage.backend.seen().split_off(before);
    let messages = after.iter().filter(|seen| seen.body.contains("in it"));
    assert_eq!(messages.count(), 0, "it reached the agent: {after:?}");
    let again = alice.make("/message:send", body).await;
    assert_eq!(again["task"]["contextId"], made["task"]["contextId"]);
}

#[tokio::test]
async fn a_streamed_task_is_known_from_its_first_event() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let rpc = call("SendStreamingMessage", message("acme-canary"));
    for (target, body, at) in [
        ("/message:stream", message("acme-canary"), "/task/id"),
        ("/", rpc, "/result/task/id"),
    ] {
        let stream = alice.post(target, body).await;
        let first = stream.text();
        let first = first
            .lines()
            .next()
            .unwrap()
            .strip_prefix("data: ")
            .unwrap();
        let first: Value = serde_json::from_str(first).unwrap();
        let id = first.pointer(at).unwrap().as_str().unwrap();
        alice.read(&format!("/tasks/{id}")).await;
        stage
            .absent_for(&bob, ask("GET", "/tasks/{id}"), id, NEVER)
            .await;
    }
}

#[tokio::test]
async fn tasks_are_listed_to_their_tenant_with_their_number() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let of_alice = alice
        .make_id("/message:send", message("a"), "/task/id")
        .await;
    bob.make("/message:send", message("b")).await;
    let list = alice.read("/tasks").await;
    assert_eq!(column(&list["tasks"], "/id"), [of_alice.as_str()]);
    assert_eq!(list["totalSize"], 1);
    let list = alice.make("/", call("ListTasks", json!({}))).await;
    assert_eq!(column(&list["result"]["tasks"], "/id"), [of_alice.as_str()]);
    assert_eq!(list["result"]["totalSize"], 1);
}

#[tokio::test]
async fn json_rpc_says_of_a_foreign_task_what_the_agent_says_of_none() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id(
            "/",
            call("SendMessage", message("acme-canary")),
            "/result/task/id",
        )
        .await;
    for method in ["GetTask", "CancelTask"] {
        let body = call(method, json!({"id": "{id}"})).to_string();
        stage
            .absent_for(&bob, ask_posting("/", &body), &id, NEVER)
            .await;
    }
    let own = alice.make("/", call("GetTask", json!({"id": id}))).await;
    assert_eq!(own["result"]["id"], id.as_str(), "{own}");
    assert_eq!(own["result"]["status"]["state"], "TASK_STATE_WORKING");
}

#[tokio::test]
async fn a_method_that_is_not_listed_is_unknown_in_the_words_of_json_rpc() {
    let stage = stage().await;
    let before = stage.backend.seen().len();
    let answer = stage
        .alice()
        .post("/", call("tasks/steal", json!({})))
        .await;
    assert_eq!(answer.json()["error"]["code"], -32601, "{answer:?}");
    assert_eq!(answer.json()["id"], "c-1");
    assert_eq!(stage.backend.seen().len(), before);
}

#[tokio::test]
async fn a_list_says_of_a_foreign_context_what_it_says_of_none() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let mut body = message("a");
    body["message"]["contextId"] = "acme-context".into();
    for _ in 0..2 {
        alice.make("/message:send", body.clone()).await;
    }
    for name in ["contextId", "context_id"] {
        for path in ["/tasks", "/globex/tasks"] {
            let of = |context: &str| format!("{path}?pageSize=1&{name}={context}");
            let foreign = bob.read(&of("acme-context")).await;
            assert_eq!(foreign, bob.read(&of("never-context")).await, "{name}");
            assert_eq!(foreign["nextPageToken"], "", "{foreign}");
        }
        let of = |context: &str| call("ListTasks", json!({"pageSize": 1, name: context}));
        let foreign = bob.make("/", of("acme-context")).await;
        assert_eq!(foreign, bob.make("/", of("never-context")).await, "{name}");
        let own = alice.make("/", of("acme-context")).await;
        assert_eq!(own["result"]["tasks"].as_array().unwrap().len(), 1, "{own}");
        let own = alice.read(&format!("/tasks?{name}=acme-context")).await;
        assert_eq!(own["tasks"].as_array().unwrap().len(), 2, "{own}");
    }
}

//! `profile = "langgraph"`.

use serde_json::{Value, json};

use crate::stage::{Ask, NEVER, Stage, ask, ask_posting, column};
use crate::standins::langgraph::{self, SYSTEM_ASSISTANT};

async fn stage() -> Stage {
    Stage::start("langgraph", langgraph::start().await).await
}

fn says(text: &str) -> Value {
    json!({"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": text}]}})
}

#[tokio::test]
async fn a_thread_is_its_tenants_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice.make_id("/threads", json!({}), "/thread_id").await;
    alice
        .make(&format!("/threads/{id}/runs/wait"), says("acme-canary"))
        .await;
    let run = says("mine?").to_string();
    let patch = Ask {
        method: "PATCH",
        target: "/threads/{id}",
        body: r#"{"metadata":{"x":1}}"#,
    };
    for asked in [
        ask("GET", "/threads/{id}"),
        ask("HEAD", "/threads/{id}"),
        ask("GET", "/threads/{id}/state"),
        ask("DELETE", "/threads/{id}"),
        patch,
    ] {
        stage.absent_for(&bob, asked, &id, NEVER).await;
    }
    for target in ["/threads/{id}/runs/wait", "/threads/{id}/runs/stream"] {
        let foreign = bob.send(ask_posting(target, &run), &id).await;
        assert_eq!(foreign.status, 404, "{foreign:?}");
        assert_eq!(
            foreign.text(),
            r#"{"detail":"Thread or assistant not found."}"#
        );
    }
    let spelled = id.to_uppercase().replace('-', "");
    assert_eq!(bob.get(&format!("/threads/{spelled}")).await.status, 404);
    let own = alice.read(&format!("/threads/{spelled}")).await;
    let said = own["values"]["messages"].as_array().unwrap();
    assert_eq!(said.len(), 1, "{own}");
    let streamed = alice
        .send(ask_posting("/threads/{id}/runs/stream", &run), &id)
        .await;
    assert!(streamed.text().contains("acme-canary"), "{streamed:?}");
}

#[tokio::test]
async fn creating_what_another_has_is_no_way_to_read_it() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = "3f2a1b0c-9d8e-4f70-8a6b-5c4d3e2f1a0b";
    alice.make("/threads", json!({"thread_id": id})).await;
    alice
        .make(&format!("/threads/{id}/runs/wait"), says("acme-canary"))
        .await;
    for body in [
        json!({"thread_id": id}),
        json!({"thread_id": id, "if_exists": "do_nothing"}),
        json!({"thread_id": id.to_uppercase(), "if_exists": "do_nothing"}),
    ] {
        let answer = bob.post("/threads", body.clone()).await;
        assert_eq!(answer.status, 404, "{body}: {answer:?}");
        assert!(!answer.text().contains("canary"));
    }
    let mut run = says("in?");
    run["if_not_exists"] = "create".into();
    assert_eq!(
        bob.post(&format!("/threads/{id}/runs/wait"), run.clone())
            .await
            .status,
        404
    );
    let again = alice
        .make(
            "/threads",
            json!({"thread_id": id, "if_exists": "do_nothing"}),
        )
        .await;
    assert!(again.to_string().contains("acme-canary"));
    bob.make(&format!("/threads/{NEVER}/runs/wait"), run).await;
    bob.read(&format!("/threads/{NEVER}")).await;
    assert_eq!(alice.get(&format!("/threads/{NEVER}")).await.status, 404);
}

#[tokio::test]
async fn searches_and_counts_are_the_callers_own_whatever_filter_he_gives() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let mut of_alice = Vec::new();
    for _ in 0..3 {
        of_alice.push(
            alice
                .make_id("/threads", json!({"metadata": {"a": 1}}), "/thread_id")
                .await,
        );
        bob.make(
            "/threads",
            json!({"metadata": {"a": 1, "fabric_tenant": "acme"}}),
        )
        .await;
    }
    of_alice.sort();
    for filter in [
        json!({}),
        json!({"metadata": {"a": 1}}),
        json!({"metadata": {"fabric_tenant": "globex"}}),
    ] {
        let found = alice.post("/threads/search", filter.clone()).await;
        assert_eq!(column(&found.json(), "/thread_id"), of_alice, "{filter}");
        assert_eq!(
            found.header("x-pagination-total").as_deref(),
            Some("3"),
            "{filter}"
        );
        assert_eq!(
            alice.make("/threads/count", filter.clone()).await,
            3,
            "{filter}"
        );
    }
    let page = alice.post("/threads/search", json!({"limit": 2})).await;
    assert_eq!(
        page.json().as_array().unwrap().len(),
        2,
        "a page is full: {page:?}"
    );
}

#[tokio::test]
async fn assistants_of_the_deployment_serve_all_and_made_ones_their_tenant() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let own = alice
        .make_id("/assistants", json!({"graph_id": "agent"}), "/assistant_id")
        .await;
    stage
        .absent_for(&bob, ask("GET", "/assistants/{id}"), &own, NEVER)
        .await;
    let found = bob.make("/assistants/search", json!({})).await;
    assert_eq!(column(&found, "/assistant_id"), [SYSTEM_ASSISTANT]);
    bob.read(&format!("/assistants/{SYSTEM_ASSISTANT}")).await;
    let found = alice.make("/assistants/search", json!({})).await;
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");

    let thread = bob.make_id("/threads", json!({}), "/thread_id").await;
    let mut run = says("x");
    run["assistant_id"] = own.clone().into();
    let wait = format!("/threads/{thread}/runs/wait");
    assert_eq!(bob.post(&wait, run.clone()).await.status, 404);
    let thread = alice.make_id("/threads", json!({}), "/thread_id").await;
    alice
        .make(&format!("/threads/{thread}/runs/wait"), run)
        .await;
}

#[tokio::test]
async fn a_deleted_thread_is_gone_for_its_owner_too() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice.make_id("/threads", json!({}), "/thread_id").await;
    let thread = format!("/threads/{id}");
    assert_eq!(bob.send(ask("DELETE", &thread), "").await.status, 404);
    assert_eq!(alice.send(ask("DELETE", &thread), "").await.status, 204);
    assert_eq!(alice.get(&thread).await.status, 404);
}

#[tokio::test]
async fn each_user_has_a_store_of_his_own() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let item =
        |value: &str| json!({"namespace": ["notes", "work"], "key": "k", "value": {"v": value}});
    for (caller, value) in [(&alice, "acme-canary"), (&bob, "globex-canary")] {
        let body = item(value).to_string();
        let asked = Ask {
            method: "PUT",
            target: "/store/items",
            body: &body,
        };
        assert_eq!(caller.send(asked, "").await.status, 204);
    }
    for (caller, value) in [(&alice, "acme-canary"), (&bob, "globex-canary")] {
        let read = caller.read("/store/items?namespace=notes.work&key=k").await;
        assert_eq!(read["value"]["v"], value);
        assert_eq!(read["namespace"], json!(["notes", "work"]), "as it was put");
        let found = caller
            .make(
                "/store/items/search",
                json!({"namespace_prefix": ["notes"]}),
            )
            .await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!(found["items"][0]["value"]["v"], value);
    }
    let whole = json!({"namespace_prefix": []});
    let everything = bob.make("/store/items/search", whole).await;
    assert_eq!(everything["items"].as_array().unwrap().len(), 1);
    assert_eq!(everything["items"][0]["value"]["v"], "globex-canary");
    let reached = bob
        .get("/store/items?namespace=tenant:acme:user:alice:.notes.work&key=k")
        .await;
    assert!(!reached.text().contains("canary"), "{reached:?}");
}

#[tokio::test]
async fn cancelling_takes_a_thread_of_ones_own() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice.make_id("/threads", json!({}), "/thread_id").await;
    assert_eq!(
        bob.post("/runs/cancel", json!({"status": "all"}))
            .await
            .status,
        400
    );
    let one = json!({"thread_id": id, "run_ids": [NEVER]});
    assert_eq!(bob.post("/runs/cancel", one.clone()).await.status, 404);
    assert_eq!(alice.post("/runs/cancel", one).await.status, 204);
}

#[tokio::test]
async fn pages_about_every_tenant_are_closed_and_the_health_page_is_open() {
    let stage = stage().await;
    stage
        .closed(&["/metrics", "/docs", "/openapi.json", "/mcp", "/a2a/x"])
        .await;
    assert_eq!(stage.alice().get("/ok").await.status, 200);
}

#[tokio::test]
async fn nobody_owns_an_assistant_of_the_deployment_by_naming_it_in_a_create() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    for if_exists in ["raise", "do_nothing"] {
        let body =
            json!({"assistant_id": SYSTEM_ASSISTANT, "graph_id": "agent", "if_exists": if_exists});
        let answer = bob.post("/assistants", body).await;
        assert_eq!(answer.status, 409, "{answer:?}");
    }
    let target = format!("/assistants/{SYSTEM_ASSISTANT}");
    alice.read(&target).await;
    let found = alice.make("/assistants/search", json!({})).await;
    assert_eq!(column(&found, "/assistant_id"), [SYSTEM_ASSISTANT]);
    let deleted = bob.send(ask("DELETE", &target), "").await;
    assert_eq!(deleted.status, 404, "{deleted:?}");

    let chosen = "3f2a1b0c-9d8e-4f70-8a6b-5c4d3e2f1a0c";
    let body = json!({"assistant_id": chosen, "graph_id": "agent"});
    alice.make("/assistants", body.clone()).await;
    alice.read(&format!("/assistants/{chosen}")).await;
    assert_eq!(bob.post("/assistants", body).await.status, 404);
    assert_eq!(bob.get(&format!("/assistants/{chosen}")).await.status, 404);
}

#[tokio::test]
async fn a_command_starts_no_run_of_another_tenants_assistant() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let own = alice
        .make_id("/assistants", json!({"graph_id": "agent"}), "/assistant_id")
        .await;
    let start = |assistant: &str| {
        let params = json!({"assistant_id": assistant, "input": {}});
        json!({"id": 1, "method": "run.start", "params": params})
    };
    for (caller, assistant, status) in [
        (&bob, own.as_str(), 404),
        (&bob, "agent", 200),
        (&alice, own.as_str(), 200),
    ] {
        let thread = caller.make_id("/threads", json!({}), "/thread_id").await;
        let commands = format!("/threads/{thread}/commands");
        let answer = caller.post(&commands, start(assistant)).await;
        assert_eq!(answer.status, status, "{assistant}: {answer:?}");
    }
    let seen = stage.backend.seen();
    let heard = seen.iter().filter(|one| one.line.ends_with("/commands"));
    let tenants: Vec<_> = heard
        .map(|one| one.json()["params"]["metadata"]["fabric_tenant"].clone())
        .collect();
    assert_eq!(tenants, ["globex", "acme"]);
}

#[tokio::test]
async fn what_is_made_in_a_batch_counts_for_the_tenant_that_made_it() {
    let stage = stage().await;
    let run = json!({"assistant_id": "agent", "metadata": {"fabric_tenant": "acme"}});
    stage.bob().post("/runs/batch", json!([run])).await;
    let heard = stage.backend.last("POST /runs/batch").json();
    assert_eq!(heard[0]["metadata"]["fabric_tenant"], "globex", "{heard}");
}

#[tokio::test]
async fn a_search_for_crons_asks_for_the_callers_own() {
    let stage = stage().await;
    let search = json!({"offset": 1, "metadata": {"fabric_tenant": "acme"}});
    stage.bob().post("/runs/crons/search", search).await;
    let heard = stage.backend.last("POST /runs/crons/search").json();
    assert_eq!(heard["metadata"]["fabric_tenant"], "globex", "{heard}");
}

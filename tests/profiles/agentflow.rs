//! `profile = "agentflow"`.

use serde_json::json;

use crate::stage::{Ask, NEVER, Stage, ask, ask_posting, column};
use crate::standins::agentflow;

async fn stage() -> Stage {
    Stage::start("agentflow", agentflow::start().await).await
}

#[tokio::test]
async fn the_backend_hears_the_callers_tenant_and_user_whatever_the_caller_says() {
    let stage = stage().await;
    let said = [
        ("snc-tenant", "globex"),
        ("SNC_Tenant", "globex"),
        ("snc.userid", "bob"),
        ("HTTP_SNC_USERID", "bob"),
    ];
    let answer = stage
        .alice()
        .send_with(ask("GET", "/api/v1/models"), &said)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = stage.backend.last("GET /api/v1/models");
    assert_eq!(seen.header("snc-tenant"), ["acme"]);
    assert_eq!(seen.header("snc-userid"), ["alice"]);
    let folded = |name: &str| name.replace(['_', '.'], "-");
    let aliases = seen
        .headers
        .iter()
        .filter(|(name, _)| folded(name).contains("snc-"));
    assert_eq!(aliases.count(), 2, "{seen:?}");
}

#[tokio::test]
async fn an_agent_is_its_tenants_alone() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let id = alice
        .make_id("/api/v1/agents", json!({"name": "acme-canary"}), "/id")
        .await;
    let other = bob
        .make_id("/api/v1/agents", json!({"name": "b"}), "/id")
        .await;
    let patch = Ask {
        method: "PATCH",
        target: "/api/v1/agent/{id}",
        body: r#"{"name":"taken"}"#,
    };
    for asked in [
        ask("GET", "/api/v1/agent/{id}"),
        ask("HEAD", "/api/v1/agent/{id}"),
        patch,
        ask("DELETE", "/api/v1/agent/{id}"),
        ask_posting(
            "/api/v1/agent/{id}/run",
            r#"{"message":"x","conversation_id":"c-b"}"#,
        ),
    ] {
        stage.absent_for(&bob, asked, &id, NEVER).await;
    }
    let own = alice.read(&format!("/api/v1/agent/{id}")).await;
    assert_eq!(own["name"], "acme-canary");
    let list = bob.read("/api/v1/agents").await;
    assert_eq!(column(&list["agents"], "/id"), [other]);
    assert_eq!(list["total"], 1);
    assert_eq!(alice.send(patch, &id).await.status, 200);
    assert_eq!(
        alice
            .send(ask("DELETE", "/api/v1/agent/{id}"), &id)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_conversation_is_its_users_own() {
    let stage = stage().await;
    let alice = stage.alice();
    let carol = stage.caller("acme", "carol", &["member"]);
    let id = alice
        .make_id("/api/v1/agents", json!({"name": "a"}), "/id")
        .await;
    let run = format!("/api/v1/agent/{id}/run");
    let said = |text: &str| json!({"message": text, "conversation_id": "c-1"});
    let first = alice.post(&run, said("alice-canary")).await;
    assert!(first.text().contains("alice-canary"), "{first:?}");
    let foreign = carol.post(&run, said("and?")).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let again = alice.post(&run, said("more")).await;
    assert!(again.text().contains("alice-canary"), "{again:?}");
    assert!(!again.text().contains("and?"), "{again:?}");
}

#[tokio::test]
async fn llm_settings_are_the_admins_of_each_tenant() {
    let stage = stage().await;
    let settings = "/api/v1/settings/llm";
    let admin = stage.caller("acme", "root", &["admin"]);
    let other = stage.caller("globex", "root", &["admin"]);
    let change = Ask {
        method: "PATCH",
        target: settings,
        body: r#"{"model":"m-acme"}"#,
    };
    assert_eq!(stage.alice().send(change, "").await.status, 403);
    assert_eq!(admin.send(change, "").await.status, 200);
    assert_eq!(admin.read(settings).await["model"], "m-acme");
    assert_eq!(other.read(settings).await, json!({}));
    assert_eq!(stage.alice().get("/api/v1/admin/budget").await.status, 403);
    assert_eq!(admin.get("/api/v1/admin/budget").await.status, 200);
}

#[tokio::test]
async fn pages_about_every_tenant_are_closed_and_the_health_page_is_open() {
    let stage = stage().await;
    stage
        .closed(&[
            "/ready",
            "/openapi.json",
            "/docs",
            "/api/v1/agents/stats",
            "/",
        ])
        .await;
    assert_eq!(stage.alice().get("/health").await.status, 200);
}

//! `profile = "memory"`.

use serde_json::json;

use crate::stage::{Ask, Stage, ask, ask_posting, call};
use crate::standins::memory;

async fn stage() -> Stage {
    Stage::start("memory", memory::start().await).await
}

const ID: &str = "0198f5b2-7c1e-7d3a-9b4f-3c2d1e0f9a8b";

/// Every request that a member may send, with where it is to arrive.
const OPEN: [(&str, &str, &str); 24] = [
    ("POST", "/memory/v1/memories", r#"{"content":"a"}"#),
    ("GET", "/memory/v1/memories?scope=shared&limit=5", ""),
    ("POST", "/memory/v1/memories/bulk", "{}"),
    ("POST", "/memory/v1/memories/search", r#"{"query":"a"}"#),
    ("POST", "/memory/v1/memories/prune", r#"{"keep":10}"#),
    ("GET", "/memory/v1/memories/{id}", ""),
    ("PUT", "/memory/v1/memories/{id}", "{}"),
    ("PATCH", "/memory/v1/memories/{id}", "{}"),
    ("DELETE", "/memory/v1/memories/{id}", ""),
    ("GET", "/memory/v1/memories/{id}/history", ""),
    ("GET", "/memory/v1/namespaces", ""),
    ("GET", "/memory/v1/stats", ""),
    ("GET", "/memory/v1/export", ""),
    ("POST", "/memory/v1/import", "{}"),
    ("GET", "/memory/store/items?namespace=a.b&key=k", ""),
    ("PUT", "/memory/store/items", "{}"),
    ("DELETE", "/memory/store/items", "{}"),
    ("POST", "/memory/store/items/search", "{}"),
    ("POST", "/memory/store/namespaces", "{}"),
    (
        "POST",
        "/memory/mcp",
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
    ),
    ("POST", "/memory/v1/files", r#"{"command":"view"}"#),
    ("GET", "/memory/v1/files?path=/memories/notes.md", ""),
    ("GET", "/memory/openapi.json", ""),
    ("HEAD", "/memory/v1/memories/{id}", ""),
];

fn asking(&(method, target, body): &(&'static str, &'static str, &'static str)) -> Ask<'static> {
    Ask {
        method,
        target,
        body,
    }
}

#[tokio::test]
async fn everything_the_service_serves_arrives_under_its_own_path_with_an_assertion() {
    let stage = stage().await;
    let alice = stage.alice();
    for request in &OPEN {
        let answer = alice.send(asking(request), ID).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        let seen = stage.backend.seen().pop().unwrap();
        let target = request.1.strip_prefix("/memory").unwrap();
        let line = format!("{} {target}", request.0).replace("{id}", ID);
        assert_eq!(seen.line, line);
        assert_eq!(seen.header("x-fabric-assertion").len(), 1, "{line}");
        assert_eq!(seen.header("authorization"), [""; 0], "{line}");
    }
}

#[tokio::test]
async fn shared_memory_is_for_those_who_may_write_it() {
    let stage = stage().await;
    let (alice, lead) = (stage.alice(), stage.caller("acme", "lee", &["lead"]));
    let store = |scope: &str| json!({"content": "a", "scope": scope});
    for (target, body) in [
        ("/memory/v1/memories", store("shared")),
        ("/memory/v1/memories/0198f5b2/promote", json!({})),
    ] {
        let before = stage.backend.seen().len();
        let refused = alice.post(target, body.clone()).await;
        assert_eq!(refused.status, 403, "{target}: {refused:?}");
        assert_eq!(refused.json()["code"], "role_required", "{target}");
        assert_eq!(stage.backend.seen().len(), before, "{target}");
        lead.make(target, body).await;
    }
    alice.make("/memory/v1/memories", store("user")).await;
}

#[tokio::test]
async fn erasure_is_for_the_tenants_administrators_and_their_own_tenant() {
    let stage = stage().await;
    let admin = stage.caller("acme", "ada", &["tenant-admin"]);
    for target in ["/memory/v1/tenants/{id}", "/memory/v1/users/alice"] {
        let refused = stage.alice().send(ask("DELETE", target), "acme").await;
        assert_eq!(refused.status, 403, "{target}: {refused:?}");
        let erased = admin.send(ask("DELETE", target), "acme").await;
        assert_eq!(erased.status, 200, "{target}: {erased:?}");
    }
    let odd = admin
        .send(ask("DELETE", "/memory/v1/users/a%2Fb%7Cc"), "")
        .await;
    assert_eq!(odd.status, 200, "ids of users may hold a slash: {odd:?}");
    let before = stage.backend.seen().len();
    let foreign = admin.send(ask("DELETE", "/memory/v1/tenants/{id}"), "globex");
    let foreign = foreign.await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    assert_eq!(stage.backend.seen().len(), before);
}

#[tokio::test]
async fn a_session_of_the_mcp_facade_is_its_users() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    alice
        .make("/memory/mcp", call("initialize", json!({})))
        .await;
    let list = call("tools/list", json!({})).to_string();
    let list = ask_posting("/memory/mcp", &list);
    let session = [("Mcp-Session-Id", "9f0c2a")];
    assert_eq!(alice.send_with(list, &session).await.status, 200);
    let foreign = bob.send_with(list, &session).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
}

#[tokio::test]
async fn an_import_may_be_larger_than_other_bodies_where_the_tenant_may_send_it() {
    let stage = stage().await;
    let large = "x".repeat(11 << 20);
    let import = |limit: &str| {
        let policy = format!("[[tenants]]\nid = \"acme\"\n{limit}\n[[tenants]]\nid = \"globex\"\n");
        stage.gate.write_policy("01.toml", &policy);
    };
    let alice = stage.alice();
    let send = || alice.send(ask_posting("/memory/v1/import", &large), "");
    assert_eq!(send().await.status, 413, "by the tenant's limit of 10 MiB");
    import("limits = { body_bytes = 67108864 }");
    assert_eq!(stage.gate.reload().await.status, 200);
    assert_eq!(send().await.status, 200);
    let elsewhere = alice.send(ask_posting("/memory/v1/memories", &large), "");
    assert_eq!(
        elsewhere.await.status,
        400,
        "no JSON, and not too large either"
    );
}

#[tokio::test]
async fn pages_that_speak_of_all_tenants_are_closed() {
    let pages = [
        "/memory/livez",
        "/memory/readyz",
        "/memory/metrics",
        "/memory/",
        "/memory",
        "/v1/memories",
        "/v1/stats",
        "/mcp",
        "/memory/v1/tenants",
        "/memory/v1/users",
    ];
    stage().await.closed(&pages).await;
}

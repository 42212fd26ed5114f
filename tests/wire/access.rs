//! What a known caller may do: methods, roles, scopes, rules, shared memory.

use crate::call::{Call, WAYS, Way};
use crate::support::recording_backend::Answer;
use crate::support::tokens::claims;
use crate::world::World;

const POLICY: &str = r#"
[memory]
shared_write_roles = ["admin", "lead"]
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks"
roles = ["lead", "member"]
[[routes]]
name = "task.run"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
scopes = ["tasks:run", "tasks:read"]
[[routes]]
name = "memory.write"
upstream = "backend"
methods = ["POST"]
path = "/memory"
shared_memory_write = true
[[routes]]
name = "memory.store"
upstream = "backend"
methods = ["POST"]
path = "/memories"
shared_memory_write = { at = ["body:/scope", "body:/many/*/scope"], unless = "user" }
[[routes]]
name = "soon.closed"
upstream = "backend"
methods = ["GET"]
path = "/soon"
[[rules]]
name = "auditors may read tasks"
effect = "permit"
routes = ["task.read"]
roles = ["auditor"]
[[rules]]
name = "contractors read nothing"
effect = "forbid"
methods = ["GET"]
roles = ["contractor"]
[[rules]]
name = "soon to be closed"
effect = "forbid"
routes = ["soon.*"]
mode = "shadow"
"#;

#[tokio::test]
async fn a_role_that_is_missing_is_a_403_and_any_of_the_listed_will_do() {
    let mut world = World::with_routes(POLICY).await;
    let (member, other) = (
        world.token("acme", "mia", &["member"]),
        world.token("acme", "otto", &["Member", "leader"]),
    );
    for way in WAYS {
        let call = Call::get("/tasks");
        let denied = call.clone().bearer(&other);
        let reply = world.refused(way, &denied, 403, "role_required").await;
        assert_eq!(reply.header("www-authenticate"), None, "no token mends it");
        world.forwarded(way, &call.bearer(&member)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_scope_that_is_missing_is_a_403_that_names_all_that_are_needed() {
    let mut world = World::with_routes(POLICY).await;
    let one = world.sign(&claims("acme", "alice", &[]).scopes("tasks:run"));
    let both = world.sign(&claims("acme", "alice", &[]).scopes("tasks:read x tasks:run"));
    for way in WAYS {
        let call = Call::post("/tasks", "{}");
        let denied = call.clone().bearer(&one);
        let reply = world.refused(way, &denied, 403, "scope_required").await;
        assert_eq!(
            reply.header("www-authenticate").as_deref(),
            Some(
                "Bearer realm=\"fabric-gate\", error=\"insufficient_scope\", \
                 scope=\"tasks:run tasks:read\""
            )
        );
        world.forwarded(way, &call.bearer(&both)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_method_the_path_does_not_take_is_a_405_that_lists_those_it_does() {
    let mut world = World::with_routes(POLICY).await;
    let alice = world.alice();
    for way in WAYS {
        for (method, target, allow) in [
            ("DELETE", "/tasks", "GET, HEAD, POST"),
            ("POST", "/whoami", "GET, HEAD"),
            ("HEAD", "/memory", "POST"),
            ("OPTIONS", "/memory", "POST"),
        ] {
            let call = Call::new(method, target).bearer(&alice);
            let reply = world.refused(way, &call, 405, "method_not_allowed").await;
            assert_eq!(reply.header("allow").as_deref(), Some(allow), "{method}");
        }
        world
            .refused(way, &Call::get("/nowhere").bearer(&alice), 404, "not_found")
            .await;
        world
            .forwarded(way, &Call::get("/whoami").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_head_request_is_decided_and_forwarded_like_a_get() {
    let mut world = World::with_routes(POLICY).await;
    world
        .backend
        .answer_by(|_| Answer::new(200, &[("x-kept", "1")], "0123456789"));
    let (member, other) = (
        world.token("acme", "mia", &["member"]),
        world.token("acme", "otto", &[]),
    );
    for way in WAYS {
        let call = Call::new("HEAD", "/tasks");
        world
            .refused(way, &call.clone().bearer(&other), 403, "role_required")
            .await;
        let (arrived, reply) = world.answered(way, &call.bearer(&member)).await;
        assert_eq!(arrived.method(), "HEAD", "{way:?}");
        assert_eq!(
            reply.header("content-length").as_deref(),
            Some("10"),
            "{way:?}"
        );
        assert_eq!(reply.header("x-kept").as_deref(), Some("1"), "{way:?}");
        assert_eq!(reply.body, b"", "{way:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_forbid_wins_over_a_permit_and_over_roles_for_head_as_for_get() {
    let mut world = World::with_routes(POLICY).await;
    let auditor = world.token("acme", "ada", &["auditor"]);
    let contracted = world.token("acme", "carl", &["auditor", "lead", "contractor"]);
    for way in WAYS {
        for method in ["GET", "HEAD"] {
            let call = Call::new(method, "/tasks").bearer(&contracted);
            let reply = world.refused(way, &call, 403, "forbidden").await;
            let record = world.record_of(&reply).await;
            assert_eq!(record["rule"], "contractors read nothing");
            assert_eq!(record["decision"], "deny");
        }
        let (_, reply) = world
            .answered(way, &Call::get("/tasks").bearer(&auditor))
            .await;
        let record = world.record_of(&reply).await;
        assert_eq!(record["rule"], "auditors may read tasks");
        assert_eq!(record["decision"], "permit");
    }
    world.end().await;
}

#[tokio::test]
async fn a_shadow_rule_refuses_nobody_and_is_recorded_where_it_would_have() {
    let mut world = World::with_routes(POLICY).await;
    let alice = world.alice();
    for way in WAYS {
        let (_, reply) = world
            .answered(way, &Call::get("/soon").bearer(&alice))
            .await;
        let record = world.record_of(&reply).await;
        assert_eq!(
            record["would_deny"],
            serde_json::json!(["soon to be closed"])
        );
        assert_eq!(record["decision"], "permit");
        assert!(record["rule"].is_null());
        let (_, reply) = world
            .answered(way, &Call::get("/whoami").bearer(&alice))
            .await;
        let record = world.record_of(&reply).await;
        assert!(record.get("would_deny").is_none(), "{record}");
    }
    world.end().await;
}

#[tokio::test]
async fn shared_memory_is_written_by_its_roles_alone() {
    let mut world = World::with_routes(POLICY).await;
    let (lead, member) = (
        world.token("acme", "lea", &["lead"]),
        world.token("acme", "mia", &["member"]),
    );
    for way in WAYS {
        let call = Call::post("/memory", "{}");
        let denied = call.clone().bearer(&member);
        world.refused(way, &denied, 403, "role_required").await;
        world.forwarded(way, &call.bearer(&lead)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_record_says_who_did_what_and_how_it_ended() {
    let mut world = World::with_routes(POLICY).await;
    let act = serde_json::json!({"sub": "agent:planner", "act": {"sub": "agent:coder"}});
    let token = world.sign(
        &claims("acme", "alice", &["lead"])
            .with("act", act)
            .with("jti", "token-1"),
    );
    for way in WAYS {
        let (_, reply) = world
            .answered(way, &Call::get("/tasks?x=1").bearer(&token))
            .await;
        let record = world.record_of(&reply).await;
        for (key, value) in [
            ("tenant_id", serde_json::json!("acme")),
            ("user_id", serde_json::json!("alice")),
            ("principal", serde_json::json!("user")),
            ("roles", serde_json::json!(["lead"])),
            (
                "delegation_chain",
                serde_json::json!(["agent:planner", "agent:coder"]),
            ),
            ("auth_method", serde_json::json!("jwt:test")),
            ("token_id", serde_json::json!("token-1")),
            ("method", serde_json::json!("GET")),
            ("path", serde_json::json!("/tasks")),
            ("route", serde_json::json!("task.read")),
            ("action", serde_json::json!("read")),
            ("decision", serde_json::json!("permit")),
            ("reason", serde_json::json!("ok")),
            ("status", serde_json::json!(200)),
            ("upstream", serde_json::json!("backend")),
            ("upstream_status", serde_json::json!(200)),
            ("bytes_in", serde_json::json!(usize::from(way.is_loop()))),
            ("bytes_out", serde_json::json!(11)),
        ] {
            assert_eq!(record[key], value, "{way:?} {key}");
        }
    }
    let refused = Call::get("/tasks");
    let reply = world
        .refused(Way::Exchange, &refused, 401, "credentials_missing")
        .await;
    let record = world.record_of(&reply).await;
    assert_eq!(record["reason"], "credentials_missing");
    assert!(record["tenant_id"].is_null() && record["upstream"].is_null());
    world.end().await;
}

#[tokio::test]
async fn what_says_that_it_is_shared_asks_for_the_role_and_ones_own_does_not() {
    let mut world = World::with_routes(POLICY).await;
    let member = world.token("acme", "mia", &["member"]);
    let lead = world.token("acme", "lee", &["lead"]);
    let post = |body: &str, token: &str| Call::post("/memories", body).bearer(token);
    let own = [
        r#"{"content":"a"}"#,
        r#"{"scope":"user"}"#,
        r#"{"scope":null}"#,
        r#"{"many":[{"scope":"user"},{}]}"#,
        r#"{"\u0073cope":"\u0075ser"}"#,
    ];
    let shared = [
        r#"{"scope":"shared"}"#,
        r#"{"\u0073cope":"shared"}"#,
        r#"{"scope":"sh\u0061red"}"#,
        r#"{"scope":"Shared"}"#,
        r#"{"scope":"USER"}"#,
        r#"{"scope":["shared"]}"#,
        r#"{"scope":{"a":1}}"#,
        r#"{"scope":true}"#,
        r#"{"many":[{"scope":"user"},{"scope":"shared"}]}"#,
    ];
    for way in WAYS {
        for body in own {
            world.taken(way, &post(body, &member)).await;
        }
        for body in shared {
            world
                .refused(way, &post(body, &member), 403, "role_required")
                .await;
            world.taken(way, &post(body, &lead)).await;
        }
        for body in [r#"{"scope":"user","scope":"shared"}"#, "{", "scope=shared"] {
            world
                .refused(way, &post(body, &lead), 400, "request_rejected")
                .await;
        }
    }
    world.end().await;
}

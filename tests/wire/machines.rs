//! Machine tokens, which say by headers for whom they act, and chains of delegation.

use serde_json::json;

use crate::call::{Call, WAYS, Way};
use crate::support::tokens::{Claims, claims};
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET", "POST"]
path = "/whoami"
"#;

const MACHINE: &str = "machine = { when = \"gty|@clients\", tenant_header = \"snc-tenant\", \
                       user_header = \"snc-userid\", required_scope = \"act:users\" }";

async fn world() -> World {
    let setup = World::without_issuer().await.issuer(MACHINE);
    setup.policy(ROUTES).start().await
}

fn machine() -> Claims {
    claims("acme", "flow@clients", &["service"]).scopes("act:users")
}

fn for_bob(token: &str) -> Call {
    Call::get("/whoami")
        .bearer(token)
        .with("snc-tenant", "acme")
        .with("snc-userid", "bob")
}

#[tokio::test]
async fn a_machine_acts_for_the_user_it_names_and_heads_the_chain() {
    let mut world = world().await;
    let marked = claims("acme", "flow", &["service"])
        .with("gty", "client-credentials")
        .scopes("act:users");
    let delegated = machine().with("act", json!({"sub": "agent:planner"}));
    for (token, chain) in [
        (world.sign(&machine()), "flow@clients"),
        (world.sign(&marked), "flow"),
        (world.sign(&delegated), "flow@clients,agent:planner"),
    ] {
        for way in WAYS {
            let (arrived, reply) = world.answered(way, &for_bob(&token)).await;
            for (name, value) in [
                ("x-fabric-tenant", "acme"),
                ("x-fabric-user", "bob"),
                ("x-fabric-delegation", chain),
                ("snc-tenant", "acme"),
                ("snc-userid", "bob"),
            ] {
                let told = arrived.head.value(name);
                assert_eq!(told.as_deref(), Some(value), "{way:?} {name}");
            }
            let record = world.record_of(&reply).await;
            assert_eq!(record["principal"], "machine");
            assert_eq!(record["user_id"], "bob");
            let recorded: Vec<_> = chain.split(',').collect();
            assert_eq!(record["delegation_chain"], json!(recorded));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_machine_has_to_name_its_own_tenant_and_one_user() {
    let mut world = world().await;
    let token = world.sign(&machine());
    for way in WAYS {
        let call = Call::get("/whoami").bearer(&token);
        let named = |tenant: &str, user: &str| {
            call.clone()
                .with("snc-tenant", tenant)
                .with("snc-userid", user)
        };
        for (call, status, code) in [
            (call.clone(), 400, "tenant_required"),
            (
                call.clone().with("snc-userid", "bob"),
                400,
                "tenant_required",
            ),
            (named("globex", "bob"), 404, "tenant_mismatch"),
            (
                call.clone().with("snc-tenant", "acme"),
                400,
                "request_rejected",
            ),
            (named("acme", ""), 400, "request_rejected"),
            (
                named("acme", "bob").with("snc-userid", "eve"),
                400,
                "request_rejected",
            ),
            (
                named("acme", "bob").with("snc-tenant", "acme"),
                400,
                "request_rejected",
            ),
            (
                named("acme", "bob").with("X-Fabric-Tenant", "globex"),
                404,
                "tenant_mismatch",
            ),
        ] {
            world.refused(way, &call, status, code).await;
        }
        let post = Call {
            method: "POST".to_owned(),
            ..named("globex", "bob")
        };
        world.refused(way, &post, 403, "tenant_mismatch").await;
        world.forwarded(way, &for_bob(&token)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_machine_without_the_scope_acts_for_nobody() {
    let mut world = world().await;
    let token = world.sign(&machine().scopes("other"));
    for way in WAYS {
        let reply = world
            .refused(way, &for_bob(&token), 403, "scope_required")
            .await;
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.ends_with("scope=\"act:users\""), "{challenge}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_person_stays_who_they_are_whatever_the_machine_headers_say() {
    let mut world = world().await;
    let alice = world.alice();
    let by_password = world.sign(&claims("acme", "alice", &[]).with("gty", "password"));
    for token in [&alice, &by_password] {
        for way in WAYS {
            let call = for_bob(token)
                .with("snc_userid", "eve")
                .with("HTTP_SNC_TENANT", "globex")
                .with("SNC.UserId", "eve");
            let (arrived, reply) = world.answered(way, &call).await;
            let user = arrived.head.value("x-fabric-user");
            assert_eq!(user.as_deref(), Some("alice"), "{way:?}");
            let text = arrived.head.text().to_ascii_lowercase();
            assert!(!text.contains("snc"), "{way:?}: {text}");
            assert_eq!(world.record_of(&reply).await["principal"], "user");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn an_alias_of_a_machine_header_does_not_arrive_beside_the_verified_one() {
    let mut world = world().await;
    let token = world.sign(&machine());
    for way in WAYS {
        let call = for_bob(&token)
            .with("snc_userid", "eve")
            .with("HTTP_SNC_USERID", "eve")
            .with("snc.tenant", "globex");
        let arrived = world.forwarded(way, &call).await;
        let text = arrived.head.text();
        assert!(!text.contains("eve") && !text.contains("globex"), "{text}");
        assert_eq!(arrived.head.value("snc-userid").as_deref(), Some("bob"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_chain_is_told_from_its_outermost_actor_and_cut_where_it_is_too_long() {
    let mut world = world().await;
    let chain = |depth: usize| {
        let mut act = json!({"sub": format!("agent:{}", depth - 1)});
        for level in (0..depth - 1).rev() {
            act = json!({"sub": format!("agent:{level}"), "act": act});
        }
        act
    };
    let three = world.sign(&claims("acme", "alice", &[]).with("act", chain(3)));
    let long = world.sign(&claims("acme", "alice", &[]).with("act", chain(40)));
    for way in WAYS {
        let arrived = world
            .forwarded(way, &Call::get("/whoami").bearer(&three))
            .await;
        let told = arrived.head.value("x-fabric-delegation").unwrap();
        assert_eq!(told, "agent:0,agent:1,agent:2", "{way:?}");
        let (arrived, reply) = world
            .answered(way, &Call::get("/whoami").bearer(&long))
            .await;
        let told = arrived.head.value("x-fabric-delegation").unwrap();
        let kept = told.split(',').count();
        assert!(told.starts_with("agent:0,agent:1,") && kept < 40, "{told}");
        let record = world.record_of(&reply).await;
        assert_eq!(record["delegation_dropped"], 40 - kept, "{record}");
    }
    let forged = world.sign(&claims("acme", "alice", &[]).with("act", json!({"sub": "a,b"})));
    let call = Call::get("/whoami").bearer(&forged);
    world
        .refused(Way::Exchange, &call, 401, "token_invalid")
        .await;
    world.end().await;
}

//! The credential says the tenant. What a request says beside it can only agree or be refused, in
//! every copy and every spelling.

use crate::call::{Call, WAYS, Way};
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
path = "/whoami"
[[routes]]
name = "space"
upstream = "backend"
methods = ["GET", "POST"]
path = "/spaces/{space}/items"
tenant_from = ["path:space"]
[[routes]]
name = "task"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
tenant_from = ["body:/tenant_id", "body:/batch/*/tenant"]
[[routes]]
name = "legacy"
upstream = "backend"
methods = ["GET", "POST"]
path = "/legacy"
tenant_from = ["query:org", "header:x-org"]
"#;

/// Every spelling of `?tenant=` that some backend reads as one.
const SPELLINGS: [&str; 14] = [
    "tenant=",
    "Tenant=",
    "TENANT=",
    "t%65nant=",
    "%74enant=",
    "tenant[]=",
    "tenant%5B%5D=",
    "tenant[0]=",
    "[tenant]=",
    "+tenant=",
    "tenant+=",
    "tenant%20=",
    "a=1;tenant=",
    "t%2565nant=",
];

async fn world() -> (World, String) {
    let mut world = World::with_routes(ROUTES).await;
    let alice = world.alice();
    (world, alice)
}

#[tokio::test]
async fn a_declaration_that_agrees_passes_and_none_is_needed() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for call in [
            Call::get("/whoami"),
            Call::get("/whoami").with("X-Fabric-Tenant", "acme"),
            Call::get("/whoami?tenant=acme"),
            Call::get("/whoami?tenant=acme&tenant=acme").with("X-Fabric-Tenant", "acme"),
            Call::get("/spaces/acme/items"),
            Call::get("/legacy?org=acme").with("X-Org", "acme"),
        ] {
            let arrived = world.forwarded(way, &call.bearer(&alice)).await;
            let tenant = arrived.head.value("x-fabric-tenant");
            assert_eq!(tenant.as_deref(), Some("acme"));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_declaration_that_differs_is_a_404_where_the_request_reads_and_a_403_elsewhere() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for (method, status) in [
            ("GET", 404),
            ("HEAD", 404),
            ("POST", 403),
            ("PUT", 403),
            ("PATCH", 403),
            ("DELETE", 403),
            ("OPTIONS", 403),
        ] {
            let by_header = Call::new(method, "/whoami").with("X-Fabric-Tenant", "globex");
            let by_query = Call::new(method, "/whoami?tenant=globex");
            for call in [by_header, by_query] {
                let call = call.bearer(&alice);
                world.refused(way, &call, status, "tenant_mismatch").await;
            }
        }
        world
            .forwarded(way, &Call::get("/whoami").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn every_place_and_every_copy_is_held_against_the_credential() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for call in [
            Call::get("/whoami?tenant=acme").with("X-Fabric-Tenant", "globex"),
            Call::get("/whoami?tenant=globex").with("X-Fabric-Tenant", "acme"),
            Call::get("/whoami").with("x_fabric_tenant", "globex"),
            Call::get("/whoami?tenant=acme&x=1&tenant=globex"),
            Call::get("/whoami?tenant=globex&tenant=acme"),
            Call::get("/spaces/globex/items"),
            Call::get("/legacy?org=globex"),
            Call::get("/legacy?org=acme&org=globex"),
            Call::get("/legacy").with("X-Org", "globex"),
            Call::get("/legacy")
                .with("X-Org", "acme")
                .with("X-Org", "globex"),
        ] {
            let call = call.bearer(&alice);
            world.refused(way, &call, 404, "tenant_mismatch").await;
        }
        world
            .forwarded(way, &Call::get("/legacy?org=acme").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn every_spelling_of_the_query_parameter_is_a_declaration() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for spelling in SPELLINGS {
            let foreign = Call::get(&format!("/whoami?{spelling}globex")).bearer(&alice);
            world.refused(way, &foreign, 404, "tenant_mismatch").await;
            let own = Call::get(&format!("/whoami?x=1&{spelling}acme&y=2")).bearer(&alice);
            let arrived = world.forwarded(way, &own).await;
            let target = arrived.target();
            assert_eq!(target.matches("tenant=acme").count(), 1, "{target}");
            assert_eq!(target.matches("acme").count(), 1, "{target}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_query_says_the_tenant_once_and_the_rest_of_it_stays_byte_for_byte() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for (sent, arrives) in [
            ("tenant=acme", "tenant=acme"),
            ("Tenant=acme", "tenant=acme"),
            ("tenant=acme&tenant=acme", "tenant=acme"),
            ("a=%2F&tenant=acme&b=c%20d+e", "a=%2F&tenant=acme&b=c%20d+e"),
            ("a=1&TENANT=acme&b=2&tenant=acme&c", "a=1&tenant=acme&b=2&c"),
            ("a=1;TENANT=acme;b=2", "a=1&tenant=acme&b=2"),
            ("tenant%5B%5D=acme&&x", "tenant=acme&&x"),
            (
                "tenants=globex&my_tenant=globex&x",
                "tenants=globex&my_tenant=globex&x",
            ),
            ("q=tenant%3Dglobex", "q=tenant%3Dglobex"),
            ("q=tenant=globex", "q=tenant=globex"),
        ] {
            let call = Call::get(&format!("/whoami?{sent}")).bearer(&alice);
            let arrived = world.forwarded(way, &call).await;
            assert_eq!(arrived.target(), format!("/whoami?{arrives}"), "{way:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_malformed_declaration_is_refused_wherever_it_stands() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for call in [
            Call::get("/whoami").with("X-Fabric-Tenant", "ACME"),
            Call::get("/whoami").with("X-Fabric-Tenant", ""),
            Call::get("/whoami").with("X-Fabric-Tenant", "acme, acme"),
            Call::get("/whoami").with("X-Fabric-Tenant", "../acme"),
            Call::get("/whoami?tenant="),
            Call::get("/whoami?tenant"),
            Call::get("/whoami?tenant=acme%20"),
            Call::get("/whoami?tenant=ACME"),
            Call::get("/whoami?tenant=globex&tenant=%2E"),
            Call::get("/spaces/A/items"),
            Call::get("/legacy").with("X-Org", "a"),
        ] {
            let call = call.bearer(&alice);
            world.refused(way, &call, 400, "tenant_invalid").await;
        }
        world
            .forwarded(way, &Call::get("/spaces/acme/items").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_tenant_in_the_body_is_held_against_the_credential_too() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for (body, status, code) in [
            (r#"{"tenant_id":"globex"}"#, 403, "tenant_mismatch"),
            (r#"{"tenant_id":"gl\u006fbex"}"#, 403, "tenant_mismatch"),
            (
                r#"{"batch":[{"tenant":"acme"},{"tenant":"globex"}]}"#,
                403,
                "tenant_mismatch",
            ),
            (r#"{"tenant_id":"ACME"}"#, 400, "tenant_invalid"),
            (r#"{"tenant_id":7}"#, 400, "tenant_invalid"),
            (r#"{"tenant_id":null}"#, 400, "tenant_invalid"),
            (
                r#"{"tenant_id":"globex","tenant_id":"acme"}"#,
                400,
                "request_rejected",
            ),
            (
                r#"{"tenant_id":"acme","tenant\u005fid":"acme"}"#,
                400,
                "request_rejected",
            ),
            (r#"{"tenant_id":"acme""#, 400, "request_rejected"),
            ("tenant_id=acme", 400, "request_rejected"),
        ] {
            let call = Call::post("/tasks", body).bearer(&alice);
            world.refused(way, &call, status, code).await;
        }
        let packed = Call::post("/tasks", "{}").with("Content-Encoding", "gzip");
        let packed = packed.bearer(&alice);
        world
            .refused(way, &packed, 415, "encoding_unsupported")
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_that_agrees_arrives_byte_for_byte() {
    let (mut world, alice) = world().await;
    for way in WAYS {
        for body in [
            r#"{"tenant_id":"acme"}"#,
            r#" { "batch" : [ {"tenant":"acme"}, {} ], "x": 1.50 }"#,
            "{}",
        ] {
            let call = Call::post("/tasks", body).bearer(&alice);
            let (arrived, _) = world.taken(way, &call).await;
            assert_eq!(arrived.body.content, body.as_bytes(), "{way:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_mismatch_is_recorded_with_both_tenants_and_told_to_nobody() {
    let (mut world, alice) = world().await;
    let call = Call::get("/whoami?tenant=globex").bearer(&alice);
    let reply = world
        .refused(Way::Exchange, &call, 404, "tenant_mismatch")
        .await;
    assert!(!reply.text().contains("globex"), "{}", reply.text());
    let record = world.record_of(&reply).await;
    assert_eq!(record["tenant_id"], "acme");
    assert_eq!(record["declared_tenant"], "globex");
    assert_eq!(record["decision"], "deny");
    assert_eq!(record["reason"], "tenant_mismatch");
    let agreeing = Call::get("/whoami?tenant=acme").bearer(&alice);
    let (_, reply) = world.answered(Way::Exchange, &agreeing).await;
    assert!(world.record_of(&reply).await["declared_tenant"].is_null());
    world.end().await;
}

#[tokio::test]
async fn an_unknown_tenant_is_refused_and_a_suspended_one_whoever_asks() {
    let (mut world, alice) = world().await;
    let unknown = world.token("hooli", "gavin", &["lead"]);
    let suspended = world.token("initech", "peter", &["lead"]);
    for way in WAYS {
        for (token, code) in [
            (&unknown, "tenant_unknown"),
            (&suspended, "tenant_suspended"),
        ] {
            let call = Call::get("/whoami").bearer(token);
            world.refused(way, &call, 403, code).await;
        }
        world
            .forwarded(way, &Call::get("/whoami").bearer(&alice))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn provisioning_lets_an_unlisted_tenant_in_and_no_suspended_one() {
    let setup = World::setup().await.policy(ROUTES);
    let mut world = setup
        .policy("[tenancy]\nunknown = \"provision\"\n")
        .start()
        .await;
    let unlisted = world.token("hooli", "gavin", &[]);
    let suspended = world.token("initech", "peter", &[]);
    for way in WAYS {
        let arrived = world
            .forwarded(way, &Call::get("/whoami").bearer(&unlisted))
            .await;
        let tenant = arrived.head.value("x-fabric-tenant");
        assert_eq!(tenant.as_deref(), Some("hooli"));
        let call = Call::get("/whoami").bearer(&suspended);
        world.refused(way, &call, 403, "tenant_suspended").await;
    }
    world.end().await;
}

#[tokio::test]
async fn there_is_no_default_tenant() {
    let (mut world, alice) = world().await;
    let claims = crate::support::tokens::claims("acme", "alice", &[]);
    let without = world.sign(&claims.clone().without("tid"));
    let empty = world.sign(&claims.clone().with("tid", ""));
    let malformed = world.sign(&claims.clone().with("tid", "../acme"));
    let listed = world.sign(&claims.with("tid", vec!["acme"]));
    for way in WAYS {
        for token in [&without, &empty, &malformed, &listed] {
            // What the request declares does not stand in for it.
            let call = Call::get("/whoami?tenant=acme")
                .bearer(token)
                .with("X-Fabric-Tenant", "acme");
            let reply = world.send(way, &call).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (401, "token_invalid")
            );
            world.backend_heard_nothing("a token without a tenant");
        }
        world
            .forwarded(way, &Call::get("/whoami").bearer(&alice))
            .await;
    }
    world.end().await;
}

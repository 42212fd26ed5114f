//! Hardened mode: by policy or by environment, every request says its tenant in the header, and
//! nothing but a health page is public.

use crate::call::{Call, WAYS};
use crate::world::World;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
[[routes]]
name = "open"
upstream = "backend"
path = "/open"
public = true
[[routes]]
name = "health"
upstream = "backend"
path = "/health"
public = true
health = true
[[routes]]
name = "known"
upstream = "backend"
path = "/healthz"
public = true
[[routes]]
name = "closed"
upstream = "backend"
path = "/livez"
public = true
health = false
[[routes]]
name = "written"
upstream = "backend"
methods = ["GET", "POST"]
path = "/readyz"
public = true
"#;

/// Hardened gates: by either switch.
async fn hardened() -> [World; 2] {
    let by_policy = World::setup()
        .await
        .policy(ROUTES)
        .policy("[tenancy]\nheader_required = true\n");
    let by_environment = World::setup()
        .await
        .policy(ROUTES)
        .policy("[tenancy]\nheader_required = false\n")
        .with(|gate| gate.env("FABRIC_HARNESS_TENANT_REQUIRED", "1"));
    [by_policy.start().await, by_environment.start().await]
}

#[tokio::test]
async fn a_request_that_omits_the_header_is_refused_whatever_else_declares_the_tenant() {
    for mut world in hardened().await {
        let alice = world.alice();
        for way in WAYS {
            for call in [
                Call::get("/whoami"),
                Call::get("/whoami?tenant=acme"),
                // An alias reaches some backends as the header; it is not the header.
                Call::get("/whoami").with("X_Fabric_Tenant", "acme"),
                Call::get("/whoami").with("HTTP_X_FABRIC_TENANT", "acme"),
            ] {
                let call = call.bearer(&alice);
                world.refused(way, &call, 400, "tenant_required").await;
            }
            let call = Call::get("/whoami")
                .bearer(&alice)
                .with("X-Fabric-Tenant", "acme");
            world.forwarded(way, &call).await;
        }
        world.end().await;
    }
}

#[tokio::test]
async fn the_header_has_to_agree_as_ever() {
    for mut world in hardened().await {
        let alice = world.alice();
        for way in WAYS {
            let call = Call::get("/whoami").bearer(&alice);
            let foreign = call.clone().with("X-Fabric-Tenant", "globex");
            world.refused(way, &foreign, 404, "tenant_mismatch").await;
            let malformed = call.clone().with("X-Fabric-Tenant", "ACME");
            world.refused(way, &malformed, 400, "tenant_invalid").await;
            let own = call.with("x-fabric-tenant", "acme");
            world.forwarded(way, &own).await;
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_public_route_asks_for_a_credential_and_the_header_and_a_health_page_for_neither() {
    for mut world in hardened().await {
        let alice = world.alice();
        for way in WAYS {
            let open = Call::get("/open");
            world.refused(way, &open, 401, "credentials_missing").await;
            let unnamed = open.clone().bearer(&alice);
            world.refused(way, &unnamed, 400, "tenant_required").await;
            let named = unnamed.with("X-Fabric-Tenant", "acme");
            let arrived = world.forwarded(way, &named).await;
            let user = arrived.head.value("x-fabric-user");
            assert_eq!(user.as_deref(), Some("alice"), "{way:?}");
            let health = world.forwarded(way, &Call::get("/health")).await;
            assert_eq!(health.head.value("x-fabric-user"), None, "{way:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn the_usual_health_pages_need_not_be_called_so_and_can_be_closed() {
    for mut world in hardened().await {
        for way in WAYS {
            world.forwarded(way, &Call::get("/healthz")).await;
            // One that takes more than readings is no health page.
            for page in ["/livez", "/readyz"] {
                let call = Call::get(page);
                world.refused(way, &call, 401, "credentials_missing").await;
            }
        }
        world.end().await;
    }
}

#[tokio::test]
async fn without_hardened_mode_a_public_route_is_public() {
    let mut world = World::with_routes(ROUTES).await;
    for way in WAYS {
        world.forwarded(way, &Call::get("/open")).await;
        world.forwarded(way, &Call::get("/health")).await;
    }
    world.end().await;
}

//! The development identity: for requests without a credential, on one's own machine alone.

use crate::call::{Call, WAYS};
use crate::support::gate_process::GateBuilder;
use crate::world::World;

const DEVELOPMENT: &str = r#"
[development]
tenant = "acme"
user = "local-dev"
roles = ["lead"]
"#;

const ROUTES: &str = r#"
[[routes]]
name = "whoami"
upstream = "backend"
methods = ["GET"]
path = "/whoami"
roles = ["lead"]
"#;

async fn world() -> World {
    let setup = World::setup().await.policy(ROUTES);
    setup.policy(DEVELOPMENT).start().await
}

#[tokio::test]
async fn whoever_carries_no_credential_is_the_development_user_on_loopback() {
    let mut world = world().await;
    for way in WAYS {
        let (arrived, reply) = world.answered(way, &Call::get("/whoami")).await;
        let user = arrived.head.value("x-fabric-user");
        assert_eq!(user.as_deref(), Some("local-dev"), "{way:?}");
        assert_eq!(world.record_of(&reply).await["auth_method"], "development");
    }
    world.end().await;
}

#[tokio::test]
async fn a_credential_that_fails_does_not_fall_back_to_the_development_user() {
    let mut world = world().await;
    let alice = world.token("acme", "alice", &[]);
    for way in WAYS {
        let roleless = Call::get("/whoami").bearer(&alice);
        world.refused(way, &roleless, 403, "role_required").await;
        for call in [
            Call::get("/whoami").bearer("no.such.token"),
            Call::get("/whoami").bearer("fabk_no-such-key"),
            Call::get("/whoami").with("X-Api-Key", "fabk_no-such-key"),
            Call::get("/whoami").with("Authorization", "Basic YTpi"),
        ] {
            world.refused(way, &call, 401, "token_invalid").await;
        }
        let foreign = Call::get("/whoami").with("X-Fabric-Tenant", "globex");
        world.refused(way, &foreign, 404, "tenant_mismatch").await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_gate_that_others_can_reach_does_not_start_with_a_development_user() {
    let setup = World::setup().await.policy(ROUTES).policy(DEVELOPMENT);
    let reachable = setup.with(GateBuilder::on_every_address);
    let Err(ended) = reachable.try_start().await else {
        panic!("it started");
    };
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("not on loopback"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_reload_cannot_bring_a_development_user_to_a_gate_that_others_can_reach() {
    let setup = World::setup().await.policy(ROUTES);
    let mut world = setup.with(GateBuilder::on_every_address).start().await;
    let lead = world.alice();
    world.gate.write_policy("90.toml", DEVELOPMENT);

    let reload = world.gate.reload().await;

    assert_ne!(reload.status, 200, "{}", reload.text());
    for way in WAYS {
        let call = Call::get("/whoami");
        world.refused(way, &call, 401, "credentials_missing").await;
        world.forwarded(way, &call.bearer(&lead)).await;
    }
    world.end().await;
}

//! `profile = "aether-forge"`.

use serde_json::json;

use crate::stage::Stage;
use crate::standins::aether_forge;

async fn stage() -> Stage {
    Stage::start("aether-forge", aether_forge::start().await).await
}

#[tokio::test]
async fn the_tenant_in_the_path_has_to_be_the_callers() {
    let stage = stage().await;
    let (alice, bob) = (stage.alice(), stage.bob());
    let tick = alice
        .make("/tenants/acme/agents/support/tick", json!({}))
        .await;
    assert_eq!(tick["tick"], 1);
    let foreign = bob
        .post("/tenants/acme/agents/support/tick", json!({}))
        .await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let foreign = bob
        .post("/tenants/ACME/agents/support/tick", json!({}))
        .await;
    assert!((400..500).contains(&foreign.status), "{foreign:?}");
    assert_eq!(stage.backend.seen().len(), 1, "{:?}", stage.backend.seen());
    bob.make("/tenants/globex/agents/support/tick", json!({}))
        .await;
}

#[tokio::test]
async fn ticks_of_one_tenant_come_one_at_a_time() {
    let stage = stage().await;
    let mut ticks = Vec::new();
    for _ in 0..8 {
        let alice = stage.alice();
        ticks.push(tokio::spawn(async move {
            let tick = alice
                .make("/tenants/acme/agents/support/tick", json!({}))
                .await;
            tick["tick"].as_u64().unwrap()
        }));
    }
    let mut told = Vec::new();
    for tick in ticks {
        told.push(tick.await.unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8], "a tick was lost");
}

#[tokio::test]
async fn the_list_of_tenants_is_closed() {
    stage().await.closed(&["/tenants", "/tenants/acme"]).await;
}

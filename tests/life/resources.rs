//! What operators see of who owns what, and how they have a tenant forgotten.

use std::sync::Arc;

use fabric_gate::clock::SystemClock;
use fabric_gate::identity::UserId;
use fabric_gate::ownership::{Owner, Ownership, Registry, ResourceId, ResourceKey};
use fabric_gate::state::SqliteStore;

use crate::world::{self, World};

/// A second process on the gate's database.
fn beside(world: &World) -> Arc<Registry> {
    let path = world.gate.folder().join("data/gate.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    Registry::new(store, Arc::new(SystemClock), 10)
}

fn session(id: &str) -> ResourceKey {
    ResourceKey::new(
        "backend".into(),
        "session".into(),
        ResourceId::exact(id).unwrap(),
    )
}

async fn claim(registry: &Registry, id: &str, tenant: &str, user: &str) -> Ownership {
    let owner = Owner {
        tenant: tenant.parse().unwrap(),
        user: UserId::parse(user).unwrap(),
    };
    registry.claim(&session(id), &owner).await.unwrap()
}

async fn ids_of(world: &World, tenant: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut target = format!("/v1/resources?tenant={tenant}&limit=2");
    loop {
        let page = world.gate.admin("GET", &target, b"").await.json();
        for row in page["resources"].as_array().unwrap() {
            ids.push(row["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => target = format!("/v1/resources?tenant={tenant}&limit=2&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn an_operator_sees_what_one_tenant_owns_and_of_others_nothing() {
    let world = world::start().await;
    let registry = beside(&world);
    for id in ["a", "b", "c", "d", "e"] {
        claim(&registry, id, "acme", "ann").await;
    }
    claim(&registry, "x", "globex", "gus").await;
    assert_eq!(ids_of(&world, "acme").await, ["a", "b", "c", "d", "e"]);
    assert_eq!(ids_of(&world, "globex").await, ["x"]);
    assert_eq!(ids_of(&world, "nobody").await, [""; 0]);

    let page = world
        .gate
        .admin("GET", "/v1/resources?tenant=globex", b"")
        .await
        .json();
    let row = &page["resources"][0];
    assert_eq!(
        (&row["upstream"], &row["kind"], &row["user"]),
        (&"backend".into(), &"session".into(), &"gus".into())
    );
    let since = row["since"].as_str().unwrap();
    assert!(
        since.starts_with(row["last_used"].as_str().unwrap()),
        "{row}"
    );
}

#[tokio::test]
async fn an_erased_tenant_owns_nothing_with_a_receipt_and_a_record() {
    let world = world::start().await;
    let registry = beside(&world);
    for id in ["a", "b", "c"] {
        claim(&registry, id, "acme", "ann").await;
    }
    claim(&registry, "x", "globex", "gus").await;

    let receipt = world.gate.admin("DELETE", "/v1/tenants/acme", b"").await;
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    let receipt = receipt.json();
    assert_eq!(
        (&receipt["tenant"], &receipt["resources"]),
        (&"acme".into(), &3.into())
    );
    let policy = world.gate.admin("GET", "/v1/policy", b"").await.json();
    assert_eq!(receipt["policy_revision"], policy["revision"]);
    assert!(receipt["erased_at"].as_str().unwrap().ends_with('Z'));

    assert_eq!(ids_of(&world, "acme").await, [""; 0]);
    assert_eq!(ids_of(&world, "globex").await, ["x"]);
    let fresh = beside(&world);
    assert_eq!(
        claim(&fresh, "a", "globex", "gus").await,
        Ownership::Retired
    );

    let events = crate::records::events(world.gate.folder());
    let record = events
        .iter()
        .find(|record| record["event"] == "tenant_erased")
        .expect("the record is on disk before the receipt is given");
    assert_eq!(
        (&record["tenant_id"], &record["resources"]),
        (&"acme".into(), &3.into())
    );
}

#[tokio::test]
async fn a_question_about_resources_that_means_nothing_is_refused() {
    let world = world::start().await;
    for query in [
        "",
        "tenant=",
        "tenant=../x",
        "tennant=acme",
        "tenant=acme&cursor=x",
        "tenant=acme&limit=many",
    ] {
        let target = format!("/v1/resources?{query}");
        let answer = world.gate.admin("GET", &target, b"").await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    let answer = world.gate.admin("DELETE", "/v1/tenants/a.b", b"").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn a_gate_whose_database_is_something_else_does_not_start_and_says_why() {
    let prepared = world::prepare().await;
    let path = prepared.builder.folder().join("data/gate.db");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "notes of somebody, which are no database".repeat(50)).unwrap();
    let failed = prepared.builder.try_start().await.err().unwrap();
    let said = failed.stderr;
    assert!(
        said.contains("gate.db` is not a database of the gate"),
        "{said}"
    );
}

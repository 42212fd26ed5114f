//! A store that can't be used fails, says so, and is used again once it can be.

use std::os::unix::fs::FileExt;

use fabric_gate::decision::StateUnavailable;

use crate::world::{PATIENCE, World, block_on, owned, owner, session};

#[test]
fn while_another_program_holds_it_locked_claims_fail_and_reads_go_on() {
    let world = World::new();
    let registry = world.open();
    block_on(async {
        registry
            .claim(&session("old"), &owner("acme", "ann"))
            .await
            .unwrap();
        let lock = rusqlite::Connection::open(world.path()).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (new, ann) = (session("new"), owner("acme", "ann"));
        let claiming = tokio::time::timeout(PATIENCE, registry.claim(&new, &ann));
        let claimed = claiming.await.expect("it waits for the other program");
        assert!(claimed.is_err(), "{claimed:?}");
        let known = world.open().owner(&session("old")).await;
        assert_eq!(
            known,
            Ok(owned("acme", "ann")),
            "a reader is not stopped by it"
        );
        assert_eq!(
            registry.probe().await,
            claimed.map(drop),
            "and it is known to be so"
        );
        drop(lock);
        let claimed = registry.claim(&session("new"), &owner("acme", "ann")).await;
        assert_eq!(claimed, Ok(owned("acme", "ann")));
        assert_eq!(registry.probe().await, Ok(()));
    });
}

#[test]
fn a_damaged_file_answers_that_it_is_unavailable_and_never_that_an_id_is_free() {
    let world = World::new();
    block_on(async {
        let registry = world.open();
        let many: Vec<_> = (0..2_000)
            .map(|id| (session(&format!("s{id}")), owner("acme", "ann")))
            .collect();
        registry.mint_all(&many).await.unwrap();
        registry.close().await;
        let file = std::fs::File::options()
            .write(true)
            .open(world.path())
            .unwrap();
        let length = file.metadata().unwrap().len();
        for page in 2..length / 4_096 {
            file.write_all_at(&[0xff; 4_096], page * 4_096).unwrap();
        }
        let Ok(store) = fabric_gate::state::SqliteStore::open(&world.path()) else {
            return;
        };
        let clock = world.clock.clone();
        let registry = fabric_gate::ownership::Registry::new(std::sync::Arc::new(store), clock, 10);
        let found = registry.owner(&session("s1")).await;
        assert_eq!(found, Err(StateUnavailable::Failed));
        let claimed = registry
            .claim(&session("s1"), &owner("globex", "gus"))
            .await;
        assert_eq!(claimed, Err(StateUnavailable::Failed));
    });
}

#[test]
fn a_closed_store_is_unavailable() {
    let registry = World::new().open();
    block_on(async {
        registry.close().await;
        assert_eq!(registry.probe().await, Err(StateUnavailable::Closed));
        let claimed = registry.claim(&session("s"), &owner("acme", "ann")).await;
        assert_eq!(claimed, Err(StateUnavailable::Closed));
    });
}

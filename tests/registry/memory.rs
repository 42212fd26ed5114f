//! What is kept in memory, and when it is let go.

use std::sync::Arc;
use std::time::Duration;

use fabric_gate::ownership::{Ownership, Registry};
use fabric_gate::state::MemoryStore;

use crate::world::{CACHED, PATIENCE, World, block_on, owned, owner, session, tenant};

/// Waits until something is so.
async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    let looking = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, looking).await;
    assert!(in_time.is_ok(), "not so: {what}");
}

#[test]
fn a_flood_of_made_up_ids_neither_grows_the_memory_nor_puts_known_ids_out() {
    let registry = World::new().in_memory();
    block_on(async {
        let known: Vec<_> = (0..CACHED / 2)
            .map(|id| session(&format!("s{id}")))
            .collect();
        for key in &known {
            registry.claim(key, &owner("acme", "ann")).await.unwrap();
        }
        let before = registry.cached();
        for id in 0..1_000_000 {
            let made_up = session(&format!("x{id}"));
            assert_eq!(registry.owner(&made_up).await, Ok(Ownership::Unknown));
        }
        assert_eq!(registry.cached(), before);
        assert_eq!(before, known.len());
        for key in &known {
            assert_eq!(registry.owner(key).await, Ok(owned("acme", "ann")));
        }
    });
}

#[test]
fn what_is_in_memory_is_answered_when_the_store_is_closed_and_nothing_else_is() {
    let registry = World::new().open();
    block_on(async {
        registry
            .claim(&session("s"), &owner("acme", "ann"))
            .await
            .unwrap();
        registry.close().await;
        assert_eq!(
            registry.owner(&session("s")).await,
            Ok(owned("acme", "ann"))
        );
        assert!(registry.owner(&session("other")).await.is_err());
        assert!(
            registry
                .claim(&session("other"), &owner("acme", "ann"))
                .await
                .is_err()
        );
    });
}

#[test]
fn whoever_is_denied_what_is_in_memory_waits_for_the_store_as_for_what_does_not_exist() {
    let registry = World::new().open();
    block_on(async {
        let keys = [session("s")];
        let own = owner("acme", "ann");
        registry.claim(&keys[0], &own).await.unwrap();
        registry.close().await;
        let permitted = registry.owners_untold(&keys, |_, _| false).await;
        assert_eq!(permitted, Ok(vec![owned("acme", "ann")]));
        let denied = registry.owners_untold(&keys, |_, _| true).await;
        assert!(denied.is_err(), "the closed store was not asked");
    });
}

#[test]
fn more_real_ids_than_fit_put_entries_out_of_memory_and_none_out_of_the_store() {
    let world = World::new();
    let registry = Registry::new(Arc::new(MemoryStore::default()), world.clock.clone(), 100);
    block_on(async {
        for id in 0..10_000 {
            let tenant = if id < 10 { "acme" } else { "flood" };
            let key = session(&format!("s{id}"));
            registry.claim(&key, &owner(tenant, "u")).await.unwrap();
        }
        assert!(registry.cached() <= 100, "{}", registry.cached());
        for id in 0..10 {
            let key = session(&format!("s{id}"));
            assert_eq!(registry.owner(&key).await, Ok(owned("acme", "u")));
        }
    });
}

#[test]
fn a_release_by_another_process_is_known_here_before_long() {
    let world = World::new();
    let (one, other) = (world.open(), world.open());
    block_on(async {
        let key = session("s");
        one.claim(&key, &owner("acme", "ann")).await.unwrap();
        assert_eq!(one.owner(&key).await, Ok(owned("acme", "ann")));
        assert_eq!(other.release(&key, &tenant("acme")).await, Ok(true));
        other.claim(&key, &owner("globex", "gus")).await.unwrap();
        let known = async || one.owner(&key).await == Ok(owned("globex", "gus"));
        eventually("the former owner is let in no more", known).await;
    });
}

#[test]
fn a_release_whose_caller_has_gone_is_done_and_out_of_memory_all_the_same() {
    let world = World::new();
    let registry = world.open();
    block_on(async {
        let key = session("s");
        registry.claim(&key, &owner("acme", "ann")).await.unwrap();
        {
            let acme = tenant("acme");
            let releasing = registry.release(&key, &acme);
            let mut releasing = std::pin::pin!(releasing);
            // Handed over, and then the client goes away.
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(releasing.as_mut().poll(context).is_ready())
            })
            .await;
            assert!(!polled, "it was to be left while it waits");
        }
        let done = async || world.sql("SELECT 1 FROM resources").is_empty();
        eventually("it is done", done).await;
        let out_of_memory = async || registry.cached() == 0;
        eventually("it is out of memory", out_of_memory).await;
        assert_eq!(registry.owner(&key).await, Ok(Ownership::Unknown));
    });
}

/// Readers and a releaser race for a while; afterwards memory says what the store says.
#[test]
fn an_owner_that_was_read_while_it_was_released_does_not_stay_in_memory() {
    let world = World::new();
    let registry = world.open();
    let keys: Vec<_> = (0..4).map(|id| session(&format!("s{id}"))).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                block_on(async {
                    for turn in 0..4_000 {
                        registry.owner(&keys[turn % 4]).await.unwrap();
                    }
                });
            });
        }
        scope.spawn(|| {
            block_on(async {
                for turn in 0..150 {
                    let name = ["acme", "globex"][turn % 2];
                    for key in &keys {
                        registry.claim(key, &owner(name, "u")).await.unwrap();
                        assert_eq!(registry.release(key, &tenant(name)).await, Ok(true));
                        let found = registry.owner(key).await;
                        assert_eq!(found, Ok(Ownership::Unknown), "it was just released");
                    }
                }
            });
        });
    });
    for key in &keys {
        assert_eq!(block_on(registry.owner(key)), Ok(Ownership::Unknown));
    }
}

//! Erasure, retention, and what is left of an id afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::clock::Clock;
use fabric_gate::ownership::{Ownership, Registry, ResourceKey};
use fabric_gate::state::MemoryStore;

use crate::world::{PATIENCE, World, block_on, key, owned, owner, session, tenant};

const DAY: i64 = 86_400;

async fn claim(registry: &Registry, key: &ResourceKey, tenant: &str, user: &str) -> Ownership {
    registry.claim(key, &owner(tenant, user)).await.unwrap()
}

#[test]
fn an_erased_tenant_owns_nothing_and_nobody_can_claim_what_it_owned() {
    for (world, on_disk) in [(World::new(), true), (World::new(), false)] {
        let registry = if on_disk {
            world.open()
        } else {
            world.in_memory()
        };
        block_on(async {
            for id in 0..2_500 {
                claim(&registry, &session(&format!("s{id}")), "acme", "ann").await;
                if id == 9 && !on_disk {
                    break;
                }
            }
            claim(&registry, &session("theirs"), "globex", "gus").await;
            let erased = registry.erase_tenant(&tenant("acme")).await.unwrap();
            assert_eq!(erased.resources, if on_disk { 2_500 } else { 10 });
            assert_eq!(registry.owner(&session("s1")).await, Ok(Ownership::Retired));
            for tenant in ["acme", "globex"] {
                let told = claim(&registry, &session("s1"), tenant, "x").await;
                assert_eq!(told, Ownership::Retired, "{tenant} can't claim it");
            }
            let theirs = registry.owner(&session("theirs")).await;
            assert_eq!(theirs, Ok(owned("globex", "gus")), "others keep theirs");
            let again = registry.erase_tenant(&tenant("acme")).await.unwrap();
            assert_eq!(again.resources, 0);
        });
    }
}

#[test]
fn the_file_holds_no_name_of_an_erased_tenant() {
    let world = World::new();
    let registry = world.open();
    block_on(async {
        claim(&registry, &session("s"), "tenant-canary", "user-canary").await;
        registry
            .erase_tenant(&tenant("tenant-canary"))
            .await
            .unwrap();
        let log = world.path().with_extension("db-wal");
        let since = Instant::now();
        while std::fs::metadata(&log).unwrap().len() > 0 {
            assert!(
                since.elapsed() < PATIENCE,
                "it is still in the log beside it"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(
        world.sql("SELECT id, owner, since, used FROM resources"),
        [[
            rusqlite::types::Value::from("s".to_owned()),
            rusqlite::types::Value::Null,
            rusqlite::types::Value::Null,
            rusqlite::types::Value::Null,
        ]]
    );
    let bytes = std::fs::read(world.path()).unwrap();
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|bytes| bytes == word);
    assert!(holds(b"session"), "the file is read where it is");
    assert!(!holds(b"tenant-canary") && !holds(b"user-canary"));
}

#[test]
fn the_name_of_a_user_goes_with_the_last_thing_that_is_retired_of_it() {
    let world = World::new();
    let registry = world.open();
    block_on(async {
        claim(&registry, &session("a"), "acme", "ann").await;
        claim(&registry, &session("b"), "acme", "bob").await;
        world.clock.advance_seconds(10 * DAY);
        claim(&registry, &session("c"), "acme", "bob").await;
        registry.retire_before(world.clock.now()).await.unwrap();
    });
    let users = world.sql("SELECT user FROM owners");
    assert_eq!(users, [[rusqlite::types::Value::from("bob".to_owned())]]);
}

#[test]
fn an_id_that_the_backend_makes_anew_leaves_retirement() {
    for registry in [World::new().in_memory(), World::new().open()] {
        block_on(async {
            claim(&registry, &session("s"), "acme", "ann").await;
            registry.erase_tenant(&tenant("acme")).await.unwrap();
            let minted = registry.mint(&session("s"), &owner("globex", "gus")).await;
            assert_eq!(minted, Ok(owned("globex", "gus")));
            assert_eq!(registry.owner(&session("s")).await, minted);
        });
    }
}

#[test]
fn what_was_not_used_for_long_is_retired_and_what_was_used_is_not() {
    for (world, on_disk) in [(World::new(), true), (World::new(), false)] {
        let store = Arc::new(MemoryStore::default());
        // A restart between the use and the retirement: uses are on disk, not only in memory.
        let open = || {
            if on_disk {
                world.open()
            } else {
                Registry::new(store.clone(), world.clock.clone(), 10)
            }
        };
        block_on(async {
            let registry = open();
            for id in ["idle", "asked", "listed", "claimed"] {
                claim(&registry, &session(id), "acme", "ann").await;
            }
            world.clock.advance_seconds(10 * DAY);
            drop(registry);
            let registry = open();
            registry.owner(&session("asked")).await.unwrap();
            registry.owners(&[session("listed")]).await.unwrap();
            claim(&registry, &session("claimed"), "acme", "ann").await;
            if on_disk {
                registry.close().await;
            }
            let registry = if on_disk { open() } else { registry };
            let before = world.clock.now().plus_seconds(-5 * DAY);
            assert_eq!(registry.retire_before(before).await, Ok(1));
            assert_eq!(
                registry.owner(&session("idle")).await,
                Ok(Ownership::Retired)
            );
            for id in ["asked", "listed", "claimed"] {
                assert_eq!(
                    registry.owner(&session(id)).await,
                    Ok(owned("acme", "ann")),
                    "{id}"
                );
            }
        });
    }
}

#[test]
fn a_sweep_reaches_every_row_of_a_large_table() {
    let world = World::new();
    let registry = world.open();
    block_on(async {
        let many: Vec<_> = (0..12_000)
            .map(|id| (session(&format!("s{id}")), owner("acme", "ann")))
            .collect();
        for some in many.chunks(500) {
            registry.mint_all(some).await.unwrap();
        }
        world.clock.advance_seconds(10 * DAY);
        claim(&registry, &key("other", "task", "t"), "acme", "ann").await;
        let before = world.clock.now();
        assert_eq!(registry.retire_before(before).await, Ok(12_000));
        assert_eq!(
            registry.owner(&many[11_999].0).await,
            Ok(Ownership::Retired)
        );
    });
}

#[test]
fn pages_show_each_resource_of_one_tenant_once() {
    for registry in [World::new().in_memory(), World::new().open()] {
        block_on(async {
            let mut expected = Vec::new();
            for user in ["ann", "bob", "cyd"] {
                for id in 0..7 {
                    for kind in ["session", "task"] {
                        let mine = key("harness", kind, &format!("{user}-{id}"));
                        claim(&registry, &mine, "acme", user).await;
                        expected.push(mine);
                    }
                    let theirs = session(&format!("theirs-{user}-{id}"));
                    claim(&registry, &theirs, "globex", user).await;
                }
            }
            let seen = async |kind: Option<&str>, limit| {
                let mut seen = Vec::new();
                let mut after = None;
                loop {
                    let page = registry
                        .page(&tenant("acme"), kind, after, limit)
                        .await
                        .unwrap();
                    assert!(page.resources.len() <= limit);
                    assert!(
                        page.resources
                            .iter()
                            .all(|row| row.owner.tenant.as_str() == "acme")
                    );
                    seen.extend(page.resources.into_iter().map(|row| row.key));
                    match page.next {
                        Some(next) => after = Some(next.to_string().parse().unwrap()),
                        None => break,
                    }
                }
                seen.sort();
                seen
            };
            expected.sort();
            for limit in [1, 4, 41, 42, 43, 1_000] {
                assert_eq!(seen(None, limit).await, expected, "pages of {limit}");
            }
            expected.retain(|key| key.kind() == "task");
            assert_eq!(seen(Some("task"), 4).await, expected);
            assert_eq!(seen(Some("file"), 4).await, []);
        });
    }
}

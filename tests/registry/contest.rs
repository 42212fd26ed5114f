//! Two who come at the same time.

use std::sync::{Arc, Barrier};

use fabric_gate::ownership::{Owner, Ownership, Registry, ResourceKey};

use crate::world::{PATIENCE, World, block_on, owned, owner, session, tenant};

/// Every registry's threads all claim the same ids at once; answers what each was told.
fn contest(registries: &[Arc<Registry>], threads: usize, ids: usize) -> Vec<Vec<Ownership>> {
    let barrier = Barrier::new(registries.len() * threads);
    std::thread::scope(|scope| {
        let claimants: Vec<_> = registries
            .iter()
            .enumerate()
            .flat_map(|(number, registry)| {
                (0..threads).map(move |thread| (number, thread, registry))
            })
            .map(|(number, thread, registry)| {
                let barrier = &barrier;
                let claimant = owner(&format!("t{number}-{thread}"), "u");
                scope.spawn(move || {
                    barrier.wait();
                    block_on(async {
                        let mut told = Vec::new();
                        for id in 0..ids {
                            let key = session(&format!("s{id}"));
                            told.push(claimed(registry, &key, &claimant).await);
                        }
                        told
                    })
                })
            })
            .collect();
        let ended = claimants.into_iter().map(|claimant| claimant.join());
        ended.collect::<Result<_, _>>().unwrap()
    })
}

/// What a claim is told in the end: while another process has the file for long, as one may on a busy
/// machine, it is told to come again.
async fn claimed(registry: &Registry, key: &ResourceKey, claimant: &Owner) -> Ownership {
    let claiming = async {
        loop {
            if let Ok(told) = registry.claim(key, claimant).await {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, claiming).await;
    told.unwrap_or_else(|_| panic!("it is never to be had"))
}

fn everybody_was_told_of_the_same_owner(told: &[Vec<Ownership>]) {
    for other in told {
        assert_eq!(other, &told[0]);
    }
    assert!(told[0].iter().all(|one| matches!(one, Ownership::Owned(_))));
}

#[test]
fn of_sixteen_tenants_who_claim_one_id_at_once_exactly_one_owns_it() {
    let world = World::new();
    let told = contest(&[world.open()], 16, 100);
    everybody_was_told_of_the_same_owner(&told);
    let registry = world.open();
    for (id, owned) in told[0].iter().enumerate() {
        let found = block_on(registry.owner(&session(&format!("s{id}")))).unwrap();
        assert_eq!(&found, owned, "and the disk says the same");
    }
}

#[test]
fn two_processes_on_one_file_agree_on_one_owner() {
    let world = World::new();
    let told = contest(&[world.open(), world.open()], 4, 100);
    everybody_was_told_of_the_same_owner(&told);
}

#[test]
fn an_unknown_id_is_asked_for_again_because_another_process_may_have_given_it_away() {
    let world = World::new();
    let (one, other) = (world.open(), world.open());
    block_on(async {
        let key = session("s");
        assert_eq!(one.owner(&key).await, Ok(Ownership::Unknown));
        other.claim(&key, &owner("acme", "ann")).await.unwrap();
        assert_eq!(one.owner(&key).await, Ok(owned("acme", "ann")));
        let late = one.claim(&key, &owner("globex", "gus")).await;
        assert_eq!(
            late,
            Ok(owned("acme", "ann")),
            "the later one does not own it"
        );
    });
}

#[test]
fn claims_of_many_are_all_or_nothing() {
    for registry in [World::new().in_memory(), World::new().open()] {
        block_on(async {
            let (acme, globex) = (owner("acme", "ann"), owner("globex", "gus"));
            let of = |who: &Owner, ids: [&str; 2]| ids.map(|id| (session(id), who.clone()));
            registry.claim(&session("b"), &globex).await.unwrap();
            let told = registry.claim_all(&of(&acme, ["a", "b"])).await.unwrap();
            assert_eq!(told, [Ownership::Unknown, owned("globex", "gus")]);
            assert_eq!(registry.owner(&session("a")).await, Ok(Ownership::Unknown));
            let told = registry.claim_all(&of(&acme, ["a", "c"])).await.unwrap();
            assert_eq!(told, [owned("acme", "ann"), owned("acme", "ann")]);
        });
    }
}

#[test]
fn a_mint_of_many_leaves_out_those_that_belong_to_another() {
    for registry in [World::new().in_memory(), World::new().open()] {
        block_on(async {
            let (acme, globex) = (owner("acme", "ann"), owner("globex", "gus"));
            registry.claim(&session("b"), &globex).await.unwrap();
            let made = ["a", "b"].map(|id| (session(id), acme.clone()));
            let told = registry.mint_all(&made).await.unwrap();
            assert_eq!(told, [owned("acme", "ann"), owned("globex", "gus")]);
        });
    }
}

#[test]
fn only_its_owners_tenant_can_release_an_id() {
    for registry in [World::new().in_memory(), World::new().open()] {
        block_on(async {
            let key = session("s");
            registry.claim(&key, &owner("acme", "ann")).await.unwrap();
            assert_eq!(registry.release(&key, &tenant("globex")).await, Ok(false));
            assert_eq!(registry.owner(&key).await, Ok(owned("acme", "ann")));
            assert_eq!(registry.release(&key, &tenant("acme")).await, Ok(true));
            assert_eq!(registry.owner(&key).await, Ok(Ownership::Unknown));
            let next = registry.claim(&key, &owner("globex", "gus")).await;
            assert_eq!(next, Ok(owned("globex", "gus")), "a released id is free");
        });
    }
}

//! The registry against a map: whatever is done in whatever order, both say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_gate::clock::{Clock, Timestamp};
use fabric_gate::ownership::{Owner, Ownership, Registry, ResourceKey};
use fabric_gate::state::MemoryStore;
use proptest::prelude::*;

use crate::world::{World, block_on, owner, session};

#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    AskAll(Vec<u8>),
    Claim(Vec<u8>, u8),
    Mint(Vec<u8>, u8),
    Release(u8, u8),
    Erase(u8),
    Days(u8),
    Retire(u8),
    Restart,
    Pages(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..8_u8;
    let who = 0..6_u8;
    let ids = proptest::collection::btree_set(id.clone(), 1..4)
        .prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    let step = prop_oneof![
        4 => id.clone().prop_map(Step::Ask),
        2 => ids.clone().prop_map(Step::AskAll),
        6 => (ids.clone(), who.clone()).prop_map(|(ids, who)| Step::Claim(ids, who)),
        3 => (ids, who.clone()).prop_map(|(ids, who)| Step::Mint(ids, who)),
        3 => (id, who.clone()).prop_map(|(id, who)| Step::Release(id, who)),
        1 => who.clone().prop_map(Step::Erase),
        2 => (1..4_u8).prop_map(Step::Days),
        1 => (0..6_u8).prop_map(Step::Retire),
        1 => Just(Step::Restart),
        1 => who.prop_map(Step::Pages),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Six owners in three tenants.
fn who(number: u8) -> Owner {
    owner(&format!("t{}", number % 3), &format!("u{}", number / 3))
}

fn what(number: u8) -> ResourceKey {
    session(&format!("s{number}"))
}

/// The reference: owner and day of the last use, or nothing for a retired one.
#[derive(Default)]
struct Model(BTreeMap<u8, Option<(Owner, i64)>>);

impl Model {
    fn ask(&mut self, id: u8, today: i64) -> Ownership {
        match self.0.get_mut(&id) {
            None => Ownership::Unknown,
            Some(None) => Ownership::Retired,
            Some(Some((owner, used))) => {
                *used = today;
                Ownership::Owned(owner.clone())
            }
        }
    }

    fn claim(&mut self, ids: &[u8], by: &Owner, today: i64) -> Vec<Ownership> {
        let now: Vec<_> = ids.iter().map(|id| self.ask(*id, today)).collect();
        let free = now.iter().all(|one| match one {
            Ownership::Unknown => true,
            Ownership::Owned(owner) => owner.tenant == by.tenant,
            Ownership::Retired => false,
        });
        if !free {
            return now;
        }
        for id in ids {
            self.0
                .entry(*id)
                .or_insert_with(|| Some((by.clone(), today)));
        }
        ids.iter().map(|id| self.ask(*id, today)).collect()
    }

    fn mint(&mut self, ids: &[u8], by: &Owner, today: i64) -> Vec<Ownership> {
        for id in ids {
            self.0
                .entry(*id)
                .or_default()
                .get_or_insert_with(|| (by.clone(), today));
        }
        ids.iter().map(|id| self.ask(*id, today)).collect()
    }

    fn retire(&mut self, gone: impl Fn(&Owner, i64) -> bool) -> u64 {
        let owned = self.0.values_mut();
        let gone = owned.filter(|row| row.as_ref().is_some_and(|(owner, used)| gone(owner, *used)));
        gone.map(|row| *row = None).count() as u64
    }
}

fn day(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(86_400)
}

async fn agree(world: &World, open: impl Fn() -> Arc<Registry>, steps: &[Step]) {
    let mut model = Model::default();
    let mut registry = open();
    for step in steps {
        let today = day(world.clock.now());
        match step {
            Step::Ask(id) => {
                assert_eq!(registry.owner(&what(*id)).await, Ok(model.ask(*id, today)));
            }
            Step::AskAll(ids) => {
                let keys: Vec<_> = ids.iter().copied().map(what).collect();
                let expected: Vec<_> = ids.iter().map(|id| model.ask(*id, today)).collect();
                assert_eq!(registry.owners(&keys).await, Ok(expected));
            }
            Step::Claim(ids, by) => {
                let by = who(*by);
                let wanted: Vec<_> = ids.iter().map(|id| (what(*id), by.clone())).collect();
                let expected = model.claim(ids, &by, today);
                assert_eq!(registry.claim_all(&wanted).await, Ok(expected));
            }
            Step::Mint(ids, by) => {
                let by = who(*by);
                let made: Vec<_> = ids.iter().map(|id| (what(*id), by.clone())).collect();
                let expected = model.mint(ids, &by, today);
                assert_eq!(registry.mint_all(&made).await, Ok(expected));
            }
            Step::Release(id, by) => {
                let by = who(*by).tenant;
                let theirs =
                    matches!(model.0.get(id), Some(Some((owner, _))) if owner.tenant == by);
                if theirs {
                    model.0.remove(id);
                }
                assert_eq!(registry.release(&what(*id), &by).await, Ok(theirs));
            }
            Step::Erase(by) => {
                let by = who(*by).tenant;
                let erased = registry.erase_tenant(&by).await.unwrap();
                assert_eq!(
                    erased.resources,
                    model.retire(|owner, _| owner.tenant == by)
                );
            }
            Step::Days(days) => world.clock.advance_seconds(i64::from(*days) * 86_400),
            Step::Retire(days) => {
                let before = world.clock.now().plus_seconds(-86_400 * i64::from(*days));
                let expected = model.retire(|_, used| used < day(before));
                assert_eq!(registry.retire_before(before).await, Ok(expected));
            }
            Step::Restart => {
                registry.close().await;
                registry = open();
            }
            Step::Pages(by) => {
                let by = who(*by).tenant;
                let page = registry.page(&by, None, None, 100).await.unwrap();
                let mut shown: Vec<_> = page
                    .resources
                    .into_iter()
                    .map(|row| (row.key, row.owner))
                    .collect();
                shown.sort_by(|(one, _), (other, _)| one.cmp(other));
                let rows = model.0.iter();
                let expected: Vec<_> = rows
                    .filter_map(|(id, row)| Some((what(*id), row.as_ref()?.0.clone())))
                    .filter(|(_, owner)| owner.tenant == by)
                    .collect();
                assert_eq!(shown, expected);
            }
        }
    }
}

proptest! {
    // Each case opens a database and syncs it for every step.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn on_disk_the_registry_says_what_a_map_says(steps in steps()) {
        let world = World::new();
        block_on(agree(&world, || world.open(), &steps));
    }

}

proptest! {
    #[test]
    fn in_memory_the_registry_says_what_a_map_says(steps in steps()) {
        let world = World::new();
        let store = Arc::new(MemoryStore::default());
        block_on(agree(&world, || Registry::new(store.clone(), world.clock.clone(), 4), &steps));
    }
}

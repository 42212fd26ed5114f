//! A journal that goes on in another file.

use std::sync::Arc;

use fabric_gate::budget::CeilingScope;
use fabric_gate::budget::ledger::{Adjustment, ChargeFacts, Ledger};

use crate::world::{World, charges, eventually, now, reserve, standing, sum, usd};

fn short() -> World {
    let mut world = World::new();
    world.settings.generation_bytes = 2_000;
    world
}

fn spend(ledger: &Arc<Ledger>, count: usize) {
    for _turn in 0..count {
        reserve(ledger, "r", &[], "1")
            .unwrap()
            .settle(usd("0.25"), ChargeFacts::default());
    }
}

#[test]
fn generations_follow_each_other_and_every_process_goes_along() {
    let world = short();
    let (one, other) = (world.open(), world.open());
    let held = reserve(&other, "held", &[], "5").unwrap();
    let mut spent = 0;
    eventually("there are five generations", || {
        spend(&one, 20);
        spend(&other, 20);
        spent += 40;
        world.files("-00000005.journal").len() == 1
    });
    let expected = usd(&(spent / 4).to_string());
    assert_eq!(standing(&one), (expected, usd("5")));
    drop(held);
    let expected = expected.plus(usd("5"));
    for ledger in [&one, &other, &world.open()] {
        assert_eq!(standing(ledger), (expected, usd("0")));
        assert_eq!(
            charges(ledger).len(),
            spent + 1,
            "a statement goes over all of them"
        );
        assert_eq!(sum(&charges(ledger)), expected);
    }
}

#[test]
fn an_adjustment_is_known_for_good() {
    let world = short();
    let ledger = world.open();
    let adjustment = Adjustment {
        tenant: "acme".parse().unwrap(),
        scope: CeilingScope::Tenant,
        value: "".into(),
        amount: 3,
        at: now(),
        by: "ops".into(),
        reason: "test".into(),
        id: "once".into(),
    };
    assert_eq!(ledger.adjust(&adjustment), Ok(true));
    eventually("another generation", || {
        spend(&ledger, 20);
        world.files("-00000003.journal").len() == 1
    });
    assert_eq!(world.open().adjust(&adjustment), Ok(false));
}

#[test]
fn a_generation_that_was_closed_and_not_followed_is_followed_by_whoever_comes_next() {
    let world = short();
    let ledger = world.open();
    eventually("another generation", || {
        spend(&ledger, 20);
        world.files("-00000002.journal").len() == 1
    });
    let spent = standing(&ledger);
    ledger.close();
    drop(ledger);
    // As after a loss of power that took the second before it was on disk.
    let second = world.files("-00000002.journal").remove(0);
    let before = world.open();
    let mut all = charges(&before);
    before.close();
    std::fs::write(&second, []).unwrap();
    let ledger = world.open();
    let first = charges(&ledger);
    assert!(standing(&ledger).0 <= spent.0 && sum(&first) == standing(&ledger).0);
    all.truncate(first.len());
    assert_eq!(first, all);
    spend(&ledger, 4);
    assert_eq!(standing(&world.open()).0, sum(&first).plus(usd("1")));
}

//! One step at a time.

use std::sync::Arc;

use super::super::{Charge, ChargeFacts, How, Kept};
use super::*;
use crate::decision::StateUnavailable;

#[test]
fn what_is_spent_and_reserved_fits_to_the_last_nano_dollar_and_not_one_beyond() {
    let world = World::new();
    let ceilings = tenants("month", "1.00");
    let held = world.reserve("ann", &ceilings, "0.40").unwrap();
    assert_eq!(held.remaining(), Some(usd("0.60")));
    let settled = held.settle(usd("0.25"), ChargeFacts::default());
    assert_eq!(settled.remaining, Some(usd("0.75")));
    let _held = world.reserve("ann", &ceilings, "0.75").unwrap();
    let refused = exhausted(world.reserve("ann", &ceilings, "0.000000001"));
    assert_eq!(
        (refused.limit, refused.spent, refused.reserved),
        (usd("1"), usd("0.25"), usd("0.75"))
    );
    assert_eq!(
        refused.resets_at.unwrap().to_string(),
        "2026-07-01T00:00:00.000000Z"
    );
    world.reserve("ann", &ceilings, "0").unwrap().release();
    assert_eq!(world.standing(&ceilings), [line("", "0.25", "0.75")]);
}

#[test]
fn a_refusal_by_one_ceiling_reserves_under_none() {
    let world = World::new();
    let tenant = ceiling(CeilingScope::Tenant, "month", "1.00");
    let user = ceiling(CeilingScope::User, "day", "0.50");
    let ceilings = [tenant, user];
    let refused = exhausted(world.reserve("ann", &ceilings, "0.60"));
    assert_eq!(
        (refused.scope, refused.window),
        (CeilingScope::User, window("day"))
    );
    assert_eq!(world.standing(&ceilings), [line("", "0.00", "0.00")]);
    let ann = world.reserve("ann", &ceilings, "0.50").unwrap();
    assert_eq!(ann.remaining(), Some(NanoUsd::ZERO), "the least of both");
    let _bob = world.reserve("bob", &ceilings, "0.50").unwrap();
    let standing = [
        line("", "0.00", "1.00"),
        line("ann", "0.00", "0.50"),
        line("bob", "0.00", "0.50"),
    ];
    assert_eq!(world.standing(&ceilings), standing);
}

#[test]
fn of_two_ceilings_without_room_the_one_is_named_that_has_none_the_longest() {
    let world = World::new();
    let both = |one: &str, other: &str| {
        let ceilings = [one, other].map(|it| ceiling(CeilingScope::Tenant, it, "1"));
        exhausted(world.reserve("ann", &ceilings, "2")).window
    };
    assert_eq!(both("day", "month"), window("month"));
    assert_eq!(both("total", "month"), window("total"));
}

#[test]
fn each_value_of_each_scope_has_a_line_of_its_own() {
    let spenders = [
        ["acme", "x", "y", "z", "w"],
        ["acme", "y", "x", "w", "z"],
        ["globex", "x", "y", "z", "w"],
        ["acme", "", "", "", ""],
    ];
    for scope in CeilingScope::ALL {
        let world = World::new();
        let ceilings = [ceiling(scope, "day", "1")];
        let spend = |texts| {
            let held = world.ledger.reserve(&Request {
                request_id: "r",
                at: NOON,
                spender: &super::super::record::spender(texts),
                ceilings: &ceilings,
                amount: usd("1"),
            });
            held.is_ok()
        };
        let expected = match scope {
            CeilingScope::Tenant => [true, false, true, false],
            _each => [true; 4],
        };
        assert_eq!(spenders.map(spend), expected, "{scope:?}");
        assert_eq!(spenders.map(spend), [false; 4], "{scope:?}");
    }
}

#[test]
fn a_dropped_reservation_is_spent_and_a_released_one_is_not() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    drop(world.reserve("ann", &ceilings, "1").unwrap());
    world.reserve("ann", &ceilings, "2").unwrap().release();
    let mut grown = world.reserve("ann", &ceilings, "3").unwrap();
    grown.grow_to(usd("4"), &ceilings, false).unwrap();
    drop(grown);
    assert_eq!(world.standing(&ceilings), [line("", "5.00", "0.00")]);
}

#[test]
fn a_reservation_grows_as_far_as_there_is_room_and_further_by_force() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    let mut held = world.reserve("ann", &ceilings, "4").unwrap();
    assert!(matches!(
        held.grow_to(usd("10.000000001"), &ceilings, false),
        Err(ReserveError::Exceeded(_))
    ));
    assert_eq!(held.amount(), usd("4"), "nothing changed");
    held.grow_to(usd("10"), &ceilings, false).unwrap();
    assert_eq!(held.remaining(), Some(NanoUsd::ZERO));
    held.grow_to(usd("1"), &ceilings, false).unwrap();
    assert_eq!(held.amount(), usd("10"), "it does not shrink");
    held.grow_to(usd("12"), &ceilings, true).unwrap();
    assert_eq!(world.standing(&ceilings), [line("", "0.00", "12.00")]);
    let settled = held.settle(usd("11"), ChargeFacts::default());
    assert_eq!(settled.remaining, Some(NanoUsd::ZERO));
    assert_eq!(world.standing(&ceilings), [line("", "11.00", "0.00")]);
}

#[test]
fn a_ceiling_that_is_new_counts_what_is_spent_already() {
    let world = World::new();
    drop(world.reserve("ann", &[], "3").unwrap());
    let ceilings = [ceiling(CeilingScope::User, "month", "5")];
    assert_eq!(world.standing(&ceilings), [line("ann", "3.00", "0.00")]);
    exhausted(world.reserve("ann", &ceilings, "2.01"));
    world.reserve("ann", &ceilings, "2").unwrap().release();
}

#[test]
fn a_charge_counts_in_the_window_in_which_its_request_came() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    world.clock.advance_seconds(12 * 3_600 - 1);
    let late = world.reserve("ann", &ceilings, "4").unwrap();
    world.clock.advance_seconds(2);
    assert_eq!(
        world.standing(&ceilings),
        [line("", "0.00", "4.00")],
        "reserved counts in every window"
    );
    late.settle(usd("3"), ChargeFacts::default());
    assert_eq!(world.standing(&ceilings), [line("", "0.00", "0.00")]);
    world.clock.advance_seconds(-2);
    assert_eq!(
        world.standing(&ceilings),
        [line("", "3.00", "0.00")],
        "a clock put back finds it again"
    );
}

#[test]
fn money_comes_back_to_a_rolling_window_by_the_minute() {
    let world = World::new();
    let ceilings = tenants("rolling:1h", "10");
    drop(world.reserve("ann", &ceilings, "6").unwrap());
    world.clock.advance_seconds(600);
    drop(world.reserve("ann", &ceilings, "4").unwrap());
    let needs = |amount: &str| {
        exhausted(world.reserve("ann", &ceilings, amount))
            .resets_at
            .unwrap()
    };
    assert_eq!(needs("6"), NOON.plus_seconds(3_660));
    assert_eq!(needs("7"), NOON.plus_seconds(4_260));
    assert_eq!(
        needs("11"),
        NOON.plus_seconds(3_660),
        "the earliest that leaves"
    );
    world.clock.advance_seconds(3_059);
    exhausted(world.reserve("ann", &ceilings, "6"));
    world.clock.advance_seconds(1);
    world.reserve("ann", &ceilings, "6").unwrap().release();
}

#[test]
fn a_share_is_passed_once_and_again_in_the_next_window() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    let spend = |amount: &str| {
        let held = world.reserve("ann", &ceilings, amount).unwrap();
        let crossed = held.settle(usd(amount), ChargeFacts::default()).crossed;
        crossed.iter().map(|it| it.threshold).collect::<Vec<_>>()
    };
    assert_eq!(spend("4.999999999"), [0; 0]);
    assert_eq!(spend("0.000000001"), [500]);
    assert_eq!(spend("4"), [0; 0]);
    assert_eq!(spend("1"), [1_000]);
    world.clock.advance_seconds(86_400);
    assert_eq!(spend("10"), [500, 1_000]);
    world.clock.advance_seconds(86_400);
    drop(world.reserve("ann", &ceilings, "6").unwrap());
    assert_eq!(
        world.ledger.crossings().len(),
        1,
        "dropped, and told to whoever asks"
    );
    assert_eq!(world.ledger.crossings().len(), 0);
}

#[test]
fn an_adjustment_is_booked_once_and_can_give_back() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    drop(world.reserve("ann", &ceilings, "10").unwrap());
    exhausted(world.reserve("ann", &ceilings, "1"));
    let back = adjustment("a-1", -2_000_000_000, NOON);
    assert_eq!(world.ledger.adjust(&back), Ok(true));
    assert_eq!(world.ledger.adjust(&back), Ok(false));
    assert_eq!(world.standing(&ceilings), [line("", "8.00", "0.00")]);
    world.reserve("ann", &ceilings, "2").unwrap().release();
    exhausted(world.reserve("ann", &ceilings, "2.01"));
}

#[test]
fn what_is_adjusted_on_a_users_line_is_the_tenants_too_and_nobody_elses() {
    let world = World::new();
    let mut ceilings = tenants("day", "10").to_vec();
    ceilings.push(Ceiling {
        scope: CeilingScope::User,
        ..ceilings[0].clone()
    });
    drop(world.reserve("ann", &ceilings, "4").unwrap());
    drop(world.reserve("bob", &ceilings, "4").unwrap());
    let of_ann = Adjustment {
        scope: CeilingScope::User,
        value: "ann".into(),
        ..adjustment("a-1", -1_000_000_000, NOON)
    };
    assert_eq!(world.ledger.adjust(&of_ann), Ok(true));
    let mut lines = world.standing(&ceilings);
    lines.sort();
    let expected = [
        line("", "7.00", "0.00"),
        line("ann", "3.00", "0.00"),
        line("bob", "4.00", "0.00"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_id_of_an_adjustment_is_a_tenants_own() {
    let world = World::new();
    for number in 0..100 {
        let theirs = Adjustment {
            tenant: format!("tenant-{number}").parse().unwrap(),
            ..adjustment("refund-1", -1, NOON)
        };
        assert_eq!(world.ledger.adjust(&theirs), Ok(true), "{number}");
        assert_eq!(world.ledger.adjust(&theirs), Ok(false), "{number}");
    }
}

fn kept(key: &str) -> Kept {
    Kept {
        key: key.into(),
        deadline: NOON.plus_seconds(60),
        detail: [1, 2, 3].into(),
    }
}

#[test]
fn a_kept_reservation_is_settled_once_by_whichever_process_comes_first() {
    let clock = Arc::new(ManualClock::new(NOON));
    let ledgers = ledgers(&clock, 2);
    let ceilings = tenants("day", "10");
    let held = reserve(&ledgers[0], NOON, "ann", &ceilings, "4").unwrap();
    let id = held.keep(kept("task/7")).unwrap();
    let found = ledgers[1].kept("task/7").unwrap();
    assert_eq!(
        (found[0].id, found[0].amount, &found[0].kept),
        (id, usd("4"), &kept("task/7"))
    );
    assert_eq!(ledgers[1].kept("task/8").unwrap(), []);
    assert_eq!(ledgers[1].overdue(NOON.plus_seconds(59)).unwrap(), []);
    assert_eq!(ledgers[1].overdue(NOON.plus_seconds(60)).unwrap(), found);
    let settle = |ledger: &Arc<Ledger>| {
        ledger
            .settle_kept(
                id,
                usd("3"),
                How::Settled,
                ChargeFacts::default(),
                &ceilings,
            )
            .unwrap()
    };
    assert_eq!(settle(&ledgers[1]).unwrap().remaining, Some(usd("7")));
    assert_eq!(settle(&ledgers[0]), None);
    assert_eq!(ledgers[0].all_kept().unwrap(), []);
}

#[test]
fn a_reservation_that_is_not_kept_cannot_be_settled_by_its_number() {
    let world = World::new();
    let held = world.reserve("ann", &[], "1").unwrap();
    let settled = world.ledger.settle_kept(
        held.id(),
        usd("0"),
        How::Settled,
        ChargeFacts::default(),
        &[],
    );
    assert_eq!(settled, Ok(None));
}

#[test]
fn processes_on_one_journal_hold_a_ceiling_together() {
    let clock = Arc::new(ManualClock::new(NOON));
    let ledgers = ledgers(&clock, 3);
    let ceilings = tenants("day", "10");
    let mut held = Vec::new();
    for turn in 0..30 {
        held.extend(reserve(&ledgers[turn % 3], NOON, "ann", &ceilings, "1"));
    }
    assert_eq!(held.len(), 10);
    held.pop().unwrap().release();
    assert!(
        reserve(&ledgers[1], NOON, "ann", &ceilings, "1").is_ok(),
        "what one gives back another may take"
    );
}

#[test]
fn a_statement_holds_every_charge_as_it_was_booked() {
    let world = World::new();
    let facts = ChargeFacts {
        model: Some("gpt-4o".into()),
        output: Some(0),
        ..ChargeFacts::default()
    };
    world
        .reserve("ann", &[], "2")
        .unwrap()
        .settle(usd("1.5"), facts.clone());
    world.clock.advance_seconds(10);
    world.reserve("bob", &[], "2").unwrap().release();
    world
        .ledger
        .adjust(&adjustment("a", -5, NOON.plus_seconds(20)))
        .unwrap();
    let _open = world.reserve("cid", &[], "9").unwrap();
    let charges = |from: i64, until: i64| {
        let mut charges = Vec::new();
        let (from, until) = (NOON.plus_seconds(from), NOON.plus_seconds(until));
        let tenant = "acme".parse().unwrap();
        world
            .ledger
            .charges(&tenant, from, until, &mut |charge| charges.push(charge))
            .unwrap();
        charges
    };
    let all = charges(0, 60);
    assert_eq!(all.len(), 3);
    assert_eq!(
        all[0],
        Charge::Request {
            at: NOON,
            request_id: "r".into(),
            spender: spender("ann"),
            cost: usd("1.5"),
            facts,
            how: How::Settled,
            settled_at: NOON,
        }
    );
    assert!(matches!(&all[1], Charge::Request { how: How::Released, cost, .. } if cost.is_zero()));
    assert!(matches!(&all[2], Charge::Adjusted(it) if it.amount == -5));
    assert_eq!(charges(0, 10).len(), 1);
    assert_eq!(charges(10, 20).len(), 1);
    assert_eq!(charges(20, 21).len(), 1);
    assert_eq!(charges(21, 60).len(), 0);
}

#[test]
fn the_largest_amounts_add_up_and_never_wrap_around() {
    let world = World::new();
    let most = NanoUsd::MAX.to_string();
    let ceilings = tenants("total", &most);
    for _turn in 0..3 {
        world
            .reserve("ann", &[], "0")
            .unwrap()
            .settle(NanoUsd::MAX, ChargeFacts::default());
    }
    let refused = exhausted(world.reserve("ann", &ceilings, "0"));
    assert_eq!((refused.spent, refused.resets_at), (NanoUsd::MAX, None));
    for turn in 0..2 {
        world
            .ledger
            .adjust(&adjustment(&turn.to_string(), i64::MIN, NOON))
            .unwrap();
    }
    let held = world.reserve("ann", &ceilings, "0").unwrap();
    assert_eq!(
        held.remaining(),
        Some(NanoUsd::from_nanos(2)),
        "to the last nano-dollar"
    );
}

#[test]
fn many_tiny_charges_leave_no_rounding_behind() {
    let world = World::new();
    let ceilings = tenants("day", "1000");
    for _turn in 0..62_500 {
        world
            .reserve("ann", &ceilings, "0.001")
            .unwrap()
            .settle(usd("0.000000003"), ChargeFacts::default());
    }
    assert_eq!(world.standing(&ceilings), [line("", "0.0001875", "0.00")]);
}

#[test]
fn a_closed_ledger_reserves_nothing_and_still_settles() {
    let world = World::new();
    let ceilings = tenants("day", "10");
    let held = world.reserve("ann", &ceilings, "4").unwrap();
    world.ledger.close();
    let refused = world.reserve("ann", &ceilings, "1").unwrap_err();
    assert_eq!(refused, ReserveError::Unavailable(StateUnavailable::Closed));
    held.settle(usd("1"), ChargeFacts::default());
    assert_eq!(world.standing(&ceilings), [line("", "1.00", "0.00")]);
}

#[test]
fn what_is_old_is_forgotten_but_for_the_tenants_own_line_and_totals() {
    let world = World::new();
    let ceilings = [ceiling(CeilingScope::Session, "total", "10")];
    drop(world.reserve("ann", &[], "1").unwrap());
    world
        .ledger
        .reserve(&Request {
            request_id: "r",
            at: NOON,
            spender: &super::super::record::spender(["acme", "ann", "", "chat", "s-1"]),
            ceilings: &ceilings,
            amount: usd("2"),
        })
        .unwrap()
        .settle(usd("2"), ChargeFacts::default());
    let old = super::super::history::Minute::of(NOON.plus_seconds(60));
    for number in 0..SHARDS {
        world.ledger.shard(number).book.lines.fold(old);
    }
    assert_eq!(world.standing(&ceilings), [line("s-1", "2.00", "0.00")]);
    assert_eq!(
        world.standing(&tenants("total", "10")),
        [line("", "3.00", "0.00")]
    );
    assert_eq!(
        world.standing(&[ceiling(CeilingScope::User, "total", "10")]),
        []
    );
    assert_eq!(
        world.standing(&tenants("month", "10")),
        [line("", "0.00", "0.00")],
        "as it is told to be older than any window"
    );
}

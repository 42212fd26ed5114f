//! Any sequence of steps, held against a list of everything that happened.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{ChargeFacts, LineStanding};
use super::*;

/// What the reference knows of a reservation.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) spender: Spender,
    pub(super) at: Timestamp,
    pub(super) amount: i128,
}

/// Everything that is spent and everything that is reserved, added up again for each question.
#[derive(Default)]
pub(super) struct Reference {
    pub(super) spent: Vec<Event>,
    pub(super) open: Vec<Event>,
}

impl Reference {
    fn counted(&self, ceiling: &Ceiling, value: &str, now: Timestamp) -> (i128, i128) {
        let start = ceiling.window.start(now, &ceiling.timezone);
        let start = start.as_seconds().div_euclid(60);
        let on = |it: &&Event| it.spender.value(ceiling.scope) == value;
        let within = |it: &&Event| it.at.as_seconds().div_euclid(60) >= start;
        let spent = self
            .spent
            .iter()
            .filter(on)
            .filter(within)
            .map(|it| it.amount);
        let reserved = self.open.iter().filter(on).map(|it| it.amount);
        (spent.sum(), reserved.sum())
    }

    pub(super) fn fits(
        &self,
        ceilings: &[Ceiling],
        spender: &Spender,
        now: Timestamp,
        more: i128,
    ) -> bool {
        ceilings.iter().all(|ceiling| {
            let (spent, reserved) = self.counted(ceiling, spender.value(ceiling.scope), now);
            spent + reserved + more <= i128::from(ceiling.limit.nanos())
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        user: u8,
        session: u8,
        amount: u64,
    },
    Settle {
        which: usize,
        cost: u64,
    },
    Release {
        which: usize,
    },
    Drop {
        which: usize,
    },
    Grow {
        which: usize,
        amount: u64,
        force: bool,
    },
    Adjust {
        amount: i64,
    },
    Wait {
        seconds: i64,
    },
    Switch,
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..8;
    prop_oneof![
        6 => (0_u8..3, 0_u8..3, 0_u64..60).prop_map(|(user, session, amount)| Step::Reserve { user, session, amount }),
        4 => (which.clone(), 0_u64..60).prop_map(|(which, cost)| Step::Settle { which, cost }),
        1 => which.clone().prop_map(|which| Step::Release { which }),
        1 => which.clone().prop_map(|which| Step::Drop { which }),
        2 => (which, 0_u64..90, any::<bool>()).prop_map(|(which, amount, force)| Step::Grow { which, amount, force }),
        1 => (-20_i64..20).prop_map(|amount| Step::Adjust { amount }),
        2 => (0_i64..30_000).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Switch),
        1 => Just(Step::Renew),
    ]
}

fn ceilings() -> Vec<Ceiling> {
    let mut ceilings = vec![
        ceiling(CeilingScope::Tenant, "month", "0.000000900"),
        ceiling(CeilingScope::Tenant, "rolling:5h", "0.000000300"),
        ceiling(CeilingScope::User, "day", "0.000000100"),
        ceiling(CeilingScope::Session, "total", "0.000000400"),
        ceiling(CeilingScope::Route, "hour", "0.000000150"),
    ];
    ceilings[2].timezone = TimeZone::get("Asia/Kathmandu").unwrap();
    ceilings
}

fn check(reference: &Reference, standing: &[LineStanding], ceilings: &[Ceiling], now: Timestamp) {
    for line in standing {
        let same = |it: &&Ceiling| (it.scope, it.window) == (line.scope, line.window);
        let ceiling = ceilings.iter().find(same).unwrap();
        let (spent, reserved) = reference.counted(ceiling, &line.value, now);
        let told = (
            i128::from(line.spent.nanos()),
            i128::from(line.reserved.nanos()),
        );
        assert_eq!(told, (spent.max(0), reserved), "{line:?}");
    }
}

proptest! {
    #[test]
    fn any_sequence_of_steps_comes_to_what_a_list_of_all_of_them_does(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let clock = Arc::new(ManualClock::new(NOON));
        let ledgers = ledgers(&clock, 2);
        let (mut at_work, mut adjustments) = (0, 0);
        let ceilings = ceilings();
        let mut reference = Reference::default();
        let mut held: Vec<Reservation> = Vec::new();
        for step in steps {
            let (now, ledger) = (clock.now(), &ledgers[at_work]);
            let picked = |which: usize| (!held.is_empty()).then(|| which % held.len());
            match step {
                Step::Reserve { user, session, amount } => {
                    let texts = [format!("u{user}"), format!("s{session}")];
                    let spender = super::super::record::spender(["acme", &texts[0], "", "r", &texts[1]]);
                    let request = Request {
                        request_id: "r",
                        at: now,
                        spender: &spender,
                        ceilings: &ceilings,
                        amount: NanoUsd::from_nanos(amount),
                    };
                    let fits = reference.fits(&ceilings, &spender, now, i128::from(amount));
                    let reserved = ledger.reserve(&request);
                    prop_assert_eq!(reserved.is_ok(), fits);
                    if let Ok(reservation) = reserved {
                        held.push(reservation);
                        reference.open.push(Event { spender, at: now, amount: i128::from(amount) });
                    }
                }
                Step::Settle { which, cost } => if let Some(which) = picked(which) {
                    held.remove(which).settle(NanoUsd::from_nanos(cost), ChargeFacts::default());
                    let open = reference.open.remove(which);
                    reference.spent.push(Event { amount: i128::from(cost), ..open });
                },
                Step::Release { which } => if let Some(which) = picked(which) {
                    held.remove(which).release();
                    reference.open.remove(which);
                },
                Step::Drop { which } => if let Some(which) = picked(which) {
                    drop(held.remove(which));
                    let open = reference.open.remove(which);
                    reference.spent.push(open);
                },
                Step::Grow { which, amount, force } => if let Some(which) = picked(which) {
                    let open = reference.open[which].clone();
                    let more = i128::from(amount) - open.amount;
                    let grows = more > 0;
                    let fits = force || !grows || reference.fits(&ceilings, &open.spender, now, more);
                    let grown = held[which].grow_to(NanoUsd::from_nanos(amount), &ceilings, force);
                    prop_assert_eq!(grown.is_ok(), fits);
                    if grows && fits {
                        reference.open[which].amount += more;
                    }
                },
                Step::Adjust { amount } => {
                    adjustments += 1;
                    prop_assert_eq!(ledger.adjust(&adjustment(&adjustments.to_string(), amount, now)), Ok(true));
                    // Only the tenant's own line: the other values are no value of anybody.
                    let spender = super::super::record::spender(["acme", "-", "-", "-", "-"]);
                    reference.spent.push(Event { spender, at: now, amount: i128::from(amount) });
                }
                Step::Wait { seconds } => clock.advance_seconds(seconds),
                Step::Switch => at_work = 1 - at_work,
                Step::Renew => for number in 0..SHARDS {
                    ledger.shard(number).step(super::super::shard::Shard::renew).unwrap();
                },
            }
            let now = clock.now();
            let standing = ledgers[at_work].standing(&"acme".parse().unwrap(), &ceilings, now);
            check(&reference, &standing, &ceilings, now);
        }
    }
}

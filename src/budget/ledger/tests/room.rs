//! How many lines a tenant may have, and which of them go.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::record::spender;
use super::super::{ChargeFacts, Full};
use super::reference::{Event, Reference};
use super::*;
use crate::tenant::TenantId;

const MOST: usize = 100;

/// Journals on which ledgers with little room are opened, one after another or side by side.
struct Journals {
    clock: Arc<ManualClock>,
    journals: Vec<MemoryJournal>,
    most: usize,
}

impl Journals {
    fn new(most: usize) -> Self {
        Self {
            clock: Arc::new(ManualClock::new(NOON)),
            journals: (0..SHARDS).map(|_| MemoryJournal::default()).collect(),
            most,
        }
    }

    /// A process that starts at the clock's time.
    fn open(&self) -> Arc<Ledger> {
        let journals = self.journals.iter();
        let journals = journals.map(|it| -> Box<dyn Journal> { Box::new(it.beside()) });
        let settings = LedgerSettings {
            lines_per_tenant: self.most,
            ..LedgerSettings::default()
        };
        let clock = Arc::clone(&self.clock);
        Ledger::new(journals.collect(), Box::new(Alone), settings, clock).unwrap()
    }

    fn hold(
        &self,
        ledger: &Arc<Ledger>,
        [tenant, session]: [&str; 2],
        ceilings: &[Ceiling],
    ) -> Result<Reservation, ReserveError> {
        ledger.reserve(&Request {
            request_id: "r",
            at: self.clock.now(),
            spender: &spender([tenant, "ann", "", "chat", session]),
            ceilings,
            amount: usd("1"),
        })
    }

    /// Spends a dollar in a session, or says why that can't be.
    fn spend(
        &self,
        ledger: &Arc<Ledger>,
        names: [&str; 2],
        ceilings: &[Ceiling],
    ) -> Result<(), ReserveError> {
        let held = self.hold(ledger, names, ceilings)?;
        held.settle(usd("1"), ChargeFacts::default());
        Ok(())
    }

    /// Spends in so many sessions that nobody named before; answers how many were let in.
    fn flood(&self, ledger: &Arc<Ledger>, count: usize, ceilings: &[Ceiling]) -> usize {
        let outcomes = (0..count).map(|number| {
            let session = format!("flood-{number}");
            self.spend(ledger, ["acme", &session], ceilings)
        });
        outcomes.filter(Result::is_ok).count()
    }
}

/// How many lines a tenant has.
fn lines(ledger: &Ledger, tenant: &str) -> usize {
    let tenant: TenantId = tenant.parse().unwrap();
    let shard = ledger.shard(super::super::shard_of(&tenant));
    let all = shard.book.lines.iter();
    let own = all.filter(|line| line.tenant == tenant).count();
    assert_eq!(shard.book.lines.count(&tenant), own);
    own
}

fn spent(ledger: &Ledger, clock: &ManualClock, tenant: &str) -> String {
    let ceilings = tenants("month", "1000000");
    let standing = ledger.standing(&tenant.parse().unwrap(), &ceilings, clock.now());
    standing[0].spent.to_string()
}

#[test]
fn sessions_without_number_hold_no_more_lines_than_a_tenant_may_have() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let ceilings = tenants("month", "1000000");
    for session in ["one", "two", "three"] {
        world
            .spend(&ledger, ["globex", session], &ceilings)
            .unwrap();
    }
    let of_another = lines(&ledger, "globex");
    for turn in 1..=50 {
        assert_eq!(
            world.flood(&ledger, MOST, &ceilings),
            MOST,
            "all are let in"
        );
        assert!(lines(&ledger, "acme") <= MOST, "in turn {turn}");
    }
    assert_eq!(spent(&ledger, &world.clock, "acme"), "5000.00");
    assert_eq!(lines(&ledger, "globex"), of_another);
}

#[test]
fn a_line_that_counts_under_a_ceiling_is_not_forgotten_for_another() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let mut ceilings = tenants("month", "1000000");
    ceilings.push(ceiling(CeilingScope::Session, "day", "2"));
    let passed = world.flood(&ledger, MOST * 10, &ceilings);
    // Besides those of the tenant, its user, its route and no agent.
    assert_eq!(passed, MOST - 4);
    let refused = world.spend(&ledger, ["acme", "another"], &ceilings);
    assert_eq!(refused, Err(ReserveError::Full(Full { most: MOST })));
    assert_eq!(lines(&ledger, "acme"), MOST);
    world
        .spend(&ledger, ["globex", "another"], &ceilings)
        .unwrap();
    world
        .spend(&ledger, ["acme", "flood-0"], &ceilings)
        .unwrap();
    let spent = exhausted(world.hold(&ledger, ["acme", "flood-0"], &ceilings));
    assert_eq!(
        spent.scope,
        CeilingScope::Session,
        "its second dollar was its last"
    );
    // After midnight it counts for what came before and waits since, and an hour later for nobody.
    world.clock.advance_seconds(12 * 3_600 + 1_800);
    let later = world.open();
    assert_eq!(lines(&later, "acme"), MOST, "as they were left");
    let refused = world.spend(&later, ["acme", "another"], &ceilings);
    assert_eq!(refused, Err(ReserveError::Full(Full { most: MOST })));
    world.clock.advance_seconds(3_600);
    let later = world.open();
    world.spend(&later, ["acme", "another"], &ceilings).unwrap();
    assert!(lines(&later, "acme") < MOST);
}

#[test]
fn a_clock_that_is_ahead_for_a_moment_makes_no_room() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let ceilings = [ceiling(CeilingScope::Session, "day", "1")];
    world.flood(&ledger, MOST - 4, &ceilings);
    assert_eq!(lines(&ledger, "acme"), MOST);
    world.clock.advance_seconds(400 * 86_400);
    let refused = world.spend(&ledger, ["acme", "another"], &ceilings);
    assert_eq!(refused, Err(ReserveError::Full(Full { most: MOST })));
    assert_eq!(lines(&ledger, "acme"), MOST);
}

#[test]
fn what_is_held_stays_where_it_is() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let held = (0..20).map(|number| world.hold(&ledger, ["acme", &format!("held-{number}")], &[]));
    let held: Vec<_> = held.map(Result::unwrap).collect();
    assert_eq!(world.flood(&ledger, MOST * 3, &[]), MOST * 3);
    let sessions = [ceiling(CeilingScope::Session, "day", "1000")];
    let reserved = || {
        let standing = ledger.standing(&"acme".parse().unwrap(), &sessions, NOON);
        let held = standing
            .iter()
            .filter(|line| line.value.starts_with("held-"));
        held.map(|line| line.reserved).sum::<NanoUsd>()
    };
    assert_eq!(reserved(), usd("20"));
    for one in held {
        one.settle(usd("1"), ChargeFacts::default());
    }
    assert_eq!(reserved(), usd("0"));
    assert_eq!(spent(&ledger, &world.clock, "acme"), "320.00");
}

#[test]
fn what_cost_nothing_leaves_no_line() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let ceilings = [
        ceiling(CeilingScope::Session, "day", "1"),
        ceiling(CeilingScope::User, "total", "1"),
    ];
    for number in 0..MOST * 10 {
        let session = format!("s-{number}");
        world
            .hold(&ledger, ["acme", &session], &ceilings)
            .unwrap()
            .release();
    }
    assert_eq!(lines(&ledger, "acme"), 1, "its own");
    world.spend(&ledger, ["acme", "s"], &ceilings).unwrap();
    assert_eq!(lines(&ledger, "acme"), 5);
    let spent = exhausted(world.hold(&ledger, ["acme", "t"], &ceilings));
    assert_eq!(spent.scope, CeilingScope::User);
}

#[test]
fn whoever_asks_beforehand_is_told_what_a_request_would_be() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let ceilings = [ceiling(CeilingScope::Session, "day", "5")];
    world.flood(&ledger, MOST, &ceilings);
    let ask = |session| {
        let (_lines, fits) = ledger
            .weigh(&Request {
                request_id: "r",
                at: NOON,
                spender: &spender(["acme", "ann", "", "chat", session]),
                ceilings: &ceilings,
                amount: usd("1"),
            })
            .unwrap();
        fits
    };
    assert_eq!(ask("another"), Err(ReserveError::Full(Full { most: MOST })));
    assert_eq!(ask("flood-0"), Ok(()));
    assert_eq!(lines(&ledger, "acme"), MOST);
}

#[test]
fn asking_beforehand_takes_no_room_from_the_request() {
    let world = Journals::new(MOST);
    let ledger = world.open();
    let ceilings = [ceiling(CeilingScope::Session, "day", "5")];
    // Of so few lines that can go, a look tells that there is nothing to look for again.
    let (can_go, counts) = (5, MOST - 4 - 5);
    world.flood(&ledger, can_go, &ceilings);
    world.clock.advance_seconds(26 * 3_600);
    let ledger = world.open();
    for number in 0..counts {
        let session = format!("s-{number}");
        world.spend(&ledger, ["acme", &session], &ceilings).unwrap();
    }
    assert_eq!(lines(&ledger, "acme"), MOST);
    let (_lines, fits) = ledger
        .weigh(&Request {
            request_id: "r",
            at: world.clock.now(),
            spender: &spender(["acme", "ann", "", "chat", "another"]),
            ceilings: &ceilings,
            amount: usd("1"),
        })
        .unwrap();
    assert_eq!(fits, Ok(()));
    let spent = world.spend(&ledger, ["acme", "another"], &ceilings);
    assert_eq!(spent, Ok(()), "as it was told");
}

#[test]
fn processes_on_one_journal_forget_the_same() {
    let world = Journals::new(MOST);
    let (one, other) = (world.open(), world.open());
    for turn in 0..20 {
        let ledger = [&one, &other][turn % 2];
        for number in 0..MOST {
            let session = format!("{turn}-{number}");
            world.spend(ledger, ["acme", &session], &[]).unwrap();
        }
        for ledger in [&one, &other] {
            // Whoever looks applies what others appended.
            spent(ledger, &world.clock, "acme");
        }
        assert_eq!(lines(&one, "acme"), lines(&other, "acme"), "in turn {turn}");
        assert!(lines(&one, "acme") <= MOST);
    }
    assert_eq!(lines(&world.open(), "acme"), lines(&one, "acme"));
}

#[derive(Clone, Debug)]
enum Step {
    Spend {
        session: u8,
        cost: u64,
    },
    Hold {
        session: u8,
    },
    Settle {
        which: usize,
    },
    /// The process ends and another begins, so much later.
    Restart {
        seconds: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (any::<u8>(), 0_u64..60).prop_map(|(session, cost)| Step::Spend { session, cost }),
        3 => any::<u8>().prop_map(|session| Step::Hold { session }),
        3 => (0_usize..8).prop_map(|which| Step::Settle { which }),
        1 => (0_i64..9_000).prop_map(|seconds| Step::Restart { seconds }),
    ]
}

proptest! {
    #[test]
    fn no_ceiling_lets_more_through_for_what_was_forgotten(
        steps in proptest::collection::vec(step(), 1..300)
    ) {
        let world = Journals::new(12);
        let ceilings = [
            ceiling(CeilingScope::Session, "rolling:1h", "0.000000100"),
            ceiling(CeilingScope::User, "day", "0.000003000"),
        ];
        let (mut ledger, mut reference) = (world.open(), Reference::default());
        let mut held: Vec<Reservation> = Vec::new();
        for step in steps {
            let now = world.clock.now();
            let (session, cost) = match step {
                Step::Spend { session, cost } => (session, Some(cost)),
                Step::Hold { session } => (session, None),
                Step::Settle { which } => {
                    if let Some(which) = (!held.is_empty()).then(|| which % held.len()) {
                        held.remove(which).settle(NanoUsd::from_nanos(60), ChargeFacts::default());
                        let open = reference.open.remove(which);
                        reference.spent.push(open);
                    }
                    continue;
                }
                Step::Restart { seconds } => {
                    world.clock.advance_seconds(seconds);
                    ledger = world.open();
                    continue;
                }
            };
            let session = format!("s-{session}");
            let spender = spender(["acme", "ann", "", "chat", &session]);
            let reserved = ledger.reserve(&Request {
                request_id: "r",
                at: now,
                spender: &spender,
                ceilings: &ceilings,
                amount: NanoUsd::from_nanos(60),
            });
            let fits = reference.fits(&ceilings, &spender, now, 60);
            match &reserved {
                Ok(_) => prop_assert!(fits, "more was let through"),
                Err(ReserveError::Full(_)) => prop_assert!(fits),
                Err(ReserveError::Exceeded(_)) => prop_assert!(!fits, "what was spent elsewhere"),
                Err(error) => prop_assert!(false, "{error}"),
            }
            if let Ok(reservation) = reserved {
                let event = |amount| Event { spender: spender.clone(), at: now, amount };
                match cost {
                    Some(cost) => {
                        reservation.settle(NanoUsd::from_nanos(cost), ChargeFacts::default());
                        reference.spent.push(event(i128::from(cost)));
                    }
                    None => {
                        held.push(reservation);
                        reference.open.push(event(60));
                    }
                }
            }
            prop_assert!(lines(&ledger, "acme") <= 12);
        }
    }
}

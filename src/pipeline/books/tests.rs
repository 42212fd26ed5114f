use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audit::{AuditLog, Event, Settings, verify};
use crate::budget::ledger::{ChargeFacts, Request};
use crate::budget::{CeilingScope, Ledger, Spender};
use crate::clock::{ManualClock, SharedClock};
use crate::money::NanoUsd;

const NOON: Timestamp = Timestamp::from_seconds(1_795_305_600);

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    ledger: Arc<Ledger>,
    audit: AuditLog,
    settings: Settings,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let mut settings = Settings::new(folder.path().join("audit"));
        settings.flush = Duration::from_millis(1);
        let shared: SharedClock = clock.clone();
        Self {
            audit: AuditLog::open(&settings, Arc::clone(&shared)).unwrap(),
            ledger: Ledger::in_memory(shared),
            folder,
            clock,
            settings,
        }
    }

    /// Charges in the ledger only, as a process does that is killed before it records.
    fn charge(&self, tenant: &str, id: &str, nanos: u64) {
        use crate::clock::Clock;
        let spender = Spender {
            tenant: tenant.parse().unwrap(),
            user: Arc::from("alice"),
            agent: Arc::from(""),
            route: Arc::from("chat"),
            session: Arc::from(""),
        };
        let held = self.ledger.reserve(&Request {
            request_id: id,
            at: self.clock.now(),
            spender: &spender,
            ceilings: &[],
            amount: NanoUsd::from_nanos(nanos),
        });
        let settled = held
            .unwrap()
            .settle(NanoUsd::from_nanos(nanos), ChargeFacts::default());
        assert!(settled.crossed.is_empty());
    }

    /// Records a cost in the audit log.
    fn record(&self, tenant: &str, id: &str, cost_usd: &str) {
        let ticket = self
            .audit
            .event(&Event::Settlement {
                tenant,
                request_id: id,
                arrived: NOON,
                cost_usd,
                how: "settled",
                model: None,
                price_revision: None,
            })
            .unwrap();
        self.audit.wait_durable_blocking(ticket).unwrap();
    }

    fn compared(&self, after: i64) -> Comparison {
        let now = NOON.plus_seconds(after);
        compare(&self.settings, &self.ledger, &Period::default(), now).unwrap()
    }

    fn reconciled(&self, after: i64) -> u64 {
        let reconciler = Reconciler::new(self.settings.clone(), self.folder.path());
        let now = NOON.plus_seconds(after);
        reconciler
            .reconcile(&self.ledger, &self.audit, now)
            .unwrap()
    }

    fn refund(&self, id: &str, nanos: i64) -> Adjustment {
        Adjustment {
            tenant: "acme".parse().unwrap(),
            scope: CeilingScope::Tenant,
            value: Arc::from(""),
            amount: nanos,
            at: NOON,
            by: Arc::from("admin"),
            reason: Arc::from("outage"),
            id: Arc::from(id),
        }
    }

    fn adjust(&self, adjustment: &Adjustment) -> Result<Adjusted, AdjustError> {
        let (adjusted, ticket) = adjust(&self.ledger, &self.audit, adjustment)?;
        if let Some(ticket) = ticket {
            self.audit.wait_durable_blocking(ticket).unwrap();
        }
        Ok(adjusted)
    }
}

#[test]
fn books_that_say_the_same_to_the_nano_dollar_are_good_and_by_one_they_are_not() {
    let world = World::new();
    world.charge("acme", "one", 3_125_000);
    world.record("acme", "one", "0.003125");
    world.charge("globex", "two", 7);
    world.record("globex", "two", "0.000000007");
    world.charge("globex", "free", 0);
    assert_eq!(
        world.adjust(&world.refund("r1", -5)).unwrap(),
        Adjusted::Made
    );
    let compared = world.compared(60);
    assert!(compared.is_good(), "{compared:?}");
    assert_eq!(compared.ledger, compared.audit);
    assert_eq!(compared.ledger.to_string(), "0.003125002");
    assert_eq!(compared.lines, 4);

    world.charge("acme", "three", 100);
    world.record("acme", "three", "0.000000101");
    world.record("acme", "four", "0.01");
    let compared = world.compared(60);
    let named: Vec<_> = compared
        .differences
        .iter()
        .map(|it| (it.id.as_str(), it.audit.nanos(), it.ledger.nanos()))
        .collect();
    assert_eq!(named, [("four", 10_000_000, 0), ("three", 101, 100)]);
    let of_globex = Period {
        tenant: Some("globex".parse().unwrap()),
        ..Period::default()
    };
    let compared = compare(
        &world.settings,
        &world.ledger,
        &of_globex,
        NOON.plus_seconds(60),
    );
    assert!(compared.unwrap().is_good(), "another tenant's do not count");
}

#[test]
fn what_was_settled_moments_ago_may_be_on_its_way_and_later_is_missing() {
    let world = World::new();
    world.charge("acme", "one", 5);
    let soon = world.compared(ON_ITS_WAY);
    assert!(soon.is_good(), "{soon:?}");
    assert_eq!(soon.on_their_way, 1);
    let late = world.compared(ON_ITS_WAY + 1);
    assert_eq!((late.different, late.on_their_way), (1, 0));
}

#[test]
fn what_only_the_ledger_knows_is_recorded_once() {
    let world = World::new();
    world.charge("acme", "recorded", 3);
    world.record("acme", "recorded", "0.000000003");
    world.charge("acme", "lost", 4);
    world.charge("globex", "lost", 5);
    world.charge("acme", "free", 0);
    assert!(world.ledger.adjust(&world.refund("r1", -1)).unwrap());

    assert_eq!(world.reconciled(ON_ITS_WAY), 0, "may be on their way");
    assert_eq!(world.reconciled(ON_ITS_WAY + 1), 3);
    assert_eq!(world.reconciled(ON_ITS_WAY + 1), 0);
    let compared = world.compared(60);
    assert!(compared.is_good(), "{compared:?}");
    assert_eq!(compared.audit.nanos(), 3 + 4 + 5 - 1);

    std::fs::remove_file(world.folder.path().join("reconciled")).unwrap();
    assert_eq!(world.reconciled(600), 0, "the log itself is asked");
    world.audit.shutdown().unwrap();
    assert!(verify(&world.settings).unwrap().is_good());
}

#[test]
fn two_processes_do_not_reconcile_at_a_time() {
    let world = World::new();
    world.charge("acme", "lost", 4);
    let other = std::fs::File::create(world.folder.path().join("reconcile.lock")).unwrap();
    other.lock().unwrap();
    assert_eq!(world.reconciled(60), 0);
    drop(other);
    assert_eq!(world.reconciled(60), 1);
}

#[test]
fn an_adjustment_is_made_once_by_its_id_and_no_other_takes_that() {
    let world = World::new();
    let refund = world.refund("r1", -1_500_000_000);
    assert_eq!(world.adjust(&refund).unwrap(), Adjusted::Made);
    let again = Adjustment {
        at: NOON.plus_seconds(60),
        reason: Arc::from("asked twice"),
        ..refund.clone()
    };
    assert_eq!(
        world.adjust(&again).unwrap(),
        Adjusted::Before(refund.clone())
    );
    let other = Adjustment {
        amount: -2,
        ..refund.clone()
    };
    assert!(matches!(world.adjust(&other), Err(AdjustError::Taken(_))));
    for bad in [
        Adjustment {
            reason: Arc::from(""),
            ..refund.clone()
        },
        Adjustment {
            id: "x".repeat(513).into(),
            ..refund.clone()
        },
        Adjustment {
            value: "x".repeat(513).into(),
            ..refund
        },
    ] {
        assert!(matches!(world.adjust(&bad), Err(AdjustError::Text(_))));
    }
    let compared = world.compared(60);
    assert!(compared.is_good(), "{compared:?}");
    assert_eq!(compared.ledger.to_string(), "-1.50");
}

#[test]
fn an_adjustment_that_the_log_signed_otherwise_is_a_difference() {
    let world = World::new();
    let refund = world.refund("r1", -5);
    assert!(world.ledger.adjust(&refund).unwrap());
    let facts = AdjustmentFacts {
        by: "somebody else",
        ..facts_of(&refund, "-0.000000005")
    };
    let signature = facts.sign(world.audit.keys());
    let ticket = world
        .audit
        .event(&Event::Adjusted {
            facts: &facts,
            signature: &signature,
        })
        .unwrap();
    world.audit.wait_durable_blocking(ticket).unwrap();
    let compared = world.compared(60);
    assert_eq!(compared.ledger, compared.audit);
    assert!(compared.differences[0].forged, "{compared:?}");
}

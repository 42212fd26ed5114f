//! Asking for every case.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::case::{Case, SpentFixture};
use super::compare::{Difference, differences};
use super::world::World;
use crate::budget::Ledger;
use crate::budget::ledger::Adjustment;
use crate::budget::models::settings::TenantSettings;
use crate::clock::SharedClock;
use crate::explain::{Explanation, Sources, StandInError, StandInParts, explain, stand_in};
use crate::ownership::Registry;
use crate::pipeline::{CredentialHandles, Gate, GateSettings};
use crate::policy::PolicySnapshot;
use crate::tenant::TenantId;

/// How one case came out.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// File and line.
    pub at: String,
    /// What was not as expected; empty where all was.
    pub differences: Vec<Difference>,
    /// What became of the request; `None` where it could not be asked.
    pub explanation: Option<Explanation>,
}

impl CaseResult {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// The cases can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No gate can be made of the policy.
    #[error(transparent)]
    StandIn(#[from] StandInError),
    /// What is to be spent can't be booked.
    #[error("{at}: what is spent can't be booked: {why}")]
    Spent {
        /// The case's file and line.
        at: String,
        /// Why.
        why: String,
    },
}

/// Asks for every case in turn. Nothing is read from the network or written to a disk.
///
/// # Errors
/// See [`RunError`].
pub async fn run(
    snapshot: PolicySnapshot,
    cases: &[Case],
    clock: SharedClock,
) -> Result<Vec<CaseResult>, RunError> {
    let world = Arc::new(World::default());
    let ledger = Ledger::in_memory(Arc::clone(&clock));
    let parts = StandInParts {
        settings: GateSettings {
            tenant_header_required: false,
            on_loopback: true,
            hosts: None,
        },
        clock: Arc::clone(&clock),
        runtime: Handle::current(),
        keys: None,
        registry: Registry::new(Arc::clone(&world) as _, Arc::clone(&clock), 1),
        ledger: Some(Arc::clone(&ledger)),
        models: TenantSettings::new(Arc::clone(&world) as _),
        handles: CredentialHandles::supposed(),
    };
    let gate = stand_in(parts, snapshot)?;
    let mut results = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        let booked = Booked {
            ledger: &ledger,
            clock: &clock,
            case: number,
        };
        let failed = |why: String| RunError::Spent {
            at: case.at.clone(),
            why,
        };
        booked.spend(&case.spent, false).map_err(failed)?;
        let result = one(&gate, &world, case).await;
        booked.spend(&case.spent, true).map_err(failed)?;
        results.push(result);
    }
    Ok(results)
}

async fn one(gate: &Gate, world: &World, case: &Case) -> CaseResult {
    let explained = match world.become_of(&case.owned) {
        Ok(()) => explain(gate, &case.described, Sources::default())
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    let (differences, explanation) = match explained {
        Ok(told) => (differences(&case.expect, &told), Some(told)),
        Err(why) => {
            let difference = Difference {
                what: "request".to_owned(),
                expected: "one that can be asked about".to_owned(),
                got: why,
            };
            (vec![difference], None)
        }
    };
    CaseResult {
        name: case.name.clone(),
        at: case.at.clone(),
        differences,
        explanation,
    }
}

/// What a case spends, until it is given back.
struct Booked<'run> {
    ledger: &'run Ledger,
    clock: &'run SharedClock,
    case: usize,
}

impl Booked<'_> {
    fn spend(&self, fixtures: &[SpentFixture], back: bool) -> Result<(), String> {
        for (number, fixture) in fixtures.iter().enumerate() {
            let value = Some(fixture.value.as_str()).filter(|value| !value.is_empty());
            let (scope, value) = crate::budget::spend_line(Some(&fixture.scope), value)?;
            let tenant = TenantId::kept(&fixture.tenant).map_err(|error| error.to_string())?;
            let amount = i64::try_from(fixture.amount.nanos())
                .map_err(|_| "the amount is too large".to_owned())?;
            let adjustment = Adjustment {
                tenant,
                scope,
                value,
                amount: if back { -amount } else { amount },
                at: self.clock.now(),
                by: "cases".into(),
                reason: "a case".into(),
                id: format!("{}/{number}/{back}", self.case).into(),
            };
            self.ledger
                .adjust(&adjustment)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

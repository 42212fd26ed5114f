//! What goes on beside the requests about money: ceilings are watched, and the books kept level.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::CommandError;
use crate::audit::{AuditLog, CeilingWarning, Event, Settings as AuditSettings};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::pipeline::Gate;
use crate::pipeline::books::Reconciler;
use crate::telemetry::warnings::{Warning, WarningEnds, WarningWorker};

/// How often it is looked whether there is something to do.
const TURN: Duration = Duration::from_secs(1);
/// How often all ceilings are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// When the books are held against each other a second time: what was settled just before the start
/// is then no longer on its way.
const SECOND: Duration = Duration::from_secs(20);
/// How often after that.
const AGAIN: Duration = Duration::from_secs(3_600);

/// Starts all of it.
///
/// # Errors
/// The folder of alerts can't be made, or there is no thread.
pub(super) fn keep(
    control: &Handle,
    config: &Config,
    gate: &Arc<Gate>,
    audit: &AuditSettings,
) -> Result<(), CommandError> {
    let ledger = config.state.location.ledger();
    let clock: SharedClock = Arc::new(SystemClock);
    let recorder = Arc::clone(gate);
    let policies = Arc::clone(gate);
    let ends = WarningEnds {
        record: Box::new(move |warning| record(recorder.audit(), warning)),
        target: Box::new(move || policies.generation().snapshot().alerts.clone()),
    };
    let worker = WarningWorker::open(
        &ledger.with_extension("alerts"),
        clock,
        Arc::clone(gate.metrics()),
        ends,
    )
    .map_err(|error| CommandError::unusable("alerts", &error))?;
    control.spawn(worker.run(Arc::clone(gate.warnings())));
    let reconciler = Reconciler::new(audit.clone(), &ledger);
    let gate = Arc::downgrade(gate);
    std::thread::Builder::new()
        .name("money".to_owned())
        .spawn(move || {
            let mut turns = Turns::default();
            while let Some(gate) = gate.upgrade() {
                turns.take(&gate, &reconciler);
                drop(gate);
                std::thread::sleep(TURN);
            }
        })
        .map(drop)
        .map_err(|error| CommandError::unusable("the thread that keeps the books", &error))
}

/// When what was done last.
#[derive(Default)]
struct Turns {
    looked: Option<Instant>,
    reconciled: Option<(u32, Instant)>,
}

impl Turns {
    fn take(&mut self, gate: &Gate, reconciler: &Reconciler) {
        let now = gate.now();
        for crossing in gate.ledger().crossings() {
            gate.warnings().tell(Warning::of_crossing(&crossing, now));
        }
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            look(gate);
        }
        let recovered = gate.ledger().recovered();
        for one in &recovered {
            let tenant = &one.spender.tenant;
            tracing::warn!(%tenant, request_id = &*one.request_id, cost_usd = %one.cost, "a request of a process that died is charged what was held for it");
            gate.metrics().settled(tenant, one.cost, "recovered");
        }
        let due = match self.reconciled {
            None => true,
            Some((1, at)) => at.elapsed() >= SECOND,
            Some((_, at)) => at.elapsed() >= AGAIN,
        };
        if !due && recovered.is_empty() {
            return;
        }
        match reconciler.reconcile(gate.ledger(), gate.audit(), now) {
            Ok(0) => {}
            Ok(lines) => tracing::warn!(lines, "costs that the audit log lacked are recorded"),
            Err(error) => {
                tracing::error!(%error, "the audit log can't be held against the ledger");
            }
        }
        // One that a dead process's charges brought about comes too early for records that may be on
        // their way: it is in place of none.
        if due {
            let before = self.reconciled.map_or(0, |(times, _)| times);
            self.reconciled = Some((before.saturating_add(1), Instant::now()));
        }
    }
}

/// Tells of what was reached while nobody could tell: before a crash, or by an adjustment.
fn look(gate: &Gate) {
    let generation = gate.generation();
    let snapshot = generation.snapshot();
    let now = gate.now();
    for tenant in gate.ledger().tenants() {
        for ceiling in snapshot.ceilings(&tenant).iter() {
            if ceiling.warn_at.is_empty() {
                continue;
            }
            let lines = std::slice::from_ref(ceiling);
            for standing in gate.ledger().standing(&tenant, lines, now) {
                for warning in Warning::of_standing(&tenant, ceiling, &standing, now) {
                    gate.warnings().tell(warning);
                }
            }
        }
    }
}

fn record(audit: &AuditLog, warning: &Warning) {
    let threshold = warning.level.threshold();
    let event = Event::CeilingWarning(CeilingWarning {
        tenant: warning.tenant.as_str(),
        scope: warning.scope.as_str(),
        value: &warning.value,
        window: &warning.window.to_string(),
        threshold: threshold.as_deref(),
        limit_usd: &warning.limit.to_string(),
        spent_usd: &warning.spent.to_string(),
        resets_at: warning.resets_at,
    });
    if audit.event(&event).is_err() {
        tracing::error!(?warning, "a warning of a ceiling could not be recorded");
    }
}

//! Metrics of money.
//!
//! They are floating point, as Prometheus is: for graphs and alarms, never for a bill. The ledger and
//! the statement are exact.

use prometheus::{CounterVec, GaugeVec, IntCounterVec, Opts, Registry};

use super::metrics::{MetricsError, beginning, counter, registered};
use super::warnings::{Level, Warning};
use crate::money::NanoUsd;

/// Nano-USD in one USD.
const NANOS: f64 = 1e9;

/// How far a tenant's ceilings are spent at this moment.
#[derive(Clone, Debug)]
pub struct StandingFacts {
    /// The tenant's label.
    pub tenant: String,
    /// `tenant`, `user`, …: the value of the scope whose line is spent furthest.
    pub scope: &'static str,
    /// `month`, `rolling:24h`.
    pub window: String,
    /// Spent and reserved as a share of the limit.
    pub used_ratio: f64,
}

/// What is counted as it happens.
pub(super) struct Money {
    spent: CounterVec,
    settled: IntCounterVec,
    uncharged: IntCounterVec,
    warnings: IntCounterVec,
    alerts: IntCounterVec,
}

impl Money {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            spent: registered(
                registry,
                CounterVec::new(
                    Opts::new(
                        "fabric_gate_spent_usd_total",
                        "What requests were charged since the process began, in USD",
                    ),
                    &["tenant"],
                )?,
            )?,
            settled: counter(
                registry,
                "fabric_gate_settled_total",
                "Reservations that ended, by how: usage, stated, fixed, reserved, released, kept, recovered",
                &["how"],
            )?,
            uncharged: counter(
                registry,
                "fabric_gate_uncharged_total",
                "Metered requests that cost nothing, by why",
                &["reason"],
            )?,
            warnings: counter(
                registry,
                "fabric_gate_ceiling_warnings_total",
                "Ceilings spent as far as their warn_at, once for each window; threshold `exhausted` where a request was refused",
                &["tenant", "scope", "window", "threshold"],
            )?,
            alerts: beginning(
                counter(
                    registry,
                    "fabric_gate_alerts_total",
                    "Alerts by result: delivered, failed (an attempt), given_up, dropped",
                    &["result"],
                )?,
                &["delivered", "failed", "given_up", "dropped"],
            ),
        })
    }

    pub(super) fn settled(&self, tenant: &str, cost: NanoUsd, how: &str) {
        self.spent
            .with_label_values(&[tenant])
            .inc_by(dollars(cost));
        self.settled.with_label_values(&[how]).inc();
    }

    pub(super) fn uncharged(&self, reason: &str) {
        self.uncharged.with_label_values(&[reason]).inc();
    }

    pub(super) fn warning(&self, tenant: &str, warning: &Warning) {
        let threshold = match warning.level {
            Level::Reached(_) => warning.level.threshold().unwrap_or_default(),
            Level::Exhausted => "exhausted".to_owned(),
        };
        let window = warning.window.to_string();
        self.warnings
            .with_label_values(&[tenant, warning.scope.as_str(), &window, &threshold])
            .inc();
    }

    pub(super) fn alerts(&self, result: &str, number: u64) {
        self.alerts.with_label_values(&[result]).inc_by(number);
    }
}

/// Registers what is so at this moment: how far ceilings are spent, and what is reserved by label.
pub(super) fn register_standing(
    registry: &Registry,
    standings: &[StandingFacts],
    reserved: &[(String, NanoUsd)],
) -> Result<(), MetricsError> {
    let ratios = registered(
        registry,
        GaugeVec::new(
            Opts::new(
                "fabric_gate_ceiling_used_ratio",
                "Spent and reserved as a share of the limit, for the line of the scope that is spent furthest",
            ),
            &["tenant", "scope", "window"],
        )?,
    )?;
    for standing in standings {
        let gauge = ratios.with_label_values(&[
            standing.tenant.as_str(),
            standing.scope,
            standing.window.as_str(),
        ]);
        gauge.set(gauge.get().max(standing.used_ratio));
    }
    let gauges = registered(
        registry,
        GaugeVec::new(
            Opts::new(
                "fabric_gate_reserved_usd",
                "What is reserved for requests under way, in USD",
            ),
            &["tenant"],
        )?,
    )?;
    for (tenant, amount) in reserved {
        gauges
            .with_label_values(&[tenant.as_str()])
            .set(dollars(*amount));
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric shows sixteen digits; nothing is computed from it"
)]
fn dollars(amount: NanoUsd) -> f64 {
    amount.nanos() as f64 / NANOS
}

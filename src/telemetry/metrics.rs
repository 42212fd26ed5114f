//! Metrics, one struct, each documented here as it is on the wire.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::OpenStream;
use super::exported::{Exported, register_start};
use super::money::{Money, StandingFacts, register_standing};
use super::otlp::{Dropped, Signal};
use super::warnings::Warning;
use crate::audit::AuditStats;
use crate::identity::jwks::{KeySetState, KeySetStatus};
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// Label for tenants beyond the bound on label values.
const OTHER: &str = "__other__";

/// Label for requests that never became anybody's.
const NOBODY: &str = "__none__";

/// What a finished request adds to the counters.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'request> {
    /// Route name; empty where none was found.
    pub route: &'request str,
    /// Tenant of the caller.
    pub tenant: Option<&'request TenantId>,
    /// `permit` or `deny`.
    pub decision: &'static str,
    /// The refusal's code; `None` for an answer of the backend.
    pub refusal: Option<&'static str>,
    /// From the first byte to the last.
    pub total: Duration,
    /// Shadow rules that would have refused it.
    pub would_deny: usize,
}

/// Every metric of the gate.
///
/// The tenant label takes at most the configured number of values (listed tenants first); further
/// tenants share `__other__`, so that a stranger with many tenants can't grow the exposition.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    denials: IntCounterVec,
    shadow_denials: IntCounterVec,
    limited: IntCounterVec,
    request_seconds: Histogram,
    overhead_seconds: Histogram,
    policy: IntGaugeVec,
    reloads: IntCounterVec,
    connections: IntGauge,
    connections_refused: IntCounter,
    body_memory: IntGauge,
    open_streams: IntGaugeVec,
    money: Money,
    exported: Exported,
    labelled: RwLock<HashSet<TenantId>>,
    most_labels: usize,
}

/// A metric could not be registered: two have the same name, which a test rules out.
pub type MetricsError = prometheus::Error;

impl Metrics {
    /// Metrics with at most `tenant_labels` values of the tenant label.
    ///
    /// # Errors
    /// Two metrics of the same name.
    pub fn new(tenant_labels: usize) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let counter =
            |name: &str, help: &str, labels: &[&str]| counter(&registry, name, help, labels);
        let histogram = |name: &str, help: &str| {
            let buckets = vec![
                0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0,
            ];
            registered(
                &registry,
                Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?,
            )
        };
        register_start(&registry)?;
        Ok(Self {
            requests: counter(
                "fabric_gate_requests_total",
                "Requests that ended, by route, tenant and decision",
                &["route", "tenant", "decision"],
            )?,
            denials: counter(
                "fabric_gate_denials_total",
                "Requests refused, by the refusal's code and the caller's tenant",
                &["reason", "tenant"],
            )?,
            shadow_denials: counter(
                "fabric_gate_shadow_denials_total",
                "Requests that rules in shadow mode would have refused",
                &["tenant"],
            )?,
            limited: counter(
                "fabric_gate_limited_total",
                "Requests refused for a limit on how many a second or at a time, by tenant and limit",
                &["tenant", "limit"],
            )?,
            request_seconds: histogram(
                "fabric_gate_request_seconds",
                "Time from a request's first byte to its answer's last",
            )?,
            overhead_seconds: histogram(
                "fabric_gate_overhead_seconds",
                "Time the gate itself took to decide about a request",
            )?,
            policy: registered(
                &registry,
                IntGaugeVec::new(
                    Opts::new("fabric_gate_policy_info", "The policy revision in force"),
                    &["revision"],
                )?,
            )?,
            // Each result is there from the start, or the first refusal would be no change.
            reloads: beginning(
                counter(
                    "fabric_gate_policy_reloads_total",
                    "Policy reloads by result: changed, unchanged, rejected",
                    &["result"],
                )?,
                &["changed", "unchanged", "rejected"],
            ),
            connections: registered(
                &registry,
                IntGauge::new(
                    "fabric_gate_connections",
                    "Client connections that are open",
                )?,
            )?,
            connections_refused: registered(
                &registry,
                IntCounter::new(
                    "fabric_gate_connections_refused_total",
                    "Client connections refused because the limit was reached",
                )?,
            )?,
            body_memory: registered(
                &registry,
                IntGauge::new(
                    "fabric_gate_body_memory_bytes",
                    "Memory that buffered bodies take at present",
                )?,
            )?,
            open_streams: registered(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "fabric_gate_open_streams",
                        "Answers under way that go on: event streams, sockets, long downloads",
                    ),
                    &["tenant"],
                )?,
            )?,
            money: Money::new(&registry)?,
            exported: Exported::new(&registry)?,
            registry,
            labelled: RwLock::new(HashSet::new()),
            most_labels: tenant_labels,
        })
    }

    /// A policy revision is in force; its listed tenants get labels of their own first.
    pub fn policy_installed(&self, revision: &str, tenants: &[TenantId]) {
        self.policy.reset();
        self.policy.with_label_values(&[revision]).set(1);
        let mut labelled = self
            .labelled
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants {
            if labelled.len() >= self.most_labels {
                break;
            }
            labelled.insert(tenant.clone());
        }
    }

    /// A reload of the policies came to `result`.
    pub fn policy_reload(&self, result: &'static str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// A request ended.
    pub fn request(&self, facts: &RequestFacts<'_>) {
        let labelled;
        let tenant = match facts.tenant {
            None => NOBODY,
            Some(tenant) => {
                labelled = self.label_of(tenant);
                labelled
            }
        };
        self.requests
            .with_label_values(&[facts.route, tenant, facts.decision])
            .inc();
        if let Some(reason) = facts.refusal {
            self.denials.with_label_values(&[reason, tenant]).inc();
        }
        if facts.would_deny > 0 {
            self.shadow_denials.with_label_values(&[tenant]).inc();
        }
        self.request_seconds.observe(facts.total.as_secs_f64());
    }

    /// A request met a limit of its caller.
    pub fn limited(&self, tenant: Option<&TenantId>, limit: &'static str) {
        let tenant = tenant.map_or(NOBODY, |tenant| self.label_of(tenant));
        self.limited.with_label_values(&[tenant, limit]).inc();
    }

    /// The gate took this long to decide.
    pub fn overhead(&self, took: Duration) {
        self.overhead_seconds.observe(took.as_secs_f64());
    }

    /// A connection was opened (+1) or closed (-1).
    pub fn connection(&self, change: i64) {
        self.connections.add(change);
    }

    /// An answer goes on; it is open for as long as what is returned is held.
    pub fn open_stream(&self, tenant: Option<&TenantId>) -> OpenStream {
        let tenant = tenant.map_or(NOBODY, |tenant| self.label_of(tenant));
        OpenStream::counted_by(self.open_streams.with_label_values(&[tenant]))
    }

    /// A request was charged `cost`; `how` says what that is taken from.
    pub fn settled(&self, tenant: &TenantId, cost: NanoUsd, how: &'static str) {
        self.money.settled(self.label_of(tenant), cost, how);
    }

    /// A metered request was charged nothing, for this reason.
    pub fn uncharged(&self, reason: &'static str) {
        self.money.uncharged(reason);
    }

    /// Somebody is told of a ceiling.
    pub fn ceiling_warning(&self, warning: &Warning) {
        self.money.warning(self.label_of(&warning.tenant), warning);
    }

    /// So many alerts came to `result`.
    pub fn alerts(&self, result: &'static str, number: u64) {
        self.money.alerts(result, number);
    }

    /// A signal is exported from here on.
    pub fn telemetry_begins(&self, signal: Signal) {
        self.exported.begins(signal);
    }

    /// So many spans or log records were taken.
    pub fn telemetry_exported(&self, signal: Signal, number: u64) {
        self.exported.taken(signal, number);
    }

    /// So many spans or log records were lost.
    pub fn telemetry_dropped(&self, signal: Signal, reason: Dropped, number: u64) {
        self.exported.dropped(signal, reason, number);
    }

    /// The tenants that have a label of their own.
    pub fn labelled(&self) -> Vec<TenantId> {
        let labelled = self.labelled.read().unwrap_or_else(PoisonError::into_inner);
        labelled.iter().cloned().collect()
    }

    /// A connection was refused.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// Memory that buffered bodies take.
    pub fn body_memory(&self, bytes: u64) {
        self.body_memory
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The exposition in Prometheus' text format 0.0.4, with what others count: the audit log, the
    /// key set of each issuer, and how ceilings and reservations stand.
    ///
    /// # Errors
    /// A metric can't be written as text.
    pub fn exposition(
        &self,
        audit: &AuditStats,
        key_sets: &[(String, KeySetStatus)],
        standings: &[StandingFacts],
        reserved: &[(String, NanoUsd)],
    ) -> Result<String, MetricsError> {
        let elsewhere = Registry::new();
        register_standing(&elsewhere, standings, reserved)?;
        let records = counter(
            &elsewhere,
            "fabric_gate_audit_records_total",
            "Audit records by result: written, lost",
            &["result"],
        )?;
        records
            .with_label_values(&["written"])
            .inc_by(audit.written);
        records.with_label_values(&["lost"]).inc_by(audit.lost);
        let gauge = |name: &str, help: &str, value: u64| -> Result<(), MetricsError> {
            registered(&elsewhere, IntGauge::new(name, help)?)?
                .set(i64::try_from(value).unwrap_or(i64::MAX));
            Ok(())
        };
        gauge(
            "fabric_gate_audit_healthy",
            "1 while the audit log can be written",
            audit.healthy.into(),
        )?;
        gauge(
            "fabric_gate_audit_waiting_bytes",
            "Bytes of audit records that are not on disk",
            audit.waiting_bytes,
        )?;
        let fetches = counter(
            &elsewhere,
            "fabric_gate_jwks_fetches_total",
            "Fetches of an issuer's keys by result: ok, failed",
            &["issuer", "result"],
        )?;
        let keys = registered(
            &elsewhere,
            IntGaugeVec::new(
                Opts::new("fabric_gate_jwks_keys", "Usable keys of an issuer"),
                &["issuer"],
            )?,
        )?;
        let stale = registered(
            &elsewhere,
            IntGaugeVec::new(
                Opts::new(
                    "fabric_gate_jwks_stale",
                    "1 while an issuer's keys are used past their time",
                ),
                &["issuer"],
            )?,
        )?;
        for (issuer, status) in key_sets {
            fetches
                .with_label_values(&[issuer.as_str(), "ok"])
                .inc_by(status.fetches_ok);
            fetches
                .with_label_values(&[issuer.as_str(), "failed"])
                .inc_by(status.fetches_failed);
            keys.with_label_values(&[issuer])
                .set(i64::try_from(status.keys).unwrap_or(i64::MAX));
            stale
                .with_label_values(&[issuer])
                .set((status.state == KeySetState::Stale).into());
        }
        let mut families = self.registry.gather();
        families.extend(elsewhere.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn label_of<'tenant>(&self, tenant: &'tenant TenantId) -> &'tenant str {
        {
            let labelled = self.labelled.read().unwrap_or_else(PoisonError::into_inner);
            if labelled.contains(tenant) {
                return tenant.as_str();
            }
            if labelled.len() >= self.most_labels {
                return OTHER;
            }
        }
        let mut labelled = self
            .labelled
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if labelled.len() >= self.most_labels && !labelled.contains(tenant) {
            return OTHER;
        }
        labelled.insert(tenant.clone());
        tenant.as_str()
    }
}

pub(super) fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, MetricsError> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

/// The counter, with a series at nought for each of these values of its only label.
pub(super) fn beginning(counter: IntCounterVec, values: &[&str]) -> IntCounterVec {
    for value in values {
        counter.with_label_values(&[value]);
    }
    counter
}

pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, MetricsError> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(tenant: &TenantId) -> RequestFacts<'_> {
        RequestFacts {
            route: "session.read",
            tenant: Some(tenant),
            decision: "permit",
            refusal: None,
            total: Duration::from_millis(3),
            would_deny: 0,
        }
    }

    #[test]
    fn a_hundred_thousand_tenants_do_not_grow_the_exposition() {
        let metrics = Metrics::new(3).unwrap();
        let listed: TenantId = "listed".parse().unwrap();
        metrics.policy_installed("r1", std::slice::from_ref(&listed));
        for number in 0..100_000 {
            let tenant: TenantId = format!("tenant-{number}").parse().unwrap();
            metrics.request(&facts(&tenant));
        }
        metrics.request(&facts(&listed));
        let text = metrics
            .exposition(&AuditStats::default(), &[], &[], &[])
            .unwrap();
        let series = text
            .lines()
            .filter(|line| line.starts_with("fabric_gate_requests_total{"))
            .count();
        assert_eq!(series, 4, "three tenants and the rest");
        assert!(
            text.contains("tenant=\"__other__\"} 99998"),
            "two unlisted tenants had room:\n{text}"
        );
        assert!(text.contains("tenant=\"listed\"} 1"));
    }

    #[test]
    fn a_ratio_is_that_of_the_line_that_is_spent_furthest() {
        let metrics = Metrics::new(3).unwrap();
        let standing = |used_ratio| StandingFacts {
            tenant: "acme".to_owned(),
            scope: "user",
            window: "day".to_owned(),
            used_ratio,
        };
        let reserved = [("acme".to_owned(), NanoUsd::from_nanos(1_250_000_000))];
        let standings = [standing(0.25), standing(0.75), standing(0.5)];
        let text = metrics
            .exposition(&AuditStats::default(), &[], &standings, &reserved)
            .unwrap();
        let ratio = "used_ratio{scope=\"user\",tenant=\"acme\",window=\"day\"} 0.75";
        assert!(text.contains(ratio), "{text}");
        assert!(text.contains("fabric_gate_reserved_usd{tenant=\"acme\"} 1.25"));
    }

    #[test]
    fn a_new_policy_replaces_the_revision() {
        let metrics = Metrics::new(3).unwrap();
        metrics.policy_installed("old", &[]);
        metrics.policy_installed("new", &[]);
        let text = metrics
            .exposition(&AuditStats::default(), &[], &[], &[])
            .unwrap();
        assert!(text.contains("fabric_gate_policy_info{revision=\"new\"} 1"));
        assert!(!text.contains("revision=\"old\""));
    }
}

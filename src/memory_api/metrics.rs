//! Metrics of the memory service, one struct, each documented here as it is on the wire.
//!
//! No label names a tenant or a user: how much a tenant keeps is its own to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::clock::{Clock, SystemClock};

/// A metric could not be registered: two have the same name, which a test rules out.
pub type MetricsError = prometheus::Error;

/// Every metric of the memory service.
pub struct MemoryMetrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    denials: IntCounterVec,
    written: IntCounter,
    deleted: IntCounter,
    store_errors: IntCounter,
    untended: AtomicU64,
    connections: IntGauge,
    connections_refused: IntCounter,
    keys_usable: IntGaugeVec,
    store: IntGaugeVec,
}

impl MemoryMetrics {
    /// All of them at zero.
    ///
    /// # Errors
    /// Two metrics of the same name.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let buckets = vec![
            0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0,
        ];
        let seconds = HistogramOpts::new(
            "fabric_memory_request_seconds",
            "Time from a request's head to its answer's last byte, by route",
        );
        let name = "process_start_time_seconds";
        let began = IntGauge::new(name, "When the process began, in seconds since 1970")?;
        registered(&registry, began)?.set(SystemClock.now().as_seconds());
        Ok(Self {
            requests: registered(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "fabric_memory_requests_total",
                        "Requests that ended, by method, route and class of status",
                    ),
                    &["method", "route", "status"],
                )?,
            )?,
            seconds: registered(
                &registry,
                HistogramVec::new(seconds.buckets(buckets), &["route"])?,
            )?,
            denials: registered(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "fabric_memory_refusals_total",
                        "Requests answered with a problem, by its code",
                    ),
                    &["code"],
                )?,
            )?,
            written: counter(
                &registry,
                "fabric_memory_entries_written_total",
                "Versions of entries that were written",
            )?,
            deleted: counter(
                &registry,
                "fabric_memory_entries_deleted_total",
                "Entries that were deleted, pruned or erased",
            )?,
            store_errors: counter(
                &registry,
                "fabric_memory_store_errors_total",
                "Operations that the store could not do, or not in time",
            )?,
            connections: registered(
                &registry,
                IntGauge::new("fabric_memory_connections", "Connections that are open")?,
            )?,
            connections_refused: counter(
                &registry,
                "fabric_memory_connections_refused_total",
                "Connections that were closed at once because too many were open",
            )?,
            keys_usable: registered(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "fabric_memory_keys_usable",
                        "1 while tokens of the issuer can be verified",
                    ),
                    &["issuer"],
                )?,
            )?,
            store: registered(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "fabric_memory_store",
                        "What the store has in use: open tenants, connections of its pool",
                    ),
                    &["what"],
                )?,
            )?,
            untended: AtomicU64::new(0),
            registry,
        })
    }

    /// A request ended.
    pub(super) fn ended(
        &self,
        method: &Method,
        route: &str,
        status: StatusCode,
        code: Option<&str>,
        taken: Duration,
    ) {
        let class = match status.as_u16() {
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        // A method of a stranger's own making is no label.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE => method.as_str(),
            _ => "other",
        };
        self.requests
            .with_label_values(&[method, route, class])
            .inc();
        self.seconds
            .with_label_values(&[route])
            .observe(taken.as_secs_f64());
        if let Some(code) = code {
            self.denials.with_label_values(&[code]).inc();
        }
    }

    /// Versions were written.
    pub fn written(&self, entries: u64) {
        self.written.inc_by(entries);
    }

    /// Entries were deleted.
    pub fn deleted(&self, entries: u64) {
        self.deleted.inc_by(entries);
    }

    /// The store could not do something.
    pub fn store_failed(&self) {
        self.store_errors.inc();
    }

    /// So much of the work beside the requests has failed by now.
    pub(super) fn tending_failed(&self, in_all: u64) {
        let known = self.untended.fetch_max(in_all, Ordering::Relaxed);
        self.store_errors.inc_by(in_all.saturating_sub(known));
    }

    /// A connection was opened.
    pub(super) fn connected(&self) {
        self.connections.inc();
    }

    /// A connection was closed.
    pub(super) fn disconnected(&self) {
        self.connections.dec();
    }

    /// A connection was refused.
    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// Whether the keys of an issuer can be used.
    pub(super) fn keys(&self, issuer: &str, usable: bool) {
        self.keys_usable
            .with_label_values(&[issuer])
            .set(usable.into());
    }

    /// How much of something the store has in use.
    pub fn store_uses(&self, what: &'static str, number: u64) {
        self.store
            .with_label_values(&[what])
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// All of them in Prometheus' text format.
    ///
    /// # Errors
    /// A metric can't be written as text.
    pub(super) fn exposition(&self) -> Result<String, MetricsError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| MetricsError::Msg(error.to_string()))
    }
}

impl std::fmt::Debug for MemoryMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MemoryMetrics")
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
    registered(registry, IntCounter::new(name, help)?)
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, MetricsError> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_and_no_label_for_a_tenant() {
        let metrics = MemoryMetrics::new().unwrap();
        let taken = Duration::from_millis(3);
        let odd = Method::from_bytes(b"BREW").unwrap();
        metrics.ended(
            &odd,
            "none",
            StatusCode::NOT_FOUND,
            Some("not_found"),
            taken,
        );
        metrics.keys("corp", true);
        metrics.store_uses("open_tenants", 7);
        let text = metrics.exposition().unwrap();
        for line in [
            "fabric_memory_requests_total{method=\"other\",route=\"none\",status=\"4xx\"} 1",
            "fabric_memory_refusals_total{code=\"not_found\"} 1",
            "fabric_memory_keys_usable{issuer=\"corp\"} 1",
            "fabric_memory_store{what=\"open_tenants\"} 7",
            "fabric_memory_entries_written_total 0",
        ] {
            assert!(text.contains(line), "`{line}` is not in\n{text}");
        }
        assert!(!text.contains("tenant="), "{text}");
    }
}

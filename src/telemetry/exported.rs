//! Counters of what is exported by OTLP, and when the process began.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::metrics::{MetricsError, counter, registered};
use super::otlp::{Dropped, Signal};
use crate::clock::{Clock, SystemClock};

/// Tells when the process began, under the name that Prometheus' own clients use.
pub(super) fn register_start(registry: &Registry) -> Result<(), MetricsError> {
    let name = "process_start_time_seconds";
    let began = IntGauge::new(name, "When the process began, in seconds since 1970")?;
    registered(registry, began)?.set(SystemClock.now().as_seconds());
    Ok(())
}

/// What became of spans and log records.
pub(super) struct Exported {
    dropped: IntCounterVec,
    exported: IntCounterVec,
}

impl Exported {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            dropped: counter(
                registry,
                "fabric_gate_telemetry_dropped_total",
                "Spans and log records that were not exported, by signal and reason",
                &["signal", "reason"],
            )?,
            exported: counter(
                registry,
                "fabric_gate_telemetry_exported_total",
                "Spans and log records that a receiver of OTLP took, by signal",
                &["signal"],
            )?,
        })
    }

    /// A signal is exported from here on: each of its counters is there, at nought, so that the
    /// first loss is seen as a change.
    pub(super) fn begins(&self, signal: Signal) {
        self.exported.with_label_values(&[signal.as_str()]);
        for reason in Dropped::ALL {
            self.dropped
                .with_label_values(&[signal.as_str(), reason.as_str()]);
        }
    }

    pub(super) fn dropped(&self, signal: Signal, reason: Dropped, number: u64) {
        self.dropped
            .with_label_values(&[signal.as_str(), reason.as_str()])
            .inc_by(number);
    }

    pub(super) fn taken(&self, signal: Signal, number: u64) {
        self.exported
            .with_label_values(&[signal.as_str()])
            .inc_by(number);
    }
}

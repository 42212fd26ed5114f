//! What the proxy keeps of one request between callbacks.

use std::sync::Arc;

use http::HeaderValue;

use crate::audit::AuditUnavailable;
use crate::decision::Refusal;
use crate::pipeline::{Admission, Gate, Trail};

/// Where a request stands.
enum Phase {
    /// Read, not decided.
    Arrived,
    /// Decided: it may go to its backend, and only with this.
    Admitted(Arc<Admission>),
}

/// The context of one request.
///
/// Dropping it hands over the audit record if nobody did: pingora calls `logging` neither for a
/// request that panics nor for one that is cut off at shutdown.
pub(super) struct Exchange {
    gate: Arc<Gate>,
    trail: Trail,
    phase: Phase,
    host: Option<HeaderValue>,
    failure: Option<Refusal>,
}

impl Exchange {
    /// The context of a request that has just arrived.
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        let trail = gate.begin();
        Self {
            gate,
            trail,
            phase: Phase::Arrived,
            host: None,
            failure: None,
        }
    }

    /// What happened so far.
    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What happened so far, to add to.
    pub(super) fn trail_mut(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// The request may pass.
    pub(super) fn admit(&mut self, admission: Arc<Admission>) {
        self.phase = Phase::Admitted(admission);
    }

    /// The permission to reach the backend; `None` means that there is none, whatever the reason.
    pub(super) fn admission(&self) -> Option<&Arc<Admission>> {
        match &self.phase {
            Phase::Admitted(admission) => Some(admission),
            Phase::Arrived => None,
        }
    }

    /// Notes the `Host` of the backend this attempt goes to.
    pub(super) fn send_to(&mut self, host: Option<HeaderValue>) {
        self.host = host;
    }

    /// The `Host` of the backend.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// Notes why a callback is about to fail: pingora's error type can't carry a refusal.
    pub(super) fn fail_with(&mut self, refusal: Refusal) {
        self.failure = Some(refusal);
    }

    /// The noted reason, once.
    pub(super) fn take_failure(&mut self) -> Option<Refusal> {
        self.failure.take()
    }

    /// Hands over the audit record, and waits for the disk where the log is configured so.
    ///
    /// # Errors
    /// The log can't take it and refuses service.
    pub(super) async fn record(&mut self) -> Result<(), AuditUnavailable> {
        self.settle();
        self.gate.record(&mut self.trail).await
    }

    /// The same where nothing can be awaited.
    ///
    /// # Errors
    /// As [`Exchange::record`].
    pub(super) fn record_blocking(&mut self) -> Result<(), AuditUnavailable> {
        self.settle();
        self.gate.record_blocking(&mut self.trail)
    }

    fn settle(&self) {
        if let Phase::Admitted(admission) = &self.phase {
            self.gate.settle(&self.trail, admission);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.trail.is_recorded() {
            return;
        }
        self.trail.cut_off();
        self.settle();
        if self.gate.record_blocking(&mut self.trail).is_err() {
            tracing::error!(request_id = %self.trail.request_id(), "a request ended without an audit record");
        }
    }
}

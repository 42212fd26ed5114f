//! What the proxy keeps of one request between callbacks.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use pingora::http::RequestHeader;

use super::lifetime::Lifetime;
use super::watched::Watch;
use crate::audit::AuditUnavailable;
use crate::decision::{Denial, Refusal};
use crate::pipeline::later::Report;
use crate::pipeline::{Admission, Gate, Trail, Turn, UnderWay};

/// Where a request stands.
enum Phase {
    /// Read, not decided.
    Arrived,
    /// Decided: it may go to its backend, and only with this.
    Admitted(Arc<Admission>),
    /// Decided: what it names is not there for its caller. What a backend is asked about that, it is
    /// asked with this.
    Absent(Arc<Admission>),
}

impl Phase {
    /// Whether the backend may have heard of the request.
    fn was_sent(&self) -> bool {
        match self {
            Self::Admitted(admission) | Self::Absent(admission) => admission.was_sent(),
            Self::Arrived => false,
        }
    }
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
    watch: Option<Watch>,
    turn: Option<Turn>,
    // INVARIANT: dropped behind the record, which is handed over when this is dropped as a whole: a
    // process that waits for the last request has its record.
    _under_way: UnderWay,
}

impl Exchange {
    /// The context of a request that has just arrived.
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        let (trail, under_way) = (gate.begin(), gate.count_in());
        Self {
            gate,
            trail,
            phase: Phase::Arrived,
            host: None,
            failure: None,
            watch: Watch::current(),
            turn: None,
            _under_way: under_way,
        }
    }

    /// The gate that serves it.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
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

    /// What the request names is not there for its caller.
    pub(super) fn absent(&mut self, admission: Arc<Admission>) {
        self.phase = Phase::Absent(admission);
    }

    /// The permission to reach the backend; `None` means that there is none, whatever the reason.
    pub(super) fn admission(&self) -> Option<&Arc<Admission>> {
        match &self.phase {
            Phase::Admitted(admission) => Some(admission),
            Phase::Arrived | Phase::Absent(_) => None,
        }
    }

    /// How long the answer to the admitted request may go on; `None` where none was admitted.
    pub(super) fn lifetime(&self, head: &RequestHeader) -> Option<Lifetime> {
        self.admission()
            .map(|admission| Lifetime::of(&self.gate, admission, &self.trail, head))
    }

    /// From here on pingora's loop carries the admitted request, for as long as it stands.
    pub(super) fn watch(&self, head: &RequestHeader) {
        if let (Some(watch), Some(lifetime)) = (&self.watch, self.lifetime(head)) {
            watch.begin(lifetime);
        }
    }

    /// The request is at the head of its line until [`Exchange::leave_line`], or its end.
    pub(super) fn take_turn(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    /// The next in line may go on.
    pub(super) fn leave_line(&mut self) {
        self.turn = None;
    }

    /// The answer has these fields: where it is a stream, it takes a place among those.
    ///
    /// # Errors
    /// Its caller has too many open.
    pub(super) fn opens_stream(&mut self, answer: &HeaderMap) -> Result<(), Denial> {
        self.gate.answer_begins(answer, &mut self.trail)
    }

    /// The gate refuses the request: what it took of what is limited by the second goes back, unless
    /// the backend may have heard of it.
    pub(super) fn give_back(&mut self, refusal: &Refusal) {
        if !self.phase.was_sent() {
            self.trail.give_back(refusal);
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

    /// INVARIANT: once, and before the sender has its answer. A delivery that is let go of later may
    /// be one that was delivered again in the meantime, and could then be replayed.
    fn settle(&mut self) {
        if self.trail.is_recorded() {
            return;
        }
        // Who asks again as soon as it has its answer must not meet itself.
        self.trail.free_slots();
        let phase = &self.phase;
        self.trail.was_sent(|| phase.was_sent());
        match &self.phase {
            Phase::Admitted(admission) => self.gate.settle(&mut self.trail, admission),
            Phase::Arrived | Phase::Absent(_) => self.gate.charge(&mut self.trail, None),
        }
    }

    /// Hears what the answer tells of work that goes on.
    pub(super) fn hear(&mut self, reports: Option<Vec<Report>>) {
        let gate = Arc::clone(&self.gate);
        if let Some(reporting) = self.trail.reporting() {
            for report in reports.iter().flatten() {
                gate.hear(reporting, report);
            }
        }
    }

    /// Charges the request before its record is handed over, so that its answer can say what it
    /// cost.
    pub(super) fn charge(&mut self) {
        let admission = self.admission().cloned();
        self.gate.charge(&mut self.trail, admission.as_deref());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.trail.is_recorded() {
            return;
        }
        let withdrawn = self.watch.as_ref().and_then(Watch::withdrawn).cloned();
        match &withdrawn {
            Some(denial) => self.trail.withdrawn(denial),
            None => self.trail.cut_off(),
        }
        self.settle();
        if self.gate.record_blocking(&mut self.trail).is_err() {
            tracing::error!(request_id = %self.trail.request_id(), trace_id = self.trail.trace_id(), "a request ended without an audit record");
        }
        match withdrawn {
            Some(_) => self.gate.observe(&self.trail),
            None => self.gate.export(&self.trail),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    use super::*;
    use crate::audit::{AuditLog, Settings};
    use crate::budget::Ledger;
    use crate::budget::models::settings::TenantSettings;
    use crate::clock::{SharedClock, SystemClock};
    use crate::identity::assertion::Assertions;
    use crate::identity::jwks::{JwksSettings, KeySetRegistry};
    use crate::identity::signing_key::SigningKey;
    use crate::identity::{ReplayGuard, TokenCache};
    use crate::ownership::Registry;
    use crate::pipeline::{CredentialHandles, GateParts, GateSettings};
    use crate::policy::{PolicyDirectory, compile};
    use crate::secret::SecretResolver;
    use crate::state::{MemoryStore, SqliteStore};
    use crate::telemetry::Metrics;

    /// A gate with a real audit log in `folder`.
    fn gate(folder: &Path, runtime: &tokio::runtime::Handle) -> Arc<Gate> {
        let clock: SharedClock = Arc::new(SystemClock);
        let policies = folder.join("policies");
        std::fs::create_dir(&policies).unwrap();
        let route = "[[upstreams]]\nname = \"b\"\nurl = \"http://127.0.0.1:9\"\n\
                     [[routes]]\nname = \"r\"\nupstream = \"b\"\npath = \"/\"\npublic = true\n";
        std::fs::write(policies.join("a.toml"), route).unwrap();
        let files = PolicyDirectory::read(&policies).unwrap();
        let snapshot = compile(&files, &SecretResolver::with_environment([])).unwrap();
        let audit = Settings::new(folder.join("audit"));
        let parts = GateParts {
            settings: GateSettings {
                tenant_header_required: false,
                on_loopback: true,
                hosts: None,
            },
            audit: AuditLog::open(&audit, Arc::clone(&clock)).unwrap(),
            metrics: Arc::new(Metrics::new(1).unwrap()),
            telemetry: None,
            keys: KeySetRegistry::new(runtime.clone(), JwksSettings::default(), Arc::clone(&clock))
                .unwrap(),
            tokens: Arc::new(TokenCache::new(64)),
            replays: ReplayGuard::new(64),
            assertions: Arc::new(
                Assertions::new(
                    SigningKey::load_or_create(&folder.join("assertion.key")).unwrap(),
                    Vec::new(),
                    Arc::clone(&clock),
                )
                .unwrap(),
            ),
            handles: CredentialHandles::new(folder),
            registry: Registry::new(Arc::new(MemoryStore::default()), Arc::clone(&clock), 64),
            ledger: Ledger::in_memory(Arc::clone(&clock)),
            models: TenantSettings::new(Arc::new(
                SqliteStore::open(&folder.join("gate.db")).unwrap(),
            )),
            clock,
        };
        Gate::new(parts, snapshot).unwrap()
    }

    /// Reasons of the records of requests, in order.
    fn reasons(folder: &Path) -> Vec<String> {
        let log = std::fs::read_to_string(folder.join("audit/audit-0-00000001.jsonl")).unwrap();
        log.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|record| record["kind"] == "request")
            .map(|record| record["reason"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The reason in the record of a request in which `happens` panics, and of one after it.
    fn recorded_of_a_panic(happens: fn(&mut Exchange)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let gate = gate(folder.path(), runtime.handle());

        let mut exchange = Exchange::new(Arc::clone(&gate));
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            happens(&mut exchange);
            panic!("a callback panics");
        }));
        assert!(panicked.is_err());

        let mut next = Exchange::new(Arc::clone(&gate));
        next.trail_mut().answered(200);
        runtime.block_on(next.record()).unwrap();
        drop(next);
        gate.audit().shutdown().unwrap();
        reasons(folder.path())
    }

    #[test]
    fn a_request_that_panics_before_its_answer_has_a_record_and_so_has_the_next() {
        assert_eq!(recorded_of_a_panic(|_| {}), ["internal", "ok"]);
    }

    #[test]
    fn a_request_that_panics_within_its_answer_is_recorded_as_cut_off() {
        let answering = |exchange: &mut Exchange| exchange.trail_mut().upstream_answered(200);
        assert_eq!(recorded_of_a_panic(answering), ["cut_off", "ok"]);
    }

    #[test]
    fn a_request_that_was_recorded_is_not_recorded_again_when_it_panics() {
        let answered = |exchange: &mut Exchange| {
            exchange.trail_mut().answered(200);
            exchange.record_blocking().unwrap();
        };
        assert_eq!(recorded_of_a_panic(answered), ["ok", "ok"]);
    }
}

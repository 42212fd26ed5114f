//! The gate: policy generations, the audit log, and what both need.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::admission::Admission;
use super::generation::Generation;
use super::handles::CredentialHandles;
use super::lines::Lines;
use super::open_answers::OpenAnswers;
use super::trace_context::RequestId;
use super::trail::Trail;
use crate::audit::{AuditLog, AuditUnavailable, Durability};
use crate::budget::Ledger;
use crate::budget::ledger::Crossing;
use crate::budget::limits::{Bounds, Limiter};
use crate::budget::models::settings::TenantSettings;
use crate::clock::{SharedClock, Timestamp};
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal};
use crate::identity::assertion::Assertions;
use crate::identity::jwks::KeySetRegistry;
use crate::identity::webhook::WebhookError;
use crate::identity::{ReplayGuard, TokenAuthenticator, TokenCache};
use crate::money::NanoUsd;
use crate::ownership::Registry;
use crate::policy::PolicySnapshot;
use crate::telemetry::Metrics;
use crate::telemetry::otlp::Telemetry;
use crate::telemetry::series::Series;
use crate::telemetry::warnings::{Warning, Warnings};
use crate::tenant::TenantId;

/// What a gate is told when it is made.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Hardened mode whatever the policies say (`FABRIC_HARNESS_TENANT_REQUIRED`).
    pub tenant_header_required: bool,
    /// Whether the public listener can only be reached from this host; the development identity is
    /// refused otherwise.
    pub on_loopback: bool,
    /// Host names that are served, in lower case and without port; `None` is any.
    pub hosts: Option<Vec<String>>,
}

/// What a gate is made of.
pub struct GateParts {
    /// Its settings.
    pub settings: GateSettings,
    /// Where records go.
    pub audit: AuditLog,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where traces go, if they do.
    pub telemetry: Option<Arc<Telemetry>>,
    /// Time.
    pub clock: SharedClock,
    /// Key sets of issuers.
    pub keys: Arc<KeySetRegistry>,
    /// Verified tokens.
    pub tokens: Arc<TokenCache>,
    /// Signed deliveries that were taken.
    pub replays: ReplayGuard,
    /// What says who calls under the gate's signature.
    pub assertions: Arc<Assertions>,
    /// Secrets of backends.
    pub handles: CredentialHandles,
    /// Who owns what.
    pub registry: Arc<Registry>,
    /// Who spent what.
    pub ledger: Arc<Ledger>,
    /// What tenants chose for their models.
    pub models: Arc<TenantSettings>,
}

/// The policy enforcement point without its network side.
pub struct Gate {
    generation: ArcSwap<Generation>,
    installed: watch::Sender<()>,
    lines: Arc<Lines>,
    limiter: Arc<Limiter>,
    warnings: Arc<Warnings>,
    series: Series,
    open_answers: Arc<OpenAnswers>,
    under_way: Arc<()>,
    parts: GateParts,
}

/// Kept for as long as a request is under way.
#[derive(Debug)]
#[must_use]
pub struct UnderWay {
    _count: Arc<()>,
}

/// A compiled policy can't be put in force on this gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// `[development]` names who anonymous callers are; that is for one's own machine only.
    #[error("`[development]` is refused because the listener is not on loopback")]
    DevelopmentBeyondLoopback,
    /// A webhook that could not verify anything.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

impl Gate {
    /// A gate with its first policy in force.
    ///
    /// # Errors
    /// See [`InstallError`].
    pub fn new(parts: GateParts, snapshot: PolicySnapshot) -> Result<Arc<Self>, InstallError> {
        let generation = parts.generation_of(snapshot)?;
        Ok(Arc::new(Self {
            generation: ArcSwap::from_pointee(generation),
            installed: watch::Sender::new(()),
            lines: Arc::default(),
            limiter: Limiter::new(Bounds::default()),
            warnings: Arc::default(),
            series: Series::new(parts.clock.now()),
            open_answers: Arc::default(),
            under_way: Arc::default(),
            parts,
        }))
    }

    /// Puts a policy in force: requests that arrive from now on are judged by it. Those under way
    /// keep the one they began with, and end where it would not have let them begin
    /// ([`Gate::standing`]).
    ///
    /// # Errors
    /// See [`InstallError`]; the policy in force stays.
    pub fn install(&self, snapshot: PolicySnapshot) -> Result<(), InstallError> {
        self.generation
            .store(Arc::new(self.parts.generation_of(snapshot)?));
        self.installed.send_replace(());
        Ok(())
    }

    /// Tells of every policy that is put in force after this call.
    pub fn installations(&self) -> watch::Receiver<()> {
        self.installed.subscribe()
    }

    /// The policy in force.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Counts a request as under way until the answer is dropped.
    pub fn count_in(&self) -> UnderWay {
        UnderWay {
            _count: Arc::clone(&self.under_way),
        }
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        Arc::strong_count(&self.under_way) - 1
    }

    /// Begins the trail of a request that has just arrived.
    pub fn begin(&self) -> Trail {
        Trail::new(RequestId::mint(), self.now(), Instant::now())
    }

    /// Hands a trail's record to the audit log, and waits for the disk where durability is `sync`.
    ///
    /// # Errors
    /// The log can't take it and `on_failure` is `deny`.
    pub async fn record(&self, trail: &mut Trail) -> Result<(), AuditUnavailable> {
        match (
            trail.record(&self.parts.audit)?,
            self.parts.audit.durability(),
        ) {
            (Some(ticket), Durability::Sync) => self.parts.audit.wait_durable(ticket).await,
            (Some(_), Durability::Batch) | (None, _) => Ok(()),
        }
    }

    /// [`Gate::record`] where nothing can be awaited.
    ///
    /// # Errors
    /// As [`Gate::record`].
    pub fn record_blocking(&self, trail: &mut Trail) -> Result<(), AuditUnavailable> {
        match (
            trail.record(&self.parts.audit)?,
            self.parts.audit.durability(),
        ) {
            (Some(ticket), Durability::Sync) => self.parts.audit.wait_durable_blocking(ticket),
            (Some(_), Durability::Batch) | (None, _) => Ok(()),
        }
    }

    /// Charges what was held for the request, once; later calls do nothing.
    pub fn charge(&self, trail: &mut Trail, admission: Option<&Admission>) {
        if let Some(spending) = trail.spending.take() {
            let sent = admission.is_some_and(Admission::was_sent);
            let work = admission.and_then(|it| it.work_begun(spending.model(), self.now()));
            let bill = spending.settle(sent, work);
            if let (Some(tenant), Some(cost)) = (trail.facts().tenant, bill.cost) {
                self.count_charge(tenant, (cost, bill.how), &bill.crossed);
            }
            trail.bill = Some(Box::new(bill));
        }
    }

    /// Counts what a tenant was charged, and tells of the shares of ceilings that it passed.
    pub(super) fn count_charge(
        &self,
        tenant: &TenantId,
        (cost, how): (NanoUsd, &'static str),
        crossed: &[Crossing],
    ) {
        self.parts.metrics.settled(tenant, cost, how);
        self.series.charged(tenant, cost);
        if cost.is_zero() {
            let reason = if how == "released" { how } else { "free" };
            self.parts.metrics.uncharged(reason);
        }
        for crossing in crossed {
            let warning = Warning::of_crossing(crossing, self.now());
            self.warnings.tell(warning);
        }
    }

    /// Settles what hangs on the end of a request: what it cost, and lets go of a signed delivery that no backend took, so that it can be delivered again. To be
    /// asked before the sender has its answer: it may try again at once.
    pub fn settle(&self, trail: &mut Trail, admission: &Admission) {
        self.charge(trail, Some(admission));
        self.let_go_of_work(trail, admission);
        if !trail.was_taken() {
            admission.undelivered(trail.path(), &self.parts.replays);
        }
    }

    /// Counts a request that has ended, and exports it where requests are.
    pub fn observe(&self, trail: &Trail) {
        let facts = trail.facts();
        self.parts.metrics.request(&facts);
        self.series.request(facts.refusal);
        self.export(trail);
    }

    /// Decides whether a request that has just arrived is traced, where any is.
    pub fn sample(&self, trail: &mut Trail) {
        if let Some(telemetry) = &self.parts.telemetry {
            trail.sample(telemetry);
        }
    }

    /// Exports a request that has ended, where requests are.
    pub fn export(&self, trail: &Trail) {
        if let Some(telemetry) = &self.parts.telemetry {
            trail.export(telemetry);
        }
    }

    /// Who waits for whom.
    pub fn lines(&self) -> &Arc<Lines> {
        &self.lines
    }

    /// How many of whose requests are under way.
    pub(super) fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Who is told that a ceiling is spent.
    pub fn warnings(&self) -> &Arc<Warnings> {
        &self.warnings
    }

    /// Counters over time.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The answers that go on.
    pub fn open_answers(&self) -> &Arc<OpenAnswers> {
        &self.open_answers
    }

    /// Counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// The audit log.
    pub fn audit(&self) -> &AuditLog {
        &self.parts.audit
    }

    /// Key sets of issuers.
    pub fn keys(&self) -> &Arc<KeySetRegistry> {
        &self.parts.keys
    }

    /// What says who calls under the gate's signature.
    pub fn assertions(&self) -> &Arc<Assertions> {
        &self.parts.assertions
    }

    /// Who owns what.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.parts.registry
    }

    /// Who spent what.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.parts.ledger
    }

    /// What tenants chose for their models.
    pub fn models(&self) -> &Arc<TenantSettings> {
        &self.parts.models
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(super) fn replays(&self) -> &ReplayGuard {
        &self.parts.replays
    }

    pub(super) fn handles(&self) -> &CredentialHandles {
        &self.parts.handles
    }

    pub(super) fn hardened(&self, snapshot: &PolicySnapshot) -> bool {
        self.parts.settings.tenant_header_required || snapshot.tenancy.header_required
    }

    /// No record, no service: asked before anything else is done for a request.
    pub(super) fn audit_ready(&self) -> Result<(), Refusal> {
        self.parts
            .audit
            .ready()
            .map_err(|AuditUnavailable| Failure::new(FailureCode::AuditUnavailable).into())
    }

    pub(super) fn known_host(&self, host: Option<&str>) -> Result<(), Refusal> {
        let Some(served) = &self.parts.settings.hosts else {
            return Ok(());
        };
        let name = host.map(without_port).unwrap_or_default();
        if served
            .iter()
            .any(|served| served.eq_ignore_ascii_case(name))
        {
            Ok(())
        } else {
            Err(Denial::because(DenialCode::RequestRejected, "the Host is not served here").into())
        }
    }
}

impl Gate {
    /// Whether a page of this origin may use a credential that the browser adds by itself, or none at
    /// all on a developer's machine. The name of the page's host is not enough to be the one the
    /// request came to: whoever owns a name can point it here (DNS rebinding).
    pub(super) fn known_origin(&self, origin: &str) -> bool {
        let Some((_, authority)) = origin.split_once("://") else {
            return false;
        };
        let name = without_port(authority);
        let served = self.parts.settings.hosts.iter().flatten();
        ["localhost", "127.0.0.1", "[::1]"]
            .into_iter()
            .chain(served.map(String::as_str))
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl GateParts {
    fn generation_of(&self, snapshot: PolicySnapshot) -> Result<Generation, InstallError> {
        if snapshot.development.is_some() && !self.settings.on_loopback {
            return Err(InstallError::DevelopmentBeyondLoopback);
        }
        let tokens = TokenAuthenticator::new(
            &snapshot.issuers,
            &snapshot.tenancy.grammar,
            &snapshot.claims(),
            *snapshot.revision.digest(),
            &self.keys,
            Arc::clone(&self.tokens),
            Arc::clone(&self.clock),
        );
        let generation = Generation::new(snapshot, tokens, Arc::clone(&self.assertions))?;
        let listed: Vec<_> = generation.snapshot().tenants.keys().cloned().collect();
        self.metrics
            .policy_installed(generation.revision().as_str(), &listed);
        Ok(generation)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_its_port() {
        assert_eq!(without_port("gate.example:8080"), "gate.example");
        assert_eq!(without_port("gate.example"), "gate.example");
        assert_eq!(without_port("[::1]:8080"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }
}

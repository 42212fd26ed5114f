//! What is known of one request, from its first byte to its audit record.
//!
//! Every step writes down what it found, so that the record can be made wherever the request ends:
//! at a denial, a failure, a disconnect or a panic.

mod traced;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};

use self::traced::Traced;
use super::inquiry::{Inquiry, Stage};
use super::later::Reporting;
use super::limits::Limiting;
use super::ownership::NamedResource;
use super::spending::{Bill, Spending};
use super::trace_context::{RequestId, TraceContext};
use crate::audit::{
    AuditLog, AuditUnavailable, Caller, RecordedDecision, RecordedPath, RecordedResource,
    RequestRecord, Ticket,
};
use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::policy::{Revision, RoutePolicy};
use crate::telemetry::RequestFacts;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Still under way.
    Open,
    /// Answered by the backend.
    Answered,
    /// Refused by rule or by failure, with the code.
    Refused(&'static str),
    /// The client left before its answer was complete.
    ClientGone,
    /// The backend's answer broke off.
    Torn,
    /// It was let in, and what let it in is gone: the code of whoever would refuse it at present.
    Withdrawn(&'static str),
    /// The gate itself ended in the middle of the answer: a stop whose grace was over, or a panic.
    CutOff,
}

/// The facts of one request.
#[derive(Debug)]
pub struct Trail {
    request_id: RequestId,
    trace: Option<TraceContext>,
    received: Timestamp,
    started: Instant,
    due: Instant,
    method: Method,
    target: Vec<u8>,
    pub(super) revision: Option<Revision>,
    pub(super) route: Option<Arc<RoutePolicy>>,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) declared_tenant: Option<String>,
    pub(super) rule: Option<Arc<str>>,
    pub(super) resource: Option<NamedResource>,
    /// The tool that an MCP message calls.
    pub(super) tool: Option<Arc<str>>,
    /// The model that the request asks for.
    pub(super) model: Option<Arc<str>>,
    /// What is held for the request, until it is settled.
    pub(super) spending: Option<Box<Spending>>,
    /// What it was charged, once that is known.
    pub(super) bill: Option<Box<Bill>>,
    /// What is read of an answer that tells of work that goes on.
    pub(super) reporting: Option<Box<Reporting>>,
    /// The id of the JSON-RPC request, as it is written.
    pub(super) rpc_id: Option<String>,
    /// What the request holds of what is limited.
    pub(super) limiting: Limiting,
    pub(super) stage: Stage,
    /// What is supposed and found, where a request is only asked about.
    pub(super) inquiry: Option<Box<Inquiry>>,
    alert: Option<&'static str>,
    pub(super) would_deny: Vec<Arc<str>>,
    pub(super) admitted: bool,
    ending: Ending,
    status: Option<u16>,
    upstream_status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    recorded: bool,
    took: Option<Duration>,
    traced: Traced,
}

/// The alert about an answer that names what belongs to another.
const FOREIGN_ANSWER: &str = "foreign_answer";

/// Longest unrouted path that is recorded, in bytes.
const MAX_PATH: usize = 512;

impl Trail {
    /// The trail of a request that has just arrived.
    pub fn new(request_id: RequestId, received: Timestamp, started: Instant) -> Self {
        Self {
            request_id,
            trace: None,
            received,
            started,
            due: started,
            method: Method::GET,
            target: Vec::new(),
            revision: None,
            route: None,
            principal: None,
            declared_tenant: None,
            rule: None,
            resource: None,
            tool: None,
            model: None,
            spending: None,
            bill: None,
            reporting: None,
            rpc_id: None,
            limiting: Limiting::default(),
            stage: Stage::default(),
            inquiry: None,
            alert: None,
            would_deny: Vec::new(),
            admitted: false,
            ending: Ending::Open,
            status: None,
            upstream_status: None,
            bytes_in: 0,
            bytes_out: 0,
            recorded: false,
            took: None,
            traced: Traced::default(),
        }
    }

    /// Notes what was asked for, and continues or begins its trace. Of a target that leads to no
    /// route only the beginning is kept, and its query never: it is text of a stranger.
    pub fn asked(&mut self, method: &Method, target: &[u8], headers: &HeaderMap) {
        self.method = method.clone();
        let path = target
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        // Before a path there may be user information, which holds passwords.
        let path = match path.first() {
            Some(b'/') => path,
            _ => path.rsplit(|byte| *byte == b'@').next().unwrap_or_default(),
        };
        self.target = path.get(..MAX_PATH).unwrap_or(path).to_vec();
        self.trace = Some(TraceContext::of(headers));
    }

    /// The gate's id of this request.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The W3C trace context to send on, once the head was read.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// The id of its trace, once the head was read.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().map(TraceContext::trace_id)
    }

    /// When the request arrived, by the clock on the wall.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// What is held for the request, until it is settled.
    pub fn spending(&mut self) -> Option<&mut Spending> {
        self.spending.as_deref_mut()
    }

    /// Whether a part of the answer is there for the gate only.
    pub fn hides_usage(&self) -> bool {
        match (self.spending.as_deref(), &self.inquiry) {
            (Some(spending), _) => spending.hides(),
            (None, Some(inquiry)) => inquiry.hides_usage,
            (None, None) => false,
        }
    }

    /// What is read of an answer that tells of work that goes on.
    pub fn reporting(&mut self) -> Option<&mut Reporting> {
        self.reporting.as_deref_mut()
    }

    /// What the request was charged, once it was settled.
    pub fn bill(&self) -> Option<&Bill> {
        self.bill.as_deref()
    }

    /// When the request arrived.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// From now on the answer is waited for: the request is there whole, and nothing of its caller's
    /// has to be waited for first.
    pub fn is_due(&mut self) {
        self.due = Instant::now();
    }

    /// Since when the answer is waited for: since the request's arrival, unless it came slowly.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// How long an answer that is ready was waited for.
    pub fn kept_waiting(&self) -> Option<Duration> {
        let ready = self.started.checked_add(self.took?)?;
        Some(ready.saturating_duration_since(self.due))
    }

    /// The route, once found.
    pub fn route(&self) -> Option<&Arc<RoutePolicy>> {
        self.route.as_ref()
    }

    /// The id of the JSON-RPC request, once its body was read.
    pub fn rpc_id(&self) -> Option<&str> {
        self.rpc_id.as_deref()
    }

    /// The caller, once verified.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// Status of the answer, once it was decided.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The word that metrics and records use: `permit` or `deny`.
    pub fn decision(&self) -> RecordedDecision {
        if self.admitted {
            RecordedDecision::Permit
        } else {
            RecordedDecision::Deny
        }
    }

    /// `ok`, or why the request did not end well.
    pub fn reason(&self) -> &'static str {
        match self.ending {
            Ending::Answered => "ok",
            Ending::Refused(code) | Ending::Withdrawn(code) => code,
            Ending::ClientGone => "client_closed",
            Ending::Torn => "upstream_incomplete",
            Ending::CutOff => "cut_off",
            Ending::Open => "internal",
        }
    }

    /// The request was refused.
    pub fn refused(&mut self, refusal: &Refusal) {
        if let Refusal::Denied(denial) = refusal {
            // A denial that the answer's body brought about takes the permit back.
            self.admitted = false;
            if denial.rule.is_some() {
                self.rule.clone_from(&denial.rule);
            }
            self.alerted(refusal);
        }
        self.ending = Ending::Refused(refusal.code());
        self.status = Some(refusal.status());
    }

    /// Notes that an operator has to look where the backend answered with what is another's.
    pub fn alerted(&mut self, refusal: &Refusal) {
        if let Refusal::Denied(denial) = refusal
            && denial.code == DenialCode::ForeignAnswer
        {
            self.alert = Some(FOREIGN_ANSWER);
        }
    }

    /// The backend answered with this status.
    pub fn upstream_answered(&mut self, status: u16) {
        self.upstream_status = Some(status);
        self.answered(status);
    }

    /// The client is answered with this status.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.ending = Ending::Answered;
    }

    /// The client is told with this status, in the backend's words, that something is not there.
    pub fn absent(&mut self, status: u16) {
        self.refused(&DenialCode::NotFound.into());
        self.status = Some(status);
    }

    /// The client left.
    pub fn client_gone(&mut self) {
        self.broke(Ending::ClientGone);
    }

    /// The request was let in, and its answer ends early because it would not be let in any more.
    pub fn withdrawn(&mut self, denial: &Denial) {
        if denial.rule.is_some() {
            self.rule.clone_from(&denial.rule);
        }
        self.ending = Ending::Withdrawn(denial.code.facts().code);
    }

    /// The backend's answer broke off.
    pub fn torn(&mut self) {
        self.broke(Ending::Torn);
    }

    /// Connections break behind an answer that was withdrawn; that is not what ended it.
    fn broke(&mut self, ending: Ending) {
        if !matches!(self.ending, Ending::Withdrawn(_)) {
            self.ending = ending;
        }
    }

    /// The gate goes no further with it. An answer that began was not whole; a request that had
    /// none keeps its ending.
    pub fn cut_off(&mut self) {
        if self.ending == Ending::Answered {
            self.ending = Ending::CutOff;
        }
    }

    /// Counts bytes of the request body.
    pub fn count_in(&mut self, bytes: usize) {
        self.bytes_in += bytes as u64;
    }

    /// Counts bytes of the answer's body.
    pub fn count_out(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// Bytes of the request body so far.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// What the counters take of it.
    pub fn facts(&self) -> RequestFacts<'_> {
        RequestFacts {
            route: self.route.as_ref().map_or("", |route| &route.name),
            tenant: self.principal.as_ref().map(|principal| principal.tenant()),
            decision: self.decision().as_str(),
            refusal: match self.ending {
                Ending::Refused(code) => Some(code),
                Ending::Open
                | Ending::Answered
                | Ending::ClientGone
                | Ending::Torn
                | Ending::Withdrawn(_)
                | Ending::CutOff => None,
            },
            total: self.started.elapsed(),
            would_deny: self.would_deny.len(),
        }
    }

    /// The exchange ended with an error that nobody named: whoever was cut off, it was not whole.
    pub fn broke_off(&mut self) {
        if matches!(self.ending, Ending::Open | Ending::Answered) {
            self.ending = Ending::ClientGone;
        }
    }

    /// Whether a backend answered and did not fail.
    pub(super) fn was_taken(&self) -> bool {
        self.upstream_status.is_some_and(|status| status < 500)
    }

    /// The path as it came, cut short.
    pub(super) fn path(&self) -> &str {
        std::str::from_utf8(&self.target).unwrap_or_default()
    }

    /// How long after its arrival the request had an answer that was ready to be sent: when the
    /// record was handed over.
    pub fn took(&self) -> Option<Duration> {
        self.took
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Status of the backend's answer.
    pub fn upstream_status(&self) -> Option<u16> {
        self.upstream_status
    }

    /// Whether the record was handed over.
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Hands the record over, once; later calls do nothing.
    ///
    /// # Errors
    /// The log can't take it, and is set to refuse service then.
    pub fn record(&mut self, log: &AuditLog) -> Result<Option<Ticket>, AuditUnavailable> {
        if self.recorded || self.inquiry.is_some() {
            return Ok(None);
        }
        self.recorded = true;
        let took = self.started.elapsed();
        self.took = Some(took);
        let route = self.route.as_deref();
        let bill = self.bill.as_deref();
        let cost = bill.and_then(|bill| bill.cost).map(|cost| cost.to_string());
        let model = bill.and_then(|bill| bill.model.as_deref());
        let record = RequestRecord {
            ts: self.received,
            request_id: self.request_id.as_str(),
            trace_id: self.trace_id(),
            caller: self.principal.as_deref().map(Caller::from),
            method: self.method.as_str(),
            path: match route {
                Some(route) => RecordedPath::Template(&route.path),
                None => RecordedPath::Unrouted(&self.target),
            },
            route: route.map(|route| &*route.name),
            action: route.map(|route| route.action_of(&self.method)),
            resource: self.resource.as_ref().map(|named| RecordedResource {
                kind: &named.kind,
                id: &named.text,
            }),
            tool: self.tool.as_deref(),
            model: model.or(self.model.as_deref()),
            decision: self.decision(),
            reason: self.reason(),
            rule: self.rule.as_deref(),
            alert: self.alert,
            enforced: true,
            would_deny: &self.would_deny,
            declared_tenant: self.declared_tenant.as_deref().map(str::as_bytes),
            status: self.status,
            upstream: route
                .filter(|_| self.admitted)
                .map(|route| &*route.upstream.name),
            upstream_status: self.upstream_status,
            cost_usd: cost.as_deref(),
            tokens: bill.and_then(|bill| bill.tokens),
            price_revision: bill.and_then(|bill| bill.price_revision.as_deref()),
            latency_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            policy_revision: self.revision.as_ref().map(Revision::as_str),
        };
        log.append(&record).map(Some)
    }
}

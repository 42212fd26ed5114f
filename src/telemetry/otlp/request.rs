//! What is known of a request once it has ended, in a form that owns it.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::TokenCounts;
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::money::NanoUsd;

/// The ids of a request's spans, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceIds {
    /// Of the trace.
    pub trace: [u8; 16],
    /// Of the caller's span, where the trace is the caller's.
    pub caller: Option<[u8; 8]>,
    /// Of the gate's own span.
    pub gate: [u8; 8],
    /// Of the span of the exchange with the backend: the one the backend was told.
    pub upstream: [u8; 8],
    /// Whether the backend was told that the trace is sampled.
    pub sampled: bool,
}

/// A request that has ended. Making one costs counts of references and no copies of texts.
#[derive(Debug)]
pub struct EndedRequest {
    /// Its ids.
    pub ids: TraceIds,
    /// The gate's id of it.
    pub request_id: [u8; 32],
    /// When it arrived.
    pub begun: Timestamp,
    /// How long it took, to its answer's last byte.
    pub took: Duration,
    /// Its method.
    pub method: http::Method,
    /// Name and path template of its route, once found.
    pub route: Option<(Arc<str>, Arc<str>)>,
    /// The caller, once verified.
    pub principal: Option<Arc<Principal>>,
    /// `permit` or `deny`.
    pub decision: &'static str,
    /// `ok`, or why it did not end well.
    pub reason: &'static str,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// Rules in shadow mode that would have refused it.
    pub would_deny: Vec<Arc<str>>,
    /// The policy it was judged by.
    pub policy_revision: Option<Arc<str>>,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What it was charged.
    pub cost: Option<NanoUsd>,
    /// The exchange with the backend, where there was one.
    pub upstream: Option<UpstreamCall>,
}

impl EndedRequest {
    /// When it ended.
    pub fn ended(&self) -> Timestamp {
        after(self.begun, self.took)
    }

    /// Whether the gate or its backend failed it: the span's status is an error then. A refusal by
    /// rule is an answer like any other.
    pub(super) fn failed(&self) -> bool {
        self.status.is_some_and(|status| status >= 500)
            || matches!(self.reason, "upstream_incomplete" | "cut_off" | "internal")
    }
}

/// The exchange with a backend.
#[derive(Debug)]
pub struct UpstreamCall {
    /// Name of the upstream.
    pub name: Arc<str>,
    /// Host and port, where it has them.
    pub server: Option<(String, u16)>,
    /// How long after the request's arrival the backend was turned to.
    pub begun: Duration,
    /// How long after it its answer was there.
    pub ended: Duration,
    /// Status of its answer, if there was one.
    pub status: Option<u16>,
    /// What it was about, where it is a model that was asked.
    pub gen_ai: Option<GenAi>,
}

/// What was asked of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenAi {
    /// Whose words the backend speaks: `openai`, `anthropic`, `gcp.gemini`, `aws.bedrock`.
    pub provider: Option<&'static str>,
    /// The model that was asked for.
    pub model: Option<Arc<str>>,
    /// The model that answered, where the answer says so.
    pub answered_by: Option<Arc<str>>,
    /// What was used.
    pub tokens: Option<TokenCounts>,
}

/// A point in time, so much later.
pub(super) fn after(begun: Timestamp, passed: Duration) -> Timestamp {
    let micros = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(begun.as_micros().saturating_add(micros))
}

/// Nanoseconds since 1970, as OTLP has times; before it is 0, which is "unknown".
pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros())
        .unwrap_or_default()
        .saturating_mul(1_000)
}

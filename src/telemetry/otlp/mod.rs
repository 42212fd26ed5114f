//! Traces and logs for OpenTelemetry, by OTLP over HTTP (protocol buffers).
//!
//! What a request leaves behind is made in one place, where it ends, out of facts that are there
//! anyway: nothing follows a request through the code. [`Telemetry`] is what the serving threads
//! hold. It decides at a request's head whether its trace is sampled, and puts its finished spans
//! into a bounded queue; nothing in it waits. [`worker`] takes them out on the control runtime,
//! encodes them and sends them. A collector that is down, slow or talks nonsense costs the spans it
//! was sent, each counted with the reason, and nothing else.
//!
//! What leaves the process holds no path as it came, no query, no header, no body and no name that
//! a stranger chose: routes by their template, refusals by their code.
//!
//! The messages are those of `opentelemetry-proto`. The SDK above it is not used: its exporters tell
//! nobody what they dropped, and read the environment of the process by themselves.

mod attributes;
mod budget;
mod courier;
mod logs;
mod record;
mod request;
mod spans;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;

pub use logs::LogTap;
pub use request::{EndedRequest, GenAi, TraceIds, UpstreamCall};
pub use worker::Exporter;

use self::budget::Budget;
use self::record::LogLine;
use super::Metrics;

/// What is exported, and how.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// Where spans go, if they do.
    pub traces: Option<Receiver>,
    /// Where log records go, if they do.
    pub logs: Option<Receiver>,
    /// Longest wait for an answer of the receiver.
    pub timeout: Duration,
    /// Most spans, and most log records, that wait to be sent.
    pub queue: usize,
    /// What names this process: `service.name` and further attributes of the resource.
    pub resource: Vec<(String, String)>,
    /// Which requests are traced.
    pub sampling: Sampling,
    /// What spans say.
    pub detail: Detail,
}

/// A receiver of one signal.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// The whole address, with its path.
    pub url: String,
    /// Header fields of each request, such as the receiver's credential.
    pub headers: Vec<(String, SecretString)>,
}

/// Which requests are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The share of requests, from 0 to 1.
    pub ratio: f64,
    /// Whether the `sampled` flag of a caller's `traceparent` decides instead. Any caller can then
    /// have every request of its own exported.
    pub trust_parent: bool,
    /// Whether refused and failed requests are exported though they were not sampled.
    pub refusals: bool,
    /// Most of those a second. Without a bound a stranger without any credential could have spans
    /// made at will.
    pub refusals_per_second: u32,
}

/// What spans say beyond what they always do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The caller's user.
    pub users: bool,
    /// Model and tokens, as attributes of the GenAI conventions.
    pub gen_ai: bool,
    /// `http` or `https`: what the public listener speaks.
    pub scheme: &'static str,
    /// Host and port of the public listener, where it has them.
    pub server: Option<(String, u16)>,
}

/// What is exported, in the words of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
}

impl Signal {
    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }
}

/// Why something was dropped, in the words of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The queue was full: more came than the receiver takes.
    QueueFull,
    /// More refusals than are exported in a second.
    Limited,
    /// The receiver could not be reached, did not answer in time, or said for too long that it is
    /// overloaded.
    Unreachable,
    /// The receiver answered that it does not take it, or what is no answer of OTLP.
    Rejected,
    /// The process ended before it could be sent.
    Stopped,
}

impl Dropped {
    /// Every reason, for tests and documentation.
    pub const ALL: [Self; 5] = [
        Self::QueueFull,
        Self::Limited,
        Self::Unreachable,
        Self::Rejected,
        Self::Stopped,
    ];

    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Limited => "limited",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
        }
    }
}

/// What the serving threads hold of it.
pub struct Telemetry {
    sampling: Sampling,
    refusals: Budget,
    requests: Option<mpsc::Sender<Box<EndedRequest>>>,
    lines: Option<mpsc::Sender<LogLine>>,
    metrics: Arc<Metrics>,
}

impl Telemetry {
    /// Whether a request is sampled from its beginning. `draw` is a number that nobody can foresee:
    /// the trace id would be the caller's choice, and so would the decision.
    pub fn samples(&self, parent: Option<bool>, draw: u64) -> bool {
        match parent {
            Some(sampled) if self.sampling.trust_parent => sampled,
            Some(_) | None => within(self.sampling.ratio, draw),
        }
    }

    /// Exports a request that has ended, if it is one that is.
    pub fn ended(&self, request: impl FnOnce() -> EndedRequest, sampled: bool, went_wrong: bool) {
        let exported = sampled || (went_wrong && self.sampling.refusals);
        if !exported {
            return;
        }
        let request = Box::new(request());
        if !sampled
            && !self
                .refusals
                .take(request.ended().as_seconds().unsigned_abs())
        {
            self.metrics
                .telemetry_dropped(Signal::Traces, Dropped::Limited, 1);
            return;
        }
        if went_wrong && let Some(lines) = &self.lines {
            self.put(Signal::Logs, lines, LogLine::of_request(&request));
        }
        if let Some(requests) = &self.requests {
            self.put(Signal::Traces, requests, request);
        }
    }

    fn put<T>(&self, signal: Signal, queue: &mpsc::Sender<T>, one: T) {
        if queue.try_send(one).is_err() {
            self.metrics
                .telemetry_dropped(signal, Dropped::QueueFull, 1);
        }
    }
}

/// Whether a number drawn from all of `u64` is within the share.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of requests is no exact number"
)]
fn within(ratio: f64, draw: u64) -> bool {
    ratio >= 1.0 || (draw as f64) < ratio * u64::MAX as f64
}

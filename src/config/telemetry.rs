//! What is exported for OpenTelemetry, resolved.

use std::time::Duration;

use secrecy::SecretString;

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Where spans go, if they do.
    pub traces: Option<OtlpReceiver>,
    /// Where log records go, if they do.
    pub logs: Option<OtlpReceiver>,
    /// Share of requests that are traced, from 0 to 1.
    pub sample_ratio: f64,
    /// Whether refused and failed requests are exported though they were not sampled.
    pub sample_refusals: bool,
    /// Most of those a second.
    pub refusals_per_second: u32,
    /// Whether a caller's `traceparent` decides if its request is sampled.
    pub trust_parent: bool,
    /// Attributes of the resource, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// Whether spans say which model was asked, and what it used.
    pub gen_ai: bool,
    /// Whether spans say which user called.
    pub users: bool,
    /// Longest wait for an answer of the receiver.
    pub timeout: Duration,
    /// Most spans, and most log records, that wait to be sent.
    pub queue: usize,
}

/// A receiver of spans or of log records.
#[derive(Clone, Debug)]
pub struct OtlpReceiver {
    /// The whole address, with its path.
    pub url: String,
    /// Header fields of each request.
    pub headers: Vec<(String, SecretString)>,
}

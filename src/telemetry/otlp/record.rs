//! Log records as they wait to be sent.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use tracing::Level;

use super::Detail;
use super::attributes::{Attributes, shortened};
use super::request::{EndedRequest, TraceIds, nanos};
use super::spans;
use crate::clock::Timestamp;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// A log record.
#[derive(Debug, Default)]
pub(super) struct LogLine {
    pub(super) at: u64,
    pub(super) severity: Severity,
    pub(super) target: &'static str,
    pub(super) body: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) event: &'static str,
    /// The trace and the span it belongs to, if any.
    pub(super) trace: Option<([u8; 16], Option<[u8; 8]>)>,
    pub(super) sampled: bool,
    /// What a refused request brings along.
    pub(super) user: Option<String>,
}

/// How grave it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Severity {
    #[default]
    Info,
    Warn,
    Error,
}

impl Severity {
    /// Of an event's level; what is below `INFO` is not exported.
    pub(super) fn of(level: Level) -> Option<Self> {
        match level {
            Level::ERROR => Some(Self::Error),
            Level::WARN => Some(Self::Warn),
            Level::INFO => Some(Self::Info),
            _ => None,
        }
    }

    fn number(self) -> (SeverityNumber, &'static str) {
        match self {
            Self::Info => (SeverityNumber::Info, "INFO"),
            Self::Warn => (SeverityNumber::Warn, "WARN"),
            Self::Error => (SeverityNumber::Error, "ERROR"),
        }
    }
}

impl LogLine {
    /// What is told of a request that was refused or failed.
    pub(super) fn of_request(request: &EndedRequest) -> Self {
        let TraceIds {
            trace,
            gate,
            sampled,
            ..
        } = request.ids;
        let failed = request.failed();
        let mut fields = vec![
            ("fabric.decision", request.decision.to_owned()),
            ("fabric.reason", request.reason.to_owned()),
            (
                "http.request.method",
                spans::method(&request.method).to_owned(),
            ),
            (
                "fabric.request_id",
                String::from_utf8_lossy(&request.request_id).into_owned(),
            ),
        ];
        if let Some((name, path)) = &request.route {
            fields.push(("fabric.route", name.as_ref().to_owned()));
            fields.push(("http.route", path.as_ref().to_owned()));
        }
        if let Some(principal) = &request.principal {
            fields.push(("fabric.tenant", principal.tenant().as_str().to_owned()));
        }
        if let Some(rule) = &request.rule {
            fields.push(("fabric.rule", rule.as_ref().to_owned()));
        }
        if let Some(status) = request.status {
            fields.push(("http.response.status_code", status.to_string()));
        }
        let user = request.principal.as_ref();
        Self {
            at: nanos(request.ended()),
            severity: if failed {
                Severity::Error
            } else {
                Severity::Info
            },
            target: "fabric_gate::requests",
            body: if failed {
                format!("a request failed: {}", request.reason)
            } else {
                format!("a request was refused: {}", request.reason)
            },
            fields,
            event: if failed {
                "fabric.request.failed"
            } else {
                "fabric.request.refused"
            },
            trace: Some((trace, Some(gate))),
            sampled,
            user: user.map(|principal| principal.user().as_str().to_owned()),
        }
    }

    /// The message that goes out.
    pub(super) fn encoded(self, detail: &Detail, now: Timestamp) -> LogRecord {
        let (number, text) = self.severity.number();
        let mut attributes = Attributes::default();
        for (key, value) in &self.fields {
            attributes.text(key, value);
        }
        if detail.users {
            attributes.optional("fabric.user", self.user.as_deref());
        }
        attributes.text("log.target", self.target);
        let (trace_id, span_id) = match self.trace {
            Some((trace, span)) => (trace.to_vec(), span.map(Vec::from).unwrap_or_default()),
            None => (Vec::new(), Vec::new()),
        };
        LogRecord {
            time_unix_nano: self.at,
            observed_time_unix_nano: nanos(now),
            severity_number: number.into(),
            severity_text: text.to_owned(),
            body: Some(AnyValue {
                value: Some(Value::StringValue(shortened(&self.body))),
            }),
            attributes: attributes.into_inner(),
            flags: self.sampled.into(),
            trace_id,
            span_id,
            event_name: self.event.to_owned(),
            ..LogRecord::default()
        }
    }
}

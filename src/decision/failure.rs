//! Refusals that are our fault or the backend's: a closed list and its table.

use std::borrow::Cow;

use super::RefusalFacts;

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each code is described by its title in the table below"
)]
pub enum FailureCode {
    StateUnavailable,
    AuditUnavailable,
    KeysUnavailable,
    Overloaded,
    UpstreamUnreachable,
    UpstreamTimeout,
    /// The backend's answer can't be judged (too large, not readable), so it is not passed on.
    UpstreamUnreadable,
    /// A defect of the gate, a panic among them.
    Internal,
}

impl FailureCode {
    /// Every code, for tests and documentation.
    pub const ALL: [Self; 8] = [
        Self::StateUnavailable,
        Self::AuditUnavailable,
        Self::KeysUnavailable,
        Self::Overloaded,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::UpstreamUnreadable,
        Self::Internal,
    ];

    /// Code, status, title and when to try again.
    pub const fn facts(self) -> RefusalFacts {
        let (code, status, title, retry_after) = match self {
            Self::StateUnavailable => (
                "state_unavailable",
                503,
                "The gate's state can't be reached",
                Some(1),
            ),
            Self::AuditUnavailable => (
                "audit_unavailable",
                503,
                "The audit log can't be written",
                Some(1),
            ),
            Self::KeysUnavailable => (
                "keys_unavailable",
                503,
                "The issuer's keys can't be had",
                Some(2),
            ),
            Self::Overloaded => ("overloaded", 503, "The gate is at its limit", Some(1)),
            Self::UpstreamUnreachable => (
                "upstream_unreachable",
                502,
                "The backend can't be reached",
                None,
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                504,
                "The backend did not answer in time",
                None,
            ),
            Self::UpstreamUnreadable => (
                "upstream_unreadable",
                502,
                "The backend's answer can't be checked",
                None,
            ),
            Self::Internal => ("internal", 500, "The gate failed", None),
        };
        RefusalFacts {
            code,
            status,
            title,
            retry_after,
        }
    }
}

/// What has to outlive the process can't be read or written. The log has the cause once, where it
/// began; the caller's answer has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateUnavailable {
    /// Too many wait for it already.
    #[error("too many requests wait for the state")]
    Busy,
    /// It did not answer in time.
    #[error("the state did not answer in time")]
    Late,
    /// It refused.
    #[error("the state could not be read or written")]
    Failed,
    /// It is closed, as it is at the end of the process.
    #[error("the state is closed")]
    Closed,
}

impl From<StateUnavailable> for Failure {
    fn from(error: StateUnavailable) -> Self {
        Self::logged(FailureCode::StateUnavailable, error.to_string())
    }
}

/// A failure, with what the caller may know and what the log needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct Failure {
    /// Which line of the table.
    pub code: FailureCode,
    /// A sentence for the caller.
    pub detail: Option<Cow<'static, str>>,
    /// What the log needs to mend it; never sent.
    pub log: Option<String>,
}

impl Failure {
    /// A failure without further detail.
    pub const fn new(code: FailureCode) -> Self {
        Self {
            code,
            detail: None,
            log: None,
        }
    }

    /// The same failure with a line for the log.
    pub fn logged(code: FailureCode, log: impl Into<String>) -> Self {
        Self {
            log: Some(log.into()),
            ..Self::new(code)
        }
    }
}

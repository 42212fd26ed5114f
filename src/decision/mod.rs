//! What the gate answers about a request: a permit, a denial, or a failure.
//!
//! A [`Denial`] says that a rule refused the request; it is the caller's to mend and costs an
//! `info` line. A [`Failure`] says that the gate or the backend could not do its part; it is ours
//! to mend. The two never share a type, so that nobody can answer 403 because a disk is full.
//! One table ([`DenialCode::facts`], [`FailureCode::facts`]) maps codes to statuses and titles.

mod denial;
mod failure;
mod json_rpc;
mod problem;

pub use denial::{CeilingFacts, Denial, DenialCode};
pub use failure::{Failure, FailureCode, StateUnavailable};
pub use problem::{CONTENT_TYPE, Problem};

/// Why a request does not reach a backend.
#[derive(Clone, Debug)]
#[must_use]
pub enum Refusal {
    /// Refused by rule.
    Denied(Denial),
    /// Not decidable or not servable: our fault.
    Failed(Failure),
}

impl Refusal {
    /// The stable code, as it stands in problem bodies, audit records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.code.facts().code,
            Self::Failed(failure) => failure.code.facts().code,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Denied(denial) => denial.status(),
            Self::Failed(failure) => failure.code.facts().status,
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StateUnavailable> for Refusal {
    fn from(error: StateUnavailable) -> Self {
        Self::Failed(error.into())
    }
}

impl From<DenialCode> for Refusal {
    fn from(code: DenialCode) -> Self {
        Self::Denied(Denial::new(code))
    }
}

impl From<FailureCode> for Refusal {
    fn from(code: FailureCode) -> Self {
        Self::Failed(Failure::new(code))
    }
}

/// One line of the table of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalFacts {
    /// Stable code; the last segment of the problem type.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short text for people, the same for every occurrence (RFC 9457 section 3.1.3).
    pub title: &'static str,
    /// Seconds after which a retry can help, where it can.
    pub retry_after: Option<u32>,
}

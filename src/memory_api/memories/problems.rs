//! What the service does not do, as a problem with its one status and code.

use crate::memory::{BulkError, MemoryError, StoreError, StoreErrorKind, WriteErrorKind};
use crate::memory_api::{Problem, ProblemCode};

/// A refusal of a part of a request.
pub(super) fn invalid(field: &'static str, reason: &str) -> Problem {
    MemoryError::invalid(field, reason).into()
}

impl From<MemoryError> for Problem {
    fn from(error: MemoryError) -> Self {
        let detail = error.to_string();
        match error {
            MemoryError::Invalid { field, .. } => {
                Self::because(ProblemCode::RequestRejected, detail).with("field", field)
            }
            MemoryError::TooLarge { limit, given } => {
                Self::because(ProblemCode::EntryTooLarge, detail)
                    .with("limit_bytes", limit)
                    .with("given_bytes", given)
            }
            MemoryError::NotFound => Self::new(ProblemCode::NotFound),
            MemoryError::Role(role) => Self::because(ProblemCode::RoleRequired, role.to_string()),
            MemoryError::Write(error) => of_write(error.kind),
            MemoryError::Contended => Self::because(ProblemCode::Conflict, detail),
            MemoryError::Store(error) => error.into(),
        }
    }
}

fn of_write(kind: WriteErrorKind) -> Problem {
    let detail = kind.to_string();
    match kind {
        WriteErrorKind::Missing => Problem::new(ProblemCode::NotFound),
        WriteErrorKind::Precondition(_) => {
            Problem::because(ProblemCode::PreconditionFailed, detail)
        }
        WriteErrorKind::Taken => Problem::because(ProblemCode::KeyTaken, detail),
        WriteErrorKind::Clearance => Problem::because(ProblemCode::Forbidden, detail),
        WriteErrorKind::Dimensions { .. } => {
            Problem::because(ProblemCode::RequestRejected, detail).with("field", "embedding")
        }
        WriteErrorKind::Quota { quota, limit } => {
            let detail = format!("{detail}; delete, prune or let expire what is not needed");
            Problem::because(ProblemCode::QuotaExceeded, detail)
                .with("quota", quota)
                .with("limit", limit)
        }
        WriteErrorKind::Store(error) => error.into(),
    }
}

impl From<StoreError> for Problem {
    /// The log is told why; the caller only that it was not the caller's fault.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store can't do its part");
        Self::new(match error.kind {
            StoreErrorKind::Overloaded => ProblemCode::Overloaded,
            StoreErrorKind::TimedOut => ProblemCode::TimedOut,
            StoreErrorKind::Unavailable
            | StoreErrorKind::Damaged
            | StoreErrorKind::NotIsolating => ProblemCode::StateUnavailable,
        })
        .of_the_store()
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        Self::from(error.error).with("operation", error.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{RoleRequired, WriteError};

    #[test]
    fn each_error_of_the_service_has_its_status_and_code() {
        let write = |kind| MemoryError::from(WriteError { index: 0, kind });
        let store = |kind| MemoryError::from(StoreError::new(kind, "secret.db"));
        let errors = [
            MemoryError::invalid("content", "a text"),
            MemoryError::TooLarge { limit: 1, given: 2 },
            MemoryError::NotFound,
            RoleRequired::SharedWrite.into(),
            RoleRequired::TenantAdmin.into(),
            write(WriteErrorKind::Missing),
            write(WriteErrorKind::Precondition(Some(3))),
            write(WriteErrorKind::Taken),
            write(WriteErrorKind::Clearance),
            write(WriteErrorKind::Dimensions {
                expected: 3,
                given: 4,
            }),
            write(WriteErrorKind::Quota {
                quota: "entries_per_user",
                limit: 9,
            }),
            MemoryError::Contended,
            store(StoreErrorKind::Unavailable),
            store(StoreErrorKind::TimedOut),
            store(StoreErrorKind::Overloaded),
            store(StoreErrorKind::Damaged),
            store(StoreErrorKind::NotIsolating),
        ];
        let mut table = String::new();
        for error in errors {
            let problem = Problem::from(error);
            let document = problem.document("r-1");
            assert!(!document.to_string().contains("secret.db"), "{document}");
            table.push_str(&format!("{document}\n"));
        }
        insta::assert_snapshot!(table);
    }
}

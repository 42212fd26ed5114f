//! What an error of the server or the driver means to a caller, and what the log may hold of it.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use super::url::told;
use crate::memory::{StoreError, StoreErrorKind};

pub(super) fn of_pool(error: &PoolError) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StoreError::new(
            StoreErrorKind::Overloaded,
            "every connection to PostgreSQL is in use",
        ),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            StoreError::new(StoreErrorKind::Unavailable, "PostgreSQL does not answer")
        }
        PoolError::Backend(error) => of_driver(error),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
        }
    }
}

pub(super) fn of_driver(error: &tokio_postgres::Error) -> StoreError {
    let Some(database) = error.as_db_error() else {
        return StoreError::new(StoreErrorKind::Unavailable, told(error));
    };
    let code = database.code();
    let kind = kind_of(code);
    // Errors of these classes speak of the server; those of others may quote what was written.
    let is_of_the_server = ["08", "28", "3D", "42", "53", "55", "57", "58", "XX"]
        .iter()
        .any(|class| code.code().starts_with(class));
    let detail = if is_of_the_server {
        format!("PostgreSQL says {}: {}", code.code(), database.message())
    } else {
        let table = database.table().unwrap_or("none");
        format!("PostgreSQL says {} of table {table}", code.code())
    };
    StoreError::new(kind, detail)
}

fn kind_of(code: &SqlState) -> StoreErrorKind {
    let timed_out = [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    let overloaded = [
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::OUT_OF_MEMORY,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    let damaged = [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED];
    if timed_out.contains(code) {
        StoreErrorKind::TimedOut
    } else if overloaded.contains(code) {
        StoreErrorKind::Overloaded
    } else if damaged.contains(code) {
        StoreErrorKind::Damaged
    } else {
        StoreErrorKind::Unavailable
    }
}

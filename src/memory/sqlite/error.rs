//! Why a tenant's database can't be used, and what an operator does about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::memory::{StoreError, StoreErrorKind};
use crate::tenant::TenantId;

/// A database, or the folder of all, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory or a file.
    #[error("`{}` can't be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process serves the folder.
    #[error(
        "`{}` is served by another process: end it, name another folder in [store] url, or let several processes share PostgreSQL",
        .0.display()
    )]
    InUse(PathBuf),
    /// There is another thing in the place of a directory or a file: a link, for instance.
    #[error("`{}` is not what the memory service makes: links are not followed, put the thing itself there", .0.display())]
    NotOurs(PathBuf),
    /// The file is no database of the memory service.
    #[error("`{}` is not a database of the memory service: put it aside and restore a backup", .0.display())]
    Foreign(PathBuf),
    /// The database is another tenant's.
    #[error("`{}` belongs to tenant `{found}`, not to `{expected}`: put the right file there", path.display())]
    OtherTenant {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it has to be.
        expected: TenantId,
    },
    /// A later version wrote it.
    #[error(
        "`{}` has form {found} and this version knows {known}: start the version that wrote it, or restore a backup",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its form.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// A file that was to be restored is damaged.
    #[error("`{}` is damaged: {finding}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite finds.
        finding: String,
    },
    /// The file system gives no shared memory to it, a network one for instance.
    #[error("`{}` can't be written ahead (WAL): put it on a local disk", .0.display())]
    NoWriteAhead(PathBuf),
    /// SQLite can't.
    #[error("`{}` can't be used: {source}; {}", path.display(), remedy(source))]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign(path.to_owned()),
            _ => Self::Sqlite {
                path: path.to_owned(),
                source,
            },
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::File { .. }
            | OpenError::InUse(_)
            | OpenError::Newer { .. }
            | OpenError::NoWriteAhead(_) => StoreErrorKind::Unavailable,
            OpenError::NotOurs(_)
            | OpenError::Foreign(_)
            | OpenError::OtherTenant { .. }
            | OpenError::Damaged { .. } => StoreErrorKind::Damaged,
            OpenError::Sqlite { source, .. } => kind(source),
        };
        Self::new(kind, error)
    }
}

/// What an error of SQLite is to a caller.
pub(super) fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error {
        // A column holds what nobody here wrote.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => return StoreErrorKind::Damaged,
        _ => {}
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Damaged,
        Some(ErrorCode::OperationInterrupted) => StoreErrorKind::TimedOut,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::Overloaded,
        Some(_) | None => StoreErrorKind::Unavailable,
    }
}

/// What an operator can do about it.
fn remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free space on its disk, or let it grow",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make it, and the directory it is in, writable for this process"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "end the other program that holds it locked"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "put it aside and restore a backup"
        }
        Some(ErrorCode::SystemIoFailure) => "look at the health of its disk",
        Some(_) | None => "see the message",
    }
}

//! Why a ledger is not opened.

use std::io;
use std::path::{Path, PathBuf};

/// The ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its folder or a file of it.
    #[error("`{}` can't be opened: {source}{}", path.display(), remedy(source))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is another thing in its place.
    #[error("`{}` is not a journal of the gate's ledger: move it out of the folder", .0.display())]
    Foreign(PathBuf),
    /// A later version of the gate wrote it.
    #[error(
        "`{}` has form {found}, which this version does not know: start the version that wrote it, or restore a backup",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its form.
        found: u32,
    },
    /// What was on disk is not what was written.
    #[error(
        "`{}` is damaged at byte {offset}: restore the ledger's folder from a backup, or move the folder away to begin with nothing spent",
        path.display()
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where it ends to be what was written.
        offset: u64,
    },
    /// Another process holds it and does not let go.
    #[error("`{}` is held by a process that does not go on: continue or end it", .0.display())]
    Held(PathBuf),
    /// No thread for it.
    #[error("there is no thread for the ledger: {0}")]
    Thread(io::Error),
}

fn remedy(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(nix::libc::ELOOP) => " (a symbolic link is not followed: put the file itself there)",
        Some(_) | None => "",
    }
}

/// The same, and what is met on the way.
#[derive(Debug)]
pub(super) enum Problem {
    File {
        path: PathBuf,
        source: io::Error,
    },
    Foreign(PathBuf),
    Newer {
        path: PathBuf,
        found: u32,
    },
    Corrupt {
        path: PathBuf,
        offset: u64,
    },
    /// A generation that a loss of power took before it was on disk.
    NeverWritten(PathBuf),
}

impl Problem {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<Problem> for LedgerError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::File { path, source } => Self::File { path, source },
            Problem::Foreign(path) => Self::Foreign(path),
            Problem::Newer { path, found } => Self::Newer { path, found },
            Problem::Corrupt { path, offset } => Self::Corrupt { path, offset },
            Problem::NeverWritten(path) => Self::Corrupt { path, offset: 0 },
        }
    }
}

//! What a start finds, and whether it can go on from there.

use std::io;
use std::path::PathBuf;

use super::chain::{Head, Link, Problem};
use super::checkpoint::{self, Checkpoint};
use super::files::{self, LogPath};
use super::keys::{KeyError, LogKeys, random_hex};
use super::lines::{Line, Lines};
use super::settings::Settings;

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it can't be used.
    #[error("the audit log in `{}` can't be opened", directory.display())]
    Io {
        /// The folder.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no key.
    #[error("the audit log has no key")]
    Key(#[from] KeyError),
    /// All lineages are taken.
    #[error("too many processes write the audit log in `{}`", .0.display())]
    TooManyWriters(PathBuf),
    /// The log was changed. It stays as it is: going on would bury the evidence.
    #[error(
        "the audit log was tampered with: {problem}, in `{}` line {line}; keep folder and \
         checkpoints as evidence and name others to go on", file.display()
    )]
    Tampered {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        #[source]
        problem: Problem,
    },
}

/// Where a chain goes on.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) log_id: String,
    pub(super) head: Head,
    /// The file to go on in; `None` for a new chain.
    pub(super) file: Option<LogPath>,
    /// Its length in bytes.
    pub(super) length: u64,
    /// What was cut off: file and bytes.
    pub(super) torn: Option<(String, u64)>,
}

/// Checks the end of a lineage (its last file with records, whole) and cuts off what a crash left.
///
/// # Errors
/// The end does not verify, or contradicts the last checkpoint.
pub(super) fn resume(
    settings: &Settings,
    keys: &LogKeys,
    lineage: u32,
) -> Result<Resumed, OpenError> {
    let io_error = |source| OpenError::Io {
        directory: settings.directory.clone(),
        source,
    };
    let anchor = checkpoint::latest(&settings.checkpoints, keys, lineage).map_err(io_error)?;
    let paths = files::list(&settings.directory)
        .map_err(io_error)?
        .remove(&lineage)
        .unwrap_or_default();

    let mut resumed = Resumed {
        log_id: match &anchor {
            Some(anchor) => anchor.log_id.clone(),
            None => random_hex::<16>()?,
        },
        head: Head::GENESIS,
        file: None,
        length: 0,
        torn: None,
    };
    let mut last_line = 0;
    for path in paths.into_iter().rev() {
        let end = read_to_end(&path, keys, anchor.as_ref())?;
        if resumed.file.is_none() {
            if end.torn {
                let cut = files::quarantine(&path.path, end.length).map_err(io_error)?;
                resumed.torn = Some(cut);
            }
            resumed.length = end.length;
            resumed.file = Some(path);
        }
        if let Some(head) = end.head {
            resumed.head = head;
            last_line = end.lines;
            break;
        }
    }

    let problem = match &anchor {
        Some(anchor) if anchor.head.seq > resumed.head.seq => Some(Problem::CutOff {
            checkpoint: anchor.head.seq,
        }),
        None if resumed.head.seq > 0 => Some(Problem::NoCheckpoint),
        Some(_) | None => None,
    };
    match problem {
        Some(problem) => Err(OpenError::Tampered {
            file: match &resumed.file {
                Some(file) => file.path.clone(),
                None => settings.directory.clone(),
            },
            line: last_line,
            problem,
        }),
        None => Ok(resumed),
    }
}

/// Opens a checkpoint's lineage with the statement that it is empty.
pub(super) fn begin(resumed: &Resumed, lineage: u32) -> Checkpoint {
    Checkpoint {
        log_id: resumed.log_id.clone(),
        lineage,
        head: resumed.head,
    }
}

#[derive(Debug)]
struct End {
    head: Option<Head>,
    length: u64,
    lines: u64,
    torn: bool,
}

fn read_to_end(
    path: &LogPath,
    keys: &LogKeys,
    anchor: Option<&Checkpoint>,
) -> Result<End, OpenError> {
    let io_error = |source| OpenError::Io {
        directory: path.path.clone(),
        source,
    };
    let mut lines = Lines::open(&path.path).map_err(io_error)?;
    let mut head: Option<Head> = None;
    let mut torn = false;
    loop {
        let checked = match lines.next().map_err(io_error)? {
            None => break,
            Some(Line::Torn) => {
                torn = true;
                break;
            }
            Some(Line::TooLong) => Err(Problem::Malformed),
            Some(Line::Whole(line)) => check(line, keys, head, anchor),
        };
        head = Some(checked.map_err(|problem| OpenError::Tampered {
            file: path.path.clone(),
            line: lines.count(),
            problem,
        })?);
    }
    Ok(End {
        head,
        length: lines.offset(),
        lines: lines.count(),
        torn,
    })
}

fn check(
    line: &[u8],
    keys: &LogKeys,
    before: Option<Head>,
    anchor: Option<&Checkpoint>,
) -> Result<Head, Problem> {
    let link = Link::parse(line).ok_or(Problem::Malformed)?;
    link.check(keys)?;
    if let Some(before) = before {
        link.follows(&before)?;
    }
    let head = link.head();
    match anchor {
        Some(anchor) if anchor.head.seq == head.seq && anchor.head != head => {
            Err(Problem::ContradictsCheckpoint)
        }
        Some(_) | None => Ok(head),
    }
}

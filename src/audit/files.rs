//! Names of the log's files, and which process writes which.
//!
//! `audit-<lineage>-<number>.jsonl`: a lineage is one chain over numbered files. A process takes
//! the first lineage that nobody holds, so that during an upgrade in place the next process writes
//! lineage 1 while the last requests of the one before still go to lineage 0.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most processes that may write one folder at a time.
const MOST_LINEAGES: u32 = 64;

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogPath {
    pub(super) lineage: u32,
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl LogPath {
    pub(super) fn new(directory: &Path, lineage: u32, number: u64) -> Self {
        Self {
            lineage,
            number,
            path: directory.join(format!("audit-{lineage}-{number:08}.jsonl")),
        }
    }

    /// Its name in the folder.
    pub(super) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    fn parse(path: PathBuf) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
        let (lineage, number) = stem.strip_prefix("audit-")?.split_once('-')?;
        let (lineage, number) = (lineage.parse().ok()?, number.parse().ok()?);
        Some(Self {
            lineage,
            number,
            path,
        })
    }
}

/// The log's files: by lineage, oldest first.
///
/// # Errors
/// The folder can't be read.
pub(super) fn list(directory: &Path) -> io::Result<BTreeMap<u32, Vec<LogPath>>> {
    let mut lineages: BTreeMap<u32, Vec<LogPath>> = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        if let Some(file) = LogPath::parse(entry?.path()) {
            lineages.entry(file.lineage).or_default().push(file);
        }
    }
    for files in lineages.values_mut() {
        files.sort_by_key(|file| file.number);
    }
    Ok(lineages)
}

/// Makes the folder if it is not there; only its owner may enter.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// A lineage that is ours for as long as this value lives.
#[derive(Debug)]
pub(super) struct LineageLock {
    pub(super) lineage: u32,
    _held: File,
}

impl LineageLock {
    /// Takes the first free lineage; `None` if all are taken.
    ///
    /// # Errors
    /// A lock file can't be made.
    pub(super) fn acquire(directory: &Path) -> io::Result<Option<Self>> {
        for lineage in 0..MOST_LINEAGES {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(directory.join(format!("audit-{lineage}.lock")))?;
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Some(Self {
                        lineage,
                        _held: file,
                    }));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Cuts `path` at `keep` bytes and puts the rest into a file beside it; answers that file's name
/// and size. In this order, so that a crash in between loses nothing.
pub(super) fn quarantine(path: &Path, keep: u64) -> io::Result<(String, u64)> {
    use std::io::{Seek, SeekFrom};

    let mut source = OpenOptions::new().read(true).write(true).open(path)?;
    source.seek(SeekFrom::Start(keep))?;
    let (name, mut target) = new_torn_file(path)?;
    let bytes = io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    source.set_len(keep)?;
    source.sync_all()?;
    Ok((name, bytes))
}

fn new_torn_file(path: &Path) -> io::Result<(String, File)> {
    let mut attempt = 1_u32;
    loop {
        let torn = path.with_extension(format!("torn-{attempt}"));
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&torn);
        match opened {
            Ok(file) => {
                let name = torn.file_name().unwrap_or_default();
                return Ok((name.to_string_lossy().into_owned(), file));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

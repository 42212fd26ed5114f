//! What the audit log needs to know.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::keys::SecretSource;

/// What to do while the log can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// No record, no service.
    Deny,
    /// Serve, and count what is lost; a `gap` record says so later.
    Allow,
}

/// When a record is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Within the flush interval.
    Batch,
    /// Before the answer goes out: the caller waits for its ticket.
    Sync,
}

/// `[audit]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the log's files; made with mode 0700 if missing.
    pub directory: PathBuf,
    /// File of the signed checkpoints. Outside the folder, best where only append is allowed:
    /// it is what shows that the log was cut off.
    pub checkpoints: PathBuf,
    /// Secret of the chain and of the checkpoints' signatures.
    pub secret: SecretSource,
    /// While the log can't be written.
    pub on_failure: OnFailure,
    /// When a record is on disk.
    pub durability: Durability,
    /// Longest time a record waits in memory.
    pub flush: Duration,
    /// Size in bytes from which the next record goes to another file.
    pub rotate_bytes: u64,
    /// Most bytes of records that wait in memory.
    pub waiting_bytes: usize,
    /// How long a write may take until the disk counts as stuck.
    pub stall: Duration,
    /// Records after which a checkpoint is due.
    pub checkpoint_records: u64,
    /// Time after which a checkpoint is due if there are records since the last one.
    pub checkpoint_interval: Duration,
    /// Name of this process in records.
    pub instance: Arc<str>,
}

impl Settings {
    /// Defaults: key and checkpoints beside the folder (`<directory>.key`,
    /// `<directory>.checkpoints`), deny on failure, batches of 100 ms, files of 64 MiB, 64 MiB of
    /// waiting records, stuck after 2 s, a checkpoint every 10,000 records or 60 s.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self {
            checkpoints: beside(&directory, ".checkpoints"),
            secret: SecretSource::File(beside(&directory, ".key")),
            directory,
            on_failure: OnFailure::Deny,
            durability: Durability::Batch,
            flush: Duration::from_millis(100),
            rotate_bytes: 64 << 20,
            waiting_bytes: 64 << 20,
            stall: Duration::from_secs(2),
            checkpoint_records: 10_000,
            checkpoint_interval: Duration::from_secs(60),
            instance: Arc::from("gate"),
        }
    }
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    // Taking the components drops a trailing slash, which would put the file inside the folder.
    let mut name: OsString = directory.components().as_path().into();
    name.push(suffix);
    name.into()
}

//! How the databases are kept.

use std::path::PathBuf;
use std::time::Duration;

/// Where the databases of all tenants are, and how many are open.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder. One process at a time serves it.
    pub root: PathBuf,
    /// Most tenants whose databases are open at once; as many as the process may have descriptors
    /// for if that is not said, or if it is fewer.
    pub open_tenants: Option<usize>,
    /// How long a caller waits for an answer.
    pub deadline: Duration,
    /// After how long without use a database is closed.
    pub idle: Duration,
    /// Most bytes of one tenant's file. Quotas are to be well below: indexes and versions are in it
    /// too.
    pub file_bytes: u64,
}

impl Settings {
    /// As it is when nothing but the folder is said.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            open_tenants: None,
            deadline: Duration::from_secs(5),
            idle: Duration::from_secs(120),
            file_bytes: 64 << 30,
        }
    }
}

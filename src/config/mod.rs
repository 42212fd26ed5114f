//! The process's own settings: `config/gate.toml`, read once at start.
//!
//! `raw` mirrors the file; `resolve` turns it into the [`Config`] the program is assembled from,
//! with addresses parsed and secrets read. Relative paths are taken from the working directory.
//! Problems are the same [`Problem`]s as those of policy files, with file, line and key.

pub mod keys;
pub mod memory;
mod raw;
mod resolve;
mod telemetry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

pub use telemetry::{Otlp, OtlpReceiver};

use crate::policy::{Problem, ProblemKind};
use crate::secret::SecretResolver;

/// The environment variable that names the config file.
pub const CONFIG_VARIABLE: &str = "FABRIC_GATE_CONFIG";

/// The environment variable that forces hardened mode.
pub const TENANT_REQUIRED_VARIABLE: &str = "FABRIC_HARNESS_TENANT_REQUIRED";

/// The config file when nothing names one.
pub const DEFAULT_FILE: &str = "config/gate.toml";

/// Everything the process is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[listen]`.
    pub listen: Listen,
    /// `[admin]`.
    pub admin: Admin,
    /// `[policies] directory`.
    pub policies_directory: PathBuf,
    /// `[state]`.
    pub state: State,
    /// `[ledger]`.
    pub ledger: Ledger,
    /// `[audit]`.
    pub audit: Audit,
    /// `[assertion]`.
    pub assertion: Assertion,
    /// `[secrets] directory`: root of credential handles. It does not have to exist.
    pub secrets_directory: PathBuf,
    /// The environment forces hardened mode, whatever the policy files say.
    pub tenant_header_forced: bool,
    /// `[limits]`.
    pub limits: ProcessLimits,
    /// `[shutdown] grace_seconds`: how long requests under way may take to end.
    pub shutdown_grace: Duration,
    /// `[upgrade]`.
    pub upgrade: Upgrade,
    /// `[metrics] tenant_labels`: most values of the tenant label.
    pub tenant_labels: usize,
    /// `[telemetry]`, or the environment; `None` exports nothing.
    pub telemetry: Option<Otlp>,
}

/// The data plane's listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where it listens.
    pub address: ListenAddress,
    /// TLS, if it speaks it.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Threads that serve requests.
    pub threads: usize,
    /// Most connections at once.
    pub connections: usize,
    /// Total time for a request's head to arrive.
    pub header_timeout: Duration,
    /// How long a connection may stay silent between requests.
    pub idle_timeout: Duration,
    /// `Host` names that are served, in lower case and without port; `None` is any.
    pub hosts: Option<Vec<String>>,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// PEM files of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// Roots of client certificates; mutual TLS when present.
    pub client_ca: Option<PathBuf>,
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bearer secret; without it all but /livez, /readyz and /metrics is refused.
    pub token: Option<SecretString>,
    /// Names under which browsers may open the console, in lower case and without port; addresses
    /// and `localhost` always.
    pub hosts: Vec<String>,
}

/// What outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where it is kept.
    pub location: StateLocation,
    /// Days after which the owner of what nobody uses is forgotten; `None` keeps it for ever.
    pub retention_days: Option<u32>,
    /// Most resources whose owners are kept in memory.
    pub cached_owners: usize,
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateLocation {
    /// An SQLite file.
    Sqlite(PathBuf),
}

/// Who spent what. It is kept beside the state, in a directory that is named after its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Longest time between two writes to disk.
    pub sync: Duration,
    /// How long the money of a process that died is held before it is charged.
    pub crash_grace: Duration,
    /// Days for which single charges are kept.
    pub retention_days: u32,
    /// How many users, agents, routes and sessions of a tenant are told apart.
    pub lines_per_tenant: usize,
}

impl StateLocation {
    /// The directory of the ledger: `data/gate.ledger` beside `data/gate.db`.
    pub fn ledger(&self) -> PathBuf {
        let Self::Sqlite(path) = self;
        path.with_extension("ledger")
    }

    /// The key that signs assertions, where no other is configured: `data/gate.assertion.key`
    /// beside `data/gate.db`.
    pub fn assertion_key(&self) -> PathBuf {
        let Self::Sqlite(path) = self;
        path.with_extension("assertion.key")
    }
}

/// By which key the gate tells backends who calls.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The key that signs; without one it is in the file [`StateLocation::assertion_key`].
    pub key: Option<SecretString>,
    /// Keys that are published beside it, so that what they signed is believed for as long as it
    /// lasts.
    pub previous: Vec<SecretString>,
}

/// The audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where the log files are.
    pub directory: PathBuf,
    /// What happens to a request whose record can't be written.
    pub on_failure: AuditFailure,
    /// When a record counts as written.
    pub durability: AuditDurability,
    /// Longest time between two writes to disk.
    pub flush_interval: Duration,
    /// The key of the hash chain, if it is keyed.
    pub key: Option<SecretString>,
    /// Where checkpoints go.
    pub checkpoints: PathBuf,
    /// Bytes at which a log file is closed and the next one begun.
    pub rotate_bytes: u64,
}

/// What happens to a request whose audit record can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditFailure {
    /// No record, no service: `audit_unavailable`.
    Deny,
    /// It is served, and the loss is counted.
    Allow,
}

/// When an audit record counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditDurability {
    /// On disk within the flush interval.
    Batch,
    /// The answer waits for the disk.
    Sync,
}

/// Limits of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Bytes that all bodies being held back share.
    pub body_memory_bytes: usize,
    /// Largest answer that is read whole before it is sent, in bytes.
    pub response_body_bytes: usize,
    /// For a whole request body that is read before the decision. Other bodies may take any time as
    /// long as they come on: what a slow one may do at most shrinks with this.
    pub body_timeout: Duration,
}

/// Handing the listeners to the next process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Unix socket the listeners are handed over by.
    pub socket: PathBuf,
    /// File with the id of the running process.
    pub pid_file: PathBuf,
}

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    /// The file can't be read or is not TOML, has an unknown key or a value that means nothing, or
    /// a secret or the environment's override can't be had.
    pub fn load(file: &Path, environment: &SecretResolver) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            vec![Problem::of_file(
                file.display().to_string(),
                ProblemKind::Unreadable,
                format!(
                    "the file can't be read: {error}; `--config FILE` or {CONFIG_VARIABLE} names \
                     another{}",
                    match error.kind() {
                        std::io::ErrorKind::NotFound => {
                            ", and `fabric-gate init` writes one to start from"
                        }
                        _ => "",
                    }
                ),
            )]
        })?;
        Self::parse(&file.display().to_string(), &text, environment)
    }

    /// Reads the text of a config file that is called `file` in problems.
    ///
    /// # Errors
    /// As of [`Config::load`].
    pub fn parse(
        file: &str,
        text: &str,
        environment: &SecretResolver,
    ) -> Result<Self, Vec<Problem>> {
        resolve::resolve(file, text, environment)
    }

    /// Whether only this machine can reach the data plane: on a loopback address or a unix socket.
    /// The development identity is refused otherwise.
    pub fn listens_on_loopback(&self) -> bool {
        match &self.listen.address {
            ListenAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
            ListenAddress::Unix(_) => true,
        }
    }
}

//! The memory service's own settings: `config/memory.toml`, read once at start.
//!
//! `read` goes through the file with the reader of policy files: every problem is told at once, with
//! file, line and key. Relative paths are taken from the working directory. Every key has a default
//! but one: who is believed has to be said.

mod read;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::{ListenAddress, Tls};
use crate::identity::settings::{IssuerSettings, KeySource};
use crate::policy::{Problem, ProblemKind};
use crate::secret::SecretResolver;
use crate::tenant::TenantGrammar;

/// The environment variable that names the config file.
pub const MEMORY_CONFIG_VARIABLE: &str = "FABRIC_MEMORY_CONFIG";

/// The config file when nothing names one.
pub const DEFAULT_MEMORY_FILE: &str = "config/memory.toml";

/// Everything the memory service is told at start.
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    /// `[listen]`.
    pub listen: MemoryListen,
    /// `[operations] address`: health and metrics; `None` where they are switched off.
    pub operations: Option<SocketAddr>,
    /// `[identity]` and `[[issuers]]`.
    pub identity: MemoryIdentity,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[memory]`.
    pub rules: MemoryRules,
    /// `[quotas]`.
    pub quotas: MemoryQuotas,
    /// `[limits]`.
    pub limits: MemoryLimits,
    /// `[shutdown] grace_seconds`: how long requests under way may take to end.
    pub shutdown_grace: Duration,
}

/// The listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryListen {
    /// Where it listens.
    pub address: ListenAddress,
    /// TLS, if it speaks it. With `client_ca` nobody connects without a certificate.
    pub tls: Option<Tls>,
    /// Most connections at once.
    pub connections: usize,
    /// Total time for a request's head to arrive.
    pub header_timeout: Duration,
    /// How long a connection may stay silent between requests.
    pub idle_timeout: Duration,
}

/// Who is believed.
#[derive(Clone, Debug)]
pub struct MemoryIdentity {
    /// Where the gate's keys are; `None` where no assertion is taken.
    pub assertion_keys: Option<KeySource>,
    /// `aud` of the gate's assertions: the name of this service among its upstreams.
    pub assertion_audience: String,
    /// Issuers of callers that come with a token of their own.
    pub issuers: Vec<IssuerSettings>,
    /// The grammar of tenant ids, the same as the gate's.
    pub grammar: TenantGrammar,
}

/// Where entries are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where.
    pub location: StoreLocation,
    /// Most tenants whose database is open at once (SQLite).
    pub open_tenants: usize,
    /// Most connections to the database (PostgreSQL).
    pub pool_size: usize,
    /// How long a request waits for a connection (PostgreSQL).
    pub pool_wait: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

/// Where entries are kept.
#[derive(Clone, Debug)]
pub enum StoreLocation {
    /// A folder with a database for each tenant.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// As the service connects.
        url: SecretString,
        /// As `migrate` connects: the role that owns the tables. `url` where there is none.
        owner_url: Option<SecretString>,
    },
}

/// Which roles may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRules {
    /// Who writes shared memory.
    pub shared_write_roles: Vec<String>,
    /// Who erases users and the tenant.
    pub tenant_admin_roles: Vec<String>,
    /// One of [`CONFIDENTIALITIES`]: what a caller sees whose roles have no clearance.
    pub default_clearance: &'static str,
    /// What each role sees.
    pub clearances: Vec<(String, &'static str)>,
    /// Most versions kept of an entry.
    pub history_versions: u32,
}

/// The words for how confidential an entry is, rising.
pub const CONFIDENTIALITIES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

/// How much may be kept; `None` is as much as there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryQuotas {
    /// Bytes of a tenant.
    pub bytes_per_tenant: Option<u64>,
    /// Entries of a tenant.
    pub entries_per_tenant: Option<u64>,
    /// Bytes of a user.
    pub bytes_per_user: Option<u64>,
    /// Entries of a user.
    pub entries_per_user: Option<u64>,
    /// Bytes of one entry.
    pub entry_bytes: u64,
}

/// Bounds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest body of an import, in bytes.
    pub import_bytes: usize,
    /// Most requests at once.
    pub requests_at_once: usize,
    /// Most event streams at once.
    pub streams_at_once: usize,
    /// For a request to be answered.
    pub request_timeout: Duration,
    /// The same for what moves or erases a whole namespace.
    pub bulk_timeout: Duration,
}

impl MemoryConfig {
    /// Reads a config file.
    ///
    /// # Errors
    /// The file can't be read or is not TOML, has an unknown key or a value that means nothing, a
    /// secret can't be had, or nobody is believed.
    pub fn load(file: &Path, environment: &SecretResolver) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            vec![Problem::of_file(
                file.display().to_string(),
                ProblemKind::Unreadable,
                format!(
                    "the file can't be read: {error}; `--config FILE` or {MEMORY_CONFIG_VARIABLE} \
                     names another"
                ),
            )]
        })?;
        Self::parse(&file.display().to_string(), &text, environment)
    }

    /// Reads the text of a config file that is called `file` in problems.
    ///
    /// # Errors
    /// As of [`MemoryConfig::load`].
    pub fn parse(
        file: &str,
        text: &str,
        environment: &SecretResolver,
    ) -> Result<Self, Vec<Problem>> {
        read::read(file, text, environment)
    }
}

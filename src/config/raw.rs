//! `config/gate.toml` as written. Every key has a default, which stands beside it; what a key means
//! for the process is said in [`super::Config`]. An unknown key is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{AuditDurability, AuditFailure};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) listen: RawListen,
    pub(super) admin: RawAdmin,
    pub(super) policies: RawPolicies,
    pub(super) state: RawState,
    pub(super) ledger: RawLedger,
    pub(super) audit: RawAudit,
    pub(super) assertion: RawAssertion,
    pub(super) secrets: RawSecrets,
    pub(super) limits: RawLimits,
    pub(super) shutdown: RawShutdown,
    pub(super) upgrade: RawUpgrade,
    pub(super) metrics: RawMetrics,
    pub(super) telemetry: RawTelemetry,
}

/// `[listen]`: the data plane.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawListen {
    /// `IP:PORT` or `unix:PATH`.
    pub(super) address: String,
    /// `{ certificate, private_key, client_ca }`, PEM files; plain HTTP when absent.
    pub(super) tls: Option<RawTls>,
    /// HTTP/2: by ALPN on TLS, by prior knowledge on plain connections.
    pub(super) http2: bool,
    /// Threads that serve requests; one for each processor when absent.
    pub(super) threads: Option<u64>,
    /// Most connections at once.
    pub(super) connections: u64,
    /// Total time for a request's head to arrive.
    pub(super) header_timeout_seconds: u64,
    /// How long a connection may stay silent between requests.
    pub(super) idle_timeout_seconds: u64,
    /// `Host` names that are served; any when absent.
    pub(super) hosts: Option<Vec<String>>,
}

impl Default for RawListen {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8080".to_owned(),
            tls: None,
            http2: true,
            threads: None,
            connections: 10_000,
            header_timeout_seconds: 10,
            idle_timeout_seconds: 60,
            hosts: None,
        }
    }
}

/// `[listen] tls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    /// Certificate chain.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) private_key: PathBuf,
    /// Roots that client certificates are checked against; switches on mutual TLS.
    pub(super) client_ca: Option<PathBuf>,
}

/// `[admin]`: health, metrics, console and admin API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAdmin {
    /// `IP:PORT`.
    pub(super) address: String,
    /// Reference to the bearer secret. Without it all but /livez, /readyz and /metrics is refused.
    pub(super) token: Option<String>,
    /// Names under which browsers may open the console; addresses and `localhost` always.
    pub(super) hosts: Vec<String>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9901".to_owned(),
            token: None,
            hosts: Vec::new(),
        }
    }
}

/// `[policies]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicies {
    /// Every `*.toml` in it; hot-reloaded.
    pub(super) directory: PathBuf,
}

impl Default for RawPolicies {
    fn default() -> Self {
        Self {
            directory: "policies".into(),
        }
    }
}

/// `[state]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawState {
    /// `sqlite:PATH`.
    pub(super) url: String,
    /// Days after which the owner of what nobody uses is forgotten; never when absent.
    pub(super) retention_days: Option<u64>,
    /// Most resources whose owners are kept in memory.
    pub(super) cached_owners: u64,
}

impl Default for RawState {
    fn default() -> Self {
        Self {
            url: "sqlite:data/gate.db".to_owned(),
            retention_days: None,
            cached_owners: 1_000_000,
        }
    }
}

/// `[ledger]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    /// Longest time between two writes to disk: what a power failure can lose of what was spent.
    pub(super) sync_milliseconds: u64,
    /// How long the money of a process that died is held before it is charged.
    pub(super) crash_grace_seconds: u64,
    /// Days for which single charges are kept.
    pub(super) retention_days: u64,
    /// How many users, agents, routes and sessions of a tenant are told apart.
    pub(super) lines_per_tenant: u64,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self {
            sync_milliseconds: 100,
            crash_grace_seconds: 30,
            retention_days: 400,
            lines_per_tenant: 100_000,
        }
    }
}

/// `[audit]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    /// Where the log files are.
    pub(super) directory: PathBuf,
    /// `"deny"`: no record, no service. `"allow"`: serve and count the loss.
    pub(super) on_failure: AuditFailure,
    /// `"batch"`: on disk within `flush_milliseconds`. `"sync"`: the answer waits for the disk.
    pub(super) durability: AuditDurability,
    /// Longest time between two writes to disk.
    pub(super) flush_milliseconds: u64,
    /// Reference to the secret of the hash chain, 64 hexadecimal digits; when absent, the file
    /// `<directory>.key`, made at the first start.
    pub(super) key: Option<String>,
    /// Where checkpoints go; `<directory>-checkpoints.jsonl` when absent.
    pub(super) checkpoints: Option<PathBuf>,
    /// Size at which a log file is closed and the next one begun.
    pub(super) rotate_megabytes: u64,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self {
            directory: "data/audit".into(),
            on_failure: AuditFailure::Deny,
            durability: AuditDurability::Batch,
            flush_milliseconds: 100,
            key: None,
            checkpoints: None,
            rotate_megabytes: 256,
        }
    }
}

/// `[assertion]`: the key that signs `X-Fabric-Assertion`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAssertion {
    /// Reference to an Ed25519 key, PKCS#8 in PEM; when absent, a file beside the state, made at the
    /// first start.
    pub(super) key: Option<String>,
    /// References to further keys, either half of each, that are published beside it.
    pub(super) previous: Vec<String>,
}

/// `[secrets]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecrets {
    /// Root of credential handles.
    pub(super) directory: PathBuf,
}

impl Default for RawSecrets {
    fn default() -> Self {
        Self {
            directory: "/run/secrets/fabric".into(),
        }
    }
}

/// `[limits]`: of the whole process.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    /// Memory that all bodies being held back share.
    pub(super) body_memory_megabytes: u64,
    /// Largest answer that is read whole before it is sent.
    pub(super) response_body_bytes: u64,
    /// For a request body that is read before the decision; see
    /// [`ProcessLimits::body_timeout`](super::ProcessLimits::body_timeout).
    pub(super) body_timeout_seconds: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            body_memory_megabytes: 256,
            response_body_bytes: 10 * 1024 * 1024,
            body_timeout_seconds: 60,
        }
    }
}

/// `[shutdown]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawShutdown {
    /// How long requests under way may take to end.
    pub(super) grace_seconds: u64,
}

impl Default for RawShutdown {
    fn default() -> Self {
        Self { grace_seconds: 30 }
    }
}

/// `[upgrade]`: handing the listeners to the next process.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUpgrade {
    /// Unix socket the listeners are handed over by.
    pub(super) socket: PathBuf,
    /// File with the id of the running process.
    pub(super) pid_file: PathBuf,
}

impl Default for RawUpgrade {
    fn default() -> Self {
        Self {
            socket: "data/upgrade.sock".into(),
            pid_file: "data/gate.pid".into(),
        }
    }
}

/// `[metrics]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMetrics {
    /// Most values of the tenant label; the rest is `__other__`.
    pub(super) tenant_labels: u64,
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self { tenant_labels: 100 }
    }
}

/// `[telemetry]`: traces and logs for OpenTelemetry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelemetry {
    /// Base address of a receiver of OTLP over HTTP; `OTEL_EXPORTER_OTLP_ENDPOINT` when absent.
    /// Nothing is exported without one.
    pub(super) otlp_endpoint: Option<String>,
    /// Header fields of what is sent, each a reference to its value.
    pub(super) headers: BTreeMap<String, String>,
    /// Whether spans are exported.
    pub(super) traces: bool,
    /// Whether what is logged is exported beside the lines on standard error.
    pub(super) logs: bool,
    /// Share of requests that are traced, from 0 to 1.
    pub(super) sample_ratio: Option<f64>,
    /// Whether refused and failed requests are exported though they were not sampled.
    pub(super) sample_refusals: bool,
    /// Most of those a second.
    pub(super) refusals_per_second: u64,
    /// Whether a caller's `traceparent` decides if its request is sampled.
    pub(super) trust_parent: bool,
    /// `service.name`; `OTEL_SERVICE_NAME` when absent.
    pub(super) service_name: Option<String>,
    /// Further attributes of the resource.
    pub(super) attributes: BTreeMap<String, String>,
    /// Whether spans say which model was asked, and what it used.
    pub(super) gen_ai: bool,
    /// Whether spans say which user called.
    pub(super) users: bool,
    /// Longest wait for an answer of the receiver.
    pub(super) timeout_seconds: Option<u64>,
    /// Most spans, and most log records, that wait to be sent; what comes beyond them is dropped.
    pub(super) queue: u64,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            headers: BTreeMap::new(),
            traces: true,
            logs: false,
            sample_ratio: None,
            sample_refusals: true,
            refusals_per_second: 50,
            trust_parent: false,
            service_name: None,
            attributes: BTreeMap::new(),
            gen_ai: false,
            users: false,
            timeout_seconds: None,
            queue: 2_048,
        }
    }
}

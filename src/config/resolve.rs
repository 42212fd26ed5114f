//! From the file as written to the [`Config`] that is used.

mod telemetry;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{
    RawAdmin, RawAssertion, RawAudit, RawConfig, RawLedger, RawLimits, RawListen, RawState,
};
use super::{
    Admin, Assertion, Audit, Config, Ledger, Listen, ListenAddress, ProcessLimits, State,
    StateLocation, TENANT_REQUIRED_VARIABLE, Tls, Upgrade,
};
use crate::policy::{Position, Problem, ProblemKind};
use crate::secret::{SecretReference, SecretResolver};

/// Resolves the text of a config file, reporting everything that means nothing at once.
pub(super) fn resolve(
    file: &str,
    text: &str,
    environment: &SecretResolver,
) -> Result<Config, Vec<Problem>> {
    let raw: RawConfig = toml::from_str(text).map_err(|error| {
        let offset = error.span().map(|span| span.start);
        vec![Problem {
            position: offset.map(|offset| Position::of(text, offset)),
            ..Problem::of_file(file, ProblemKind::Syntax, error.message())
        }]
    })?;
    let resolver = Resolver {
        file,
        text,
        environment,
        problems: RefCell::default(),
    };
    let config = resolver.config(raw);
    let problems = resolver.problems.into_inner();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

struct Resolver<'a> {
    file: &'a str,
    text: &'a str,
    environment: &'a SecretResolver,
    problems: RefCell<Vec<Problem>>,
}

/// A section and a key of the file.
type Key = (&'static str, &'static str);

impl Resolver<'_> {
    /// `None` only with something among the problems. Every part is resolved before the first
    /// failed one ends it.
    fn config(&self, raw: RawConfig) -> Option<Config> {
        let listen = self.listen(raw.listen);
        let admin = self.admin(raw.admin);
        let state = self.state(&raw.state);
        let ledger = self.ledger(&raw.ledger);
        let audit = self.audit(raw.audit);
        let assertion = self.assertion(raw.assertion);
        let limits = self.limits(&raw.limits);
        let grace = raw.shutdown.grace_seconds;
        let shutdown_grace = self.seconds(("shutdown", "grace_seconds"), grace, 0..=3_600);
        let labels = raw.metrics.tenant_labels;
        let tenant_labels = self.number(("metrics", "tenant_labels"), labels, 0..=10_000);
        let tenant_header_forced = self.tenant_header_forced();
        let telemetry = self.telemetry(raw.telemetry);
        let (listen, admin) = (listen?, admin?);
        if listen.address == ListenAddress::Tcp(admin.address) && admin.address.port() != 0 {
            self.refuse(
                ("admin", "address"),
                ProblemKind::Conflict,
                "the admin listener is never the public one",
            );
        }
        Some(Config {
            listen,
            admin,
            policies_directory: raw.policies.directory,
            ledger: ledger?,
            state: state?,
            audit: audit?,
            assertion: assertion?,
            secrets_directory: raw.secrets.directory,
            tenant_header_forced: tenant_header_forced?,
            limits: limits?,
            shutdown_grace: shutdown_grace?,
            upgrade: Upgrade {
                socket: raw.upgrade.socket,
                pid_file: raw.upgrade.pid_file,
            },
            tenant_labels: tenant_labels?,
            telemetry: telemetry?,
        })
    }

    fn listen(&self, raw: RawListen) -> Option<Listen> {
        let address = self.listen_address(&raw.address);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = match raw.threads {
            Some(threads) => self.number(("listen", "threads"), threads, 1..=1_024),
            None => Some(processors),
        };
        let connections = self.number(("listen", "connections"), raw.connections, 1..=1_000_000);
        let header = raw.header_timeout_seconds;
        let header_timeout = self.seconds(("listen", "header_timeout_seconds"), header, 1..=300);
        let idle = raw.idle_timeout_seconds;
        let idle_timeout = self.seconds(("listen", "idle_timeout_seconds"), idle, 1..=3_600);
        let hosts = raw.hosts.map(|hosts| {
            let key = ("listen", "hosts");
            if hosts.is_empty() {
                let message =
                    "an empty list would refuse every request; leave it out to serve any host";
                self.refuse(key, ProblemKind::NeverMatches, message);
            }
            self.hosts(key, &hosts)
        });
        Some(Listen {
            address: address?,
            tls: raw.tls.map(|tls| Tls {
                certificate: tls.certificate,
                private_key: tls.private_key,
                client_ca: tls.client_ca,
            }),
            http2: raw.http2,
            threads: threads?,
            connections: connections?,
            header_timeout: header_timeout?,
            idle_timeout: idle_timeout?,
            hosts,
        })
    }

    fn listen_address(&self, text: &str) -> Option<ListenAddress> {
        match text.strip_prefix("unix:") {
            Some("") => {
                let message = "a unix listener is `unix:PATH`";
                self.refuse(("listen", "address"), ProblemKind::BadValue, message);
                None
            }
            Some(path) => Some(ListenAddress::Unix(path.into())),
            None => self
                .socket(("listen", "address"), text)
                .map(ListenAddress::Tcp),
        }
    }

    /// Host names as they are compared: in lower case, without port (RFC 9110 section 4.2.3).
    fn hosts(&self, key: Key, hosts: &[String]) -> Vec<String> {
        for host in hosts {
            let named = host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte));
            let with_port = !host.starts_with('[') && host.contains(':');
            if host.is_empty() || !named || with_port {
                let message = format!("`{host}` is not a host name without port");
                self.refuse(key, ProblemKind::BadValue, message);
            }
        }
        hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
    }

    fn admin(&self, raw: RawAdmin) -> Option<Admin> {
        let address = self.socket(("admin", "address"), &raw.address);
        let token = self.secret(("admin", "token"), raw.token);
        Some(Admin {
            address: address?,
            token: token?,
            hosts: self.hosts(("admin", "hosts"), &raw.hosts),
        })
    }

    fn state(&self, raw: &RawState) -> Option<State> {
        let location = self.state_location(raw);
        let retention_days = match raw.retention_days {
            Some(days) => Some(self.number(("state", "retention_days"), days, 1..=36_500)?),
            None => None,
        };
        let cached = raw.cached_owners;
        let cached_owners = self.number(("state", "cached_owners"), cached, 1..=100_000_000);
        Some(State {
            location: location?,
            retention_days,
            cached_owners: cached_owners?,
        })
    }

    fn ledger(&self, raw: &RawLedger) -> Option<Ledger> {
        let sync = raw.sync_milliseconds;
        let sync: Option<u64> = self.number(("ledger", "sync_milliseconds"), sync, 1..=60_000);
        let grace = raw.crash_grace_seconds;
        let crash_grace = self.seconds(("ledger", "crash_grace_seconds"), grace, 0..=3_600);
        let days = raw.retention_days;
        let retention_days = self.number(("ledger", "retention_days"), days, 32..=36_500);
        let lines = raw.lines_per_tenant;
        let lines = self.number(("ledger", "lines_per_tenant"), lines, 100..=10_000_000);
        Some(Ledger {
            sync: Duration::from_millis(sync?),
            crash_grace: crash_grace?,
            retention_days: retention_days?,
            lines_per_tenant: lines?,
        })
    }

    fn state_location(&self, raw: &RawState) -> Option<StateLocation> {
        let key = ("state", "url");
        match raw.url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Some(StateLocation::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => {
                let message = "a gate keeps its state at `sqlite:PATH`, not in PostgreSQL";
                self.refuse(key, ProblemKind::NotSupportedYet, message);
                None
            }
            _ => {
                self.refuse(key, ProblemKind::BadValue, "state is kept at `sqlite:PATH`");
                None
            }
        }
    }

    fn audit(&self, raw: RawAudit) -> Option<Audit> {
        let flush = raw.flush_milliseconds;
        let flush = self.number(("audit", "flush_milliseconds"), flush, 1..=10_000);
        let rotate = raw.rotate_megabytes;
        let rotate: Option<u64> = self.number(("audit", "rotate_megabytes"), rotate, 1..=65_536);
        let key = self.secret(("audit", "key"), raw.key);
        let beside = beside(&raw.directory);
        Some(Audit {
            on_failure: raw.on_failure,
            durability: raw.durability,
            flush_interval: Duration::from_millis(flush?),
            key: key?,
            checkpoints: raw.checkpoints.unwrap_or(beside),
            rotate_bytes: rotate? << 20,
            directory: raw.directory,
        })
    }

    fn assertion(&self, raw: RawAssertion) -> Option<Assertion> {
        let key = self.secret(("assertion", "key"), raw.key);
        let references = raw.previous.into_iter();
        let previous: Vec<_> = references
            .map(|reference| self.secret(("assertion", "previous"), Some(reference)))
            .collect();
        Some(Assertion {
            key: key?,
            previous: previous.into_iter().flatten().flatten().collect(),
        })
    }

    fn limits(&self, raw: &RawLimits) -> Option<ProcessLimits> {
        let memory = raw.body_memory_megabytes;
        let memory: Option<usize> =
            self.number(("limits", "body_memory_megabytes"), memory, 1..=1_048_576);
        let response = raw.response_body_bytes;
        let response = self.number(("limits", "response_body_bytes"), response, 1..=1 << 32);
        let timeout = raw.body_timeout_seconds;
        let timeout = self.seconds(("limits", "body_timeout_seconds"), timeout, 1..=3_600);
        Some(ProcessLimits {
            body_memory_bytes: memory? << 20,
            response_body_bytes: response?,
            body_timeout: timeout?,
        })
    }

    /// An unclear value must not switch the hardened mode off that somebody meant to switch on.
    fn tenant_header_forced(&self) -> Option<bool> {
        let value = self.environment.variable(TENANT_REQUIRED_VARIABLE);
        match value.as_deref().map(|value| value.to_str()) {
            None | Some(Some("" | "0" | "false")) => Some(false),
            Some(Some("1" | "true")) => Some(true),
            Some(_) => {
                self.problems.borrow_mut().push(Problem::of_file(
                    "environment",
                    ProblemKind::BadValue,
                    format!("`{TENANT_REQUIRED_VARIABLE}` is `1`, `true`, `0` or `false`"),
                ));
                None
            }
        }
    }

    fn socket(&self, key: Key, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let message = format!("`{text}` is not `IP:PORT`");
            self.refuse(key, ProblemKind::BadValue, message);
        }
        address
    }

    /// The outer option is whether it could be resolved, the inner whether there is one.
    fn secret(&self, key: Key, reference: Option<String>) -> Option<Option<SecretString>> {
        let Some(reference) = reference else {
            return Some(None);
        };
        let reference = match reference.parse::<SecretReference>() {
            Ok(reference) => reference,
            Err(error) => {
                self.refuse(key, ProblemKind::BadValue, error.to_string());
                return None;
            }
        };
        match self.environment.resolve(&reference) {
            Ok(secret) => Some(Some(secret)),
            Err(error) => {
                self.refuse(key, ProblemKind::Secret, error.to_string());
                None
            }
        }
    }

    fn seconds(&self, key: Key, value: u64, range: RangeInclusive<u64>) -> Option<Duration> {
        self.number(key, value, range).map(Duration::from_secs)
    }

    fn number<N: TryFrom<u64>>(
        &self,
        key: Key,
        value: u64,
        range: RangeInclusive<u64>,
    ) -> Option<N> {
        let number = N::try_from(value).ok().filter(|_| range.contains(&value));
        if number.is_none() {
            let (least, most) = range.into_inner();
            let message = format!("`{value}` is not between {least} and {most}");
            self.refuse(key, ProblemKind::BadValue, message);
        }
        number
    }

    fn refuse(&self, (section, key): Key, kind: ProblemKind, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            position: position(self.text, section, key),
            at: format!("[{section}] {key}"),
            ..Problem::of_file(self.file, kind, message)
        });
    }
}

/// Where the value of a key stands, if the file has it and it is not a default.
fn position(text: &str, section: &str, key: &str) -> Option<Position> {
    let table = DeTable::parse(text).ok()?;
    let section = value_of(table.get_ref(), section)?;
    let DeValue::Table(section) = section.get_ref() else {
        return None;
    };
    let value = value_of(section, key)?;
    Some(Position::of(text, value.span().start))
}

fn value_of<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    let mut entries = table.iter();
    let found = entries.find(|(name, _)| name.get_ref() == key);
    found.map(|(_, value)| value)
}

/// `data/audit` to `data/audit-checkpoints.jsonl`.
fn beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push("-checkpoints.jsonl");
    directory.with_file_name(name)
}

#[cfg(test)]
mod tests;

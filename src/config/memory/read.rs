//! From the text of `config/memory.toml` to the [`MemoryConfig`] that is used. Every default stands
//! beside its key.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::{
    CONFIDENTIALITIES, MemoryConfig, MemoryIdentity, MemoryLimits, MemoryListen, MemoryQuotas,
    MemoryRules, StoreConfig, StoreLocation,
};
use crate::config::keys::MEMORY_FILE;
use crate::config::{ListenAddress, Tls};
use crate::identity::assertion;
use crate::identity::settings::KeySource;
use crate::policy::document::reader::Fields;
use crate::policy::document::{Sections, issuers_of, read_settings, tenant_grammar, values};
use crate::policy::problem::{Located, Problem, ProblemKind};
use crate::secret::{SecretReference, SecretResolver};

/// Reads the text of a config file that is called `file` in problems.
pub(super) fn read(
    file: &str,
    text: &str,
    environment: &SecretResolver,
) -> Result<MemoryConfig, Vec<Problem>> {
    read_settings(file, text, MEMORY_FILE.root, |sections| {
        config(sections, environment)
    })
}

/// `None` only with something among the problems. Every section is read before the first failed one
/// ends it.
fn config(sections: &Sections<'_>, environment: &SecretResolver) -> Option<MemoryConfig> {
    let listen = Section(sections.plain("listen"));
    let operations = Section(sections.plain("operations"));
    let store = Section(sections.plain("store"));
    let memory = Section(sections.plain("memory"));
    let quotas = Section(sections.plain("quotas"));
    let limits = Section(sections.plain("limits"));
    let shutdown = Section(sections.plain("shutdown"));
    let identity = identity(sections);
    let (listen, store) = (self::listen(&listen), self::store(&store, environment));
    let operations = self::operations(&operations);
    let quotas = self::quotas(&quotas);
    let config = MemoryConfig {
        limits: self::limits(&limits, quotas.entry_bytes),
        quotas,
        rules: rules(&memory),
        shutdown_grace: shutdown.seconds("grace_seconds", 0..=3_600, 30),
        operations: operations?,
        listen: listen?,
        identity: identity?,
        store: store?,
    };
    Some(config)
}

/// A section that need not be there.
struct Section<'a>(Option<Fields<'a>>);

impl<'a> Section<'a> {
    fn text(&self, key: &'static str) -> Option<Located<&'a str>> {
        self.0.as_ref()?.text(key)
    }

    /// A text that means something, or what the default means.
    fn parsed<T, E: std::fmt::Display>(
        &self,
        key: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.0.as_ref().filter(|fields| fields.has(key)) {
            Some(fields) => fields.parsed(key, parse).map(|parsed| parsed.value),
            None => parse(default).ok(),
        }
    }

    fn number(&self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        self.most(key, range).unwrap_or(default)
    }

    fn count(&self, key: &'static str, range: RangeInclusive<u64>, default: usize) -> usize {
        let count = self.most(key, range);
        count.map_or(default, |count| {
            usize::try_from(count).unwrap_or(usize::MAX)
        })
    }

    fn most(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.0.as_ref()?.integer(key, range)
    }

    fn seconds(&self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> Duration {
        Duration::from_secs(self.number(key, range, default))
    }

    fn roles(&self, key: &'static str, default: &[&str]) -> Vec<String> {
        match self.0.as_ref().filter(|fields| fields.has(key)) {
            Some(fields) => {
                let roles = fields.all_parsed(key, values::role);
                roles.iter().map(|role| role.value.to_string()).collect()
            }
            None => default.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    fn refuse(&self, at: &Located<&str>, kind: ProblemKind, message: impl Into<String>) {
        if let Some(fields) = &self.0 {
            fields.report().add(&at.place, kind, message);
        }
    }
}

fn listen(section: &Section<'_>) -> Option<MemoryListen> {
    let address = section.parsed("address", "127.0.0.1:8090", listen_address);
    let tls = section.0.as_ref().and_then(|fields| fields.table("tls"));
    let tls = tls.map(|fields| tls_files(&fields));
    Some(MemoryListen {
        connections: section.count("connections", 1..=1_000_000, 10_000),
        header_timeout: section.seconds("header_timeout_seconds", 1..=300, 10),
        idle_timeout: section.seconds("idle_timeout_seconds", 1..=3_600, 75),
        address: address?,
        tls: match tls {
            Some(tls) => Some(tls?),
            None => None,
        },
    })
}

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("a unix listener is `unix:PATH`".to_owned()),
        Some(path) => Ok(ListenAddress::Unix(path.into())),
        None => socket(text).map(ListenAddress::Tcp),
    }
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not `IP:PORT`"))
}

fn tls_files(fields: &Fields<'_>) -> Option<Tls> {
    fields.require("certificate");
    fields.require("private_key");
    let path = |key| {
        let text = fields.parsed(key, not_empty);
        text.map(|text| PathBuf::from(text.value))
    };
    let (certificate, private_key) = (path("certificate"), path("private_key"));
    Some(Tls {
        client_ca: path("client_ca"),
        certificate: certificate?,
        private_key: private_key?,
    })
}

/// The outer option is whether it could be read, the inner whether there is one.
fn operations(section: &Section<'_>) -> Option<Option<SocketAddr>> {
    let fields = section.0.as_ref();
    let enabled = fields.is_none_or(|fields| fields.flag("enabled", true));
    let address = section.parsed("address", "127.0.0.1:9902", socket)?;
    Some(enabled.then_some(address))
}

fn identity(sections: &Sections<'_>) -> Option<MemoryIdentity> {
    let issuers = issuers_of(sections, Path::new(""), assertion::ISSUER);
    let grammar = tenant_grammar(sections);
    let section = Section(sections.plain("identity"));
    let audience = section.parsed("assertion_audience", "memory", not_empty);
    let keys = assertion_keys(&section);
    if keys.is_none() && !section.names_keys() && issuers.is_empty() {
        sections.missing(
            "[identity]",
            "nobody is believed: name the gate's keys by `assertion_jwks_url` or \
             `assertion_jwks_file`, or add [[issuers]]",
        );
    }
    Some(MemoryIdentity {
        assertion_keys: keys,
        assertion_audience: audience?,
        issuers,
        grammar,
    })
}

impl Section<'_> {
    fn names_keys(&self) -> bool {
        self.0.as_ref().is_some_and(|fields| {
            fields.has("assertion_jwks_url") || fields.has("assertion_jwks_file")
        })
    }
}

fn assertion_keys(section: &Section<'_>) -> Option<KeySource> {
    let fields = section.0.as_ref()?;
    let url = fields.parsed("assertion_jwks_url", values::confidential_url);
    let file = fields.parsed("assertion_jwks_file", not_empty);
    match (url, file) {
        (Some(_), Some(file)) => {
            let message = "the gate's keys are at a URL or in a file, not both";
            fields
                .report()
                .add(&file.place, ProblemKind::Conflict, message);
            None
        }
        (Some(url), None) => Some(KeySource::Url(url.value)),
        (None, file) => Some(KeySource::File(file?.value.into())),
    }
}

fn store(section: &Section<'_>, environment: &SecretResolver) -> Option<StoreConfig> {
    let location = store_location(section, environment);
    Some(StoreConfig {
        open_tenants: section.count("open_tenants", 1..=100_000, 512),
        pool_size: section.count("pool_size", 1..=1_000, 16),
        pool_wait: section.seconds("pool_wait_seconds", 1..=60, 5),
        statement_timeout: section.seconds("statement_timeout_seconds", 1..=3_600, 10),
        location: location?,
    })
}

fn store_location(section: &Section<'_>, environment: &SecretResolver) -> Option<StoreLocation> {
    let owner = section.text("owner_url");
    let Some(url) = section.text("url") else {
        if let Some(owner) = &owner {
            let message = "it goes with a `url` of PostgreSQL";
            section.refuse(owner, ProblemKind::Conflict, message);
        }
        // A `url` that is no text was reported.
        return Some(StoreLocation::Sqlite("data/memory".into()));
    };
    if let Some(path) = url.value.strip_prefix("sqlite:") {
        if path.is_empty() {
            let message = "`sqlite:FOLDER` names the folder of the tenants' databases";
            section.refuse(&url, ProblemKind::BadValue, message);
        }
        if let Some(owner) = &owner {
            let message = "it goes with a `url` of PostgreSQL";
            section.refuse(owner, ProblemKind::Conflict, message);
        }
        return Some(StoreLocation::Sqlite(path.into()));
    }
    let owner = match owner {
        Some(owner) => Some(postgres_url(section, &owner, environment)?),
        None => None,
    };
    Some(StoreLocation::Postgres {
        url: postgres_url(section, &url, environment)?,
        owner_url: owner,
    })
}

/// A URL that is no secret, or a reference to one that is.
fn postgres_url(
    section: &Section<'_>,
    text: &Located<&str>,
    environment: &SecretResolver,
) -> Option<SecretString> {
    if is_postgres(text.value) {
        let has_password = url::Url::parse(text.value).is_ok_and(|url| {
            let in_query = url.query_pairs().any(|(name, _)| name == "password");
            url.password().is_some() || in_query
        });
        if has_password {
            let message = "a URL with a password is a secret: put it into a file or a variable and \
                           write `file:PATH` or `env:NAME`";
            section.refuse(text, ProblemKind::BadValue, message);
            return None;
        }
        return Some(SecretString::from(text.value));
    }
    let Ok(reference) = text.value.parse::<SecretReference>() else {
        let message = "entries are kept at `sqlite:FOLDER`, `postgres://…`, or at the URL that \
                       `file:PATH` or `env:NAME` holds";
        section.refuse(text, ProblemKind::BadValue, message);
        return None;
    };
    match environment.resolve(&reference) {
        Ok(url) if is_postgres(secrecy::ExposeSecret::expose_secret(&url)) => Some(url),
        Ok(_) => {
            let message = format!("what `{reference}` holds does not begin with `postgres://`");
            section.refuse(text, ProblemKind::Secret, message);
            None
        }
        Err(error) => {
            section.refuse(text, ProblemKind::Secret, error.to_string());
            None
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn rules(section: &Section<'_>) -> MemoryRules {
    let levels = CONFIDENTIALITIES.map(|level| (level, level));
    let fields = section.0.as_ref();
    let default = fields.and_then(|fields| fields.choice("default_clearance", &levels));
    let table = fields.and_then(|fields| fields.table("clearance"));
    let mut clearances = Vec::new();
    if let Some(table) = &table {
        for (role, level) in table.named_texts() {
            let role = table.parse(role, values::role);
            if let (Some(role), Some(level)) = (role, table.choose(&level, &levels)) {
                clearances.push((role.value.to_string(), level));
            }
        }
    }
    let versions = section.number("history_versions", 1..=1_000, 20);
    MemoryRules {
        shared_write_roles: section.roles("shared_write_roles", &["admin", "lead"]),
        tenant_admin_roles: section.roles("tenant_admin_roles", &["tenant-admin"]),
        default_clearance: default.unwrap_or("internal"),
        clearances,
        history_versions: u32::try_from(versions).unwrap_or(u32::MAX),
    }
}

fn quotas(section: &Section<'_>) -> MemoryQuotas {
    let any = 1..=i64::MAX.unsigned_abs();
    MemoryQuotas {
        bytes_per_tenant: Some(section.number("bytes_per_tenant", any.clone(), 1 << 30)),
        entries_per_tenant: section.most("entries_per_tenant", any.clone()),
        bytes_per_user: section.most("bytes_per_user", any.clone()),
        entries_per_user: Some(section.number("entries_per_user", any, 100_000)),
        entry_bytes: section.number("entry_bytes", 1_024..=1 << 26, 256 << 10),
    }
}

fn limits(section: &Section<'_>, entry_bytes: u64) -> MemoryLimits {
    let limits = MemoryLimits {
        body_bytes: section.count("body_bytes", 1_024..=1 << 30, 4 << 20),
        import_bytes: section.count("import_bytes", 1_024..=1 << 40, 256 << 20),
        requests_at_once: section.count("requests_at_once", 1..=100_000, 512),
        streams_at_once: section.count("streams_at_once", 1..=100_000, 1_024),
        request_timeout: section.seconds("request_timeout_seconds", 1..=3_600, 30),
        bulk_timeout: section.seconds("bulk_timeout_seconds", 1..=86_400, 600),
    };
    let body = u64::try_from(limits.body_bytes).unwrap_or(u64::MAX);
    if body < entry_bytes
        && let Some(fields) = &section.0
    {
        let message = format!(
            "`body_bytes` ({body}) is less than `[quotas] entry_bytes` ({entry_bytes}): no entry of \
             that size could arrive"
        );
        fields
            .report()
            .add(fields.place(), ProblemKind::Conflict, message);
    }
    limits
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("an empty text means nothing here"),
        text => Ok(text.to_owned()),
    }
}

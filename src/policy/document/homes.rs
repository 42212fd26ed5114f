//! Where keys belong that stand in the wrong place: what to tell somebody who wrote a key that
//! exists under a section that does not have it.

use toml::de::DeTable;

use crate::keys::Table;
use crate::policy::problem::{Place, ProblemKind, Report, closest};

/// Sections, and keys that are theirs. A key that several have is told of those that most people
/// mean.
const HOMES: [(&str, &[&str]); 13] = [
    (
        "`[[issuers]]`",
        &[
            "issuer",
            "audiences",
            "jwks_url",
            "jwks_file",
            "discovery",
            "algorithms",
            "leeway_seconds",
            "token_types",
            "claims",
            "machine",
            "max_lifetime_seconds",
        ],
    ),
    ("`[[api_keys]]`", &["sha256", "expires_at"]),
    ("`[[webhooks]]`", &["scheme", "secret", "tolerance_seconds"]),
    ("`[tenancy]`", &["id_pattern", "header_required"]),
    (
        "`[[tenants]]` and `[defaults]`",
        &["limits", "user_limits", "models", "ceilings"],
    ),
    ("`[[tenants]]`", &["suspended"]),
    (
        "`limits` of `[[tenants]]` and `[defaults]`",
        &[
            "requests_per_second",
            "burst",
            "concurrent_requests",
            "open_streams",
        ],
    ),
    (
        "`[[tenants.ceilings]]` and `[[defaults.ceilings]]`",
        &["window", "usd", "warn_at", "timezone"],
    ),
    (
        "`[[upstreams]]`",
        &[
            "url",
            "profile",
            "authorization",
            "assertion",
            "strip_prefix",
            "ca",
            "connect_timeout_seconds",
            "http2",
            "workspace",
            "identity_headers",
        ],
    ),
    (
        "`[[routes]]`",
        &[
            "upstream",
            "methods",
            "path",
            "public",
            "health",
            "websocket",
            "mcp",
            "roles",
            "scopes",
            "credentials",
            "resource",
            "creates",
            "deletes",
            "list",
            "guard",
            "tenant_from",
            "set",
            "prefix",
            "remove",
            "cost",
            "serialize",
            "timeout_seconds",
            "stream_idle_seconds",
            "path_allows",
            "shared_memory_write",
            "rpc_methods",
        ],
    ),
    (
        "`[[rules]]`",
        &["effect", "mode", "tools", "prompts", "resources", "users"],
    ),
    ("`[memory]`", &["shared_write_roles"]),
    (
        "`[costs]`",
        &[
            "unpriced",
            "default_price",
            "exhausted_status",
            "built_in_prices",
            "llm_admin_roles",
            "alerts",
        ],
    ),
];

/// Sections of the process's own file.
const OF_THE_PROCESS: [&str; 13] = [
    "listen",
    "admin",
    "policies",
    "state",
    "ledger",
    "audit",
    "assertion",
    "secrets",
    "limits",
    "shutdown",
    "upgrade",
    "metrics",
    "telemetry",
];

/// Reports the keys of a table that nobody `asked` for.
pub(super) fn report_unknown(
    report: &Report,
    place: &Place,
    keys: &Table,
    table: &DeTable<'_>,
    asked: &[&str],
) {
    // A reader that met a mistake may have stopped before it asked for the rest.
    let stopped = !report.is_clean();
    for (name, _) in table {
        let (key, offset) = (name.get_ref(), name.span().start);
        let unread = stopped && keys.key(key).is_some();
        if unread || asked.iter().any(|asked| key == asked) {
            continue;
        }
        let place = Place {
            offset,
            ..place.clone()
        };
        let meant = closest(key, keys.keys.iter().map(|key| key.name));
        let message = unknown_key(key, meant);
        report.add_suggesting(&place, ProblemKind::UnknownKey, message, meant);
    }
}

/// That a key is unknown, and where it belongs if nothing nearer was `meant`.
pub(super) fn unknown_key(key: &str, meant: Option<&str>) -> String {
    match (meant, of_key(key)) {
        (None, Some(home)) => format!("unknown key `{key}`; it belongs to {home}"),
        (Some(_), _) | (None, None) => format!("unknown key `{key}`"),
    }
}

/// The section that has a key.
fn of_key(key: &str) -> Option<&'static str> {
    let home = HOMES.iter().find(|(_, keys)| keys.contains(&key));
    home.map(|(home, _)| *home)
}

/// Where a section belongs that policies do not have.
pub(super) fn of_section(name: &str) -> Option<&'static str> {
    match OF_THE_PROCESS.contains(&name) {
        true => Some("the gate's own file, `config/gate.toml`"),
        false => of_key(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyDirectory, compile};
    use crate::secret::SecretResolver;

    #[test]
    fn every_key_is_known_where_it_is_said_to_belong() {
        for (home, keys) in HOMES {
            let named = home.split('`').skip(1).step_by(2);
            for section in named.filter(|it| it.starts_with('[')) {
                for key in keys {
                    let table = if home.starts_with("`limits`") {
                        format!("{section}\nlimits = {{ {key} = [] }}\n")
                    } else {
                        format!("{section}\n{key} = []\n")
                    };
                    let files = PolicyDirectory::from_texts("p".as_ref(), [("p.toml", table)]);
                    let problems = compile(&files.unwrap(), &SecretResolver::default());
                    let problems = problems.err().unwrap_or_default();
                    let unknown = format!("unknown key `{key}`");
                    assert!(
                        !problems.iter().any(|it| it.message.starts_with(&unknown)),
                        "{section} {key}: {problems:#?}"
                    );
                }
            }
        }
    }
}

//! Where keys belong that stand in the wrong place: what to tell somebody who wrote a key that
//! exists under a section that does not have it.

use toml::de::DeTable;

use super::keys::POLICY;
use crate::keys::Table;
use crate::policy::problem::{Place, ProblemKind, Report, closest};

/// Tables, in the order in which they are looked through: of a key that several have the one is told
/// that most people mean. Each is a section, or one and the key under which it stands there.
const HOMES: [(&str, &[&str]); 14] = [
    ("`[[routes]]`", &["routes"]),
    ("`[[issuers]]`", &["issuers"]),
    ("`[[tenants]]` and `[defaults]`", &["defaults"]),
    ("`[[tenants]]`", &["tenants"]),
    ("`[[upstreams]]`", &["upstreams"]),
    ("`[[rules]]`", &["rules"]),
    ("`[memory]`", &["memory"]),
    ("`[tenancy]`", &["tenancy"]),
    ("`[costs]`", &["costs"]),
    ("`[[prices]]`", &["prices"]),
    ("`[[api_keys]]`", &["api_keys"]),
    ("`[[webhooks]]`", &["webhooks"]),
    (
        "`limits` of `[[tenants]]` and `[defaults]`",
        &["defaults", "limits"],
    ),
    (
        "`[[tenants.ceilings]]` and `[[defaults.ceilings]]`",
        &["defaults", "ceilings"],
    ),
];

/// Keys that are at home in so many sections that none is where they belong.
const EVERYWHERE: [&str; 4] = ["id", "name", "tenant", "user"];

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

/// The table that has a key.
fn of_key(key: &str) -> Option<&'static str> {
    let has_it = |(_, path): &&(&str, &[&str])| table_at(path).key(key).is_some();
    let home = HOMES.iter().find(has_it);
    home.map(|(home, _)| *home)
        .filter(|_| !EVERYWHERE.contains(&key))
}

fn table_at(path: &[&str]) -> &'static Table {
    path.iter().fold(&POLICY, |table, key| table.below(key))
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

    #[test]
    fn every_home_has_keys_and_a_label_that_names_its_section() {
        for (label, path) in HOMES {
            assert!(!table_at(path).keys.is_empty(), "{path:?}");
            assert!(label.contains(path[0]), "{label} {path:?}");
        }
    }

    #[test]
    fn a_key_that_many_sections_have_belongs_where_most_people_mean() {
        for (key, home) in [
            ("roles", Some("`[[routes]]`")),
            ("shared_memory_write", Some("`[[routes]]`")),
            ("max_lifetime_seconds", Some("`[[issuers]]`")),
            ("models", Some("`[[tenants]]` and `[defaults]`")),
            ("suspended", Some("`[[tenants]]`")),
            ("burst", Some("`limits` of `[[tenants]]` and `[defaults]`")),
            (
                "usd",
                Some("`[[tenants.ceilings]]` and `[[defaults.ceilings]]`"),
            ),
            ("secret", Some("`[[webhooks]]`")),
            ("tenant", None),
            ("colour", None),
        ] {
            assert_eq!(of_key(key), home, "{key}");
        }
    }
}

//! How a tenant's ceilings stand, for those who ask: as a document and as a table.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::CeilingScope;
use super::ledger::LineStanding;
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// The ceilings of a tenant as JSON: amounts and shares are decimal text, for a program that reads
/// numbers as floating point would round them.
pub fn spend_document(
    tenant: &TenantId,
    at: Timestamp,
    price_revision: &str,
    standings: &[LineStanding],
) -> Value {
    json!({
        "tenant": tenant.as_str(),
        "at": at.to_string(),
        "price_revision": price_revision,
        "ceilings": standings.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(standing: &LineStanding) -> Value {
    json!({
        "scope": standing.scope.as_str(),
        "value": &*standing.value,
        "window": standing.window.to_string(),
        "limit_usd": standing.limit.to_string(),
        "spent_usd": standing.spent.to_string(),
        "reserved_usd": standing.reserved.to_string(),
        "remaining_usd": remaining(standing).to_string(),
        "used_ratio": ratio(standing),
        "resets_at": standing.resets_at.map(|time| time.to_string()),
    })
}

fn remaining(standing: &LineStanding) -> NanoUsd {
    standing.limit.less(standing.spent).less(standing.reserved)
}

/// Spent and reserved as a share of the limit, with three digits behind the point, rounded down.
fn ratio(standing: &LineStanding) -> String {
    let thousandths = standing.used_thousandths;
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// The line that a scope and a value name; the tenant's own where neither is given.
///
/// # Errors
/// The scope is none, or the value is missing or too many.
pub fn spend_line(
    scope: Option<&str>,
    value: Option<&str>,
) -> Result<(CeilingScope, Arc<str>), String> {
    let scope = scope.unwrap_or(CeilingScope::Tenant.as_str());
    let found = CeilingScope::ALL
        .into_iter()
        .find(|known| known.as_str() == scope);
    match (found, value.unwrap_or_default()) {
        (None, _) => Err(format!(
            "`{scope}` is no scope: `tenant`, `user`, `agent`, `route` or `session`"
        )),
        (Some(CeilingScope::Tenant), "") => Ok((CeilingScope::Tenant, Arc::default())),
        (Some(CeilingScope::Tenant), _) => {
            Err("a tenant has one line: give a scope with the value".to_owned())
        }
        (Some(_), "") => Err(format!("which {scope} is meant? give its value")),
        (Some(found), value) => Ok((found, value.into())),
    }
}

/// The ceilings of tenants as a table for people.
pub fn spend_table<'all>(
    tenants: impl IntoIterator<Item = (&'all TenantId, &'all [LineStanding])>,
) -> String {
    let mut rows = vec![
        [
            "TENANT", "SCOPE", "VALUE", "WINDOW", "LIMIT", "SPENT", "RESERVED", "USED", "RESETS",
        ]
        .map(str::to_owned),
    ];
    for (tenant, standings) in tenants {
        for standing in standings {
            rows.push([
                tenant.to_string(),
                standing.scope.as_str().to_owned(),
                printable(&standing.value),
                standing.window.to_string(),
                standing.limit.to_string(),
                standing.spent.to_string(),
                standing.reserved.to_string(),
                format!("{}%", standing.used_thousandths / 10),
                standing
                    .resets_at
                    .map_or_else(|| "-".to_owned(), |time| time.to_string()),
            ]);
        }
    }
    aligned(&rows)
}

/// A stranger's text without what a terminal would obey.
fn printable(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.escape_debug().to_string(),
    }
}

fn aligned(rows: &[[String; 9]]) -> String {
    let mut widths = [0; 9];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Writing to a text can't fail.
            let _written = match index {
                // LIMIT, SPENT, RESERVED and USED.
                4..=7 => write!(line, "{cell:>width$}  "),
                _ => write!(line, "{cell:<width$}  "),
            };
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Window;

    fn standing(value: &str, spent: u64, reserved: u64) -> LineStanding {
        let used = (spent + reserved) / 10_000_000;
        LineStanding {
            scope: CeilingScope::User,
            value: Arc::from(value),
            window: Window::Month,
            limit: NanoUsd::from_nanos(10_000_000_000),
            spent: NanoUsd::from_nanos(spent),
            reserved: NanoUsd::from_nanos(reserved),
            resets_at: Some(Timestamp::from_seconds(1_796_083_200)),
            used_thousandths: used,
        }
    }

    #[test]
    fn amounts_and_shares_are_decimal_text_and_what_is_reserved_is_not_left() {
        let tenant: TenantId = "acme".parse().unwrap();
        let standings = [standing("alice", 8_100_000_001, 400_000_000)];
        let document = spend_document(&tenant, Timestamp::from_seconds(0), "p1", &standings);
        let row = &document["ceilings"][0];
        assert_eq!(row["spent_usd"], "8.100000001");
        assert_eq!(row["reserved_usd"], "0.40");
        assert_eq!(row["remaining_usd"], "1.499999999");
        assert_eq!(row["used_ratio"], "0.850");
        assert_eq!(row["resets_at"], "2026-12-01T00:00:00.000000Z");
        let spent_over = [standing("bob", 12_000_000_000, 0)];
        let document = spend_document(&tenant, Timestamp::from_seconds(0), "p1", &spent_over);
        assert_eq!(document["ceilings"][0]["remaining_usd"], "0.00");
        assert_eq!(document["ceilings"][0]["used_ratio"], "1.200");
    }

    #[test]
    fn a_scope_needs_a_value_and_the_tenant_has_none() {
        let line = |scope, value| spend_line(scope, value);
        assert_eq!(line(None, None), Ok((CeilingScope::Tenant, "".into())));
        let alice = (CeilingScope::User, Arc::from("alice"));
        assert_eq!(line(Some("user"), Some("alice")), Ok(alice));
        for (scope, value) in [
            (Some("user"), None),
            (Some("user"), Some("")),
            (None, Some("alice")),
            (Some("tenant"), Some("acme")),
            (Some("team"), Some("x")),
        ] {
            assert!(line(scope, value).is_err(), "{scope:?} {value:?}");
        }
    }

    #[test]
    fn the_table_stands_in_columns_and_no_text_of_a_stranger_reaches_the_terminal_raw() {
        let tenant: TenantId = "acme".parse().unwrap();
        let standings = [
            standing("alice", 8_100_000_000, 0),
            standing("\u{1b}[2Jx", 5, 1),
        ];
        let expected = "\
TENANT  SCOPE  VALUE       WINDOW  LIMIT        SPENT     RESERVED  USED  RESETS
acme    user   alice       month   10.00         8.10         0.00   81%  2026-12-01T00:00:00.000000Z
acme    user   \\u{1b}[2Jx  month   10.00  0.000000005  0.000000001    0%  2026-12-01T00:00:00.000000Z
";
        assert_eq!(spend_table([(&tenant, &standings[..])]), expected);
    }
}

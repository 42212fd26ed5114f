//! `[[tenants.ceilings]]` and `[[defaults.ceilings]]`: the most that may be spent.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::reader::Fields;
use crate::budget::{Ceiling, CeilingScope, Window};
use crate::money::NanoUsd;
use crate::policy::Ceilings;
use crate::policy::problem::{Located, Place, ProblemKind, closest};

/// The ceilings as written: the first one's place, for what is found out about them later.
#[derive(Clone, Debug)]
pub(in crate::policy) struct CeilingEntries {
    pub(in crate::policy) place: Place,
    pub(in crate::policy) ceilings: Ceilings,
}

/// Reads the key; `None` where it is absent. An empty list is no ceiling, whatever the defaults say.
pub(super) fn ceilings(fields: &Fields<'_>) -> Option<CeilingEntries> {
    if !fields.has("ceilings") {
        return None;
    }
    let tables = fields.tables("ceilings");
    let mut known: Vec<Ceiling> = Vec::new();
    for table in &tables {
        let Some(ceiling) = ceiling(table) else {
            continue;
        };
        let twice = known
            .iter()
            .any(|it| (it.scope, it.window) == (ceiling.scope, ceiling.window));
        if twice {
            table.report().add(
                table.place(),
                ProblemKind::Duplicate,
                "a ceiling of this scope and window stands in the list already",
            );
        } else {
            known.push(ceiling);
        }
    }
    let place = tables.first().map_or_else(|| fields.place(), Fields::place);
    Some(CeilingEntries {
        place: place.clone(),
        ceilings: known.into(),
    })
}

fn ceiling(table: &Fields<'_>) -> Option<Ceiling> {
    for key in ["scope", "window", "usd"] {
        table.require(key);
    }
    let scopes = CeilingScope::ALL.map(|scope| (scope.as_str(), scope));
    let scope = table.choice("scope", &scopes);
    let window = table.parsed("window", str::parse::<Window>);
    let limit = table.parsed("usd", str::parse::<NanoUsd>);
    let timezone = timezone(table);
    let calendar = window.as_ref().is_some_and(|window| match window.value {
        Window::Hour | Window::Day | Window::Week | Window::Month => true,
        Window::Total | Window::Rolling(_) => false,
    });
    if let (Some(zone), Some(_), false) = (&timezone, &window, calendar) {
        table.report().add(
            &zone.place,
            ProblemKind::Conflict,
            "only windows of the calendar begin by a clock on the wall",
        );
    }
    let warn_at = warn_at(table);
    Some(Ceiling {
        scope: scope?,
        window: window?.value,
        limit: limit?.value,
        timezone: timezone.map_or(TimeZone::UTC, |zone| zone.value),
        warn_at,
    })
}

fn timezone(table: &Fields<'_>) -> Option<Located<TimeZone>> {
    let name = table.text("timezone")?;
    if let Ok(zone) = TimeZone::get(name.value) {
        return Some(name.with(zone));
    }
    let known: Vec<_> = jiff::tz::db()
        .available()
        .map(|zone| zone.to_string())
        .collect();
    // Of hundreds some are always a third of their letters away.
    let near = known
        .iter()
        .filter(|zone| strsim::osa_distance(zone, name.value) <= 2);
    table.report().add_suggesting(
        &name.place,
        ProblemKind::BadValue,
        format!(
            "`{}` is no IANA time zone, as \"Europe/Paris\" is one",
            name.value
        ),
        closest(name.value, near.map(String::as_str)),
    );
    None
}

/// Shares of the limit, in thousandths and rising.
fn warn_at(table: &Fields<'_>) -> Arc<[u16]> {
    let mut shares = Vec::new();
    for share in table.decimals("warn_at") {
        match thousandths(share.value) {
            Some(share) => shares.push(share),
            None => {
                let percent: Option<u8> = share.value.parse().ok();
                let meant = percent.filter(|it| (2..100).contains(it));
                let meant = meant.map(|percent| format!("0.{percent:02}"));
                table.report().add_suggesting(
                    &share.place,
                    ProblemKind::BadValue,
                    "a share of the limit is above 0, at most 1, and has at most three digits behind the point",
                    meant.as_deref(),
                );
            }
        }
    }
    shares.sort_unstable();
    shares.dedup();
    shares.into()
}

/// `0.85` is 850.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 3 {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    let share = whole.checked_mul(1_000)?.checked_add(fraction)?;
    (1..=1_000).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_exactly_or_not_at_all() {
        assert_eq!(thousandths("0.5"), Some(500));
        assert_eq!(thousandths("0.125"), Some(125));
        assert_eq!(thousandths("1"), Some(1_000));
        assert_eq!(thousandths("1.0"), Some(1_000));
        for text in ["0", "1.001", "0.1234", "-0.5", "5e-1", "nan", "80"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}

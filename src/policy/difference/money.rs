//! Ceilings, prices and `[costs]`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Risk};
use crate::budget::Ceiling;
use crate::budget::prices::Price;
use crate::inspect::usage::Usage;
use crate::money::NanoUsd;
use crate::policy::PolicySnapshot;

pub(super) fn compare(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let defaults = (&*old.default_ceilings, &*new.default_ceilings);
    ceilings("defaults", "", defaults, found);
    let ids: BTreeSet<_> = old.tenants.keys().chain(new.tenants.keys()).collect();
    for id in ids {
        // Of one that comes or goes that is said.
        if old.tenants.contains_key(id) && new.tenants.contains_key(id) {
            let pair = (&**old.ceilings(id), &**new.ceilings(id));
            ceilings("tenants", id.as_str(), pair, found);
        }
    }
    let at = ("costs", "exhausted_status");
    let status = (old.costs.exhausted_status, new.costs.exhausted_status);
    found.changed(Risk::Other, at, "status", status);
    if old.costs.reserve != new.costs.reserve {
        found.put(
            Risk::Unclear,
            "costs",
            "reserve_usd",
            "another amount is held",
        );
    }
    prices(old, new, found);
}

fn ceilings(
    section: &'static str,
    name: &str,
    (old, new): (&[Ceiling], &[Ceiling]),
    found: &mut Found,
) {
    type Key = (&'static str, String);
    let of = |ceilings: &[Ceiling]| -> BTreeMap<Key, NanoUsd> {
        let key = |it: &Ceiling| (it.scope.as_str(), it.window.to_string());
        ceilings.iter().map(|it| (key(it), it.limit)).collect()
    };
    let (before, after) = (of(old), of(new));
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let what = format!("ceiling of the {} per {}", key.0, key.1);
        match (before.get(key), after.get(key)) {
            (None, Some(limit)) => {
                let says = format!("{what} is new: {limit} USD");
                found.put(Risk::Closes, section, name, says);
            }
            (Some(limit), None) => {
                let says = format!("{what} is gone: it was {limit} USD");
                found.put(Risk::Opens, section, name, says);
            }
            (Some(old), Some(new)) => {
                let risk = if new > old { Risk::Opens } else { Risk::Closes };
                let what = format!("{what} in USD");
                found.changed(risk, (section, name), &what, (*old, *new));
            }
            (None, None) => {}
        }
    }
}

/// Prices by model. One that falls lets more pass under the same ceiling.
fn prices(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let (before, after) = (&old.prices, &new.prices);
    if before.revision() == after.revision() {
        return;
    }
    let names: BTreeSet<&str> = before
        .all()
        .chain(after.all())
        .map(|(name, _)| name)
        .collect();
    for name in names {
        match (before.listed(name), after.listed(name)) {
            (None, Some(_)) => found.put(Risk::Opens, "prices", name, "is listed"),
            (Some(_), None) => found.put(Risk::Closes, "prices", name, "is listed no more"),
            (Some(old), Some(new)) if old != new => price(name, old, new, found),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    if before.default_price() != after.default_price() {
        found.put(
            Risk::Unclear,
            "costs",
            "default_price",
            "says something else",
        );
    }
}

fn price(name: &str, old: &Price, new: &Price, found: &mut Found) {
    let million = Some(1_000_000);
    let kinds = [
        (
            "input",
            Usage {
                input: million,
                ..Usage::default()
            },
        ),
        (
            "output",
            Usage {
                output: million,
                ..Usage::default()
            },
        ),
    ];
    let mut told = false;
    for (what, usage) in kinds {
        let (before, after) = (old.cost(&usage), new.cost(&usage));
        if before == after {
            continue;
        }
        told = true;
        let risk = if after < before {
            Risk::Opens
        } else {
            Risk::Closes
        };
        let percent = match i128::from(before.nanos()) {
            0 => String::new(),
            base => {
                let change = i128::from(after.nanos()) - base;
                format!(" ({:+}%)", change * 100 / base)
            }
        };
        let says = format!("{what} for a million tokens: {before} -> {after} USD{percent}");
        found.put(risk, "prices", name, says);
    }
    if !told {
        found.put(Risk::Unclear, "prices", name, "says something else");
    }
}

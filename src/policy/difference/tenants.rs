//! `[tenancy]`, `[defaults]` and `[[tenants]]`.

use std::collections::BTreeSet;

use super::{Found, Risk};
use crate::budget::models::ModelPolicy;
use crate::policy::{PolicySnapshot, TenantLimits, UnknownTenant};

pub(super) fn compare(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let (before, after) = (&old.tenancy, &new.tenancy);
    if before.unknown != after.unknown {
        let (risk, says) = match after.unknown {
            UnknownTenant::Provision => (Risk::Opens, "a tenant that no file lists is served"),
            UnknownTenant::Deny => (Risk::Closes, "a tenant that no file lists is refused"),
        };
        found.put(risk, "tenancy", "unknown", says);
    }
    if before.header_required != after.header_required {
        let (risk, says) = match after.header_required {
            true => (Risk::Closes, "X-Fabric-Tenant is required"),
            false => (Risk::Opens, "X-Fabric-Tenant is not required any more"),
        };
        found.put(risk, "tenancy", "header_required", says);
    }
    if format!("{:?}", before.grammar) != format!("{:?}", after.grammar) {
        found.put(
            Risk::Unclear,
            "tenancy",
            "id_pattern",
            "other ids are tenants",
        );
    }
    limits("defaults", "", (old.defaults, new.defaults), found);
    models(
        "defaults",
        "",
        (&old.default_models, &new.default_models),
        found,
    );
    let ids: BTreeSet<_> = old.tenants.keys().chain(new.tenants.keys()).collect();
    for id in ids {
        let name = id.as_str();
        match (old.tenants.get(id), new.tenants.get(id)) {
            (None, Some(_)) => found.put(Risk::Opens, "tenants", name, "is new"),
            (Some(gone), None) => {
                let (risk, says) = match after.unknown {
                    UnknownTenant::Deny => (Risk::Closes, "is gone"),
                    UnknownTenant::Provision if gone.suspended => (
                        Risk::Opens,
                        "is gone with its suspension, and has the defaults",
                    ),
                    UnknownTenant::Provision => (Risk::Unclear, "is gone, and has the defaults"),
                };
                found.put(risk, "tenants", name, says);
            }
            (Some(before), Some(after)) => {
                if before.suspended != after.suspended {
                    let (risk, says) = match after.suspended {
                        true => (Risk::Closes, "is suspended"),
                        false => (Risk::Opens, "is suspended no more"),
                    };
                    found.put(risk, "tenants", name, says);
                }
                limits("tenants", name, (old.limits(id), new.limits(id)), found);
                models("tenants", name, (old.models(id), new.models(id)), found);
            }
            (None, None) => {}
        }
    }
}

fn limits(
    section: &'static str,
    name: &str,
    (old, new): (TenantLimits, TenantLimits),
    found: &mut Found,
) {
    if old == new {
        return;
    }
    for (whose, before, after) in [
        ("limits", old.tenant, new.tenant),
        ("user_limits", old.user, new.user),
    ] {
        let rates = (before.requests_per_second, after.requests_per_second);
        let rate = |it: Option<crate::budget::limits::PerSecond>| it.map(|it| it.to_string());
        let risk = risk_of(rates.0, rates.1);
        let at = (section, name);
        let what = |key: &str| format!("{whose}.{key}");
        let none = || "unlimited".to_owned();
        let pair = (
            rate(rates.0).unwrap_or_else(none),
            rate(rates.1).unwrap_or_else(none),
        );
        found.changed(risk, at, &what("requests_per_second"), pair);
        for (key, before, after) in [
            ("body_bytes", before.body_bytes, after.body_bytes),
            (
                "burst",
                before.burst.map(u64::from),
                after.burst.map(u64::from),
            ),
            (
                "concurrent_requests",
                before.concurrent_requests.map(u64::from),
                after.concurrent_requests.map(u64::from),
            ),
            (
                "open_streams",
                before.open_streams.map(u64::from),
                after.open_streams.map(u64::from),
            ),
        ] {
            let text = |it: Option<u64>| it.map_or_else(none, |it| it.to_string());
            let risk = risk_of(before, after);
            found.changed(risk, at, &what(key), (text(before), text(after)));
        }
    }
}

/// Of a limit: more, or none, opens.
fn risk_of<T: PartialOrd>(old: Option<T>, new: Option<T>) -> Risk {
    match (old, new) {
        (Some(old), Some(new)) if new > old => Risk::Opens,
        (_, None) => Risk::Opens,
        _ => Risk::Closes,
    }
}

fn models(
    section: &'static str,
    name: &str,
    (old, new): (&ModelPolicy, &ModelPolicy),
    found: &mut Found,
) {
    let at = (section, name);
    let names = |policy: &ModelPolicy| -> Vec<String> {
        let lists = policy.allow.iter().flat_map(|list| list.iter());
        lists.map(|it| it.as_str().to_owned()).collect()
    };
    let (before, after) = (names(old), names(new));
    match (before.is_empty(), after.is_empty()) {
        (true, false) => {
            let says = format!("only these models: {}", after.join(", "));
            found.put(Risk::Closes, at.0, at.1, says);
        }
        (false, true) => found.put(Risk::Opens, at.0, at.1, "every model"),
        _ => found.list((Risk::Opens, Risk::Closes), at, "models", (&before, &after)),
    }
    let model = |policy: &ModelPolicy| {
        let default = policy.default.as_deref();
        default.unwrap_or("none").to_owned()
    };
    found.changed(Risk::Other, at, "default model", (model(old), model(new)));
    let most = |policy: &ModelPolicy| {
        let most = policy.max_output_tokens;
        most.map_or_else(|| "unlimited".to_owned(), |it| it.to_string())
    };
    let risk = risk_of(old.max_output_tokens, new.max_output_tokens);
    found.changed(risk, at, "max_output_tokens", (most(old), most(new)));
}

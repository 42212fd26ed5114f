//! `[tenancy]`, `[defaults]`, `[[tenants]]` and `[memory]`.

use std::sync::Arc;

use super::ceilings::{CeilingEntries, ceilings};
use super::reader::Fields;
use super::{bare, values};
use crate::policy::problem::Located;
use crate::policy::{Limits, Tenancy, TenantPolicy, UnknownTenant};
use crate::tenant::{TenantGrammar, TenantId};

/// Largest request body of a tenant that no file says anything about, in bytes.
const BODY_BYTES: u64 = 10 * 1024 * 1024;

/// Largest body limit that can be configured, in bytes.
pub(super) const MAX_BODY_BYTES: u64 = 1 << 40;

/// One `[[tenants]]` entry.
#[derive(Debug)]
pub(in crate::policy) struct TenantEntry {
    pub(in crate::policy) id: Located<TenantId>,
    pub(in crate::policy) policy: TenantPolicy,
    pub(in crate::policy) ceilings: Option<CeilingEntries>,
}

/// `[defaults]`.
#[derive(Debug)]
pub(in crate::policy) struct Defaults {
    pub(in crate::policy) limits: Limits,
    pub(in crate::policy) ceilings: Option<CeilingEntries>,
}

/// Reads `[tenancy]`. Absent is the default grammar, unknown tenants denied, header not required.
pub(super) fn tenancy(fields: Option<Fields<'_>>) -> Tenancy {
    let Some(fields) = fields else {
        return Tenancy {
            grammar: TenantGrammar::default(),
            unknown: UnknownTenant::Deny,
            header_required: false,
        };
    };
    let unknown = fields.choice(
        "unknown",
        &[
            ("deny", UnknownTenant::Deny),
            ("provision", UnknownTenant::Provision),
        ],
    );
    Tenancy {
        grammar: fields
            .parsed("id_pattern", TenantGrammar::new)
            .map_or_else(TenantGrammar::default, |grammar| grammar.value),
        unknown: unknown.unwrap_or(UnknownTenant::Deny),
        header_required: fields.flag("header_required", false),
    }
}

/// Reads `[defaults]`.
pub(super) fn defaults(fields: Option<&Fields<'_>>) -> Defaults {
    let limits = fields.map(limits).unwrap_or_default();
    Defaults {
        limits: Limits {
            body_bytes: limits.body_bytes.or(Some(BODY_BYTES)),
        },
        ceilings: fields.and_then(ceilings),
    }
}

/// Reads one `[[tenants]]` entry.
pub(super) fn tenant(fields: &Fields<'_>, grammar: &TenantGrammar) -> Option<TenantEntry> {
    fields.require("id");
    fields.not_yet("models");
    let id = fields.parsed("id", |text| grammar.parse(text));
    let ceilings = ceilings(fields);
    let policy = TenantPolicy {
        suspended: fields.flag("suspended", false),
        limits: limits(fields),
        ceilings: ceilings.as_ref().map(|it| Arc::clone(&it.ceilings)),
    };
    Some(TenantEntry {
        id: id?,
        policy,
        ceilings,
    })
}

/// Reads `[memory]`.
pub(super) fn shared_write_roles(fields: Option<Fields<'_>>) -> Vec<Arc<str>> {
    let Some(fields) = fields else {
        return Vec::new();
    };
    fields.require("shared_write_roles");
    bare(
        fields
            .some_parsed("shared_write_roles", values::role)
            .unwrap_or_default(),
    )
}

fn limits(fields: &Fields<'_>) -> Limits {
    let Some(limits) = fields.table("limits") else {
        return Limits::default();
    };
    for key in ["requests_per_second", "burst", "concurrent_requests"] {
        limits.not_yet(key);
    }
    Limits {
        body_bytes: limits.integer("body_bytes", 0..=MAX_BODY_BYTES),
    }
}

//! `[tenancy]`, `[defaults]`, `[[tenants]]` and `[memory]`.

use std::sync::Arc;

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
pub(super) fn defaults(fields: Option<Fields<'_>>) -> Limits {
    let limits = fields.map(|fields| limits(&fields)).unwrap_or_default();
    Limits {
        body_bytes: limits.body_bytes.or(Some(BODY_BYTES)),
    }
}

/// Reads one `[[tenants]]` entry.
pub(super) fn tenant(fields: &Fields<'_>, grammar: &TenantGrammar) -> Option<TenantEntry> {
    fields.require("id");
    fields.not_yet("models");
    fields.not_yet("ceilings");
    let id = fields.parsed("id", |text| grammar.parse(text));
    let policy = TenantPolicy {
        suspended: fields.flag("suspended", false),
        limits: limits(fields),
    };
    Some(TenantEntry { id: id?, policy })
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

//! `[tenancy]`, `[defaults]`, `[[tenants]]` and `[memory]`.

use std::sync::Arc;

use super::ceilings::{CeilingEntries, ceilings};
use super::limits::limits;
use super::models::{ModelsEntry, models};
use super::reader::Fields;
use super::{bare, values};
use crate::policy::problem::Located;
use crate::policy::{Limits, Tenancy, TenantLimits, TenantPolicy, UnknownTenant};
use crate::tenant::{TenantGrammar, TenantId};

/// Largest request body of a tenant that no file says anything about, in bytes.
pub(super) const BODY_BYTES: u64 = 10 * 1024 * 1024;

/// Largest body limit that can be configured, in bytes.
pub(super) const MAX_BODY_BYTES: u64 = 1 << 40;

/// One `[[tenants]]` entry.
#[derive(Debug)]
pub(in crate::policy) struct TenantEntry {
    pub(in crate::policy) id: Located<TenantId>,
    pub(in crate::policy) policy: TenantPolicy,
    pub(in crate::policy) ceilings: Option<CeilingEntries>,
    pub(in crate::policy) models: Option<ModelsEntry>,
}

/// `[defaults]`.
#[derive(Debug)]
pub(in crate::policy) struct Defaults {
    pub(in crate::policy) limits: TenantLimits,
    pub(in crate::policy) ceilings: Option<CeilingEntries>,
    pub(in crate::policy) models: Option<ModelsEntry>,
}

/// The grammar that `[tenancy]` names, or the default one.
pub(super) fn grammar(fields: Option<&Fields<'_>>) -> TenantGrammar {
    fields
        .and_then(|fields| fields.parsed("id_pattern", TenantGrammar::new))
        .map_or_else(TenantGrammar::default, |grammar| grammar.value)
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
        grammar: grammar(Some(&fields)),
        unknown: unknown.unwrap_or(UnknownTenant::Deny),
        header_required: fields.flag("header_required", false),
    }
}

/// Reads `[defaults]`.
pub(super) fn defaults(fields: Option<&Fields<'_>>) -> Defaults {
    let built_in = TenantLimits {
        tenant: Limits {
            body_bytes: Some(BODY_BYTES),
            ..Limits::default()
        },
        user: Limits::default(),
    };
    let stated = fields.map(|fields| limits(fields, built_in));
    Defaults {
        limits: stated.unwrap_or_default().over(built_in),
        ceilings: fields.and_then(ceilings),
        models: fields.and_then(models),
    }
}

/// Reads one `[[tenants]]` entry. `defaults` hold where it says nothing.
pub(super) fn tenant(
    fields: &Fields<'_>,
    grammar: &TenantGrammar,
    defaults: TenantLimits,
) -> Option<TenantEntry> {
    fields.require("id");
    let id = fields.parsed("id", |text| values::tenant(grammar, text));
    let ceilings = ceilings(fields);
    let policy = TenantPolicy {
        suspended: fields.flag("suspended", false),
        limits: limits(fields, defaults),
        ceilings: ceilings.as_ref().map(|it| Arc::clone(&it.ceilings)),
        models: None,
    };
    Some(TenantEntry {
        id: id?,
        policy,
        ceilings,
        models: models(fields),
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

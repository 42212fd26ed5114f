//! Callers who are described and prove nothing.

use std::sync::Arc;

use super::KeptClaims;
use super::principal::{AuthMethod, Delegation, Principal, PrincipalKind, RoutePattern, UserId};
use crate::tenant::TenantId;

/// A caller as somebody describes it.
#[derive(Clone, Debug)]
pub struct Supposed {
    /// The tenant.
    pub tenant: TenantId,
    /// The user inside the tenant.
    pub user: UserId,
    /// What kind of caller.
    pub kind: PrincipalKind,
    /// Role names.
    pub roles: Vec<Arc<str>>,
    /// Scope names.
    pub scopes: Vec<Arc<str>>,
    /// Who acts for it, outermost first.
    pub actors: Vec<Arc<str>>,
    /// What its credential is confined to; `None` is nothing.
    pub routes: Option<Arc<[RoutePattern]>>,
    /// What its token says at the places that routes name.
    pub claims: Option<Arc<KeptClaims>>,
}

impl Principal {
    /// Who would call, for asking what would become of its requests. No request is ever let in by
    /// it: only `explain` makes one, and what it asks leads to no backend.
    pub fn supposed(described: Supposed) -> Self {
        Self {
            tenant: described.tenant,
            user: described.user,
            kind: described.kind,
            roles: described.roles.into(),
            scopes: described.scopes.into(),
            delegation: Delegation {
                actors: described.actors.into(),
                dropped: 0,
            },
            method: AuthMethod::supposed(),
            token_id: None,
            expires_at: None,
            routes: described.routes,
            claims: described.claims,
        }
    }
}

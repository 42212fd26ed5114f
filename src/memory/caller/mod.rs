//! A verified caller as the memory service sees it: what it may read, write and erase.

mod namespace;
mod operator;

use std::sync::Arc;

use super::Confidentiality;
use crate::clock::Timestamp;
use crate::identity::{Principal, UserId};
use crate::tenant::TenantId;

pub use namespace::{
    Namespace, Owner, Reach, Scope, TenantErasure, TenantScope, UserErasure, Writable,
};
pub use operator::{Operator, Oversight};

/// A scope of this beginning lowers what its holder sees: `memory.max:internal`.
const CAP_SCOPE: &str = "memory.max:";

/// Which roles may do what.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who writes, changes, deletes and promotes shared memory.
    pub shared_write_roles: Vec<String>,
    /// Who erases users and the tenant.
    pub tenant_admin_roles: Vec<String>,
    /// What a caller may see if none of its roles is in `clearances`.
    pub default_clearance: Confidentiality,
    /// What a role may see. Of several roles of a caller the highest counts.
    pub clearances: Vec<(String, Confidentiality)>,
}

/// The caller lacks a role that what it asked for needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRequired {
    /// One of [`Rules::shared_write_roles`].
    #[error("shared memory is written by other roles only")]
    SharedWrite,
    /// One of [`Rules::tenant_admin_roles`].
    #[error("only an administrator of the tenant erases")]
    TenantAdmin,
}

/// Somebody whose identity was verified, and what the rules let it do.
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: TenantId,
    user: UserId,
    clearance: Confidentiality,
    writes_shared: bool,
    administers: bool,
    expires_at: Option<Timestamp>,
}

impl Caller {
    /// The caller that `principal` is under `rules`.
    pub fn new(principal: &Principal, rules: &Rules) -> Self {
        let holds = |roles: &[String]| roles.iter().any(|role| principal.has_role(role));
        Self {
            tenant: principal.tenant().clone(),
            user: principal.user().clone(),
            clearance: clearance(principal, rules),
            writes_shared: holds(&rules.shared_write_roles),
            administers: holds(&rules.tenant_admin_roles),
            expires_at: principal.expires_at(),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user, who is also the author of what the caller writes.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The highest confidentiality the caller reads and writes.
    pub fn clearance(&self) -> Confidentiality {
        self.clearance
    }

    /// Whether the caller may write shared memory.
    pub fn writes_shared(&self) -> bool {
        self.writes_shared
    }

    /// When the credential ends; a stream ends with it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// What the caller reads: its own, the tenant's shared memory, or both.
    pub fn reach(&self, scope: Scope) -> Reach {
        Reach::new(&self.tenant, &self.user, scope, self.clearance)
    }

    /// The caller's own namespace, to write into.
    pub fn own(&self) -> Writable {
        Writable::new(
            Namespace::user(&self.tenant, &self.user),
            &self.user,
            self.clearance,
        )
    }

    /// The tenant's shared namespace, to write into.
    ///
    /// # Errors
    /// The caller has none of the roles for it.
    pub fn shared(&self) -> Result<Writable, RoleRequired> {
        if self.writes_shared {
            Ok(Writable::new(
                Namespace::shared(&self.tenant),
                &self.user,
                self.clearance,
            ))
        } else {
            Err(RoleRequired::SharedWrite)
        }
    }

    /// The tenant as a whole, for what concerns all of its namespaces alike.
    pub fn tenant_scope(&self) -> TenantScope {
        TenantScope::new(&self.tenant)
    }

    /// The right to erase all of the caller's own tenant.
    ///
    /// # Errors
    /// The caller is no administrator of its tenant.
    pub fn tenant_erasure(&self) -> Result<TenantErasure, RoleRequired> {
        if self.administers {
            Ok(TenantErasure::new(&self.tenant))
        } else {
            Err(RoleRequired::TenantAdmin)
        }
    }

    /// The right to erase a user of the caller's own tenant.
    ///
    /// # Errors
    /// The caller is no administrator of its tenant.
    pub fn user_erasure(&self, user: &UserId) -> Result<UserErasure, RoleRequired> {
        if self.administers {
            Ok(UserErasure::new(&self.tenant, user))
        } else {
            Err(RoleRequired::TenantAdmin)
        }
    }
}

/// The highest of what the caller's roles see, lowered by a cap in its scopes. A cap that can't be
/// read lowers to the lowest.
fn clearance(principal: &Principal, rules: &Rules) -> Confidentiality {
    let of_roles = rules
        .clearances
        .iter()
        .filter(|(role, _)| principal.has_role(role))
        .map(|(_, clearance)| *clearance)
        .max();
    let caps = principal
        .scopes()
        .iter()
        .filter_map(|scope: &Arc<str>| scope.strip_prefix(CAP_SCOPE))
        .map(|cap| cap.parse().unwrap_or(Confidentiality::Public));
    let granted = of_roles.unwrap_or(rules.default_clearance);
    caps.min().map_or(granted, |cap| granted.min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            shared_write_roles: vec!["lead".to_owned()],
            tenant_admin_roles: vec!["tenant-admin".to_owned()],
            default_clearance: Confidentiality::Internal,
            clearances: vec![
                ("lead".to_owned(), Confidentiality::Restricted),
                ("guest".to_owned(), Confidentiality::Public),
            ],
        }
    }

    fn caller(roles: &[&str], scopes: &[&str]) -> Caller {
        let principal = Principal::made_up("acme", "alice", roles, scopes, None);
        Caller::new(&principal, &rules())
    }

    #[test]
    fn of_several_roles_the_highest_clearance_counts_and_without_one_the_default() {
        assert_eq!(
            caller(&["guest", "lead"], &[]).clearance(),
            Confidentiality::Restricted
        );
        assert_eq!(
            caller(&["guest"], &[]).clearance(),
            Confidentiality::Public,
            "a role may see less than the default"
        );
        assert_eq!(
            caller(&["member"], &[]).clearance(),
            Confidentiality::Internal
        );
    }

    #[test]
    fn a_cap_in_a_scope_lowers_and_never_raises() {
        let capped = |cap| caller(&["lead"], &[cap]).clearance();
        assert_eq!(
            capped("memory.max:confidential"),
            Confidentiality::Confidential
        );
        assert_eq!(
            capped("memory.max:everything"),
            Confidentiality::Public,
            "a cap that can't be read is the lowest"
        );
        assert_eq!(
            caller(&["guest"], &["memory.max:restricted"]).clearance(),
            Confidentiality::Public
        );
    }

    #[test]
    fn only_the_roles_named_write_shared_memory_and_only_administrators_erase() {
        assert_eq!(
            caller(&["member"], &[]).shared().unwrap_err(),
            RoleRequired::SharedWrite
        );
        assert!(caller(&["lead"], &[]).shared().is_ok());
        let bob = UserId::parse("bob").unwrap();
        assert_eq!(
            caller(&["lead"], &[]).tenant_erasure().unwrap_err(),
            RoleRequired::TenantAdmin
        );
        assert!(caller(&["lead"], &[]).user_erasure(&bob).is_err());
        let administrator = caller(&["tenant-admin"], &[]);
        assert_eq!(
            administrator.tenant_erasure().unwrap().tenant().as_str(),
            "acme"
        );
        assert_eq!(
            administrator.user_erasure(&bob).unwrap().user().as_str(),
            "bob"
        );
    }
}

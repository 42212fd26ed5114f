//! What the operator of the service may do: whoever runs its commands on the machine that keeps the
//! memories, with the rights of its files or of its database, and so could read them anyhow.

use super::{Namespace, Owner, Reach, Scope, TenantErasure, UserErasure, Writable};
use crate::identity::UserId;
use crate::memory::Confidentiality;
use crate::tenant::TenantId;

/// The operator, by the name that goes into receipts and into what is imported for a whole tenant.
///
/// INVARIANT: only commands make one. No listener, and nothing that answers a request, may know this
/// type; `tests/architecture.rs` looks.
#[derive(Clone, Debug)]
pub struct Operator(UserId);

impl Operator {
    /// The operator at this machine.
    pub fn at_this_machine(name: UserId) -> Self {
        Self(name)
    }

    /// The rights over one tenant, and over no other.
    pub fn oversee(&self, tenant: &TenantId) -> Oversight {
        Oversight {
            tenant: tenant.clone(),
            operator: self.0.clone(),
        }
    }
}

/// All of one tenant, whoever's it is and however confidential.
#[derive(Clone, Debug)]
pub struct Oversight {
    tenant: TenantId,
    operator: UserId,
}

impl Oversight {
    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who has the rights.
    pub fn operator(&self) -> &UserId {
        &self.operator
    }

    /// An owner's namespace, to read.
    pub fn reach(&self, owner: &Owner) -> Reach {
        let (user, scope) = match owner {
            Owner::User(user) => (user, Scope::User),
            Owner::Shared => (&self.operator, Scope::Shared),
        };
        Reach::new(&self.tenant, user, scope, Confidentiality::Restricted)
    }

    /// An owner's namespace, to write into: a user's in the user's name, shared memory in the
    /// operator's.
    pub fn writable(&self, owner: &Owner) -> Writable {
        let (namespace, author) = match owner {
            Owner::User(user) => (Namespace::user(&self.tenant, user), user),
            Owner::Shared => (Namespace::shared(&self.tenant), &self.operator),
        };
        Writable::new(namespace, author, Confidentiality::Restricted)
    }

    /// The right to erase all of the tenant.
    pub fn erasure(&self) -> TenantErasure {
        TenantErasure::new(&self.tenant)
    }

    /// The right to erase one of its users.
    pub fn user_erasure(&self, user: &UserId) -> UserErasure {
        UserErasure::new(&self.tenant, user)
    }

    /// Whose namespace of the tenant a text names; `None` if it is no namespace of the tenant.
    pub fn owner_named(&self, namespace: &str) -> Option<Owner> {
        if namespace == Namespace::shared(&self.tenant).to_string() {
            return Some(Owner::Shared);
        }
        let encoded = namespace
            .strip_prefix(&format!("tenant:{}:user:", self.tenant))?
            .strip_suffix(':')?;
        let user = percent_encoding::percent_decode_str(encoded)
            .decode_utf8()
            .ok()?;
        let user = UserId::parse(&user).ok()?;
        // One text for each namespace: what is not written as we write it is none.
        let same = Namespace::user(&self.tenant, &user).to_string() == namespace;
        same.then_some(Owner::User(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(tenant: &str) -> Oversight {
        let operator = UserId::parse("root").unwrap();
        Operator::at_this_machine(operator).oversee(&tenant.parse().unwrap())
    }

    fn user(name: &str) -> Owner {
        Owner::User(UserId::parse(name).unwrap())
    }

    #[test]
    fn every_right_is_of_the_tenant_that_was_named() {
        let acme = over("acme");
        for owner in [user("alice"), Owner::Shared] {
            let reached = acme.reach(&owner).namespaces();
            assert_eq!(reached.len(), 1, "one namespace at a time");
            assert_eq!(reached[0].tenant().as_str(), "acme");
            assert_eq!(*reached[0].owner(), owner);
            assert_eq!(*acme.writable(&owner).namespace(), reached[0]);
        }
        assert_eq!(acme.erasure().tenant().as_str(), "acme");
    }

    #[test]
    fn a_text_names_a_namespace_of_the_tenant_or_nothing() {
        let acme = over("acme");
        for owner in [user("alice"), user("al:ice"), user("a%3Ab"), Owner::Shared] {
            let text = acme.writable(&owner).namespace().to_string();
            assert_eq!(acme.owner_named(&text), Some(owner.clone()), "{text}");
            assert_eq!(over("globex").owner_named(&text), None, "{text}");
        }
        for wrong in [
            "",
            "tenant:acme:",
            "tenant:acme:user:alice",
            "tenant:acme:user::",
            "tenant:acme:user:al:ice:",
            "tenant:acme:user:%61lice:",
            "tenant:acme-2:shared:",
        ] {
            assert_eq!(acme.owner_named(wrong), None, "{wrong}");
        }
    }
}

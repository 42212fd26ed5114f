//! Namespaces, and the proofs that a caller may read, write or erase them. All of them are made by
//! a [`Caller`](super::Caller), or by the [`Operator`](super::Operator) at the machine: their
//! constructors are visible to nobody else.

use std::fmt;

use crate::identity::{UserId, namespace};
use crate::memory::Confidentiality;
use crate::tenant::TenantId;

/// Whose entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// One user's own.
    User(UserId),
    /// The whole tenant's: all read, some roles write.
    Shared,
}

/// What of its tenant a caller asks to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Its own namespace.
    User,
    /// The tenant's shared namespace.
    Shared,
    /// Both.
    All,
}

/// The isolation unit: one user's memories, or those a tenant shares.
///
/// Its text is `tenant:{tid}:user:{uid}:` or `tenant:{tid}:shared:`. User ids are percent-encoded
/// in it, so two namespaces never have one text, and the closing delimiter keeps each from being
/// the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    tenant: TenantId,
    owner: Owner,
}

impl Namespace {
    pub(super) fn user(tenant: &TenantId, user: &UserId) -> Self {
        Self {
            tenant: tenant.clone(),
            owner: Owner::User(user.clone()),
        }
    }

    pub(super) fn shared(tenant: &TenantId) -> Self {
        Self {
            tenant: tenant.clone(),
            owner: Owner::Shared,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Whose it is inside the tenant.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The text of the part of this namespace that an agent, or a session of it, uses:
    /// `tenant:acme:user:alice:agent:support:session:s-1:`. Names are percent-encoded.
    pub fn partition(&self, agent: Option<&str>, session: Option<&str>) -> String {
        let mut text = self.to_string();
        for (word, name) in [("agent", agent), ("session", session)] {
            if let Some(name) = name {
                text.push_str(word);
                text.push(':');
                text.push_str(&namespace::encoded(name));
                text.push(':');
            }
        }
        text
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Owner::User(user) => formatter.write_str(&namespace::of_user(&self.tenant, user)),
            Owner::Shared => write!(formatter, "tenant:{}:shared:", self.tenant),
        }
    }
}

/// What a caller may read: one or two namespaces of one tenant, up to a confidentiality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    tenant: TenantId,
    user: UserId,
    scope: Scope,
    clearance: Confidentiality,
}

impl Reach {
    pub(super) fn new(
        tenant: &TenantId,
        user: &UserId,
        scope: Scope,
        clearance: Confidentiality,
    ) -> Self {
        Self {
            tenant: tenant.clone(),
            user: user.clone(),
            scope,
            clearance,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The namespaces, one or two.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let own = Namespace::user(&self.tenant, &self.user);
        let shared = Namespace::shared(&self.tenant);
        match self.scope {
            Scope::User => vec![own],
            Scope::Shared => vec![shared],
            Scope::All => vec![own, shared],
        }
    }

    /// Entries above it are not there for the caller.
    pub fn clearance(&self) -> Confidentiality {
        self.clearance
    }
}

/// A namespace that the caller may write into. Entries above its clearance are not there for it:
/// they are neither changed nor deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writable {
    namespace: Namespace,
    author: UserId,
    clearance: Confidentiality,
}

impl Writable {
    pub(super) fn new(namespace: Namespace, author: &UserId, clearance: Confidentiality) -> Self {
        Self {
            namespace,
            author: author.clone(),
            clearance,
        }
    }

    /// Who writes: the author of every version written.
    pub fn author(&self) -> &UserId {
        &self.author
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The highest confidentiality that may be written, changed or deleted.
    pub fn clearance(&self) -> Confidentiality {
        self.clearance
    }
}

/// One tenant, for what concerns all of its namespaces alike (forgetting what has expired, counting
/// what was recalled). It gives access to no entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantScope(TenantId);

impl TenantScope {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self(tenant.clone())
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.0
    }
}

/// The right to erase a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantErasure(TenantId);

impl TenantErasure {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self(tenant.clone())
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.0
    }
}

/// The right to erase a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserErasure {
    tenant: TenantId,
    user: UserId,
}

impl UserErasure {
    pub(super) fn new(tenant: &TenantId, user: &UserId) -> Self {
        Self {
            tenant: tenant.clone(),
            user: user.clone(),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The user's own namespace.
    pub fn namespace(&self) -> Namespace {
        Namespace::user(&self.tenant, &self.user)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(tenant: &str, user: &str) -> Namespace {
        Namespace::user(&tenant.parse().unwrap(), &UserId::parse(user).unwrap())
    }

    #[test]
    fn a_namespaces_text_names_tenant_and_user_and_ends_in_its_delimiter() {
        assert_eq!(user("acme", "alice").to_string(), "tenant:acme:user:alice:");
        let tenant = "acme".parse().unwrap();
        assert_eq!(
            Namespace::shared(&tenant).to_string(),
            "tenant:acme:shared:"
        );
        assert_eq!(
            user("acme", "al:ice").partition(Some("a:b"), Some("s 1")),
            "tenant:acme:user:al%3Aice:agent:a%3Ab:session:s%201:"
        );
    }

    #[test]
    fn ids_that_join_to_one_text_are_two_namespaces() {
        assert_ne!(
            user("acme", "b:user:c").to_string(),
            user("acme", "b").to_string() + "user:c:"
        );
        let named_shared = user("acme", "shared:").to_string();
        assert_ne!(
            named_shared,
            Namespace::shared(&"acme".parse().unwrap()).to_string()
        );
    }

    fn user_ids() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab:%A]{1,6}",
            Just("al".to_owned()),
            Just("alice".to_owned()),
            Just("Alice".to_owned()),
            Just("al:ice".to_owned()),
            Just("al%3Aice".to_owned()),
            "[!-~]{1,255}",
        ]
    }

    proptest! {
        #[test]
        fn two_namespaces_have_one_text_only_if_they_are_one_and_none_begins_another(
            first in ("[ab]{2,3}", user_ids()),
            second in ("[ab]{2,3}", user_ids()),
        ) {
            let one = user(&first.0, &first.1);
            let other = user(&second.0, &second.1);
            let (text, longer) = (one.to_string(), other.to_string());
            prop_assert_eq!(one == other, text == longer);
            prop_assert!(one == other || !longer.starts_with(&text));
        }

        #[test]
        fn two_partitions_have_one_text_only_if_their_names_are_the_same(
            first in (proptest::option::of(".{0,8}"), proptest::option::of("[:%a]{0,4}")),
            second in (proptest::option::of(".{0,8}"), proptest::option::of("[:%a]{0,4}")),
        ) {
            let own = user("acme", "alice");
            let text = |(agent, session): &(Option<String>, Option<String>)| {
                own.partition(agent.as_deref(), session.as_deref())
            };
            prop_assert_eq!(first == second, text(&first) == text(&second));
        }
    }
}

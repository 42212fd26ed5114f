//! Who calls: verified callers of any tenant, made without a token.

#![allow(dead_code, reason = "each concern uses a part of it")]

use std::sync::Arc;

use fabric_gate::clock::Timestamp;
use fabric_gate::identity::settings::DevelopmentSettings;
use fabric_gate::identity::{Principal, UserId};
use fabric_gate::memory::{Caller, Confidentiality, Rules};

/// What the clock shows where a test begins.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The rules of every test: `lead` writes shared memory and sees all, `guest` sees what is public,
/// `secret` what is confidential, `tenant-admin` erases; anybody else sees what is internal.
pub(crate) fn rules() -> Rules {
    let clearances = [
        ("lead", Confidentiality::Restricted),
        ("secret", Confidentiality::Confidential),
        ("guest", Confidentiality::Public),
    ];
    Rules {
        shared_write_roles: vec!["lead".to_owned()],
        tenant_admin_roles: vec!["tenant-admin".to_owned()],
        default_clearance: Confidentiality::Internal,
        clearances: clearances
            .into_iter()
            .map(|(role, clearance)| (role.to_owned(), clearance))
            .collect(),
    }
}

/// A caller of this tenant, with these roles.
pub(crate) fn caller(tenant: &str, user: &str, roles: &[&str]) -> Caller {
    let principal = Principal::development(&DevelopmentSettings {
        tenant: tenant.parse().unwrap(),
        user: UserId::parse(user).unwrap(),
        roles: roles.iter().map(|role| Arc::from(*role)).collect(),
    });
    Caller::new(&principal, &rules())
}

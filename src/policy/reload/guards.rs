//! What a policy keeps somebody from, as far as a file that is lost takes it along unnoticed.

use std::sync::Arc;

use crate::policy::{Effect, PolicySnapshot, RuleMode, UnknownTenant, tenant_status};
use crate::tenant::TenantId;

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// The enforced rule of this name forbids something.
    Rule(Arc<str>),
    /// The tenant is suspended.
    Suspended(TenantId),
    /// What the tenant spends has an end.
    Ceilings(TenantId),
    /// What tenants spend that state nothing of their own has an end.
    DefaultCeilings,
    /// Tenants that no file lists are refused.
    UnknownRefused,
}

/// Every bar of a policy.
pub(super) fn guards_of(snapshot: &PolicySnapshot) -> Vec<Guard> {
    let rules = snapshot
        .rules
        .iter()
        .filter(|rule| forbids(rule.effect, rule.mode));
    let mut guards: Vec<_> = rules
        .map(|rule| Guard::Rule(Arc::clone(&rule.name)))
        .collect();
    let mut tenants: Vec<_> = snapshot.tenants.iter().collect();
    tenants.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    for (tenant, policy) in tenants {
        if policy.suspended {
            guards.push(Guard::Suspended(tenant.clone()));
        }
        // What the defaults say is told once.
        if policy.ceilings.as_ref().is_some_and(|own| !own.is_empty()) {
            guards.push(Guard::Ceilings(tenant.clone()));
        }
    }
    if !snapshot.default_ceilings.is_empty() {
        guards.push(Guard::DefaultCeilings);
    }
    if snapshot.tenancy.unknown == UnknownTenant::Deny {
        guards.push(Guard::UnknownRefused);
    }
    guards
}

fn forbids(effect: Effect, mode: RuleMode) -> bool {
    effect == Effect::Forbid && mode == RuleMode::Enforce
}

impl Guard {
    /// Whether a policy has it too. A tenant that is not served needs no further bar.
    pub(super) fn holds_in(&self, snapshot: &PolicySnapshot) -> bool {
        match self {
            Self::Rule(name) => {
                let mut rules = snapshot.rules.iter();
                rules.any(|rule| rule.name == *name && forbids(rule.effect, rule.mode))
            }
            Self::Suspended(tenant) => tenant_status(snapshot, tenant).is_err(),
            Self::Ceilings(tenant) => {
                tenant_status(snapshot, tenant).is_err() || !snapshot.ceilings(tenant).is_empty()
            }
            Self::DefaultCeilings => !snapshot.default_ceilings.is_empty(),
            Self::UnknownRefused => snapshot.tenancy.unknown == UnknownTenant::Deny,
        }
    }

    /// What is told when it is gone.
    pub(super) fn lost(&self) -> String {
        match self {
            Self::Rule(name) => {
                format!("the rule {name:?} forbade something before this reload and no longer does")
            }
            Self::Suspended(tenant) => {
                format!(
                    "the tenant \"{tenant}\" was suspended before this reload and is served now"
                )
            }
            Self::Ceilings(tenant) => format!(
                "the tenant \"{tenant}\" had ceilings before this reload and has none any more"
            ),
            Self::DefaultCeilings => {
                "[defaults] had ceilings before this reload and has none any more".to_owned()
            }
            Self::UnknownRefused => {
                "tenants that no file lists were refused before this reload and are served now"
                    .to_owned()
            }
        }
    }
}

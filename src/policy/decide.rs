//! The decision: may this caller do this on this route. Pure, so that what is explained, tested
//! and replayed is what production does.
//!
//! Forbid wins over everything (deny-overrides, XACML 3.0 appendix C.2), and the order of the
//! rules means nothing. A permit stands in for the roles of a route and for nothing else: neither
//! for scopes nor for the roles that shared memory asks for.

use std::sync::Arc;

use http::Method;

use super::{
    Effect, PolicySnapshot, RoutePolicy, Rule, RuleMode, SharedMemoryWrite, UnknownTenant,
};
use crate::decision::{Denial, DenialCode};
use crate::identity::Principal;
use crate::inspect::mcp::Use;
use crate::tenant::TenantId;

/// What the policy says about an authenticated request.
#[derive(Debug)]
#[must_use]
pub struct AuthorizeOutcome {
    /// Permit, or why not.
    pub decision: Result<(), Denial>,
    /// The rule that made the difference: the one that forbade it, or the permit that stood in for
    /// a role the caller lacks.
    pub rule: Option<Arc<str>>,
    /// Forbidding rules in shadow mode that would have refused it.
    pub would_deny: Vec<Arc<str>>,
    /// By what the caller is let in.
    pub standing: Standing,
}

/// By what a caller is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By the route's roles, or a permit that stands in for them: whatever no rule forbids.
    Route,
    /// By permits for some tools, prompts or resources only: these, and what belongs to the
    /// conversation.
    Uses,
    /// By permits for some models only: requests that are known to ask for these.
    Models,
}

/// What the policy says about one tool, prompt or resource.
#[derive(Debug)]
#[must_use]
pub struct UseOutcome {
    /// Permit, or why not.
    pub decision: Result<(), Denial>,
    /// As in [`AuthorizeOutcome::rule`].
    pub rule: Option<Arc<str>>,
    /// As in [`AuthorizeOutcome::would_deny`].
    pub would_deny: Vec<Arc<str>>,
}

/// Whether the tenant is served at all.
///
/// # Errors
/// `tenant_unknown` for an unlisted tenant unless such tenants are provisioned, `tenant_suspended`
/// for a suspended one.
pub fn tenant_status(snapshot: &PolicySnapshot, tenant: &TenantId) -> Result<(), Denial> {
    match (snapshot.tenants.get(tenant), snapshot.tenancy.unknown) {
        (Some(policy), _) if policy.suspended => Err(Denial::new(DenialCode::TenantSuspended)),
        (Some(_), _) | (None, UnknownTenant::Provision) => Ok(()),
        (None, UnknownTenant::Deny) => Err(Denial::new(DenialCode::TenantUnknown)),
    }
}

/// Decides by the credential's confinement, the rules, roles, scopes and shared-memory roles, in
/// this order; the first that refuses is the answer. The tenant's status is asked before
/// ([`tenant_status`]).
pub fn authorize(
    snapshot: &PolicySnapshot,
    route: &RoutePolicy,
    principal: &Principal,
    method: &Method,
) -> AuthorizeOutcome {
    let found = Found::among(
        snapshot
            .rules
            .iter()
            .filter(|rule| rule.is_about_requests() && covers(rule, route, principal, method)),
    );
    let permits = |about: fn(&Rule) -> bool| {
        let mut rules = snapshot.rules.iter();
        rules.any(|rule| {
            about(rule) && rule.effect == Effect::Permit && covers(rule, route, principal, method)
        })
    };
    let by_use = || route.mcp && permits(|rule| rule.uses.is_some());
    let by_model = || !route.mcp && route.names_models() && permits(|rule| rule.models.is_some());
    let mut standing = Standing::Route;
    let has_role =
        route.roles.is_empty() || route.roles.iter().any(|role| principal.has_role(role));
    let (decision, rule) = if !principal.may_reach(&route.name) {
        let detail = "the credential is confined to other routes";
        (Err(Denial::because(DenialCode::Forbidden, detail)), None)
    } else if let Some(rule) = found.forbidding {
        let denial = Denial {
            rule: Some(Arc::clone(&rule.name)),
            ..Denial::new(DenialCode::Forbidden)
        };
        (Err(denial), Some(Arc::clone(&rule.name)))
    } else if has_role {
        (beyond_roles(snapshot, route, principal), None)
    } else if let Some(rule) = found.permitting {
        let decision = beyond_roles(snapshot, route, principal);
        (decision, Some(Arc::clone(&rule.name)))
    } else if by_use() {
        standing = Standing::Uses;
        (beyond_roles(snapshot, route, principal), None)
    } else if by_model() {
        standing = Standing::Models;
        (beyond_roles(snapshot, route, principal), None)
    } else {
        (Err(required(DenialCode::RoleRequired, &route.roles)), None)
    };
    AuthorizeOutcome {
        decision,
        rule,
        would_deny: found.would_deny,
        standing,
    }
}

/// Whether the caller may write memory that the whole tenant shares. [`authorize`] asks it on routes
/// where every request writes some.
///
/// # Errors
/// `role_required`, naming the roles.
pub fn may_write_shared_memory(
    snapshot: &PolicySnapshot,
    principal: &Principal,
) -> Result<(), Denial> {
    let writers = &snapshot.shared_write_roles;
    if writers.iter().any(|role| principal.has_role(role)) {
        return Ok(());
    }
    Err(required(DenialCode::RoleRequired, writers))
}

/// Decides about one tool, prompt or resource on a route to which [`authorize`] let the caller in.
pub fn authorize_use(
    snapshot: &PolicySnapshot,
    route: &RoutePolicy,
    principal: &Principal,
    method: &Method,
    standing: Standing,
    used: &Use,
) -> UseOutcome {
    let found = Found::among(snapshot.rules.iter().filter(|rule| {
        rule.uses.as_ref().is_some_and(|uses| uses.cover(used))
            && covers(rule, route, principal, method)
    }));
    let (decision, rule) = match (found.forbidding, standing, found.permitting) {
        (Some(rule), _, _) => {
            let denial = Denial {
                rule: Some(Arc::clone(&rule.name)),
                ..Denial::new(DenialCode::ToolForbidden)
            };
            (Err(denial), Some(Arc::clone(&rule.name)))
        }
        (None, Standing::Route, _) => (Ok(()), None),
        (None, Standing::Uses | Standing::Models, Some(rule)) => {
            (Ok(()), Some(Arc::clone(&rule.name)))
        }
        (None, Standing::Uses | Standing::Models, None) => {
            (Err(required(DenialCode::RoleRequired, &route.roles)), None)
        }
    };
    UseOutcome {
        decision,
        rule,
        would_deny: found.would_deny,
    }
}

/// Decides about the models that a request on a route asks for to which [`authorize`] let the caller
/// in: every one of them has to be permitted, and none may be forbidden.
///
/// A forbidding rule is about a model in any case and between blanks: there are servers that fold
/// either.
pub fn authorize_models(
    snapshot: &PolicySnapshot,
    route: &RoutePolicy,
    principal: &Principal,
    method: &Method,
    standing: Standing,
    models: &[String],
) -> UseOutcome {
    let mut outcome = UseOutcome {
        decision: Ok(()),
        rule: None,
        would_deny: Vec::new(),
    };
    if standing == Standing::Models && models.is_empty() {
        outcome.decision = Err(required(DenialCode::RoleRequired, &route.roles));
    }
    for model in models {
        let folded = model.trim().to_lowercase();
        let about = |rule: &&Rule| {
            let patterns = rule.models.as_deref().unwrap_or_default();
            let named = |pattern: &super::Glob| match rule.effect {
                Effect::Permit => pattern.matches(model),
                Effect::Forbid => pattern.folded().matches(&folded),
            };
            patterns.iter().any(named) && covers(rule, route, principal, method)
        };
        let found = Found::among(snapshot.rules.iter().filter(about));
        let fresh = found.would_deny.into_iter();
        let fresh: Vec<_> = fresh
            .filter(|it| !outcome.would_deny.contains(it))
            .collect();
        outcome.would_deny.extend(fresh);
        if outcome.decision.is_err() {
            continue;
        }
        match (found.forbidding, standing, found.permitting) {
            (Some(rule), _, _) => {
                outcome.rule = Some(Arc::clone(&rule.name));
                outcome.decision = Err(Denial {
                    rule: Some(Arc::clone(&rule.name)),
                    ..Denial::new(DenialCode::ModelForbidden)
                });
            }
            (None, Standing::Models, Some(rule)) => outcome.rule = Some(Arc::clone(&rule.name)),
            (None, Standing::Models, None) => {
                outcome.decision = Err(required(DenialCode::RoleRequired, &route.roles));
            }
            (None, Standing::Route | Standing::Uses, _) => {}
        }
    }
    outcome
}

/// What the rules that cover a request say, whatever their order.
#[derive(Default)]
struct Found<'rules> {
    forbidding: Option<&'rules Rule>,
    permitting: Option<&'rules Rule>,
    would_deny: Vec<Arc<str>>,
}

impl<'rules> Found<'rules> {
    fn among(covering: impl Iterator<Item = &'rules Rule>) -> Self {
        let mut found = Self::default();
        for rule in covering {
            match (rule.effect, rule.mode) {
                (Effect::Forbid, RuleMode::Enforce) => {
                    found.forbidding = found.forbidding.or(Some(rule));
                }
                (Effect::Forbid, RuleMode::Shadow) => {
                    found.would_deny.push(Arc::clone(&rule.name));
                }
                (Effect::Permit, RuleMode::Enforce) => {
                    found.permitting = found.permitting.or(Some(rule));
                }
                (Effect::Permit, RuleMode::Shadow) => {}
            }
        }
        found
    }
}

/// What no permit stands in for.
fn beyond_roles(
    snapshot: &PolicySnapshot,
    route: &RoutePolicy,
    principal: &Principal,
) -> Result<(), Denial> {
    if !route.scopes.iter().all(|scope| principal.has_scope(scope)) {
        return Err(required(DenialCode::ScopeRequired, &route.scopes));
    }
    match route.shared_memory_write {
        SharedMemoryWrite::Always => may_write_shared_memory(snapshot, principal),
        // The latter is asked once the request was looked at.
        SharedMemoryWrite::Never | SharedMemoryWrite::Unless { .. } => Ok(()),
    }
}

/// A denial that says which names were asked for (RFC 6750 section 3: separated by blanks).
fn required(code: DenialCode, names: &[Arc<str>]) -> Denial {
    Denial {
        required: Some(names.join(" ").into()),
        ..Denial::new(code)
    }
}

fn covers(rule: &Rule, route: &RoutePolicy, principal: &Principal, method: &Method) -> bool {
    any(rule.routes.as_deref(), |pattern| {
        pattern.matches(&route.name)
    }) && any(rule.methods.as_deref(), |listed| {
        same_method(listed, method)
    }) && any(rule.tenants.as_deref(), |tenant| {
        tenant == principal.tenant()
    }) && any(rule.users.as_deref(), |user| {
        **user == *principal.user().as_str()
    }) && any(rule.roles.as_deref(), |role| principal.has_role(role))
}

/// A rule about GET is about HEAD too: HEAD is GET without the content, and shows what the header
/// fields say.
fn same_method(listed: &Method, method: &Method) -> bool {
    listed == method || (method == Method::HEAD && listed == Method::GET)
}

/// An absent condition holds; a present one needs one of its alternatives.
fn any<T>(alternatives: Option<&[T]>, holds: impl Fn(&T) -> bool) -> bool {
    alternatives.is_none_or(|alternatives| alternatives.iter().any(holds))
}

#[cfg(test)]
mod tests;

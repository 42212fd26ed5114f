//! The decision: may this caller do this on this route. Pure, so that what is explained, tested
//! and replayed is what production does.
//!
//! Forbid wins over everything (deny-overrides, XACML 3.0 appendix C.2), and the order of the
//! rules means nothing. A permit stands in for the roles of a route and for nothing else: neither
//! for scopes nor for the roles that shared memory asks for.

use std::sync::Arc;

use http::Method;

use super::{Effect, PolicySnapshot, RoutePolicy, Rule, RuleMode, UnknownTenant};
use crate::decision::{Denial, DenialCode};
use crate::identity::Principal;
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
    let mut forbidding = None;
    let mut permitting = None;
    let mut would_deny = Vec::new();
    for rule in &snapshot.rules {
        if !covers(rule, route, principal, method) {
            continue;
        }
        match (rule.effect, rule.mode) {
            (Effect::Forbid, RuleMode::Enforce) => forbidding = forbidding.or(Some(rule)),
            (Effect::Forbid, RuleMode::Shadow) => would_deny.push(Arc::clone(&rule.name)),
            (Effect::Permit, RuleMode::Enforce) => permitting = permitting.or(Some(rule)),
            (Effect::Permit, RuleMode::Shadow) => {}
        }
    }
    let has_role =
        route.roles.is_empty() || route.roles.iter().any(|role| principal.has_role(role));
    let (decision, rule) = if !principal.may_reach(&route.name) {
        let detail = "the credential is confined to other routes";
        (Err(Denial::because(DenialCode::Forbidden, detail)), None)
    } else if let Some(rule) = forbidding {
        let denial = Denial {
            rule: Some(Arc::clone(&rule.name)),
            ..Denial::new(DenialCode::Forbidden)
        };
        (Err(denial), Some(Arc::clone(&rule.name)))
    } else if has_role {
        (beyond_roles(snapshot, route, principal), None)
    } else if let Some(rule) = permitting {
        let decision = beyond_roles(snapshot, route, principal);
        (decision, Some(Arc::clone(&rule.name)))
    } else {
        (Err(required(DenialCode::RoleRequired, &route.roles)), None)
    };
    AuthorizeOutcome {
        decision,
        rule,
        would_deny,
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
    let writers = &snapshot.shared_write_roles;
    if route.shared_memory_write && !writers.iter().any(|role| principal.has_role(role)) {
        return Err(required(DenialCode::RoleRequired, writers));
    }
    Ok(())
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
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::identity::RoutePattern;
    use crate::policy::{PolicyDirectory, compile};
    use crate::secret::SecretResolver;

    const BASE: &str = r#"
[memory]
shared_write_roles = ["lead"]
[[issuers]]
name = "corp"
issuer = "https://idp.example"
audiences = ["fabric"]
jwks_file = "keys.json"
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
suspended = true
[[upstreams]]
name = "u"
url = "http://127.0.0.1:1"
[[routes]]
name = "task.read"
upstream = "u"
methods = ["GET"]
path = "/task"
[[routes]]
name = "task.run"
upstream = "u"
methods = ["POST"]
path = "/task"
roles = ["operator", "admin"]
scopes = ["tasks:run", "tasks:read"]
[[routes]]
name = "memory.write"
upstream = "u"
methods = ["POST"]
path = "/memory"
shared_memory_write = true
"#;

    fn snapshot(rules: &str) -> PolicySnapshot {
        let texts = [("p.toml", format!("{BASE}\n{rules}\n"))];
        let directory = PolicyDirectory::from_texts(Path::new("policies"), texts).unwrap();
        compile(&directory, &SecretResolver::default()).unwrap()
    }

    fn decided(
        snapshot: &PolicySnapshot,
        route: &str,
        principal: &Principal,
        method: Method,
    ) -> AuthorizeOutcome {
        let mut routes = snapshot.routes.iter();
        let route = routes.find(|found| *found.name == *route).unwrap();
        authorize(snapshot, route, principal, &method)
    }

    fn code(outcome: &AuthorizeOutcome) -> Result<(), DenialCode> {
        outcome
            .decision
            .as_ref()
            .map_err(|denial| denial.code)
            .copied()
    }

    fn caller(roles: &[&str], scopes: &[&str]) -> Principal {
        Principal::made_up("acme", "alice", roles, scopes, None)
    }

    const SCOPES: [&str; 2] = ["tasks:run", "tasks:read"];

    #[test]
    fn a_route_asks_for_any_of_its_roles_and_all_of_its_scopes() {
        let snapshot = snapshot("");
        for (roles, scopes, expected) in [
            (&["admin"][..], &SCOPES[..], Ok(())),
            (&["operator"], &SCOPES, Ok(())),
            (&["viewer"], &SCOPES, Err(DenialCode::RoleRequired)),
            (&["admin"], &["tasks:run"], Err(DenialCode::ScopeRequired)),
            (&[], &[], Err(DenialCode::RoleRequired)),
        ] {
            let outcome = decided(&snapshot, "task.run", &caller(roles, scopes), Method::POST);
            assert_eq!(code(&outcome), expected, "{roles:?} {scopes:?}");
        }
        let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), Method::GET);
        assert_eq!(code(&outcome), Ok(()), "no roles: anyone of the tenant");
    }

    #[test]
    fn a_denial_says_what_is_required() {
        let outcome = decided(
            &snapshot(""),
            "task.run",
            &caller(&["admin"], &[]),
            Method::POST,
        );
        let required = outcome.decision.unwrap_err().required;
        assert_eq!(required.as_deref(), Some("tasks:run tasks:read"));
    }

    #[test]
    fn a_confined_credential_reaches_its_routes_and_no_other() {
        let snapshot = snapshot("");
        let confined = Principal::made_up("acme", "ci", &[], &[], Some(&["task.*"]));
        let inside = decided(&snapshot, "task.read", &confined, Method::GET);
        assert_eq!(code(&inside), Ok(()));
        let outside = decided(&snapshot, "memory.write", &confined, Method::POST);
        assert_eq!(code(&outside), Err(DenialCode::Forbidden));
    }

    #[test]
    fn a_permit_stands_in_for_roles_but_not_for_scopes_or_shared_memory() {
        let rule = "[[rules]]\nname = \"alice may\"\neffect = \"permit\"\nusers = [\"alice\"]\n";
        let with = snapshot(rule);
        let granted = decided(&with, "task.run", &caller(&[], &SCOPES), Method::POST);
        assert_eq!(
            (code(&granted), granted.rule.as_deref()),
            (Ok(()), Some("alice may"))
        );
        let unscoped = decided(&with, "task.run", &caller(&[], &[]), Method::POST);
        assert_eq!(code(&unscoped), Err(DenialCode::ScopeRequired));
        let writer = decided(&with, "memory.write", &caller(&[], &[]), Method::POST);
        assert_eq!(code(&writer), Err(DenialCode::RoleRequired));
        let bob = Principal::made_up("acme", "bob", &[], &SCOPES, None);
        let other = decided(&with, "task.run", &bob, Method::POST);
        assert_eq!(code(&other), Err(DenialCode::RoleRequired));
    }

    #[test]
    fn shared_memory_is_written_by_its_roles_only() {
        let snapshot = snapshot("");
        let lead = decided(
            &snapshot,
            "memory.write",
            &caller(&["lead"], &[]),
            Method::POST,
        );
        assert_eq!(code(&lead), Ok(()));
        let user = decided(
            &snapshot,
            "memory.write",
            &caller(&["user"], &[]),
            Method::POST,
        );
        assert_eq!(code(&user), Err(DenialCode::RoleRequired));
    }

    #[test]
    fn a_forbid_about_get_is_about_head_too() {
        let rule = "[[rules]]\nname = \"closed\"\neffect = \"forbid\"\nmethods = [\"GET\"]\n";
        let snapshot = snapshot(rule);
        for method in [Method::GET, Method::HEAD] {
            let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), method);
            let denial = outcome.decision.unwrap_err();
            assert_eq!(denial.code, DenialCode::Forbidden);
            assert_eq!(denial.rule.as_deref(), Some("closed"));
        }
        let other = decided(
            &snapshot,
            "memory.write",
            &caller(&["lead"], &[]),
            Method::POST,
        );
        assert_eq!(code(&other), Ok(()));
    }

    #[test]
    fn a_rule_holds_for_those_it_names_and_no_others() {
        for (condition, other) in [
            (
                "tenants = [\"acme\"]",
                Principal::made_up("globex", "alice", &["intern"], &[], None),
            ),
            (
                "users = [\"alice\"]",
                Principal::made_up("acme", "bob", &["intern"], &[], None),
            ),
            (
                "roles = [\"intern\"]",
                Principal::made_up("acme", "alice", &["lead"], &[], None),
            ),
        ] {
            let rule = format!("[[rules]]\nname = \"r\"\neffect = \"forbid\"\n{condition}\n");
            let snapshot = snapshot(&rule);
            let named = decided(
                &snapshot,
                "task.read",
                &caller(&["intern"], &[]),
                Method::GET,
            );
            assert_eq!(code(&named), Err(DenialCode::Forbidden), "{condition}");
            let unnamed = decided(&snapshot, "task.read", &other, Method::GET);
            assert_eq!(code(&unnamed), Ok(()), "{condition}");
        }
    }

    #[test]
    fn a_shadow_forbid_is_recorded_and_changes_nothing() {
        let rule = "[[rules]]\nname = \"soon\"\neffect = \"forbid\"\nmode = \"shadow\"\n";
        let snapshot = snapshot(rule);
        let outcome = decided(&snapshot, "task.read", &caller(&[], &[]), Method::GET);
        assert_eq!(code(&outcome), Ok(()));
        assert_eq!(outcome.would_deny, ["soon".into()]);
        assert_eq!(outcome.rule, None);
    }

    #[test]
    fn a_tenant_is_served_if_it_is_listed_and_not_suspended() {
        let mut snapshot = snapshot("");
        let status = |snapshot: &PolicySnapshot, id: &str| {
            tenant_status(snapshot, &id.parse().unwrap()).map_err(|denial| denial.code)
        };
        assert_eq!(status(&snapshot, "acme"), Ok(()));
        assert_eq!(
            status(&snapshot, "globex"),
            Err(DenialCode::TenantSuspended)
        );
        assert_eq!(status(&snapshot, "initech"), Err(DenialCode::TenantUnknown));
        snapshot.tenancy.unknown = UnknownTenant::Provision;
        assert_eq!(status(&snapshot, "initech"), Ok(()));
        assert_eq!(
            status(&snapshot, "globex"),
            Err(DenialCode::TenantSuspended)
        );
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let names = |all: &'static [&'static str]| {
            let listed = prop::sample::subsequence(all, 1..=all.len());
            prop::option::of(listed.prop_map(|names| names.into_iter().map(Arc::from).collect()))
        };
        let patterns = prop::sample::subsequence(vec!["task.*", "task.run", "memory.write"], 1..=3)
            .prop_map(|patterns| patterns.into_iter().map(RoutePattern::new).collect());
        let rule = (
            prop::bool::ANY,
            prop::bool::weighted(0.2),
            prop::option::of(patterns),
            names(&["alice", "bob"]),
            names(&["operator", "viewer"]),
        );
        let rule = rule.prop_map(|(forbid, shadow, routes, users, roles)| Rule {
            name: "r".into(),
            effect: if forbid {
                Effect::Forbid
            } else {
                Effect::Permit
            },
            mode: if shadow {
                RuleMode::Shadow
            } else {
                RuleMode::Enforce
            },
            routes,
            methods: None,
            tenants: None,
            users,
            roles,
        });
        prop::collection::vec(rule, 0..6)
    }

    proptest! {
        #[test]
        fn a_forbid_wins_whatever_the_order_of_the_rules(
            listed in rules(),
            turn in 0usize..6,
            roles in prop::sample::subsequence(vec!["operator", "viewer", "admin"], 0..=3),
        ) {
            let mut snapshot = snapshot("");
            let alice = caller(&roles, &SCOPES);
            let forbidden = listed.iter().any(|rule| {
                rule.effect == Effect::Forbid
                    && rule.mode == RuleMode::Enforce
                    && rule.routes.as_ref().is_none_or(|routes| {
                        routes.iter().any(|pattern| pattern.matches("task.run"))
                    })
                    && rule.users.as_ref().is_none_or(|users| users.contains(&"alice".into()))
                    && rule.roles.as_ref().is_none_or(|wanted| {
                        wanted.iter().any(|role| roles.contains(&&**role))
                    })
            });
            snapshot.rules = listed;
            let straight = code(&decided(&snapshot, "task.run", &alice, Method::POST));
            prop_assert_eq!(straight == Err(DenialCode::Forbidden), forbidden);
            let length = snapshot.rules.len();
            snapshot.rules.rotate_left(turn.min(length));
            snapshot.rules.reverse();
            let turned = code(&decided(&snapshot, "task.run", &alice, Method::POST));
            prop_assert_eq!(straight, turned);
        }
    }
}

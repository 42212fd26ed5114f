//! Rules whose conditions hold one by one and never together.

use super::{Findings, Lint, Subject};
use crate::policy::router::serves;
use crate::policy::{RoutePolicy, Rule};

pub(super) static LINT: Lint = Lint {
    name: "rule-never-matches",
    what: "a rule whose conditions no request can meet together",
    why: "each condition holds somewhere, or the rule would be refused, but no one route meets them all, or \
          its tenants are suspended: a forbid that never matches protects nothing",
    remedy: "make it two rules, each about the routes that its conditions are for",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    for rule in &subject.snapshot.rules {
        let spot = || subject.places.entry("rules", &rule.name);
        if !subject.guarded_routes().any(|route| meets(rule, route)) {
            let covers = |route: &RoutePolicy| is_covered(rule, route);
            let message = if subject.guarded_routes().any(covers) {
                "no route meets all of its conditions at once"
            } else {
                "it covers public routes only, and these ask for nobody: no rule is held against them"
            };
            findings.add(spot(), message);
            continue;
        }
        let suspended = |tenant| {
            let known = subject.snapshot.tenants.get(tenant);
            known.is_some_and(|policy| policy.suspended)
        };
        if rule.tenants.iter().flatten().count() > 0 && rule.tenants.iter().flatten().all(suspended)
        {
            let spot = spot().map(|spot| spot.key("tenants"));
            findings.add(spot, "its tenants are suspended, so that it is never asked");
        }
    }
}

fn is_covered(rule: &Rule, route: &RoutePolicy) -> bool {
    let mut patterns = rule.routes.iter().flatten();
    rule.routes.is_none() || patterns.any(|pattern| pattern.matches(&route.name))
}

fn meets(rule: &Rule, route: &RoutePolicy) -> bool {
    let mut methods = rule.methods.iter().flatten();
    is_covered(rule, route)
        && (rule.methods.is_none() || methods.any(|method| serves(&route.methods, method)))
        && (rule.uses.is_none() || route.mcp)
        && (rule.models.is_none() || route.names_models())
}

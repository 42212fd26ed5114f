//! Permits that permit nothing.

use std::sync::Arc;

use super::caller::stands_in;
use super::{Findings, Lint, Subject};
use crate::identity::RoutePattern;
use crate::policy::{Effect, Glob, Rule, RuleMode, UsePatterns};

pub(super) static PERMIT_WITHOUT_EFFECT: Lint = Lint {
    name: "permit-without-effect",
    what: "a permit whose callers every route that it covers lets in already",
    why: "a permit stands in for the roles of a route, and these routes ask for none or for the same ones: \
          whoever wrote it believes that it decides something",
    remedy: "give the routes the `roles` that others need, or take the permit out",
    look: without_effect,
};

pub(super) static PERMIT_ALWAYS_FORBIDDEN: Lint = Lint {
    name: "permit-always-forbidden",
    what: "a permit that another rule forbids in full",
    why: "a forbid wins over every permit, whatever their order, so that this one lets nobody in",
    remedy: "narrow the forbid, or take the permit out",
    look: always_forbidden,
};

fn permits<'s>(subject: &Subject<'s>) -> impl Iterator<Item = &'s Rule> {
    subject
        .snapshot
        .rules
        .iter()
        .filter(|rule| rule.effect == Effect::Permit && rule.mode == RuleMode::Enforce)
}

fn without_effect(subject: &Subject<'_>, findings: &mut Findings) {
    for rule in permits(subject) {
        let mut covered = subject
            .guarded_routes()
            .filter(|route| stands_in(rule, route))
            .peekable();
        if covered.peek().is_none() {
            continue;
        }
        let needless = covered.all(|route| {
            let same = |roles: &[Arc<str>]| roles.iter().all(|role| route.roles.contains(role));
            route.roles.is_empty() || rule.roles.as_deref().is_some_and(same)
        });
        if needless {
            findings.add(
                subject.places.entry("rules", &rule.name),
                "every route that it covers lets these callers in already",
            );
        }
    }
}

fn always_forbidden(subject: &Subject<'_>, findings: &mut Findings) {
    for permit in permits(subject) {
        let forbid = subject.snapshot.rules.iter().find(|rule| {
            rule.effect == Effect::Forbid && rule.mode == RuleMode::Enforce && covers(rule, permit)
        });
        if let Some(forbid) = forbid {
            findings.add(
                subject.places.entry("rules", &permit.name),
                format!("the rule {:?} forbids all that it permits", &*forbid.name),
            );
        }
    }
}

/// Whether everything that the one rule is about is what the other one is about.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    all_in(
        wide.routes.as_deref(),
        narrow.routes.as_deref(),
        covers_pattern,
    ) && all_in(
        wide.methods.as_deref(),
        narrow.methods.as_deref(),
        PartialEq::eq,
    ) && all_in(
        wide.tenants.as_deref(),
        narrow.tenants.as_deref(),
        PartialEq::eq,
    ) && all_in(
        wide.users.as_deref(),
        narrow.users.as_deref(),
        PartialEq::eq,
    ) && all_in(
        wide.roles.as_deref(),
        narrow.roles.as_deref(),
        PartialEq::eq,
    ) && all_in(
        wide.models.as_deref(),
        narrow.models.as_deref(),
        Glob::contains,
    ) && match (&wide.uses, &narrow.uses) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => covers_uses(wide, narrow),
    }
}

fn covers_uses(wide: &UsePatterns, narrow: &UsePatterns) -> bool {
    [
        (&wide.tools, &narrow.tools),
        (&wide.prompts, &narrow.prompts),
        (&wide.resources, &narrow.resources),
    ]
    .into_iter()
    .all(|(wide, narrow)| all_in(Some(wide), Some(narrow), Glob::contains))
}

fn covers_pattern(wide: &RoutePattern, narrow: &RoutePattern) -> bool {
    let (wide, narrow) = (wide.as_str(), narrow.as_str());
    match wide.strip_suffix('*') {
        Some(start) => narrow.starts_with(start),
        None => wide == narrow,
    }
}

/// Whether each of the narrow alternatives is within one of the wide ones. No condition is any.
fn all_in<T>(wide: Option<&[T]>, narrow: Option<&[T]>, covers: impl Fn(&T, &T) -> bool) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow
            .iter()
            .all(|narrow| wide.iter().any(|wide| covers(wide, narrow))),
    }
}

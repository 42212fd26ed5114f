//! Roles that nobody has, and roles that were probably misspelt.

use std::collections::{BTreeMap, BTreeSet};

use super::caller::{callers, stands_in};
use super::{Findings, Lint, Spot, Subject, listed};
use crate::policy::problem::closest;

pub(super) static ROLE_NOBODY_HAS: Lint = Lint {
    name: "role-nobody-has",
    what: "a role that a route or shared memory asks for and that no credential of the files carries",
    why: "where there is an issuer its tokens may carry any role; without one the files alone decide, and \
          what asks for the role is closed to everybody",
    remedy: "give the role to a credential, or ask for one that somebody has",
    look: nobody_has,
};

pub(super) static ROLE_NEAR_MISS: Lint = Lint {
    name: "role-near-miss",
    what: "two roles that differ by a slip of the keyboard, or by case or `-` and `_` only",
    why: "they are two roles to the gate: whoever has the one is refused where the other is asked for",
    remedy: "spell it alike everywhere; if both are meant, name them further apart",
    look: near_miss,
};

fn nobody_has(subject: &Subject<'_>, findings: &mut Findings) {
    let snapshot = subject.snapshot;
    if !snapshot.issuers.is_empty() {
        return;
    }
    let callers = callers(subject);
    if callers.is_empty() {
        return;
    }
    let roles = callers.iter().flat_map(|caller| caller.roles);
    let had: BTreeSet<&str> = roles.map(|role| &**role).collect();
    let mut closed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for route in &snapshot.routes {
        let missing = || route.roles.iter().filter(|role| !had.contains(&***role));
        if let Some(spot) = subject.own_route(route) {
            for role in missing() {
                tell(findings, spot.clone().key("roles"), role, &had);
            }
        } else if missing().count() == route.roles.len()
            && !snapshot.rules.iter().any(|rule| stands_in(rule, route))
        {
            let roles = missing().map(|role| &**role);
            closed
                .entry(&route.upstream.name)
                .or_default()
                .extend(roles);
        }
    }
    for (upstream, roles) in closed.into_iter().filter(|(_, roles)| !roles.is_empty()) {
        let spot = subject.places.entry("upstreams", upstream);
        let message = format!(
            "the profile brings routes for {}, and no credential carries any of these roles",
            listed(roles)
        );
        findings.add(spot.map(|spot| spot.key("profile")), message);
    }
    for role in &snapshot.shared_write_roles {
        let spot = subject.places.plain("memory");
        if let Some(spot) = spot.filter(|_| !had.contains(&**role)) {
            tell(findings, spot.key("shared_write_roles"), role, &had);
        }
    }
}

fn tell(findings: &mut Findings, list: Spot<'_>, role: &str, had: &BTreeSet<&str>) {
    let message = format!("no credential carries the role `{role}`");
    let meant = closest(role, had.iter().copied());
    findings.add_suggesting(Some(list.item_that_is(role)), message, meant);
}

/// Where a role is spelt, and how often.
#[derive(Default)]
struct Spelling<'s> {
    first: Option<Spot<'s>>,
    times: usize,
}

fn near_miss(subject: &Subject<'_>, findings: &mut Findings) {
    // Without an issuer every role that nobody has is told already.
    if subject.snapshot.issuers.is_empty() {
        return;
    }
    let spellings = spellings(subject);
    for (role, spelling) in &spellings {
        let other = spellings.iter().find(|(other, it)| {
            let rarer = (spelling.times, **other) < (it.times, *role);
            rarer && is_slip(role, other)
        });
        if let Some((other, _)) = other {
            let message = format!("the role `{role}` is spelt so here and `{other}` elsewhere");
            findings.add_suggesting(spelling.first.clone(), message, Some(other));
        }
    }
}

fn spellings<'s>(subject: &'s Subject<'_>) -> BTreeMap<&'s str, Spelling<'s>> {
    let snapshot = subject.snapshot;
    let mut spellings: BTreeMap<&str, Spelling<'s>> = BTreeMap::new();
    let mut note = |roles: &'s [std::sync::Arc<str>], spot: Option<Spot<'s>>| {
        for role in roles {
            let spelling = spellings.entry(role).or_default();
            spelling.times += 1;
            let here = || Some(spot.clone()?.key("roles").item_that_is(role));
            spelling.first = spelling.first.take().or_else(here);
        }
    };
    for route in &snapshot.routes {
        note(&route.roles, subject.own_route(route));
    }
    for rule in &snapshot.rules {
        let roles = rule.roles.as_deref().unwrap_or_default();
        note(roles, subject.places.entry("rules", &rule.name));
    }
    for caller in callers(subject) {
        let spot = match caller.section {
            "development" => subject.places.plain("development"),
            section => subject.places.entry(section, caller.name),
        };
        note(caller.roles, spot);
    }
    let memory = subject.places.plain("memory");
    let memory = memory.map(|spot| spot.key("shared_write_roles"));
    note(&snapshot.shared_write_roles, memory);
    spellings
}

/// Whether two roles are one, spelt twice. `tier1` and `tier2` are two, and so are short ones.
fn is_slip(left: &str, right: &str) -> bool {
    let folded = |role: &str| role.to_ascii_lowercase().replace(['_', '.'], "-");
    if folded(left) == folded(right) {
        return true;
    }
    let digits = |role: &str| -> String {
        let digits = role.chars().filter(char::is_ascii_digit);
        digits.collect()
    };
    left.len().min(right.len()) >= 5
        && digits(left) == digits(right)
        && strsim::osa_distance(left, right) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_a_letter_or_the_writing_and_no_number() {
        for (left, right) in [
            ("member", "memeber"),
            ("member", "members"),
            ("Admin", "admin"),
            ("tenant-admin", "tenant_admin"),
        ] {
            assert!(
                is_slip(left, right) && is_slip(right, left),
                "{left} {right}"
            );
        }
        for (left, right) in [
            ("tier1", "tier2"),
            ("dev", "div"),
            ("viewer", "reviewer"),
            ("member", "admin"),
        ] {
            assert!(!is_slip(left, right), "{left} {right}");
        }
    }
}

//! Ceilings that hold nothing back.

use super::{Findings, Lint, Spot, Subject};
use crate::budget::{Ceiling, CeilingScope, Window};
use crate::policy::{Ceilings, CostPolicy, RoutePolicy};

pub(super) static CEILING_WITHOUT_CHARGE: Lint = Lint {
    name: "ceiling-without-charge",
    what: "a ceiling that no route charges, or whose agents or sessions no request names",
    why: "money goes out and the ceiling stays at zero; requests that name no agent or session share one \
          line, so that one caller uses up what was meant for each",
    remedy: "give the routes that cost a `cost`, with `cost.session` or `cost.agent` where the ceiling \
             counts these",
    look: without_charge,
};

pub(super) static CEILING_OUT_OF_REACH: Lint = Lint {
    name: "ceiling-out-of-reach",
    what: "a ceiling of a user, agent, route or session above the one of its tenant",
    why: "the tenant's ceiling is reached first, so that this one never holds anybody back",
    remedy: "lower it below the tenant's, or take it out",
    look: out_of_reach,
};

pub(super) static WARN_AT_TOO_LATE: Lint = Lint {
    name: "warn-at-too-late",
    what: "a `warn_at` that only speaks when all is spent",
    why: "requests are refused at that moment, so that the warning leaves no time to act",
    remedy: "add a share below 1, such as `warn_at = [0.8]`",
    look: warn_at_too_late,
};

/// Each list of ceilings, with where it stands.
fn lists<'s>(subject: &'s Subject<'_>) -> Vec<(Spot<'s>, &'s Ceilings)> {
    let snapshot = subject.snapshot;
    let mut lists = Vec::new();
    if let Some(defaults) = subject.places.plain("defaults") {
        lists.push((defaults.key("ceilings"), &snapshot.default_ceilings));
    }
    for (id, tenant) in &snapshot.tenants {
        let spot = subject.places.entry("tenants", id.as_str());
        if let (Some(spot), Some(ceilings)) = (spot, &tenant.ceilings) {
            lists.push((spot.key("ceilings"), ceilings));
        }
    }
    lists
}

/// Each ceiling, with where it stands.
fn each<'s>(lists: &[(Spot<'s>, &'s Ceilings)]) -> Vec<(Spot<'s>, &'s Ceiling)> {
    let mut found = Vec::new();
    for (spot, ceilings) in lists {
        for (index, ceiling) in ceilings.iter().enumerate() {
            found.push((spot.clone().item(index), ceiling));
        }
    }
    found
}

fn without_charge(subject: &Subject<'_>, findings: &mut Findings) {
    let lists = lists(subject);
    let charging = || {
        let routes = subject.snapshot.routes.iter();
        routes.filter_map(|route| Some((&**route, route.cost.as_ref()?)))
    };
    let charged = || charging().filter(|(_, cost)| cost.charges());
    if charged().next().is_none() {
        for (spot, ceilings) in lists.into_iter().filter(|(_, it)| !it.is_empty()) {
            let message = match ceilings.len() {
                1 => {
                    "the routes with a `cost` only tell what others cost: nothing charges this ceiling"
                }
                _ => {
                    "the routes with a `cost` only tell what others cost: nothing charges these ceilings"
                }
            };
            findings.add(Some(spot), message);
        }
        return;
    }
    let names_session = |(route, cost): (&RoutePolicy, &CostPolicy)| {
        cost.session.is_some() || !route.resources.is_empty()
    };
    let names_agent = |(_, cost): (&RoutePolicy, &CostPolicy)| cost.agent.is_some();
    // A token can say who acts for its user.
    let agents = !subject.snapshot.issuers.is_empty() || charged().any(names_agent);
    let sessions = charged().any(names_session);
    for (spot, ceiling) in each(&lists) {
        let (named, what, key) = match ceiling.scope {
            CeilingScope::Session => (sessions, "session", "cost.session"),
            CeilingScope::Agent => (agents, "agent", "cost.agent"),
            CeilingScope::Tenant | CeilingScope::User | CeilingScope::Route => continue,
        };
        if !named {
            let message = format!(
                "no route that costs says which {what} it is for, so all share this one ceiling: say \
                 where a request names it with `{key}`"
            );
            findings.add(Some(spot.key("scope")), message);
        }
    }
}

fn out_of_reach(subject: &Subject<'_>, findings: &mut Findings) {
    for list in lists(subject) {
        let ceilings = each(std::slice::from_ref(&list));
        for (spot, ceiling) in &ceilings {
            if ceiling.scope == CeilingScope::Tenant {
                continue;
            }
            let lower = ceilings.iter().map(|(_, it)| it).find(|tenant| {
                tenant.scope == CeilingScope::Tenant
                    && tenant.limit < ceiling.limit
                    && is_within(ceiling, tenant)
            });
            if let Some(tenant) = lower {
                let message = format!(
                    "\"{}\" for each {} (`{}`) is above the \"{}\" of the tenant (`{}`): it never holds \
                     anybody back",
                    ceiling.limit,
                    ceiling.scope.as_str(),
                    ceiling.window,
                    tenant.limit,
                    tenant.window
                );
                findings.add(Some(spot.clone().key("usd")), message);
            }
        }
    }
}

/// Whether every window of the one lies in a single window of the other.
fn is_within(inner: &Ceiling, outer: &Ceiling) -> bool {
    let rank = |window| match window {
        Window::Hour => Some(0),
        Window::Day => Some(1),
        Window::Week => Some(2),
        Window::Month => Some(3),
        Window::Total | Window::Rolling(_) => None,
    };
    match (inner.window, outer.window) {
        (_, Window::Total) => true,
        (Window::Rolling(inner), Window::Rolling(outer)) => inner <= outer,
        // A week can lie in two months.
        (Window::Week, Window::Month) => false,
        (left, right) => match (rank(left), rank(right)) {
            (Some(left), Some(right)) => left <= right && inner.timezone == outer.timezone,
            _ => false,
        },
    }
}

fn warn_at_too_late(subject: &Subject<'_>, findings: &mut Findings) {
    for (spot, ceiling) in each(&lists(subject)) {
        if ceiling.warn_at.first().is_some_and(|share| *share >= 1_000) {
            findings.add(
                Some(spot.key("warn_at")),
                "the first warning comes when all is spent and requests are refused",
            );
        }
    }
}

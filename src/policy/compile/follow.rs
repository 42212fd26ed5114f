//! What `cost.follow` needs of other routes: one that the gate can ask by itself.

use std::sync::Arc;

use http::Method;

use super::Compiler;
use crate::policy::problem::{Place, ProblemKind, closest};
use crate::policy::{self, Extractor, RoutePolicy};

impl Compiler<'_> {
    /// Reports every `ask` that the gate could not ask by.
    pub(super) fn check_followed(&self, routes: &[Arc<RoutePolicy>]) {
        for route in routes {
            let follow = route.cost.as_ref().and_then(|cost| cost.follow.as_ref());
            let Some(ask) = follow.and_then(|follow| follow.ask.as_ref()) else {
                continue;
            };
            let Some(place) = self.place_of_route(&route.name) else {
                continue;
            };
            match routes.iter().find(|other| other.name == ask.route) {
                Some(asked) => {
                    for fault in faults(route, asked) {
                        let message = format!("`ask` names `{}`, {fault}", ask.route);
                        self.report.add(place, ProblemKind::Conflict, message);
                    }
                }
                None => self.report.add_suggesting(
                    place,
                    ProblemKind::NothingThere,
                    format!("`ask` names the route `{}`, and there is none", ask.route),
                    closest(&ask.route, routes.iter().map(|route| &*route.name)),
                ),
            }
        }
    }

    fn place_of_route(&self, name: &str) -> Option<&Place> {
        let mut entries = self.document.routes.iter();
        let entry = entries.find(|entry| *entry.name.value == *name)?;
        Some(&entry.name.place)
    }
}

/// Why the gate can't ask by a route about what another one begins.
fn faults(route: &RoutePolicy, asked: &RoutePolicy) -> Vec<&'static str> {
    let reports = asked
        .cost
        .as_ref()
        .is_some_and(|cost| cost.reports.is_some());
    let kind = route.creates.first().map(|rule| &rule.kind);
    let about = asked.resources.as_slice();
    let by_path = |rule: &policy::ResourceRule| {
        Some(&rule.kind) == kind && matches!(rule.ids.as_slice(), [Extractor::Path(_)])
    };
    let mut faults = Vec::new();
    for (wrong, fault) in [
        (
            asked.upstream.name != route.upstream.name,
            "which is of another upstream",
        ),
        (
            !asked.methods.contains(&Method::GET),
            "which takes no GET: the gate asks by reading",
        ),
        (!reports, "whose `cost` has no `reports`"),
        (
            !matches!(about, [rule] if by_path(rule)),
            "which does not name the thing that is made, and no other, in its path",
        ),
    ] {
        if wrong {
            faults.push(fault);
        }
    }
    faults
}

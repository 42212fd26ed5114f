//! Lints: what compiles and is probably not what was meant.
//!
//! An error says that the files can't mean anything; a lint says that what they mean is odd: money
//! that nothing counts, a role that nobody has, a rule that is never asked. A warning stops no
//! reload. Each lint is a pure function of the compiled policy and of the places of its files, in a
//! file of its own, and stands in [`LINTS`] under a name that does not change.

mod caller;
mod ceilings;
mod credentials;
mod files;
mod foreign_parameter;
mod permits;
mod places;
mod prices;
mod public_route_writes;
mod roles;
mod route_hidden;
mod rule_never_matches;
mod shadow_rule;
mod shared_roles_unused;
mod tenant_without_credential;
mod upstreams;

use self::places::{Places, Spot};
use super::problem::{Place, Problem, ProblemKind, Severity};
use super::{PolicyDirectory, PolicySnapshot, RoutePolicy};
use crate::clock::Timestamp;

/// Most warnings that are told one by one.
const MAX_WARNINGS: usize = 200;

/// Something to look for.
#[derive(Debug)]
pub struct Lint {
    /// Its name in output and on the command line; it does not change.
    pub name: &'static str,
    /// What it finds, in a sentence.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    look: fn(&Subject<'_>, &mut Findings),
}

/// Every lint, by name.
pub static LINTS: [&Lint; 25] = [
    &credentials::API_KEY_EXPIRED,
    &ceilings::CEILING_OUT_OF_REACH,
    &ceilings::CEILING_WITHOUT_CHARGE,
    &credentials::CREDENTIAL_REACHES_NOTHING,
    &files::FILE_NOT_READ,
    &files::FILE_SAYS_NOTHING,
    &prices::OUTPUT_CHEAPER_THAN_INPUT,
    &foreign_parameter::LINT,
    &permits::PERMIT_ALWAYS_FORBIDDEN,
    &permits::PERMIT_WITHOUT_EFFECT,
    &prices::PRICE_UNLIKE_KNOWN,
    &prices::PRICE_UNLIKE_NEIGHBOURS,
    &public_route_writes::LINT,
    &roles::ROLE_NEAR_MISS,
    &roles::ROLE_NOBODY_HAS,
    &route_hidden::LINT,
    &credentials::ROUTE_WITHOUT_CREDENTIAL,
    &rule_never_matches::LINT,
    &shadow_rule::LINT,
    &shared_roles_unused::LINT,
    &credentials::SUSPENDED_TENANT_WITH_CREDENTIAL,
    &tenant_without_credential::LINT,
    &upstreams::UPSTREAM_OPEN_TO_OTHERS,
    &upstreams::UPSTREAM_WITHOUT_ROUTE,
    &ceilings::WARN_AT_TOO_LATE,
];

/// The lint of a name.
pub fn lint_named(name: &str) -> Option<&'static Lint> {
    LINTS.into_iter().find(|lint| lint.name == name)
}

/// Looks for everything in policies that compile. `now` is when credentials are judged to have
/// expired.
pub fn lint(
    directory: &PolicyDirectory,
    snapshot: &PolicySnapshot,
    now: Timestamp,
) -> Vec<Problem> {
    let places = Places::of(directory);
    let subject = Subject {
        snapshot,
        places: &places,
        directory,
        now,
    };
    let mut warnings = Vec::new();
    for lint in LINTS {
        let mut findings = Findings {
            lint: lint.name,
            found: Vec::new(),
        };
        (lint.look)(&subject, &mut findings);
        warnings.append(&mut findings.found);
    }
    warnings.sort_by(|left, right| {
        let key = |problem: &Problem| (problem.file.clone(), problem.position, problem.lint);
        key(left).cmp(&key(right))
    });
    warnings.truncate(MAX_WARNINGS);
    warnings
}

/// What lints look at.
struct Subject<'s> {
    snapshot: &'s PolicySnapshot,
    places: &'s Places<'s>,
    directory: &'s PolicyDirectory,
    now: Timestamp,
}

impl Subject<'_> {
    /// Where a route stands; one of a profile stands where its upstream names the profile.
    fn route(&self, route: &RoutePolicy) -> Option<Spot<'_>> {
        self.own_route(route).or_else(|| {
            let upstream = self.places.entry("upstreams", &route.upstream.name)?;
            Some(upstream.key("profile"))
        })
    }

    /// Where a route of the files stands; `None` for one that a profile brings.
    fn own_route(&self, route: &RoutePolicy) -> Option<Spot<'_>> {
        self.places.entry("routes", &route.name)
    }

    /// The routes that ask who calls.
    fn guarded_routes(&self) -> impl Iterator<Item = &RoutePolicy> {
        let routes = self.snapshot.routes.iter().map(|route| &**route);
        routes.filter(|route| !route.public)
    }
}

/// What one lint found.
struct Findings {
    lint: &'static str,
    found: Vec<Problem>,
}

impl Findings {
    /// Adds a finding. Without a place there is nothing to show, and nothing to mend either.
    fn add(&mut self, spot: Option<Spot<'_>>, message: impl Into<String>) {
        self.add_suggesting(spot, message, None);
    }

    /// Adds a finding with what was probably meant.
    fn add_suggesting(
        &mut self,
        spot: Option<Spot<'_>>,
        message: impl Into<String>,
        suggestion: Option<&str>,
    ) {
        if let Some(spot) = spot {
            self.add_at(spot.place(), message, suggestion);
        }
    }

    /// Adds a finding at a place.
    fn add_at(&mut self, place: &Place, message: impl Into<String>, suggestion: Option<&str>) {
        let problem = Problem::found_by(self.lint, place, message.into(), suggestion);
        self.found.push(problem);
    }

    /// Adds a finding about a whole file.
    fn add_file(&mut self, file: impl Into<String>, message: impl Into<String>) {
        let problem = Problem::of_file(file, ProblemKind::Suspicious, message);
        self.found.push(Problem {
            severity: Severity::Warning,
            lint: Some(self.lint),
            ..problem
        });
    }
}

/// Names in backticks, joined by commas; of many only the first few.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MOST: usize = 4;
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MOST);
    let shown = names.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

//! `follow` and `reports` of a route's `cost`: costs that are known later.

use std::sync::Arc;
use std::time::Duration;

use super::extractor;
use crate::policy::document::bare;
use crate::policy::document::reader::Fields;
use crate::policy::document::values::{self, ValueError};
use crate::policy::problem::ProblemKind;
use crate::policy::{AskPolicy, Extractor, FollowPolicy, ReportsPolicy};

/// How long work is followed when the file does not say, in seconds.
pub(in crate::policy::document) const SECONDS: u64 = 3_600;

/// Longest that work can be followed, in seconds: thirty days, within which spend is kept by the
/// quarter of an hour.
pub(in crate::policy::document) const MAX_SECONDS: u64 = 30 * 86_400;

/// Time to the first question when the file does not say, in seconds.
pub(in crate::policy::document) const EVERY_SECONDS: u64 = 15;

/// Longest time to the first question, in seconds.
pub(in crate::policy::document) const MAX_EVERY_SECONDS: u64 = 3_600;

/// Reads `follow` out of the table of `cost`.
pub(super) fn follow(cost: &Fields<'_>) -> Option<FollowPolicy> {
    let table = cost.table("follow")?;
    table.require("by");
    let by = table.choice("by", &[("resource", ())]);
    let seconds = table.integer("seconds", 1..=MAX_SECONDS);
    let route = table.parsed("ask", values::name);
    let every = table.integer("every_seconds", 1..=MAX_EVERY_SECONDS);
    if table.has("every_seconds") && !table.has("ask") {
        table.report().add(
            table.place(),
            ProblemKind::Conflict,
            "`every_seconds` says how often the gate asks, and `ask` names no route to ask by",
        );
    }
    by?;
    Some(FollowPolicy {
        lasts: Duration::from_secs(seconds.unwrap_or(SECONDS)),
        ask: route.map(|route| AskPolicy {
            route: route.value,
            every: Duration::from_secs(every.unwrap_or(EVERY_SECONDS)),
        }),
    })
}

/// Reads `reports` out of the table of `cost`.
pub(super) fn reports(cost: &Fields<'_>) -> Option<ReportsPolicy> {
    let table = cost.table("reports")?;
    let state: Vec<_> = table
        .one_or_more("state")
        .into_iter()
        .filter_map(|text| extractor(&table, text))
        .collect();
    for place in &state {
        if !matches!(place.value, Extractor::Body(_) | Extractor::Event(_)) {
            table.report().add(
                &place.place,
                ProblemKind::BadValue,
                "an answer has its state at `body:/json/pointer` or `event:/json/pointer`",
            );
        }
    }
    let words = |key| bare(table.some_parsed(key, word).unwrap_or_default());
    let (done, failed): (Vec<Arc<str>>, Vec<Arc<str>>) = (words("done"), words("failed"));
    let refuse = |message: &str| {
        table
            .report()
            .add(table.place(), ProblemKind::Conflict, message);
    };
    if state.is_empty() && (table.has("done") || table.has("failed")) {
        refuse("`done` and `failed` are states, and `state` says not where one is");
    }
    if table.has("state") && !table.has("done") {
        refuse("no state is listed as `done`: the work would never end");
    }
    if done.iter().any(|state| failed.contains(state)) {
        refuse("a state is both `done` and `failed`");
    }
    Some(ReportsPolicy {
        state: bare(state),
        done,
        failed,
    })
}

/// A state as backends write it.
fn word(text: &str) -> Result<Arc<str>, ValueError> {
    match text.is_empty() {
        true => Err(ValueError::Name),
        false => Ok(text.into()),
    }
}

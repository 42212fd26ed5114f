//! What rules in shadow mode would have refused.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::record::Recorded;
use super::tally::{Example, example};
use crate::audit::{Filter, scan};
use crate::policy::{PolicySnapshot, RuleMode};

/// Examples that are kept of each rule.
const EXAMPLES: usize = 3;

/// Most tenants and routes that are counted apart for each rule.
const MOST: usize = 1_000;

/// What one rule would have refused.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RuleHits {
    /// Its name.
    pub rule: String,
    /// Whether the policies have it in shadow mode at present.
    pub in_shadow: bool,
    /// How many requests it would have refused.
    pub count: u64,
    /// By tenant.
    pub tenants: BTreeMap<String, u64>,
    /// By route.
    pub routes: BTreeMap<String, u64>,
    /// When the first of them came.
    pub first: Option<String>,
    /// When the last of them came.
    pub last: Option<String>,
    /// Some of them.
    pub examples: Vec<Example>,
    /// It is in shadow, the policies at present judged requests of the window, and it refused none.
    pub safe_to_enforce: bool,
}

/// What all of them would have.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ShadowReport {
    /// Requests in the window.
    pub requests: u64,
    /// Those of them that the present policies judged.
    pub requests_by_present_policy: u64,
    /// The first request.
    pub first: Option<String>,
    /// The last one.
    pub last: Option<String>,
    /// Rules, those that refuse most first.
    pub rules: Vec<RuleHits>,
}

/// Counts what rules in shadow mode would have refused. `snapshot` says which there are.
///
/// # Errors
/// The log can't be read.
pub fn shadow(path: &Path, filter: &Filter, snapshot: &PolicySnapshot) -> io::Result<ShadowReport> {
    let mut report = ShadowReport::default();
    let mut rules: BTreeMap<String, RuleHits> = BTreeMap::new();
    let shadowed = snapshot
        .rules
        .iter()
        .filter(|rule| rule.mode == RuleMode::Shadow);
    for rule in shadowed {
        let hits = RuleHits {
            rule: rule.name.to_string(),
            in_shadow: true,
            ..RuleHits::default()
        };
        rules.insert(rule.name.to_string(), hits);
    }
    let present = snapshot.revision.as_str();
    scan(path, filter, |line| {
        let Some(record) = Recorded::of(line) else {
            return;
        };
        report.requests += 1;
        if record.policy_revision.as_deref() == Some(present) {
            report.requests_by_present_policy += 1;
        }
        widen(&mut report.first, &mut report.last, &record.ts);
        for rule in &record.would_deny {
            let hits = rules.entry(rule.to_string()).or_insert_with(|| RuleHits {
                rule: rule.to_string(),
                ..RuleHits::default()
            });
            hits.count += 1;
            widen(&mut hits.first, &mut hits.last, &record.ts);
            count(
                &mut hits.tenants,
                record.tenant_id.as_deref().unwrap_or_default(),
            );
            count(
                &mut hits.routes,
                record.route.as_deref().unwrap_or_default(),
            );
            if hits.examples.len() < EXAMPLES {
                hits.examples.push(example(&record));
            }
        }
    })?;
    report.rules = rules.into_values().collect();
    for rule in &mut report.rules {
        rule.safe_to_enforce =
            rule.in_shadow && rule.count == 0 && report.requests_by_present_policy > 0;
    }
    report.rules.sort_by(|one, other| {
        other
            .count
            .cmp(&one.count)
            .then_with(|| one.rule.cmp(&other.rule))
    });
    Ok(report)
}

fn widen(first: &mut Option<String>, last: &mut Option<String>, ts: &str) {
    if first.as_deref().is_none_or(|first| ts < first) {
        *first = Some(ts.to_owned());
    }
    if last.as_deref().is_none_or(|last| ts > last) {
        *last = Some(ts.to_owned());
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(known) = counts.get_mut(name) {
        *known += 1;
    } else if counts.len() < MOST {
        counts.insert(name.to_owned(), 1);
    }
}

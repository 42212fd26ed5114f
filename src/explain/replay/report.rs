//! Both reports for people. What strangers wrote is escaped.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::shadow::ShadowReport;
use super::tally::{Example, ReplayReport};

/// What would change.
pub fn render(report: &ReplayReport) -> String {
    let mut text = format!(
        "{} requests: {} the same, {} permit -> deny, {} deny -> permit, {} for another reason, {} not judged",
        report.requests,
        report.same,
        report.permit_to_deny,
        report.deny_to_permit,
        report.other_reason,
        report.not_judged.values().sum::<u64>(),
    );
    // Writing to a text can't fail.
    for group in &report.groups {
        let route = match group.route.as_str() {
            "" => "no route".to_owned(),
            route => format!("`{}`", route.escape_debug()),
        };
        let _written = write!(
            text,
            "\n\n{} on {route}: {} requests\n  {} -> {}",
            group.change.as_str(),
            group.count,
            group.before.escape_debug(),
            group.after.escape_debug(),
        );
        examples(&mut text, &group.examples);
    }
    if !report.not_judged.is_empty() {
        text.push_str("\n\nnot judged");
        for (why, count) in &report.not_judged {
            let _written = write!(text, "\n  {count}: {}", why.escape_debug());
        }
    }
    if report.unreadable > 0 {
        let _written = write!(text, "\n\n{} lines are no records", report.unreadable);
    }
    text
}

/// What rules in shadow mode would have refused.
pub fn render_shadow(report: &ShadowReport) -> String {
    let mut text = format!("{} requests", report.requests);
    // Writing to a text can't fail.
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        let _written = write!(text, " from {first} to {last}");
    }
    let present = report.requests_by_present_policy;
    let _written = write!(text, ", {present} of them judged by the present policies");
    if report.rules.is_empty() {
        text.push_str("\nno rule is in shadow mode, and none refused anything in it");
    }
    for rule in &report.rules {
        let _written = write!(text, "\n\n`{}`: ", rule.rule.escape_debug());
        let verdict = match (rule.count, rule.in_shadow, rule.safe_to_enforce) {
            (0, _, true) => format!(
                "no hit among {present} requests: enforcing it changes nothing for such ones"
            ),
            (0, _, false) => {
                "no hit, and the present policies have judged no request yet".to_owned()
            }
            (count, true, _) => format!("would have refused {count} requests"),
            (count, false, _) => {
                format!("would have refused {count} requests, and is not in shadow mode any more")
            }
        };
        text.push_str(&verdict);
        if let (Some(first), Some(last)) = (&rule.first, &rule.last) {
            let _written = write!(text, "\n  from {first} to {last}");
        }
        for (what, counts) in [("tenants", &rule.tenants), ("routes", &rule.routes)] {
            if !counts.is_empty() {
                let _written = write!(text, "\n  {what}: {}", listed(counts));
            }
        }
        examples(&mut text, &rule.examples);
    }
    text
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by(|one, other| other.1.cmp(one.1).then_with(|| one.0.cmp(other.0)));
    let mut shown: Vec<String> = counts
        .iter()
        .take(8)
        .map(|(name, count)| format!("{} ({count})", name.escape_debug()))
        .collect();
    if counts.len() > shown.len() {
        shown.push(format!("and {} more", counts.len() - shown.len()));
    }
    shown.join(", ")
}

fn examples(text: &mut String, examples: &[Example]) {
    for it in examples {
        let _written = write!(
            text,
            "\n  e.g. record {} of {}: {} of {}, {} {}",
            it.seq,
            it.ts,
            it.user.escape_debug(),
            it.tenant.escape_debug(),
            it.method.escape_debug(),
            it.path.escape_debug(),
        );
    }
}

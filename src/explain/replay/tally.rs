//! What would change, counted.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use serde::Serialize;

use super::judge::{After, Judge};
use super::record::Recorded;
use crate::audit::{Filter, scan};
use crate::policy::PolicySnapshot;

/// Most judgements that are kept for records that agree in all that is judged.
const KEPT: usize = 1 << 16;

/// Examples that are kept of each group.
const EXAMPLES: usize = 3;

/// Most groups that are kept apart.
const GROUPS: usize = 10_000;

/// What other policies would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was refused and would pass.
    DenyToPermit,
    /// It passed and would be refused.
    PermitToDeny,
    /// It would be refused for another reason.
    OtherReason,
}

impl Change {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DenyToPermit => "deny -> permit",
            Self::PermitToDeny => "permit -> deny",
            Self::OtherReason => "another reason",
        }
    }
}

/// Requests that would change in the same way.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// How.
    pub change: Change,
    /// On which route; empty without one.
    pub route: String,
    /// What was said.
    pub before: String,
    /// What would be said.
    pub after: String,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as in the log")]
pub struct Example {
    pub seq: u64,
    pub ts: String,
    pub tenant: String,
    pub user: String,
    pub method: String,
    pub path: String,
}

/// What came of all records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReplayReport {
    /// Records of requests that were judged, or could not be.
    pub requests: u64,
    /// The same would be decided, as far as the record tells.
    pub same: u64,
    /// Counts by change.
    pub permit_to_deny: u64,
    /// See [`Change`].
    pub deny_to_permit: u64,
    /// See [`Change`].
    pub other_reason: u64,
    /// Those that could not be judged, by why.
    pub not_judged: BTreeMap<String, u64>,
    /// What would change, what opens access first, then the most frequent.
    pub groups: Vec<Group>,
    /// Lines that are no records.
    pub unreadable: u64,
}

impl ReplayReport {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        self.permit_to_deny + self.deny_to_permit + self.other_reason > 0
    }
}

/// Refusals that a record holds all of what decided them.
const DECIDED_BY_POLICY: [&str; 8] = [
    "forbidden",
    "method_not_allowed",
    "model_forbidden",
    "role_required",
    "scope_required",
    "tenant_suspended",
    "tenant_unknown",
    "tool_forbidden",
];

/// How a record compares.
#[derive(Clone, Debug)]
enum Verdict {
    Same,
    Changed(Change, String, String),
    NotJudged(String),
}

/// Judges every record of a log, or of a file, that fits the filter. Holds counts and a few examples,
/// however long the log is.
///
/// # Errors
/// The log can't be read.
pub fn replay(path: &Path, filter: &Filter, snapshot: &PolicySnapshot) -> io::Result<ReplayReport> {
    let judge = Judge::new(snapshot);
    let mut report = ReplayReport::default();
    let mut known: HashMap<String, Verdict> = HashMap::new();
    let mut groups: HashMap<(Change, String, String, String), Group> = HashMap::new();
    let scanned = scan(path, filter, |line| {
        let Some(record) = Recorded::of(line) else {
            return;
        };
        report.requests += 1;
        let key = record.key();
        if known.len() >= KEPT {
            known.clear();
        }
        let verdict = known
            .entry(key)
            .or_insert_with(|| compare(&record, judge.judge(&record)));
        match verdict {
            Verdict::Same => report.same += 1,
            Verdict::NotJudged(why) => *report.not_judged.entry(why.clone()).or_default() += 1,
            Verdict::Changed(change, before, after) => {
                match change {
                    Change::DenyToPermit => report.deny_to_permit += 1,
                    Change::PermitToDeny => report.permit_to_deny += 1,
                    Change::OtherReason => report.other_reason += 1,
                }
                let route = record.route.as_deref().unwrap_or_default().to_owned();
                let at = (*change, route, before.clone(), after.clone());
                if groups.len() < GROUPS || groups.contains_key(&at) {
                    let group = groups.entry(at.clone()).or_insert_with(|| Group {
                        change: at.0,
                        route: at.1,
                        before: at.2,
                        after: at.3,
                        count: 0,
                        examples: Vec::new(),
                    });
                    group.count += 1;
                    if group.examples.len() < EXAMPLES {
                        group.examples.push(example(&record));
                    }
                }
            }
        }
    })?;
    report.unreadable = scanned.unreadable;
    report.groups = groups.into_values().collect();
    report.groups.sort_by(|one, other| {
        let rank = |group: &Group| (group.change, std::cmp::Reverse(group.count));
        rank(one)
            .cmp(&rank(other))
            .then_with(|| (&one.route, &one.before).cmp(&(&other.route, &other.before)))
    });
    Ok(report)
}

fn compare(record: &Recorded<'_>, after: After) -> Verdict {
    let before = match record.decision == "permit" {
        true => "permit".to_owned(),
        false => told(&record.reason, record.rule.as_deref()),
    };
    let by_policy = DECIDED_BY_POLICY.contains(&&*record.reason)
        || (record.reason == "not_found" && record.route.is_none());
    match (record.decision == "permit", after) {
        (true, After::Permit) => Verdict::Same,
        (true, After::Deny { code, rule }) => {
            Verdict::Changed(Change::PermitToDeny, before, told(code, rule.as_deref()))
        }
        (false, After::Permit) if by_policy => {
            Verdict::Changed(Change::DenyToPermit, before, "permit".to_owned())
        }
        (false, After::Permit) => Verdict::NotJudged(format!(
            "refused with `{}`, by what is not in the record",
            record.reason
        )),
        (false, After::Deny { code, rule }) => {
            let same_rule = record.rule.as_deref() == rule.as_deref();
            match record.reason == code && same_rule {
                true => Verdict::Same,
                false => Verdict::Changed(Change::OtherReason, before, told(code, rule.as_deref())),
            }
        }
        (_, After::Unknown(why)) => Verdict::NotJudged(why.to_owned()),
    }
}

fn told(code: &str, rule: Option<&str>) -> String {
    match rule {
        Some(rule) => format!("{code} by the rule `{rule}`"),
        None => code.to_owned(),
    }
}

pub(super) fn example(record: &Recorded<'_>) -> Example {
    let text =
        |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    Example {
        seq: record.seq,
        ts: record.ts.to_string(),
        tenant: text(&record.tenant_id),
        user: text(&record.user_id),
        method: record.method.to_string(),
        path: record.path.to_string(),
    }
}

//! Rules that are tried out, and stay so.

use super::{Findings, Lint, Subject};
use crate::policy::RuleMode;

pub(super) static LINT: Lint = Lint {
    name: "shadow-rule",
    what: "a rule in shadow mode",
    why: "it is recorded as would-deny and stops nobody: good for a trial, and forgotten afterwards",
    remedy: "look at what it would have denied, then say `mode = \"enforce\"`",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let rules = subject.snapshot.rules.iter();
    for rule in rules.filter(|rule| rule.mode == RuleMode::Shadow) {
        let spot = subject.places.entry("rules", &rule.name);
        let spot = spot.map(|spot| spot.key("mode"));
        findings.add(spot, "the rule is recorded only; it stops nobody");
    }
}

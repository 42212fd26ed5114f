//! `[[rules]]` and `[memory]`.

use super::{Found, Risk, paired, texts};
use crate::policy::{Effect, PolicySnapshot, Rule, RuleMode};

const RULES: &str = "rules";

pub(super) fn compare(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let (added, gone, pairs) = paired(&old.rules, &new.rules, |rule| &rule.name);
    for rule in added {
        let says = format!("is new: {}", told(rule));
        found.put(when_there(rule), RULES, &rule.name, says);
    }
    for rule in gone {
        let risk = match when_there(rule) {
            Risk::Opens => Risk::Closes,
            Risk::Closes => Risk::Opens,
            other => other,
        };
        found.put(risk, RULES, &rule.name, format!("is gone: {}", told(rule)));
    }
    for (before, after) in pairs {
        if before == after {
            continue;
        }
        let same_but_mode = Rule {
            mode: after.mode,
            ..before.clone()
        };
        let risk = match (same_but_mode == *after, after.effect, after.mode) {
            (true, Effect::Forbid, RuleMode::Enforce) => Risk::Closes,
            (true, Effect::Forbid, RuleMode::Shadow) => Risk::Opens,
            (true, Effect::Permit, RuleMode::Enforce) => Risk::Opens,
            (true, Effect::Permit, RuleMode::Shadow) => Risk::Closes,
            (false, _, _) => Risk::Unclear,
        };
        let says = format!("{} -> {}", told(before), told(after));
        found.put(risk, RULES, &after.name, says);
    }
    let writers = (
        &*texts(&old.shared_write_roles),
        &*texts(&new.shared_write_roles),
    );
    let at = ("memory", "shared_write_roles");
    found.list((Risk::Opens, Risk::Closes), at, "the list", writers);
}

/// What a rule does by being there.
fn when_there(rule: &Rule) -> Risk {
    match (rule.effect, rule.mode) {
        (_, RuleMode::Shadow) => Risk::Other,
        (Effect::Permit, RuleMode::Enforce) => Risk::Opens,
        (Effect::Forbid, RuleMode::Enforce) => Risk::Closes,
    }
}

/// A rule in words.
fn told(rule: &Rule) -> String {
    let effect = match rule.effect {
        Effect::Permit => "permits",
        Effect::Forbid => "forbids",
    };
    let mut says = match rule.mode {
        RuleMode::Enforce => effect.to_owned(),
        RuleMode::Shadow => format!("in shadow {effect}"),
    };
    let mut condition = |name: &str, values: Option<Vec<String>>| {
        if let Some(values) = values {
            says.push_str(&format!(" {name} {}", values.join("|")));
        }
    };
    let patterns = rule.routes.as_ref();
    let routes = patterns.map(|it| it.iter().map(|it| it.as_str().to_owned()).collect());
    condition("routes", routes);
    condition("methods", rule.methods.as_deref().map(texts));
    condition("tenants", rule.tenants.as_deref().map(texts));
    condition("users", rule.users.as_deref().map(texts));
    condition("roles", rule.roles.as_deref().map(texts));
    let uses = rule.uses.as_ref().map(|uses| {
        let all = uses
            .tools
            .iter()
            .chain(&uses.prompts)
            .chain(&uses.resources);
        all.map(|it| it.as_str().to_owned()).collect()
    });
    condition("uses", uses);
    let models = rule.models.as_ref();
    let models = models.map(|it| it.iter().map(|it| it.as_str().to_owned()).collect());
    condition("models", models);
    says
}

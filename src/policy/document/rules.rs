//! `[[rules]]`: what holds beyond the roles of a route.

use std::sync::Arc;

use http::Method;

use super::reader::Fields;
use super::{bare, values};
use crate::identity::RoutePattern;
use crate::policy::problem::{Located, ProblemKind};
use crate::policy::{Effect, Glob, RuleMode, UsePatterns};
use crate::tenant::{TenantGrammar, TenantId};

/// One entry.
#[derive(Debug)]
pub(in crate::policy) struct RuleEntry {
    pub(in crate::policy) effect: Effect,
    pub(in crate::policy) mode: RuleMode,
    pub(in crate::policy) routes: Option<Vec<Located<RoutePattern>>>,
    pub(in crate::policy) methods: Option<Vec<Located<Method>>>,
    pub(in crate::policy) tenants: Option<Vec<Located<TenantId>>>,
    pub(in crate::policy) users: Option<Vec<Located<Arc<str>>>>,
    pub(in crate::policy) roles: Option<Vec<Located<Arc<str>>>>,
    /// With the place of the first pattern, for what is wrong with all of them.
    pub(in crate::policy) uses: Option<Located<UsePatterns>>,
    pub(in crate::policy) models: Option<Vec<Located<Glob>>>,
}

/// Reads one entry.
pub(super) fn rule(fields: &Fields<'_>, grammar: &TenantGrammar) -> Option<RuleEntry> {
    fields.require("effect");
    let effect = fields.choice(
        "effect",
        &[("permit", Effect::Permit), ("forbid", Effect::Forbid)],
    );
    let mode = fields.choice(
        "mode",
        &[("enforce", RuleMode::Enforce), ("shadow", RuleMode::Shadow)],
    );
    let rule = RuleEntry {
        effect: effect.unwrap_or(Effect::Forbid),
        mode: mode.unwrap_or(RuleMode::Enforce),
        routes: fields.some_parsed("routes", values::route_pattern),
        methods: fields.some_parsed("methods", values::method),
        tenants: fields.some_parsed("tenants", |text| values::tenant(grammar, text)),
        users: fields.some_parsed("users", |text| {
            values::user(text).map(|user| user.as_str().into())
        }),
        roles: fields.some_parsed("roles", values::role),
        uses: uses(fields),
        models: fields.some_parsed("models", values::model_pattern),
    };
    if let (Some(uses), Some(_)) = (&rule.uses, &rule.models) {
        fields.report().add(
            &uses.place,
            ProblemKind::Conflict,
            "a rule is about models or about tools, prompts and resources: make it two",
        );
    }
    if effect == Some(Effect::Permit) {
        refuse_useless_permit(fields, &rule);
    }
    effect.is_some().then_some(rule)
}

/// The three lists that make one condition.
fn uses(fields: &Fields<'_>) -> Option<Located<UsePatterns>> {
    let mut place = None;
    let mut read = |key| {
        let found = fields.some_parsed(key, values::glob).unwrap_or_default();
        place = place
            .take()
            .or_else(|| found.first().map(|it| it.place.clone()));
        bare(found)
    };
    let value = UsePatterns {
        tools: read("tools"),
        prompts: read("prompts"),
        resources: read("resources"),
    };
    Some(Located {
        value,
        place: place?,
    })
}

/// A permit that holds for everybody everywhere would void the roles of every route by one line,
/// and one in shadow mode would do nothing at all without anybody noticing.
fn refuse_useless_permit(fields: &Fields<'_>, rule: &RuleEntry) {
    let conditions = [
        "routes",
        "methods",
        "tenants",
        "users",
        "roles",
        "tools",
        "prompts",
        "resources",
        "models",
    ];
    if !conditions.iter().any(|key| fields.has(key)) {
        fields.report().add(
            fields.place(),
            ProblemKind::Conflict,
            "a permit without a condition would void the roles of every route",
        );
    }
    if rule.mode == RuleMode::Shadow {
        fields.report().add(
            fields.place(),
            ProblemKind::Conflict,
            "only a forbid can be tried in shadow mode; a permit there would do nothing",
        );
    }
}

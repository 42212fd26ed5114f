//! Each step and what it found, in words.

use super::explanation::{Explanation, StepFacts};
use crate::pipeline::{Stage, Trail};

/// The steps of an inquiry that got as far as `stage`.
pub(super) fn steps(
    told: &Explanation,
    trail: &Trail,
    stage: Stage,
    is_refused: bool,
) -> Vec<StepFacts> {
    let public = trail.route().is_some() && trail.principal().is_none() && !is_refused;
    let answered = told.status.is_some() && !is_refused;
    Stage::ALL
        .into_iter()
        .map(|step| {
            let between = step > Stage::Route && step < Stage::Backend;
            let skipped = step > stage || (public && between) || (answered && step > Stage::Route);
            let outcome = match (step == stage && is_refused, skipped) {
                (true, _) => "refused",
                (false, true) => "skipped",
                (false, false) => "passed",
            };
            let says = match outcome {
                "refused" => refusal(told, step),
                "skipped" if public && between => "the route is public".to_owned(),
                "skipped" if answered && step == Stage::Backend => {
                    "the gate answers itself".to_owned()
                }
                "skipped" => String::new(),
                _ => found(told, trail, step),
            };
            StepFacts {
                step: step.as_str(),
                outcome,
                says,
            }
        })
        .collect()
}

fn refusal(told: &Explanation, step: Stage) -> String {
    let code = told.code.as_deref().unwrap_or_default();
    let status = told.status.unwrap_or_default();
    let mut says = format!("{status} {code}");
    if let Some(detail) = &told.detail {
        says.push_str(&format!(": {detail}"));
    }
    if let (Some(rule), Stage::Authorize | Stage::Tools | Stage::Models) = (&told.rule, step) {
        says.push_str(&format!(" (rule `{rule}`)"));
    }
    match step {
        Stage::Authorize => says.push_str(&held(told)),
        Stage::Ownership => {
            let away = told
                .resources
                .iter()
                .filter(|it| it.owner != "caller" && !it.claims);
            for resource in away {
                says.push_str(&format!(
                    "; {} `{}`: {}",
                    resource.kind,
                    resource.id,
                    whose(resource.owner)
                ));
            }
        }
        Stage::Tenant => {
            if let Some(declared) = &told.declared_tenant {
                says.push_str(&format!("; the request names the tenant `{declared}`"));
            }
        }
        _ => {}
    }
    says
}

fn found(told: &Explanation, trail: &Trail, step: Stage) -> String {
    match step {
        Stage::Target => "the head can be read in one way only".to_owned(),
        Stage::Route => match &told.route {
            Some(route) => format!(
                "`{}` ({}) of upstream `{}`",
                route.name, route.path, route.upstream
            ),
            None => "a page of the gate's own".to_owned(),
        },
        Stage::Authenticate => match (&told.principal, &told.tenant_from) {
            (Some(who), Some(from)) => {
                format!(
                    "{} `{}` of tenant `{}`, by {from}",
                    who.kind, who.user, who.tenant
                )
            }
            _ => String::new(),
        },
        Stage::Tenant => "it is served, and the request names no other".to_owned(),
        Stage::Authorize => {
            let mut says = match (&told.rule, told.roles_asked.is_empty()) {
                (Some(rule), _) => format!("permitted by the rule `{rule}`"),
                (None, true) => "the route asks for no role".to_owned(),
                (None, false) => "a role of the route".to_owned(),
            };
            says.push_str(&held(told));
            if !told.would_deny.is_empty() {
                let rules = told.would_deny.join("`, `");
                says.push_str(&format!("; in shadow `{rules}` would have refused it"));
            }
            says
        }
        Stage::Limits => match told.limits.is_empty() {
            true => "none".to_owned(),
            false => told.limits.join("; "),
        },
        Stage::Body => "within the limit".to_owned(),
        Stage::Tools => match &told.tool {
            Some(tool) => format!("the tool `{tool}`"),
            None => "none is called".to_owned(),
        },
        Stage::Rewrite => match trail.route().map(|route| &route.upstream.authorization) {
            Some(crate::policy::UpstreamAuthorization::Forward) => {
                "the credential goes on as it came".to_owned()
            }
            Some(crate::policy::UpstreamAuthorization::Strip) => {
                "the credential goes no further".to_owned()
            }
            Some(crate::policy::UpstreamAuthorization::Handle(handle)) => {
                format!("the credential is replaced by what is under `{handle}`")
            }
            None => String::new(),
        },
        Stage::Models => match &told.model {
            Some(model) => format!("`{model}`"),
            None => "none is asked for".to_owned(),
        },
        Stage::Ownership => {
            let named: Vec<String> = told
                .resources
                .iter()
                .map(|it| match it.claims {
                    true => format!(
                        "{} `{}`: nobody's, and the caller's from then on",
                        it.kind, it.id
                    ),
                    false => format!("{} `{}`: {}", it.kind, it.id, whose(it.owner)),
                })
                .collect();
            match named.is_empty() {
                true => "it names nothing".to_owned(),
                false => named.join("; "),
            }
        }
        Stage::Cost => match &told.reserve_usd {
            Some(amount) => {
                format!(
                    "{amount} USD would be held under {} ceilings",
                    told.ceilings.len()
                )
            }
            None => "the route costs nothing".to_owned(),
        },
        Stage::Backend => match &told.route {
            Some(route) => format!("it goes to `{}`", route.upstream),
            None => String::new(),
        },
    }
}

/// Roles and scopes that were asked for, and those that were there.
fn held(told: &Explanation) -> String {
    let Some(who) = &told.principal else {
        return String::new();
    };
    let list = |names: &[String]| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let mut says = String::new();
    if !told.roles_asked.is_empty() {
        let (asked, had) = (told.roles_asked.join(", "), list(&who.roles));
        says.push_str(&format!("; roles: any of {asked}; the caller has {had}"));
    }
    if !told.scopes_asked.is_empty() {
        let (asked, had) = (told.scopes_asked.join(", "), list(&who.scopes));
        says.push_str(&format!("; scopes: all of {asked}; the caller has {had}"));
    }
    says
}

fn whose(owner: &str) -> &str {
    match owner {
        "caller" => "the caller's",
        "another" => "another's",
        "nobody" => "nobody's",
        "retired" => "forgotten, and kept out of reach",
        other => other,
    }
}

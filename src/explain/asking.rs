//! Asking the gate.

use std::sync::Arc;

use bytes::Bytes;

use super::backend;
use super::caller::{place, tenant_from};
use super::described::{Described, DescribedError, Read};
use super::explanation::{CeilingFacts, Explanation, PrincipalFacts, ResourceFacts, RouteFacts};
use super::near::near;
use super::steps::steps;
use crate::budget::prices::Price;
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::inspect::usage::Usage;
use crate::pipeline::{Admission, Call, Gate, Inquiry, PeerFacts, Stage, Step, Trail};
use crate::policy::{PolicySnapshot, RouteMatch};
use crate::proxy::outgoing;

/// What there is to ask beside the policies.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    /// Who owns what. Without it every named thing is taken for the caller's.
    pub owners: bool,
    /// Who spent what. Without it nothing is spent.
    pub spend: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            owners: true,
            spend: true,
        }
    }
}

/// How an inquiry ended.
pub(super) enum Outcome {
    /// It would go to its backend.
    Admitted(Arc<Admission>),
    /// The gate would answer itself.
    Published,
    /// It names what does not exist for its caller.
    Absent,
    /// It would be refused.
    Refused(Refusal),
}

/// What would become of the described request.
///
/// # Errors
/// No caller could be such a one.
pub async fn explain(
    gate: &Gate,
    described: &Described,
    sources: Sources,
) -> Result<Explanation, DescribedError> {
    let generation = gate.generation();
    let snapshot = generation.snapshot();
    let inquiry = match &described.caller {
        Some(caller) => Inquiry::by(caller.supposed(snapshot)?),
        None => Inquiry::by_credential(),
    };
    let inquiry = match sources.owners {
        true => inquiry,
        false => inquiry.without_owners(),
    };
    let mut trail = gate.inquire(inquiry);
    let read = match described.read() {
        Ok(read) => read,
        Err(denial) => {
            let outcome = Outcome::Refused(denial.into());
            return Ok(explanation(snapshot, &trail, &outcome, None, sources));
        }
    };
    let mut outcome = ask(gate, &read, &mut trail).await;
    let mut facts = None;
    if let Outcome::Admitted(admission) = &outcome {
        let came = read.body.clone().map(Bytes::from);
        let body = admission.body().cloned().or_else(|| came.clone());
        match outgoing(&read.head, admission, &trail, body.as_ref()) {
            Ok(sent) => facts = Some(backend::facts(&read, sent, admission, came.as_ref())),
            Err(refusal) => outcome = Outcome::Refused(refusal),
        }
    }
    let mut explanation = explanation(snapshot, &trail, &outcome, Some(&read), sources);
    explanation.backend = facts;
    Ok(explanation)
}

/// Asks as [`crate::proxy`] does: first with the head alone, and with the body where it is needed.
async fn ask(gate: &Gate, read: &Read, trail: &mut Trail) -> Outcome {
    let generation = gate.generation();
    let head = &read.head;
    trail.asked(&head.method, read.target.as_bytes(), &head.headers);
    let host = head.headers.get(http::header::HOST);
    let call = Call {
        method: &head.method,
        target: &read.target,
        host: host.and_then(|host| host.to_str().ok()),
        headers: &head.headers,
    };
    let peer = PeerFacts::default();
    let mut body = None;
    loop {
        match gate.admit(&generation, &call, &peer, body, trail).await {
            Ok(Step::Admitted(admission)) => return Outcome::Admitted(admission),
            Ok(Step::Published(_)) => return Outcome::Published,
            Ok(Step::Absent(_)) => return Outcome::Absent,
            Ok(Step::NeedsBody { limit }) => {
                let whole = read.body.as_deref().unwrap_or_default();
                if whole.len() as u64 > limit || body.is_some() {
                    let detail = format!("the limit is {limit} bytes");
                    let denial = Denial::because(DenialCode::BodyTooLarge, detail);
                    return Outcome::Refused(denial.into());
                }
                body = Some(whole);
            }
            Err(refusal) => return Outcome::Refused(refusal),
        }
    }
}

fn explanation(
    snapshot: &PolicySnapshot,
    trail: &Trail,
    outcome: &Outcome,
    read: Option<&Read>,
    sources: Sources,
) -> Explanation {
    let mut told = Explanation {
        policy_revision: snapshot.revision.as_str().to_owned(),
        declared_tenant: trail.declared_tenant().map(str::to_owned),
        rule: trail.rule().map(ToString::to_string),
        would_deny: trail.would_deny().iter().map(ToString::to_string).collect(),
        tool: trail.tool().map(ToString::to_string),
        model: trail.model().map(ToString::to_string),
        ..Explanation::default()
    };
    match outcome {
        Outcome::Admitted(_) => told.decision = "permit",
        Outcome::Published => (told.decision, told.status) = ("permit", Some(200)),
        Outcome::Absent => refused(&mut told, &DenialCode::NotFound.into()),
        Outcome::Refused(refusal) => refused(&mut told, refusal),
    }
    if let Some(route) = trail.route() {
        told.route = Some(RouteFacts {
            name: route.name.to_string(),
            upstream: route.upstream.name.to_string(),
            path: route.path.to_string(),
            action: route.action_of(trail.method()).to_owned(),
        });
        told.roles_asked = route.roles.iter().map(ToString::to_string).collect();
        told.scopes_asked = route.scopes.iter().map(ToString::to_string).collect();
    } else if let Some(read) = read
        && trail.stage() == Stage::Route
    {
        let path = read.target.split('?').next().unwrap_or_default();
        told.near = near(&snapshot.routes, &read.head.method, path);
    }
    if let Some(principal) = trail.principal() {
        told.tenant_from = Some(tenant_from(principal, snapshot));
        let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
        told.principal = Some(PrincipalFacts {
            tenant: principal.tenant().to_string(),
            user: principal.user().to_string(),
            roles: names(principal.roles()),
            scopes: names(principal.scopes()),
            kind: principal.kind().as_str(),
            auth_method: principal.method().as_str().to_owned(),
            delegation: names(&principal.delegation().actors),
        });
    }
    if let Some(limits) = trail.limits() {
        told.limits = limits.quotas().iter().map(limit_in_words).collect();
    }
    add_findings(&mut told, snapshot, trail);
    let (stage, is_refused) = match outcome {
        Outcome::Admitted(_) | Outcome::Published => (trail.stage(), false),
        Outcome::Absent => (Stage::Ownership, true),
        Outcome::Refused(Refusal::Denied(denial)) if denial.code == DenialCode::BodyTooLarge => {
            (Stage::Body, true)
        }
        Outcome::Refused(_) => (trail.stage(), true),
    };
    told.steps = steps(&told, trail, stage, is_refused);
    told.not_asked = not_asked(snapshot, trail, read, sources);
    told
}

fn refused(told: &mut Explanation, refusal: &Refusal) {
    told.decision = "deny";
    told.status = Some(refusal.status());
    told.code = Some(refusal.code().to_owned());
    told.detail = match refusal {
        Refusal::Denied(denial) => match (&denial.detail, &denial.required) {
            (Some(detail), _) => Some(detail.to_string()),
            (None, Some(required)) => Some(format!("needed: {required}")),
            (None, None) => None,
        },
        Refusal::Failed(failure) => failure.log.clone(),
    };
    if let Refusal::Denied(Denial {
        rule: Some(rule), ..
    }) = refusal
    {
        told.rule = Some(rule.to_string());
    }
}

/// What the inquiry found on its way.
fn add_findings(told: &mut Explanation, snapshot: &PolicySnapshot, trail: &Trail) {
    if let Some(model) = &told.model {
        let price = snapshot.prices.find(model);
        told.price = price.map(price_in_words);
    }
    let Some(inquiry) = trail.inquiry() else {
        return;
    };
    let resources = inquiry.resources().iter();
    told.resources = resources
        .map(|asked| ResourceFacts {
            kind: asked.named.kind.to_string(),
            id: asked.named.text.to_string(),
            owner: asked.whose.as_str(),
            claims: asked.claims,
        })
        .collect();
    let Some(held) = inquiry.held() else {
        return;
    };
    told.reserve_usd = Some(held.amount.to_string());
    let ceilings = held.ceilings.iter();
    told.ceilings = ceilings
        .map(|line| CeilingFacts {
            scope: line.scope.as_str(),
            value: line.value.to_string(),
            window: line.window.to_string(),
            limit_usd: line.limit.to_string(),
            spent_usd: line.spent.to_string(),
            reserved_usd: line.reserved.to_string(),
            resets_at: line.resets_at.map(|at| at.to_string()),
        })
        .collect();
}

/// What a million tokens cost.
fn price_in_words(price: &Price) -> String {
    let million = Some(1_000_000);
    let input = Usage {
        input: million,
        ..Usage::default()
    };
    let output = Usage {
        output: million,
        ..Usage::default()
    };
    let (input, output) = (price.cost(&input), price.cost(&output));
    format!("{input} USD for a million input tokens, {output} for a million output tokens")
}

fn limit_in_words(quota: &crate::budget::limits::Quota) -> String {
    let (name, most, left) = (quota.name.as_str(), quota.most, quota.remaining);
    match quota.window {
        Some(window) => format!("{name}: {left} of {most} left, all of it back in {window} s"),
        None => format!("{name}: {left} of {most} at a time left"),
    }
}

/// What an answer would depend on besides.
fn not_asked(
    snapshot: &PolicySnapshot,
    trail: &Trail,
    read: Option<&Read>,
    sources: Sources,
) -> Vec<String> {
    let mut open = Vec::new();
    let supposed = |it: &&Arc<Principal>| it.method().as_str() == "supposed";
    if let Some(caller) = trail.principal().filter(supposed) {
        open.push("the credential: the caller is taken as described".to_owned());
        let claims = trail.route().into_iter().flat_map(|route| route.claims());
        let unsaid =
            claims.filter(|claim| caller.claims().is_none_or(|it| it.at(claim).is_empty()));
        open.extend(unsaid.map(|claim| {
            let claim = place(claim);
            format!("the claim `{claim}` of its token: the description says none, so it has none")
        }));
    }
    if !sources.owners && trail.route().is_some_and(|route| route.names_resources()) {
        open.push(
            "who owns what: there is no state to ask, so ids are taken for the caller's".to_owned(),
        );
    }
    let costs = trail.route().is_some_and(|route| route.cost.is_some());
    if !sources.spend && costs {
        open.push("what is spent: there is no ledger to ask, so nothing is".to_owned());
    }
    if let Some(route) = trail.route() {
        if route.line.is_some() {
            open.push("how long the line is that it waits in".to_owned());
        }
        if route.reads_answer() {
            open.push("the backend's answer, which the gate reads on this route".to_owned());
        }
        let matched = read.map(|read| {
            let path = read.target.split('?').next().unwrap_or_default();
            snapshot.router.route(&read.head.method, path)
        });
        if let Some(RouteMatch::Found { siblings, .. }) = matched
            && siblings.len() > 1
        {
            let names: Vec<&str> = siblings.iter().map(|it| &*it.name).collect();
            open.push(format!(
                "{} share the path; the JSON-RPC method in the body chooses",
                names.join(", ")
            ));
        }
    }
    open
}

//! Whose are the things a request names? Asked before a backend hears of it.
//!
//! Every id has to be the caller's. One that is not is no 403, which would say that it exists: it
//! is absent, and the answer is the backend's own for an id that never was.

use std::sync::Arc;

use super::extract::{Found, Source, found};
use super::inquiry::{Inquiry, Whose};
use super::mcp::task_rule;
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal, StateUnavailable};
use crate::identity::Principal;
use crate::inspect::json::{self, Limits};
use crate::ownership::{Owner, Ownership, Registry, ResourceId, ResourceIdError, ResourceKey};
use crate::policy::{
    Access, Extractor, IdForm, OwnerScope, ResourceRule, RoutePolicy, UnknownResource,
};

/// One id that a request names.
#[derive(Clone, Debug)]
pub struct NamedResource {
    /// What it is to the registry; `None` for what can be no id there, which is nobody's.
    pub key: Option<ResourceKey>,
    /// Kind of resource.
    pub kind: Arc<str>,
    /// Its spelling in the request.
    pub text: Arc<str>,
    /// Where the request has it.
    pub place: Extractor,
}

/// What became of the ids of a request.
#[derive(Debug)]
pub(super) enum Held {
    /// Every one is the caller's.
    All(Vec<NamedResource>),
    /// Some are not.
    Not(Vec<NamedResource>),
}

/// Holds the ids of a request against the registry, and claims the free ones where the route says
/// that the first to use an id owns it. `tasks` are those that an MCP body names.
///
/// # Errors
/// `request_rejected` where an id is missing or unreadable, `state_unavailable` where nobody can
/// tell whose it is.
///
/// An inquiry claims nothing, and is told whose each is.
pub(super) async fn hold(
    (registry, inquiry): (&Registry, Option<&mut Inquiry>),
    route: &RoutePolicy,
    principal: &Principal,
    source: Source<'_, '_>,
    tasks: Vec<NamedResource>,
) -> Result<Held, Refusal> {
    let of_tasks = task_rule();
    let mut named = Vec::new();
    for rule in &route.resources {
        // What only messages name is held when they come.
        if rule.ids.iter().any(|place| !is_in_messages(place)) {
            let values = |place: &Extractor| source.values(place);
            let found = ids(rule, route, values)?.into_iter();
            named.extend(found.map(|resource| (rule, resource)));
        }
    }
    named.extend(tasks.into_iter().map(|task| (&of_tasks, task)));
    match inquiry {
        None => settle(registry, route, principal, named).await,
        Some(inquiry) => look(registry, inquiry, route, principal, named).await,
    }
}

/// The same for the ids in one text message of a client on a socket.
///
/// # Errors
/// As [`hold`].
pub(super) async fn hold_message(
    registry: &Registry,
    route: &RoutePolicy,
    principal: &Principal,
    message: &[u8],
) -> Result<Held, Refusal> {
    let mut named = Vec::new();
    for rule in &route.resources {
        if rule.ids.iter().any(is_in_messages) {
            let values = |place: &Extractor| match place {
                Extractor::Message(pointer) => in_message(message, pointer),
                _ => Ok(Vec::new()),
            };
            let found = ids(rule, route, values)?.into_iter();
            named.extend(found.map(|resource| (rule, resource)));
        }
    }
    settle(registry, route, principal, named).await
}

fn is_in_messages(place: &Extractor) -> bool {
    matches!(place, Extractor::Message(_))
}

fn in_message(message: &[u8], pointer: &[String]) -> Result<Vec<Found<'static>>, Denial> {
    let values = json::pointer_values(message, pointer, &Limits::default()).map_err(|fault| {
        Denial::because(DenialCode::RequestRejected, format!("a message: {fault}"))
    })?;
    Ok(values.into_iter().map(found).collect())
}

/// What becomes of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The caller may use it.
    Reached,
    /// It is absent to the caller.
    Denied,
    /// Nobody has it, and the caller makes it its own.
    Free,
}

fn verdict(
    owner: &Ownership,
    rule: &ResourceRule,
    route: &RoutePolicy,
    principal: &Principal,
) -> Verdict {
    match owner {
        Ownership::Owned(owner) if may_reach(owner, &rule.access, principal) => Verdict::Reached,
        Ownership::Owned(_) | Ownership::Retired => Verdict::Denied,
        Ownership::Unknown if rule.claim => Verdict::Free,
        Ownership::Unknown => match route.unknown {
            UnknownResource::Deny => Verdict::Denied,
            UnknownResource::Adopt => Verdict::Free,
            UnknownResource::Pass => Verdict::Reached,
        },
    }
}

/// Asks whose these are, and claims the free ones.
async fn settle(
    registry: &Registry,
    route: &RoutePolicy,
    principal: &Principal,
    named: Vec<(&ResourceRule, NamedResource)>,
) -> Result<Held, Refusal> {
    let (keys, rules): (Vec<ResourceKey>, Vec<&ResourceRule>) = named
        .iter()
        .filter_map(|(rule, it)| Some((it.key.clone()?, *rule)))
        .unzip();
    let denies = |at: usize, owner: &Ownership| match (owner, rules.get(at)) {
        (Ownership::Owned(owner), Some(rule)) => !may_reach(owner, &rule.access, principal),
        (Ownership::Owned(_) | Ownership::Retired, _) => true,
        (Ownership::Unknown, _) => false,
    };
    let owners = registry
        .owners_untold(&keys, denies)
        .await
        .map_err(unavailable)?;
    let mut owners = owners.iter();
    let mut denied = Vec::new();
    let mut free = Vec::new();
    for (rule, resource) in &named {
        let Some(key) = &resource.key else {
            denied.push(resource.clone());
            continue;
        };
        // INVARIANT: one answer for each key, in their order. Were there fewer, the rest is nobody's.
        let owner = owners.next().unwrap_or(&Ownership::Retired);
        match verdict(owner, rule, route, principal) {
            Verdict::Reached => {}
            Verdict::Denied => denied.push(resource.clone()),
            Verdict::Free => free.push((*rule, resource, key)),
        }
    }
    if denied.is_empty() && !free.is_empty() {
        let claims: Vec<_> = free
            .iter()
            .map(|(_, _, key)| ((*key).clone(), owner(principal)))
            .collect();
        let owners = registry.claim_all(&claims).await.map_err(unavailable)?;
        let mut owners = owners.iter();
        for (rule, resource, _) in &free {
            match owners.next() {
                Some(Ownership::Owned(owner)) if may_reach(owner, &rule.access, principal) => {}
                Some(Ownership::Owned(_) | Ownership::Retired | Ownership::Unknown) | None => {
                    denied.push((*resource).clone());
                }
            }
        }
    }
    Ok(if denied.is_empty() {
        Held::All(named.into_iter().map(|(_, resource)| resource).collect())
    } else {
        Held::Not(denied)
    })
}

/// Looks what [`settle`] would come to. Ids that are free are free to be claimed unless one beside
/// them is denied; then none is claimed, and that one decides.
async fn look(
    registry: &Registry,
    inquiry: &mut Inquiry,
    route: &RoutePolicy,
    principal: &Principal,
    named: Vec<(&ResourceRule, NamedResource)>,
) -> Result<Held, Refusal> {
    let keys = named.iter().filter_map(|(_, it)| it.key.clone());
    let keys: Vec<ResourceKey> = keys.collect();
    let owners = inquiry.owners(registry, &keys, principal).await;
    let owners = owners.map_err(unavailable)?;
    let mut owners = owners.iter();
    let mut denied = Vec::new();
    for (rule, resource) in &named {
        let owner = match resource.key {
            Some(_) => owners.next().unwrap_or(&Ownership::Retired),
            None => &Ownership::Retired,
        };
        let verdict = verdict(owner, rule, route, principal);
        let whose = match (owner, verdict) {
            (_, _) if resource.key.is_none() => Whose::Nobody,
            (Ownership::Owned(_), Verdict::Reached) => Whose::Caller,
            (Ownership::Owned(_), Verdict::Denied | Verdict::Free) => Whose::Another,
            (Ownership::Unknown, _) => Whose::Nobody,
            (Ownership::Retired, _) => Whose::Retired,
        };
        inquiry.found(resource, whose, verdict == Verdict::Free);
        if verdict == Verdict::Denied {
            denied.push(resource.clone());
        }
    }
    Ok(if denied.is_empty() {
        Held::All(named.into_iter().map(|(_, resource)| resource).collect())
    } else {
        Held::Not(denied)
    })
}

/// Whether the ids of an admitted request are the caller's still: the backend may give those of what
/// is deleted to somebody else, and the next to claim one owns it.
///
/// # Errors
/// `state_unavailable` where nobody can tell.
pub(super) async fn held_still(
    registry: &Registry,
    route: &RoutePolicy,
    principal: &Principal,
    resources: &[NamedResource],
) -> Result<bool, Refusal> {
    let of_tasks = task_rule();
    let (keys, rules): (Vec<ResourceKey>, Vec<&ResourceRule>) = resources
        .iter()
        .filter_map(|it| {
            let mut rules = route.resources.iter();
            let rule = rules.find(|rule| rule.kind == it.kind && rule.ids.contains(&it.place));
            Some((it.key.clone()?, rule.unwrap_or(&of_tasks)))
        })
        .unzip();
    let owners = registry.owners(&keys).await.map_err(unavailable)?;
    Ok(owners.iter().zip(rules).all(|(owner, rule)| match owner {
        Ownership::Owned(owner) => may_reach(owner, &rule.access, principal),
        Ownership::Unknown => !rule.claim && route.unknown == UnknownResource::Pass,
        Ownership::Retired => false,
    }))
}

/// The ids that one rule finds in a request.
fn ids<'call>(
    rule: &ResourceRule,
    route: &RoutePolicy,
    values: impl Fn(&Extractor) -> Result<Vec<Found<'call>>, Denial>,
) -> Result<Vec<NamedResource>, Denial> {
    let mut found = Vec::new();
    for place in &rule.ids {
        let values_there = values(place)?;
        let whole = holds_deeper_values(rule, place, &values_there, &values)?;
        for value in values_there {
            let text = match value {
                Found::Text(text) => text,
                Found::Null => continue,
                // `"conversation": "c-1"` and `"conversation": {"id": "c-1"}` are one thing to
                // backends, and a rule for it names both places.
                Found::Container if whole || rule.objects => continue,
                Found::Container | Found::Other => {
                    let detail = format!("the id of a {} is no text", rule.kind);
                    return Err(Denial::because(DenialCode::RequestRejected, detail));
                }
            };
            let key = key(route, &rule.kind, rule.form, &text);
            if let (true, Err(error)) = (rule.claim, &key) {
                let detail = format!("a {} can't be called so: {error}", rule.kind);
                return Err(Denial::because(DenialCode::RequestRejected, detail));
            }
            found.push(NamedResource {
                key: key.ok(),
                kind: Arc::clone(&rule.kind),
                text: text.as_ref().into(),
                place: place.clone(),
            });
        }
    }
    if found.is_empty() && !rule.optional {
        let detail = format!("the request names no {}", rule.kind);
        return Err(Denial::because(DenialCode::RequestRejected, detail));
    }
    Ok(found)
}

/// Whether other places of the rule lead into each array or object at `place`, and to a value there.
/// One that has none could be read in a way that no place says.
fn holds_deeper_values<'call>(
    rule: &ResourceRule,
    place: &Extractor,
    there: &[Found<'call>],
    values: &impl Fn(&Extractor) -> Result<Vec<Found<'call>>, Denial>,
) -> Result<bool, Denial> {
    let containers = there.iter().filter(|it| **it == Found::Container).count();
    let (Extractor::Body(outer), 1..) = (place, containers) else {
        return Ok(false);
    };
    for other in &rule.ids {
        let deeper = matches!(
            other,
            Extractor::Body(inner) if inner.len() > outer.len() && inner.starts_with(outer)
        );
        if deeper && values(other)?.len() >= containers {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The registry's key of an id on the backend of a route.
///
/// # Errors
/// The text can be no id there.
pub(super) fn key(
    route: &RoutePolicy,
    kind: &Arc<str>,
    form: IdForm,
    text: &str,
) -> Result<ResourceKey, ResourceIdError> {
    let id = match form {
        IdForm::Exact => ResourceId::exact(text),
        IdForm::Uuid => ResourceId::uuid(text),
        IdForm::UuidOrName => ResourceId::uuid_or_name(text),
    }?;
    Ok(ResourceKey::new(
        Arc::clone(&route.upstream.name),
        Arc::clone(kind),
        id,
    ))
}

/// The caller as an owner.
pub(super) fn owner(principal: &Principal) -> Owner {
    Owner {
        tenant: principal.tenant().clone(),
        user: principal.user().clone(),
    }
}

/// Whether what this owner has is the caller's to reach.
pub(super) fn may_reach(owner: &Owner, access: &Access, principal: &Principal) -> bool {
    owner.tenant == *principal.tenant()
        && match access.scope {
            OwnerScope::Tenant => true,
            OwnerScope::User => {
                owner.user == *principal.user()
                    || access
                        .unless_roles
                        .iter()
                        .any(|role| principal.has_role(role))
            }
        }
}

/// The registry can't be asked.
pub(super) fn unavailable(error: StateUnavailable) -> Refusal {
    Failure::logged(FailureCode::StateUnavailable, error.to_string()).into()
}

//! Identity where the backend looks for it.
//!
//! A backend that never heard of tenants takes a user, a namespace or a key from wherever the
//! request has it. What a route says about that is applied here, to every copy in every spelling a
//! backend may read, and in one order: what the caller may not choose goes, keys that tenants share
//! are scoped, values move into the caller's own space, and what says who calls is set last, so that
//! nothing undoes it. Bytes that no rule names stay as they came.

mod body;
mod form;
mod headers;
mod restoration;
mod target;
mod workspace;

use bytes::Bytes;

pub(super) use form::FormBody;
pub use headers::HeaderChanges;
pub use restoration::{Restoration, RestoringLines};
pub(super) use target::query_without_identity;

use super::extract::Source;
use crate::decision::{Denial, DenialCode};
use crate::identity::Principal;
use crate::policy::{AbsentValue, Place, PrefixRule, Rewriting, RoutePolicy};

/// What the backend gets in place of what came.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// Path and query.
    pub(super) target: Option<String>,
    /// Header fields.
    pub(super) headers: HeaderChanges,
    /// Body.
    pub(super) body: Option<Bytes>,
    /// The way back.
    pub(super) restoration: Restoration,
}

/// Applies what the route says to a request. The body has to be there if the route reads it.
///
/// # Errors
/// `request_rejected` where a value is missing, unreadable or leaves the caller's space;
/// `encoding_unsupported` for a coded body.
pub(super) fn rewrite(
    route: &RoutePolicy,
    caller: &Principal,
    source: &Source<'_, '_>,
) -> Result<Rewritten, Denial> {
    let rules = &route.rewriting;
    let mut rewritten = Rewritten {
        target: query_without_identity(source.target, Some(caller), route),
        ..Rewritten::default()
    };
    if let Some(root) = &route.upstream.workspace {
        let own = workspace::of(root, caller);
        for place in &rules.workspace_paths {
            workspace::hold(source.values(place)?, &own)?;
        }
        rewritten.headers.say(workspace::HEADER, &own)?;
    }
    let mut changes = Changes::new(rules, caller);
    if changes.steps.is_empty() {
        return Ok(rewritten);
    }
    if let Some(target) = target::rewrite(route, source, rewritten.target.as_deref(), &mut changes)?
    {
        rewritten.target = Some(target);
    }
    headers::rewrite(source.call.headers, &mut changes, &mut rewritten.headers)?;
    if let Some(body) = source.body {
        rewritten.body = body::rewrite(source.call, body, &mut changes)?;
    }
    rewritten.restoration = changes.restoration;
    Ok(rewritten)
}

/// What happens at one place, for one caller.
#[derive(Clone)]
enum Change<'policy> {
    Remove,
    Scoped,
    Prefix {
        rule: &'policy PrefixRule,
        prefix: String,
    },
    Set(String),
}

/// All changes of a route for one caller, in their order.
struct Changes<'policy> {
    steps: Vec<(&'policy Place, Change<'policy>)>,
    caller: &'policy Principal,
    restoration: Restoration,
}

impl<'policy> Changes<'policy> {
    fn new(rules: &'policy Rewriting, caller: &'policy Principal) -> Self {
        let mut steps = Vec::new();
        let mut restoration = Restoration::default();
        steps.extend(rules.remove.iter().map(|at| (at, Change::Remove)));
        steps.extend(rules.scoped.iter().map(|at| (at, Change::Scoped)));
        for rule in &rules.prefix {
            let prefix = rule.with.render_prefix(caller);
            restoration.prefixed(&prefix, rule.element);
            steps.push((&rule.at, Change::Prefix { rule, prefix }));
        }
        for rule in &rules.set {
            steps.push((&rule.at, Change::Set(rule.value.render(caller))));
        }
        Self {
            steps,
            caller,
            restoration,
        }
    }

    /// What a value that is there becomes; nothing where it goes.
    fn present(&mut self, change: &Change<'_>, value: &str) -> Result<Option<String>, Denial> {
        match change {
            Change::Remove => Ok(None),
            Change::Set(value) => Ok(Some(value.clone())),
            Change::Scoped => {
                let scoped = scoped(self.caller, value);
                self.restoration.scoped(&scoped, value);
                Ok(Some(scoped))
            }
            Change::Prefix { prefix, .. } => {
                // Where a path is made of it, a step up would leave the caller's space.
                if prefix.contains('/') && workspace::leaves(value) {
                    return Err(rejected("a value would leave the caller's space"));
                }
                Ok(Some(format!("{prefix}{value}")))
            }
        }
    }

    /// What is put where no value is; nothing where it stays so.
    fn absent(change: &Change<'_>) -> Result<Option<String>, Denial> {
        match change {
            Change::Remove | Change::Scoped => Ok(None),
            Change::Set(value) => Ok(Some(value.clone())),
            Change::Prefix { rule, prefix } => match rule.absent {
                AbsentValue::Insert => Ok(Some(prefix.clone())),
                AbsentValue::Leave => Ok(None),
                AbsentValue::Deny => Err(rejected("the request lacks a value the route needs")),
            },
        }
    }
}

/// A value that tenants can't share: the digest of tenant and value. Nobody can send what another
/// tenant's value becomes, as what is sent becomes a digest with the sender's own tenant in it.
fn scoped(caller: &Principal, value: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("fabric-gate 2026 value scoped to a tenant");
    let tenant = caller.tenant().as_str();
    // A tenant id holds no NUL, so the two can't run into each other.
    hasher.update(tenant.as_bytes());
    hasher.update(&[0]);
    hasher.update(value.as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn rejected(why: &'static str) -> Denial {
    Denial::because(DenialCode::RequestRejected, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scoped_value_differs_between_tenants_and_stays_within_one() {
        let caller = |tenant: &str, user: &str| Principal::made_up(tenant, user, &[], &[], None);
        let of = |tenant: &str, user: &str, value: &str| scoped(&caller(tenant, user), value);
        let one = of("acme", "alice", "k-1");
        assert_eq!(
            one,
            of("acme", "bob", "k-1"),
            "tenants share, users do not matter"
        );
        assert_ne!(one, of("globex", "alice", "k-1"));
        assert_ne!(one, of("acme", "alice", "k-2"));
        assert_ne!(of("acme", "a", "\0x"), of("acme-x", "a", "\0x"));
        assert_eq!(one.len(), 64);
        assert!(one.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
    }
}

//! Whether what was let in would be let in still.
//!
//! A request is judged once, and an answer can go on for hours: events, sockets, long downloads. What
//! let it in can go in the meantime. The token ends, or a policy is put in force without the key,
//! the tenant, the route or the permission. Whoever carries such an answer asks here again.

use std::sync::Arc;

use http::Method;

use super::canonical::CanonicalTarget;
use super::generation::Generation;
use super::ownership;
use super::{Admission, Gate};
use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::identity::renewal::{Entries, renewed};
use crate::policy::{RouteMatch, RoutePolicy, authorize, tenant_status};

impl Gate {
    /// Judges an admitted request again, by the policy in force and the present time: until when it
    /// stands if nothing changes (`None`: for good).
    ///
    /// The request is not read again. Its route must be the one that takes it still, and say the
    /// same save for names, roles, scopes, limits and timeouts; the credential must be what it was and stand
    /// for the same caller; tenant, rules, roles and scopes are judged anew.
    ///
    /// # Errors
    /// Why it would be refused at present.
    pub fn standing(
        &self,
        admission: &Admission,
        method: &Method,
        target: &str,
    ) -> Result<Option<Timestamp>, Denial> {
        let present = self.generation();
        if Arc::ptr_eq(&present, &admission.generation) {
            return in_time(admission.principal.as_deref(), self.now());
        }
        let snapshot = present.snapshot();
        let route = match snapshot.router.route(method, path_of(target)) {
            // Which of several routes a body chose between, only it can tell; the one it chose then
            // has to be among them.
            RouteMatch::Found {
                route, siblings, ..
            } => std::iter::once(route)
                .chain(siblings)
                .find(|route| says_the_same(&admission.route, route)),
            RouteMatch::MethodNotAllowed { .. } | RouteMatch::NotFound => None,
        };
        let route = route.ok_or_else(|| Denial::new(DenialCode::NotFound))?;
        let Some(principal) = &admission.principal else {
            let public = route.health || !self.hardened(snapshot);
            return match public {
                true => Ok(None),
                false => Err(Denial::new(DenialCode::CredentialsMissing)),
            };
        };
        let principal = renewed(principal, entries(&admission.generation), entries(&present))
            .ok_or_else(|| Denial::new(DenialCode::TokenInvalid))?;
        let until = in_time(Some(&principal), self.now())?;
        tenant_status(snapshot, principal.tenant())?;
        authorize(snapshot, route, &principal, method).decision?;
        Ok(until)
    }

    /// Asks again whose the things are that an admitted request names. They can be deleted while its
    /// body comes, while it waits or while its answer goes on, and their ids be another's then.
    ///
    /// # Errors
    /// `not_found` where one is not the caller's any more, `state_unavailable` where nobody can tell.
    pub async fn still_held(&self, admission: &Admission) -> Result<(), Refusal> {
        let Some(principal) = admission.principal.as_deref() else {
            return Ok(());
        };
        if admission.resources.is_empty() {
            return Ok(());
        }
        let (route, resources) = (&admission.route, &admission.resources);
        match ownership::held_still(self.registry(), route, principal, resources).await? {
            true => Ok(()),
            false => Err(Denial::new(DenialCode::NotFound).into()),
        }
    }
}

/// Until when the caller's credential is good.
fn in_time(principal: Option<&Principal>, now: Timestamp) -> Result<Option<Timestamp>, Denial> {
    let Some(principal) = principal else {
        return Ok(None);
    };
    match principal.expires_at() {
        Some(until) if until <= now => Err(Denial::new(expired(principal))),
        until => Ok(until),
    }
}

fn expired(principal: &Principal) -> DenialCode {
    let method = principal.method().as_str();
    if method.starts_with("api_key:") {
        DenialCode::ApiKeyExpired
    } else {
        DenialCode::TokenExpired
    }
}

fn path_of(target: &str) -> &str {
    CanonicalTarget::parse(target).map_or("", |target| target.path())
}

/// Whether two routes are one in everything but their names, what is judged anew, and what only
/// bounds a request at its beginning.
fn says_the_same(before: &Arc<RoutePolicy>, at_present: &Arc<RoutePolicy>) -> bool {
    if before == at_present {
        return true;
    }
    let likened = RoutePolicy {
        name: Arc::clone(&before.name),
        action: before.action.clone(),
        roles: before.roles.clone(),
        scopes: before.scopes.clone(),
        shared_memory_write: before.shared_memory_write.clone(),
        timeout: before.timeout,
        stream_idle: before.stream_idle,
        body_bytes: before.body_bytes,
        ..RoutePolicy::clone(at_present)
    };
    **before == likened
}

fn entries(generation: &Generation) -> Entries<'_> {
    let snapshot = generation.snapshot();
    Entries {
        issuers: &snapshot.issuers,
        api_keys: &snapshot.api_keys,
        webhooks: &snapshot.webhooks,
        client_certificates: &snapshot.client_certificates,
        development: snapshot.development.as_ref(),
    }
}

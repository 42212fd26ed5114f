//! The proof that a request may reach its backend, and what goes with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderValue;

use super::generation::Generation;
use super::lines::LineKey;
use super::mcp::McpAdmission;
use super::ownership::{self, Held, NamedResource};
use super::rewrite::{HeaderChanges, Restoration, Rewritten};
use crate::decision::{DenialCode, Refusal};
use crate::identity::signing_key::SigningKeyError;
use crate::identity::webhook::VerifiedDelivery;
use crate::identity::{Principal, ReplayGuard};
use crate::ownership::{Registry, ResourceKey};
use crate::policy::{LinePolicy, LineScope, RoutePolicy};

/// What becomes of the caller's credential.
#[derive(Clone, Debug)]
pub enum AuthorizationOut {
    /// It goes on as it came.
    Forward,
    /// It goes no further.
    Strip,
    /// The backend gets this one instead (marked sensitive: never logged).
    Replace(HeaderValue),
}

/// A request that may pass: only [`super::Gate::admit`] makes one.
#[derive(Debug)]
pub struct Admission {
    pub(super) generation: Arc<Generation>,
    pub(super) route: Arc<RoutePolicy>,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) rewritten: Rewritten,
    pub(super) authorization: AuthorizationOut,
    pub(super) body_limit: u64,
    pub(super) upgrade: bool,
    pub(super) delivery: Option<VerifiedDelivery>,
    pub(super) resources: Vec<NamedResource>,
    pub(super) mcp: Option<McpAdmission>,
    /// A success releases what the request names.
    pub(super) deletes: bool,
    /// The backend may have heard of it.
    pub(super) sent: AtomicBool,
    /// What its answer says it began, where that is followed.
    pub(super) began: OnceLock<ResourceKey>,
}

impl Admission {
    /// The route.
    pub fn route(&self) -> &Arc<RoutePolicy> {
        &self.route
    }

    /// Whether a success releases what the request names.
    pub fn deletes(&self) -> bool {
        self.deletes
    }

    /// The caller; `None` on public routes.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// The target to forward where it is not the one that came.
    pub fn target(&self) -> Option<&str> {
        self.rewritten.target.as_deref()
    }

    /// The body to forward where it is not the one that came.
    pub fn body(&self) -> Option<&Bytes> {
        self.rewritten.body.as_ref()
    }

    /// What is changed in the header.
    pub fn header_changes(&self) -> &HeaderChanges {
        &self.rewritten.headers
    }

    /// A connection to the backend is there, and the request is about to go out on it.
    pub fn goes_out(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// Whether the backend may have heard of it.
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// What of the answer is turned back for the caller.
    pub fn restoration(&self) -> &Restoration {
        &self.rewritten.restoration
    }

    /// What becomes of the caller's credential.
    pub fn authorization(&self) -> &AuthorizationOut {
        &self.authorization
    }

    /// Who calls, under the gate's signature, where the backend is told so. Each attempt asks anew:
    /// one that waited long must not go out with an old one.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn assertion(&self) -> Result<Option<HeaderValue>, SigningKeyError> {
        let upstream = &self.route.upstream;
        match &self.principal {
            Some(principal) if upstream.assertion == Some(true) => {
                let assertions = &self.generation.assertions;
                assertions.about(principal, &upstream.name).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Largest request body, in bytes.
    pub fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// The line that the request has to stand in before it goes on, if any.
    pub fn line(&self) -> Option<(LineKey, LinePolicy)> {
        let policy = self.route.line?;
        let upstream = Arc::clone(&self.route.upstream.name);
        let principal = self.principal.as_deref();
        let name = |text: &str| Arc::<str>::from(text);
        let resource = self.resources.first().and_then(|named| named.key.as_ref());
        let names: Vec<Arc<str>> = match (policy.scope, principal, resource) {
            (LineScope::Tenant, Some(who), _) => {
                vec![upstream, name("tenant"), name(who.tenant().as_str())]
            }
            (LineScope::User, Some(who), _) => vec![
                upstream,
                name("user"),
                name(who.tenant().as_str()),
                name(who.user().as_str()),
            ],
            (LineScope::Resource, _, Some(key)) => vec![
                upstream,
                name("resource"),
                name(key.kind()),
                name(key.id().as_str()),
            ],
            // What has nothing of its own to stand in line for waits with the rest of its route.
            (LineScope::Tenant | LineScope::User | LineScope::Route | LineScope::Resource, ..) => {
                vec![upstream, name("route"), Arc::clone(&self.route.name)]
            }
        };
        Some((LineKey::new(names), policy))
    }

    /// Holds the ids in a text message of the client against the registry, where the route reads
    /// messages.
    ///
    /// # Errors
    /// `not_found` where one is not the caller's; what [`Gate::admit`](super::Gate::admit) says of
    /// ids that are missing or unreadable.
    pub async fn judge_message(&self, registry: &Registry, message: &[u8]) -> Result<(), Refusal> {
        let Some(principal) = &self.principal else {
            return Ok(());
        };
        match ownership::hold_message(registry, &self.route, principal, message).await? {
            Held::All(_) => Ok(()),
            Held::Not(_) => Err(DenialCode::NotFound.into()),
        }
    }

    /// Whether the request asks to leave HTTP (WebSocket) and may.
    pub fn is_upgrade(&self) -> bool {
        self.upgrade
    }

    /// The things of the caller's that the request names.
    pub fn resources(&self) -> &[NamedResource] {
        &self.resources
    }

    /// Further headers that say who calls on some backend, in lower case.
    pub fn machine_headers(&self) -> &[MachineHeaders] {
        self.generation.machine_headers()
    }

    /// Every name among [`Admission::machine_headers`].
    pub fn identity_header_names(&self) -> &[String] {
        self.generation.identity_header_names()
    }

    /// The backend did not take it. A signed delivery may be delivered again then; without this its
    /// second attempt would count as a replay.
    pub(super) fn undelivered(&self, target: &str, replays: &ReplayGuard) {
        if let (Some(delivery), Some(hook)) = (&self.delivery, self.generation.webhooks.at(target))
        {
            hook.release(delivery, replays);
        }
    }
}

/// The pair of headers by which machine callers say for whom they act (AgentFlow's contract).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineHeaders {
    /// Carries the tenant.
    pub tenant: http::HeaderName,
    /// Carries the acting user.
    pub user: http::HeaderName,
}

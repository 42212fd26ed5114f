//! The proof that a request may reach its backend, and what goes with it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::admit::is_coded;
use super::generation::Generation;
use crate::decision::{DenialCode, Failure, FailureCode, Refusal};
use crate::identity::webhook::VerifiedDelivery;
use crate::identity::{Principal, ReplayGuard};
use crate::inspect::json::{self, Limits, Scalar};
use crate::policy::{Extractor, RoutePolicy};

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
    pub(super) target: Option<String>,
    pub(super) authorization: AuthorizationOut,
    pub(super) body_limit: u64,
    pub(super) upgrade: bool,
    pub(super) delivery: Option<VerifiedDelivery>,
}

impl Admission {
    /// The route.
    pub fn route(&self) -> &Arc<RoutePolicy> {
        &self.route
    }

    /// The caller; `None` on public routes.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// The target to forward where it is not the one that came.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// What becomes of the caller's credential.
    pub fn authorization(&self) -> &AuthorizationOut {
        &self.authorization
    }

    /// Largest request body, in bytes.
    pub fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Whether the request asks to leave HTTP (WebSocket) and may.
    pub fn is_upgrade(&self) -> bool {
        self.upgrade
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

    /// Holds an answer that was read whole against the route's guard.
    ///
    /// # Errors
    /// `not_found` when it names another tenant; `upstream_unreadable` when a success can't be read.
    pub fn judge_answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(), Refusal> {
        let Some(principal) = &self.principal else {
            return Ok(());
        };
        // An answer without content names nobody.
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let unreadable = |why: &str| {
            let log = format!(
                "route `{}` guards its answers, and this one {why}",
                self.route.name
            );
            Refusal::from(Failure::logged(FailureCode::UpstreamUnreadable, log))
        };
        if is_coded(headers) {
            return Err(unreadable("is compressed"));
        }
        for extractor in &self.route.guard_tenant {
            let Extractor::Body(pointer) = extractor else {
                continue;
            };
            match json::pointer_values(body, pointer, &Limits::default()) {
                Ok(values) => {
                    let own = principal.tenant().as_str();
                    if values
                        .iter()
                        .any(|value| !matches!(value, Scalar::Text(tenant) if tenant == own))
                    {
                        return Err(DenialCode::NotFound.into());
                    }
                }
                // An error page need not be JSON; what a success says has to be readable.
                Err(_) if !status.is_success() => {}
                Err(fault) => return Err(unreadable(&fault.to_string())),
            }
        }
        Ok(())
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

//! The order of steps: what every request goes through before a backend hears of it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method, header};

use super::absence::Absence;
use super::admission::{Admission, AuthorizationOut};
use super::authenticate::Caller;
use super::canonical::CanonicalTarget;
use super::cost::Costing;
use super::declared_tenant::declared_elsewhere;
use super::extract::{Found, Source};
use super::generation::Generation;
use super::inquiry::Stage;
use super::later::Reporting;
use super::limits::asks_for_stream;
use super::llm::Published;
use super::mcp::McpRequest;
use super::models::Asking;
use super::ownership::{self, Held};
use super::rewrite::{Rewritten, query_without_identity, rewrite};
use super::trail::Trail;
use super::{Call, Gate, PeerFacts, declared_tenant, rpc};
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal};
use crate::identity::Principal;
use crate::identity::webhook::{VerifiedDelivery, Webhook};
use crate::inspect::json_rpc;
use crate::ownership::Registry;
use crate::policy::{
    ErrorShape, PathAllowances, PolicySnapshot, RouteMatch, RoutePolicy, SharedMemoryWrite,
    TenantLimits, UpstreamAuthorization, authorize, may_write_shared_memory, tenant_status,
};

/// What a call of [`Gate::admit`] came to, short of a refusal.
#[derive(Debug)]
pub enum Step {
    /// The request may pass.
    Admitted(Arc<Admission>),
    /// The decision needs the body: read up to `limit` bytes and call again with it.
    NeedsBody {
        /// Largest body, in bytes.
        limit: u64,
    },
    /// The gate has the answer itself: a JSON document.
    Published(Published),
    /// The request names what does not exist for this caller: it gets the backend's words for that.
    Absent(Absence),
}

impl Gate {
    /// Decides about one request, by one policy generation.
    ///
    /// Called a second time with the body where the first answer was [`Step::NeedsBody`]; the steps
    /// before run again and come out the same.
    ///
    /// # Errors
    /// Why the request is refused. The trail keeps what was found until then.
    pub async fn admit(
        &self,
        generation: &Arc<Generation>,
        call: &Call<'_>,
        peer: &PeerFacts,
        body: Option<&[u8]>,
        trail: &mut Trail,
    ) -> Result<Step, Refusal> {
        let mut delivery = None;
        let step = self
            .judge(generation, call, peer, body, trail, &mut delivery)
            .await;
        if let (Err(_), Some((hook, verified))) = (&step, &delivery) {
            // It was marked as taken when it was verified; what is refused after that was not.
            hook.release(verified, self.replays());
        }
        if let (Some(route), Some(body), None) = (&trail.route, body, &trail.rpc_id)
            && route.errors == ErrorShape::JsonRpc
        {
            trail.rpc_id = json_rpc::id_of(body);
        }
        step.map_err(|refusal| Self::advise(refusal, trail.route.as_ref()))
    }

    async fn judge<'generation>(
        &self,
        generation: &'generation Arc<Generation>,
        call: &Call<'_>,
        peer: &PeerFacts,
        body: Option<&[u8]>,
        trail: &mut Trail,
        delivery: &mut Option<(&'generation Webhook, VerifiedDelivery)>,
    ) -> Result<Step, Refusal> {
        let snapshot = generation.snapshot();
        trail.revision = Some(snapshot.revision.clone());
        trail.reaches(Stage::Target);
        self.audit_ready()?;
        self.known_host(call.host)?;
        let target = CanonicalTarget::parse(call.target)
            .map_err(|fault| Denial::because(DenialCode::RequestRejected, fault.to_string()))?;

        trail.reaches(Stage::Route);
        if *call.method == Method::GET
            && let Some(document) = snapshot.resource_metadata(target.path())
        {
            trail.admitted = true;
            return Ok(Step::Published(Published {
                body: Arc::clone(document),
                etag: None,
            }));
        }
        let matched = snapshot.router.route(call.method, target.path());
        // Only where no route has the path: a backend's own page stays the backend's.
        if matches!(matched, RouteMatch::NotFound)
            && let Some(page) = snapshot.settings_page(target.path())
        {
            return Box::pin(
                self.settings_page(generation, page, call, &target, peer, body, trail),
            )
            .await;
        }
        let (route, siblings, params) = match matched {
            RouteMatch::Found {
                route,
                siblings,
                params,
            } => (route, siblings, params),
            // An ambiguous path is refused as such where no route took it as it stands.
            RouteMatch::MethodNotAllowed { .. } | RouteMatch::NotFound
                if target.permitted_by(&PathAllowances::default()).is_err() =>
            {
                return Err(
                    Denial::because(DenialCode::RequestRejected, "the path is ambiguous").into(),
                );
            }
            RouteMatch::MethodNotAllowed { allow } => {
                let denial = Denial {
                    allow: Some(Arc::clone(allow)),
                    ..Denial::new(DenialCode::MethodNotAllowed)
                };
                return Err(denial.into());
            }
            RouteMatch::NotFound => return Err(DenialCode::NotFound.into()),
        };
        trail.route = Some(Arc::clone(route));
        target
            .permitted_by(&route.path_allows)
            .map_err(|fault| Denial::because(DenialCode::RequestRejected, fault.to_string()))?;
        let upgrade = asks_for_upgrade(call.headers);
        if upgrade && route.reads_answer() {
            return Err(
                Denial::because(DenialCode::RequestRejected, "the route takes no upgrade").into(),
            );
        }

        let hardened = self.hardened(snapshot);
        let public = route.public && (route.health || !hardened);
        if public {
            trail.reaches(Stage::Backend);
            return Ok(Step::Admitted(Arc::new(Admission {
                generation: Arc::clone(generation),
                route: Arc::clone(route),
                principal: None,
                rewritten: Rewritten {
                    target: query_without_identity(&target, None, route),
                    ..Rewritten::default()
                },
                authorization: AuthorizationOut::Strip,
                body_limit: body_limit(route, snapshot.defaults),
                upgrade,
                delivery: None,
                resources: Vec::new(),
                mcp: None,
                deletes: false,
                sent: AtomicBool::new(false),
                began: OnceLock::new(),
            })))
            .inspect(|_| trail.admitted = true);
        }

        let limit_before = body_limit(route, snapshot.defaults);
        trail.reaches(Stage::Authenticate);
        let principal = match self
            .caller(generation, route, call, &target, peer, body, trail)
            .await?
        {
            Caller::Known(principal) => principal,
            Caller::Delivers(hook, verified) => {
                let principal = Arc::new(verified.principal.clone());
                *delivery = Some((hook, verified));
                principal
            }
            Caller::InBody => {
                return Ok(Step::NeedsBody {
                    limit: limit_before,
                });
            }
        };
        trail.principal = Some(Arc::clone(&principal));

        trail.reaches(Stage::Tenant);
        tenant_status(snapshot, principal.tenant())?;
        let limits = snapshot.limits(principal.tenant());
        let limit = body_limit(route, limits);
        let source = Source {
            call,
            target: &target,
            params: &params,
            body,
            claims: principal.claims(),
        };
        let route = match rpc::among(route, siblings, &source)? {
            Some(route) => route,
            None => return Ok(Step::NeedsBody { limit }),
        };
        trail.route = Some(Arc::clone(route));
        let wants_body = route.needs_request_body() || (route.mcp && *call.method == Method::POST);
        let declared = declared_elsewhere(route, &source, trail)?;
        let other = declared
            .values
            .iter()
            .find(|value| **value != principal.tenant().as_str());
        trail.declared_tenant = other.map(|value| value.to_string());
        declared_tenant::agree(
            principal.tenant(),
            call.method,
            declared.values.iter().map(|value| &**value),
            hardened,
            declared.header_present,
            &snapshot.tenancy.grammar,
        )?;

        trail.reaches(Stage::Authorize);
        let outcome = authorize(snapshot, route, &principal, call.method);
        trail.rule = outcome.rule;
        trail.would_deny = outcome.would_deny;
        outcome.decision?;
        trail.reaches(Stage::Limits);
        let needs_body = wants_body && body.is_none();
        // A refusal in JSON-RPC goes by the id of the call, which stands in the body.
        if !(needs_body && route.errors == ErrorShape::JsonRpc) {
            let stream = asks_for_stream(call.headers, upgrade);
            self.enter(snapshot, &principal, stream, trail)?;
        }
        if needs_body {
            return Ok(Step::NeedsBody { limit });
        }
        trail.reaches(Stage::Body);
        held_to_shared_memory(snapshot, route, &principal, &source)?;
        if upgrade && !route.websocket {
            return Err(
                Denial::because(DenialCode::RequestRejected, "the route takes no upgrade").into(),
            );
        }
        if call.content_length().is_some_and(|length| length > limit) {
            let detail = format!("the limit is {limit} bytes");
            return Err(Denial::because(DenialCode::BodyTooLarge, detail).into());
        }

        let mcp = route.mcp.then(|| McpRequest {
            snapshot,
            route,
            principal: &principal,
            call,
            standing: outcome.standing,
        });
        trail.reaches(Stage::Tools);
        let tasks = match &mcp {
            Some(request) => {
                let origin = request.ambient_origin();
                if origin.is_some_and(|origin| !self.known_origin(origin)) {
                    let detail = "the Origin is not served here";
                    return Err(Denial::because(DenialCode::Forbidden, detail).into());
                }
                request.decide(body, trail)?
            }
            None => Vec::new(),
        };
        let mcp = mcp.map(|request| request.admitted());

        trail.reaches(Stage::Rewrite);
        let authorization = self.authorization_out(route, &principal)?;
        // Before anything is claimed: a request that can't be rewritten leaves nothing behind.
        let mut rewritten = rewrite(route, &principal, &source)?;
        let asking = Asking {
            generation,
            route,
            principal: &principal,
            standing: outcome.standing,
            source,
        };
        trail.reaches(Stage::Models);
        let models = self.hold_models(&asking, &mut rewritten, trail)?;
        trail.reaches(Stage::Ownership);
        let held = match route.names_resources() {
            // Boxed, because most requests name nothing, and the future of every one would carry it.
            true => {
                let registry: &Registry = self.registry();
                let inquiry = trail.inquiry.as_deref_mut();
                let asked = (registry, inquiry);
                Box::pin(ownership::hold(asked, route, &principal, source, tasks)).await?
            }
            false => Held::All(Vec::new()),
        };
        let (resources, denied) = match held {
            Held::All(resources) => (resources, Vec::new()),
            Held::Not(denied) => (Vec::new(), denied),
        };
        trail.resource = resources.first().or(denied.first()).cloned();
        trail.reaches(Stage::Cost);
        if route.cost.is_some() {
            let costing = Costing {
                generation,
                route,
                principal: &principal,
                source,
                models: &models,
                rewritten: rewritten.body.as_ref(),
                resources: &resources,
                denied: &denied,
            };
            if let Some(costed) = self.hold_cost(&costing, trail)? {
                if let Some(body) = costed.body {
                    rewritten.body = Some(body);
                }
                trail.spending = costed.spending.map(Box::new);
                if costed.streams {
                    self.open_stream(trail)?;
                }
            }
            if denied.is_empty() {
                let reporting = Reporting::of(route, principal.tenant(), &resources);
                trail.reporting = reporting.map(Box::new);
            }
        }
        let admission = Arc::new(Admission {
            generation: Arc::clone(generation),
            route: Arc::clone(route),
            rewritten,
            principal: Some(principal),
            authorization,
            body_limit: limit,
            upgrade,
            delivery: delivery.take().map(|(_, verified)| verified),
            resources,
            mcp,
            deletes: route.releases(call.method),
            sent: AtomicBool::new(false),
            began: OnceLock::new(),
        });
        if denied.is_empty() {
            trail.admitted = true;
            trail.reaches(Stage::Backend);
            Ok(Step::Admitted(admission))
        } else {
            Ok(Step::Absent(Absence { admission, denied }))
        }
    }

    pub(super) fn authorization_out(
        &self,
        route: &RoutePolicy,
        principal: &Principal,
    ) -> Result<AuthorizationOut, Refusal> {
        match &route.upstream.authorization {
            UpstreamAuthorization::Forward => Ok(AuthorizationOut::Forward),
            UpstreamAuthorization::Strip => Ok(AuthorizationOut::Strip),
            UpstreamAuthorization::Handle(handle) => {
                let credential =
                    self.handles()
                        .bearer(handle, principal.tenant())
                        .map_err(|error| {
                            Failure::logged(
                                FailureCode::StateUnavailable,
                                format!("credential handle: {error}"),
                            )
                        })?;
                Ok(AuthorizationOut::Replace(credential))
            }
        }
    }
}

/// Asks for the role to write shared memory where the request may be about some, which only it says.
fn held_to_shared_memory(
    snapshot: &PolicySnapshot,
    route: &RoutePolicy,
    principal: &Principal,
    source: &Source<'_, '_>,
) -> Result<(), Denial> {
    let SharedMemoryWrite::Unless { places, own } = &route.shared_memory_write else {
        return Ok(());
    };
    for place in places {
        for value in source.values(place)? {
            match value {
                Found::Null => {}
                Found::Text(text) if *text == **own => {}
                Found::Text(_) | Found::Container | Found::Other => {
                    return may_write_shared_memory(snapshot, principal);
                }
            }
        }
    }
    Ok(())
}

/// Whether a body comes under a content coding, named in any of its fields.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn body_limit(route: &RoutePolicy, limits: TenantLimits) -> u64 {
    let tenant = limits.body_bytes().unwrap_or(DEFAULT_BODY_BYTES);
    route.body_bytes.map_or(tenant, |route| route.min(tenant))
}

/// Largest request body where no file says otherwise: 10 MiB.
const DEFAULT_BODY_BYTES: u64 = 10 * 1024 * 1024;

pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_coding_in_any_field_counts() {
        let mut headers = HeaderMap::new();
        assert!(!is_coded(&headers));
        headers.append(
            header::CONTENT_ENCODING,
            HeaderValue::from_static("Identity"),
        );
        assert!(!is_coded(&headers), "the name of no coding, in any case");
        headers.append(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(is_coded(&headers));
    }
}

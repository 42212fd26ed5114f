//! The request as the backend gets it, and the answer as the client gets it.
//!
//! Identity headers are set here and nowhere earlier: pingora removes what the caller's
//! `Connection` header names before this runs, so a caller can't have them removed.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::identity::PrincipalKind;
use crate::pipeline::identity_headers::{self, PeerTrust};
use crate::pipeline::trace_context::Trace;
use crate::pipeline::{Admission, AuthorizationOut, Trail};

const X_FABRIC_TENANT: HeaderName = HeaderName::from_static("x-fabric-tenant");
const X_FABRIC_USER: HeaderName = HeaderName::from_static("x-fabric-user");
const X_FABRIC_ROLES: HeaderName = HeaderName::from_static("x-fabric-roles");
const X_FABRIC_DELEGATION: HeaderName = HeaderName::from_static("x-fabric-delegation");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Makes the request what the backend may see: nothing the caller said about who it is, and exactly
/// one of each identity header the gate says.
///
/// # Errors
/// A value is no header value; grammars upstream of this rule that out.
pub(super) fn prepare(
    request: &mut RequestHeader,
    admission: &Admission,
    trail: &Trail,
    host: Option<&HeaderValue>,
) -> pingora::Result<()> {
    strip(request, admission);
    if let Some(principal) = admission.principal() {
        request.insert_header(X_FABRIC_TENANT, principal.tenant().as_str())?;
        request.insert_header(X_FABRIC_USER, principal.user().as_str())?;
        request.insert_header(X_FABRIC_ROLES, principal.roles().join(","))?;
        request.insert_header(X_FABRIC_DELEGATION, principal.delegation().actors.join(","))?;
        if principal.kind() == PrincipalKind::Machine {
            for headers in admission.machine_headers() {
                request.insert_header(headers.tenant.clone(), principal.tenant().as_str())?;
                request.insert_header(headers.user.clone(), principal.user().as_str())?;
            }
        }
    }
    match admission.authorization() {
        AuthorizationOut::Forward => {}
        AuthorizationOut::Strip => {
            request.remove_header(&header::AUTHORIZATION);
            request.remove_header(&X_API_KEY);
        }
        AuthorizationOut::Replace(credential) => {
            request.remove_header(&X_API_KEY);
            request.insert_header(header::AUTHORIZATION, credential.clone())?;
        }
    }
    request.insert_header(X_REQUEST_ID, trail.request_id().header_value())?;
    if let Some(trace) = trail.trace() {
        request.insert_header(TRACEPARENT, trace.header_value())?;
        if trace.origin == Trace::Begun {
            // What other systems say of a trace that was not continued belongs to no trace.
            request.remove_header("tracestate");
        }
    }
    if let Some(target) = admission.target() {
        request.set_raw_path(target.as_bytes())?;
    } else if request.uri.authority().is_some() || !request.raw_path().starts_with(b"/") {
        // Absolute-form and HTTP/2 targets name the gate's own authority; the backend gets a path.
        // pingora keeps an HTTP/1 target verbatim beside a URI that has its path only.
        let origin = request
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        request.set_raw_path(origin.as_bytes())?;
    }
    if let Some(host) = host {
        request.insert_header(header::HOST, host.clone())?;
    }
    Ok(())
}

/// Removes every header by which a caller could claim an identity, a route or another method.
fn strip(request: &mut RequestHeader, admission: &Admission) {
    let names = admission.identity_header_names();
    let remove: Vec<HeaderName> =
        identity_headers::to_remove(&request.headers, names, PeerTrust::Untrusted)
            .cloned()
            .collect();
    for name in &remove {
        request.remove_header(name);
    }
}

/// Makes the answer what the client may see.
///
/// # Errors
/// As [`prepare`].
pub(super) fn clean_answer(answer: &mut ResponseHeader, trail: &Trail) -> pingora::Result<()> {
    drop_claims(answer);
    answer.insert_header(X_REQUEST_ID, trail.request_id().header_value())
}

/// Removes what an interim answer (1xx) says under the gate's own names.
pub(super) fn drop_claims(answer: &mut ResponseHeader) {
    for name in &claims_among(&answer.headers) {
        answer.remove_header(name);
    }
}

/// Removes what the trailers of an answer say under the gate's own names.
pub(super) fn drop_trailer_claims(trailers: &mut HeaderMap) {
    for name in &claims_among(trailers) {
        trailers.remove(name);
    }
}

fn claims_among(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .keys()
        .filter(|name| identity_headers::is_reserved_in_answers(name))
        .cloned()
        .collect()
}

//! The request as the backend gets it, and the answer as the client gets it.
//!
//! Identity headers are set here and nowhere earlier: pingora removes what the caller's
//! `Connection` header names before this runs, so a caller can't have them removed.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};

use super::hop;
use crate::identity::PrincipalKind;
use crate::inspect::coding;
use crate::pipeline::identity_headers::{self, Fate};
use crate::pipeline::trace_context::Trace;
use crate::pipeline::{Admission, AuthorizationOut, Trail, shared_caches};
use crate::policy::CostPolicy;

const X_FABRIC_TENANT: HeaderName = HeaderName::from_static("x-fabric-tenant");
const X_FABRIC_USER: HeaderName = HeaderName::from_static("x-fabric-user");
const X_FABRIC_ROLES: HeaderName = HeaderName::from_static("x-fabric-roles");
const X_FABRIC_DELEGATION: HeaderName = HeaderName::from_static("x-fabric-delegation");
const X_FABRIC_ASSERTION: HeaderName = HeaderName::from_static("x-fabric-assertion");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Makes a request of pingora's proxy loop what the backend may see: nothing the caller said about
/// who it is, and exactly one of each identity header the gate says.
///
/// # Errors
/// A value is no header value; grammars upstream of this rule that out.
pub(super) fn prepare(
    request: &mut RequestHeader,
    admission: &Admission,
    trail: &Trail,
    host: Option<&HeaderValue>,
) -> pingora::Result<()> {
    let dropped: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| !passes(name, admission, trail))
        .cloned()
        .collect();
    for name in &dropped {
        request.remove_header(name);
    }
    for (name, value) in said(admission, trail, host)? {
        request.insert_header(name, value)?;
    }
    for (name, value) in admission.header_changes().fields() {
        request.append_header(name.clone(), value.clone())?;
    }
    // A caller of HTTP/2 names its host here only, and the target is about to be replaced.
    let asked_for = request
        .uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    // Absolute-form and HTTP/2 targets name the gate's own authority; the backend gets a path.
    // pingora keeps an HTTP/1 target verbatim beside a URI that has its path only.
    let not_origin_form =
        request.uri.authority().is_some() || !request.raw_path().starts_with(b"/");
    let stripped = admission.route().upstream.strip_prefix.is_some();
    if admission.target().is_some() || not_origin_form || stripped {
        let came = request
            .uri
            .path_and_query()
            .map_or("/", PathAndQuery::as_str);
        let origin = outbound(admission, admission.target().unwrap_or(came))?.to_owned();
        request.set_raw_path(origin.as_bytes())?;
    }
    if let (None, Some(asked_for)) = (host, asked_for) {
        request.insert_header(header::HOST, asked_for)?;
    }
    Ok(())
}

/// The same request for the gate's own exchange, made anew: what passes is copied, what the gate
/// says is added. Connection fields are left out as well.
///
/// Field names go out in lower case, as HTTP/2 has them: keeping the caller's spelling beside the
/// map of fields costs more than all of the gate's checks on a head.
///
/// # Errors
/// As [`prepare`], and a target that is no URI.
pub(super) fn compose(
    from: &RequestHeader,
    admission: &Admission,
    trail: &Trail,
    host: Option<&HeaderValue>,
) -> pingora::Result<Parts> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = from.method.clone();
    let came = from.uri.path_and_query();
    let target = match admission.target() {
        None if admission.route().upstream.strip_prefix.is_none() => {
            came.cloned().unwrap_or(PathAndQuery::from_static("/"))
        }
        changed => {
            let target = changed.unwrap_or_else(|| came.map_or("/", PathAndQuery::as_str));
            path_and_query(outbound(admission, target)?)?
        }
    };
    parts.uri = Uri::from(target);
    parts.headers.reserve(from.headers.len() + MOST_SAID);
    let nominated = hop::nominated(&from.headers);
    for (name, value) in &from.headers {
        if passes(name, admission, trail)
            && !hop::is_connection_field(name)
            && !nominated.contains(name)
        {
            parts.headers.append(name.clone(), value.clone());
        }
    }
    for (name, value) in said(admission, trail, host)? {
        parts.headers.insert(name, value);
    }
    // An answer that can't be read is charged what was held, which may be less than it cost.
    let cost = admission.route().cost.as_ref();
    if cost.is_some_and(CostPolicy::is_metered) && coding::takes_unknown(&parts.headers) {
        let identity = HeaderValue::from_static("identity");
        parts.headers.insert(header::ACCEPT_ENCODING, identity);
    }
    for (name, value) in admission.header_changes().fields() {
        parts.headers.append(name.clone(), value.clone());
    }
    Ok(parts)
}

/// Path and query for the backend, of those that the gate's routes have.
///
/// # Errors
/// The path is none of the upstream's, which routing rules out.
pub(super) fn outbound<'target>(
    admission: &Admission,
    target: &'target str,
) -> pingora::Result<&'target str> {
    let upstream = &admission.route().upstream;
    let outside = || Error::explain(ErrorType::InternalError, "the path is not the upstream's");
    upstream.outbound(target).ok_or_else(outside)
}

fn path_and_query(target: &str) -> pingora::Result<PathAndQuery> {
    PathAndQuery::try_from(target)
        .map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "the target is no path"))
}

/// Fields that hold a digest of the body (RFC 9530, and what it replaced).
const BODY_DIGESTS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

/// Most fields the gate adds to an ordinary request.
const MOST_SAID: usize = 11;

/// Whether a field the caller sent goes on: it claims no identity, no route, no other method, and is
/// no credential that ends here.
fn passes(name: &HeaderName, admission: &Admission, trail: &Trail) -> bool {
    match identity_headers::fate(name, admission.identity_header_names()) {
        Fate::Forward => {}
        Fate::Identity | Fate::ForwardingClaim | Fate::Override | Fate::HopByHop => return false,
    }
    if !admission.may_ask_with(trail.method(), name) {
        return false;
    }
    if admission.header_changes().removes(name) {
        return false;
    }
    // What is said of the bytes that came is not true of others.
    if admission.body().is_some() && BODY_DIGESTS.contains(&name.as_str()) {
        return false;
    }
    if *name == header::AUTHORIZATION || *name == X_API_KEY {
        return match admission.authorization() {
            AuthorizationOut::Forward => true,
            AuthorizationOut::Strip | AuthorizationOut::Replace(_) => false,
        };
    }
    // What other systems say of a trace that was not continued belongs to no trace.
    *name != "tracestate"
        || trail
            .trace()
            .is_some_and(|trace| trace.origin == Trace::Continued)
}

/// What the gate says to the backend: one of each.
fn said(
    admission: &Admission,
    trail: &Trail,
    host: Option<&HeaderValue>,
) -> pingora::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut fields = Vec::with_capacity(MOST_SAID);
    if let Some(principal) = admission.principal() {
        let tenant = value(principal.tenant().as_str().to_owned())?;
        let user = value(principal.user().as_str().to_owned())?;
        if principal.kind() == PrincipalKind::Machine {
            for headers in admission.machine_headers() {
                fields.push((headers.tenant.clone(), tenant.clone()));
                fields.push((headers.user.clone(), user.clone()));
            }
        }
        fields.push((X_FABRIC_TENANT, tenant));
        fields.push((X_FABRIC_USER, user));
        fields.push((X_FABRIC_ROLES, value(principal.roles().join(","))?));
        let chain = principal.delegation().actors.join(",");
        fields.push((X_FABRIC_DELEGATION, value(chain)?));
    }
    let assertion = admission
        .assertion()
        .map_err(|error| Error::because(ErrorType::InternalError, "the assertion", error))?;
    if let Some(assertion) = assertion {
        fields.push((X_FABRIC_ASSERTION, assertion));
    }
    if let AuthorizationOut::Replace(credential) = admission.authorization() {
        fields.push((header::AUTHORIZATION, credential.clone()));
    }
    fields.push((X_REQUEST_ID, trail.request_id().header_value()));
    if let Some(trace) = trail.trace() {
        fields.push((TRACEPARENT, trace.header_value()));
    }
    let route = admission.route();
    let reports = route.cost.as_ref().is_some_and(|cost| !cost.charges());
    let judged = route.needs_response_body() || route.mcp || trail.hides_usage() || reports;
    if judged || !admission.restoration().is_empty() {
        // An answer that is judged has to be readable.
        fields.push((
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        ));
    }
    if let Some(host) = host {
        fields.push((header::HOST, host.clone()));
    }
    Ok(fields)
}

fn value(text: String) -> pingora::Result<HeaderValue> {
    HeaderValue::try_from(text)
        .map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "no header value"))
}

/// Makes an answer of pingora's proxy loop what the client may see: the same as from the gate's own
/// exchange, in the spelling of names, the reason phrase and the order of fields too. Whoever could
/// tell the two ways apart could tell what was answered without asking the backend.
///
/// # Errors
/// As [`prepare`].
pub(super) fn clean_answer(answer: &mut ResponseHeader, trail: &Trail) -> pingora::Result<()> {
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        drop_claims(answer);
        return answer.insert_header(X_REQUEST_ID, trail.request_id().header_value());
    }
    let framing = answer.headers.get(header::TRANSFER_ENCODING).cloned();
    *answer = answer_of(answer, trail);
    match framing {
        Some(framing) => answer.insert_header(header::TRANSFER_ENCODING, framing),
        None => Ok(()),
    }
}

/// Whether it is an answer to somebody, which no shared cache may keep for others.
fn is_callers_own(status: StatusCode, trail: &Trail) -> bool {
    trail.principal().is_some() && !status.is_informational()
}

/// The same for the gate's own exchange: a copy of the backend's answer without what was meant for
/// the gate only, its protocol version included.
pub(super) fn answer_of(answer: &ResponseHeader, trail: &Trail) -> ResponseHeader {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = answer.status;
    parts.headers.reserve(answer.headers.len() + 5);
    let callers_own = is_callers_own(answer.status, trail);
    let nominated = hop::nominated(&answer.headers);
    for (name, value) in &answer.headers {
        let to_shared_caches = callers_own && shared_caches::is_targeted(name);
        if !to_shared_caches
            && !identity_headers::is_reserved_in_answers(name)
            && !hop::is_connection_field(name)
            && !nominated.contains(name)
            && *name != X_REQUEST_ID
        {
            parts.headers.append(name.clone(), value.clone());
        }
    }
    if callers_own {
        let private = shared_caches::private(&answer.headers);
        parts.headers.insert(header::CACHE_CONTROL, private);
    }
    parts
        .headers
        .insert(X_REQUEST_ID, trail.request_id().header_value());
    // Beside what the backend says of limits of its own: whoever takes those away promises more than
    // it gives (draft-ietf-httpapi-ratelimit-headers-11 section 7.2).
    for (name, value) in trail.limit_fields() {
        parts.headers.append(name, value);
    }
    ResponseHeader::from(parts)
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

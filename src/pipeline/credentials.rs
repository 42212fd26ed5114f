//! Which credential a request presents: exactly one, or none.
//!
//! The kind is told from where a credential stands and what it looks like, never by trying one
//! check after another: a token that fails is not looked up as a key.

use http::{HeaderMap, header};
use std::borrow::Cow;

use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::inspect::query;
use crate::policy::{CredentialPlace, RoutePolicy};

/// The credential of a request.
#[derive(Debug)]
pub(super) enum Presented<'request> {
    /// None at all.
    Nothing,
    /// A compact JWT.
    Token(Cow<'request, str>),
    /// An API key.
    ApiKey(Cow<'request, str>),
    /// A verified client certificate that stands for somebody.
    Certificate(Box<Principal>),
}

const X_API_KEY: &str = "x-api-key";

/// Finds the one credential.
///
/// `certificate` is whom the client certificate stands for: one that stands for nobody is part of
/// the transport only.
///
/// # Errors
/// `request_rejected` for two of them; `token_invalid` for one that is malformed;
/// `credentials_missing` for one in a place that the route does not take.
pub(super) fn present<'request>(
    route: &RoutePolicy,
    headers: &'request HeaderMap,
    query: Option<&'request str>,
    certificate: Option<Principal>,
) -> Result<Presented<'request>, Refusal> {
    let mut found = Presented::Nothing;
    if let Some(value) = single(headers, header::AUTHORIZATION.as_str())? {
        take(&mut found, bearer(route, value)?)?;
    }
    if let Some(value) = single(headers, X_API_KEY)? {
        require(route, &CredentialPlace::ApiKeyHeader, "X-Api-Key")?;
        take(&mut found, Presented::ApiKey(Cow::Borrowed(value)))?;
    }
    for place in &route.credentials {
        if let (CredentialPlace::Query(name), Some(query)) = (place, query) {
            let mut values = query::values_of(query, name);
            if let Some(value) = values.next() {
                take(&mut found, by_shape(value))?;
            }
            if values.next().is_some() {
                return Err(two_credentials());
            }
        }
    }
    if let Some(principal) = certificate {
        require(
            route,
            &CredentialPlace::ClientCertificate,
            "a client certificate",
        )?;
        take(&mut found, Presented::Certificate(Box::new(principal)))?;
    }
    Ok(found)
}

/// Whether a request carries any credential in a header; a signed delivery must not.
pub(super) fn any_in_headers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(X_API_KEY)
}

/// The refusal of a request that presents more than one credential.
pub(super) fn two_credentials() -> Refusal {
    Denial::because(
        DenialCode::RequestRejected,
        "the request carries more than one credential",
    )
    .into()
}

/// Reads `Authorization: Bearer …` (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
fn bearer<'request>(
    route: &RoutePolicy,
    value: &'request str,
) -> Result<Presented<'request>, Refusal> {
    require(route, &CredentialPlace::Bearer, "Authorization")?;
    let Some((scheme, token)) = value.split_once(' ') else {
        return Err(malformed("Authorization has to be `Bearer` and one token"));
    };
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed("the Authorization scheme has to be Bearer"));
    }
    if token.is_empty() || memchr::memchr2(b' ', b',', token.as_bytes()).is_some() {
        return Err(malformed("Authorization has to be `Bearer` and one token"));
    }
    Ok(by_shape(Cow::Borrowed(token)))
}

/// A JWT has dots, an API key of the gate has none: SDKs send either as a bearer.
fn by_shape(credential: Cow<'_, str>) -> Presented<'_> {
    if memchr::memchr(b'.', credential.as_bytes()).is_some() {
        Presented::Token(credential)
    } else {
        Presented::ApiKey(credential)
    }
}

fn take<'request>(
    found: &mut Presented<'request>,
    next: Presented<'request>,
) -> Result<(), Refusal> {
    match found {
        Presented::Nothing => {
            *found = next;
            Ok(())
        }
        Presented::Token(_) | Presented::ApiKey(_) | Presented::Certificate(_) => {
            Err(two_credentials())
        }
    }
}

fn require(route: &RoutePolicy, place: &CredentialPlace, name: &str) -> Result<(), Refusal> {
    if route.credentials.contains(place) {
        return Ok(());
    }
    let detail = format!("the route takes no credential from {name}");
    Err(Denial::because(DenialCode::CredentialsMissing, detail).into())
}

fn single<'request>(
    headers: &'request HeaderMap,
    name: &str,
) -> Result<Option<&'request str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(two_credentials());
    }
    // Field values hold no control bytes, so ASCII is visible ASCII.
    let bytes = value.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Ok(Some(text)),
        Ok(_) | Err(_) => Err(malformed("the credential is not visible ASCII")),
    }
}

fn malformed(detail: &'static str) -> Refusal {
    Denial::because(DenialCode::TokenInvalid, detail).into()
}

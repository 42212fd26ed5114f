//! What ends at each hop: connection fields, versions, framing.
//!
//! pingora's proxy loop does this for the requests it carries; the gate's own exchange does it here.

use std::collections::HashSet;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri, Version};
use pingora::http::RequestHeader;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

/// Whether a field concerns one connection only, whoever names it (RFC 9110 section 7.6.1).
pub(super) fn is_connection_field(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::TE
        || *name == header::TRAILER
        || *name == header::UPGRADE
        || *name == header::PROXY_AUTHENTICATE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a `Connection` field names goes no further.
///
/// INVARIANT: this is asked about what a peer sent, never about what the gate says, so that a caller
/// who names an identity header removes only its own.
pub(super) fn nominated(headers: &HeaderMap) -> HashSet<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
        .collect()
}

/// Makes the request one of the backend's HTTP version, framed for its body: the length is known,
/// whatever coding the client used. `came_to` is the authority the client asked for, which stands
/// where the backend has none of its own.
///
/// # Errors
/// The request names no authority, which HTTP/2 asks for.
pub(super) fn frame_request(
    mut parts: Parts,
    came_to: Option<&Authority>,
    peer: &HttpPeer,
    body: Option<&Bytes>,
) -> pingora::Result<RequestHeader> {
    // The gate has answered the expectation; it has the body.
    parts.headers.remove(header::EXPECT);
    // `Content-Length: 0` of a POST without content stays: some backends insist on it.
    if let Some(body) = body {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    if peer.options.alpn == ALPN::H2 {
        let host = parts.headers.remove(header::HOST);
        parts.version = Version::HTTP_2;
        parts.uri =
            absolute(parts.uri, host.as_ref(), came_to, peer.is_tls()).ok_or_else(|| {
                Error::explain(
                    ErrorType::InvalidHTTPHeader,
                    "the request names no authority",
                )
            })?;
    } else {
        parts.version = Version::HTTP_11;
        if let (false, Some(authority)) = (parts.headers.contains_key(header::HOST), came_to)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(header::HOST, host);
        }
    }
    Ok(RequestHeader::from(parts))
}

fn absolute(
    target: Uri,
    host: Option<&HeaderValue>,
    came_to: Option<&Authority>,
    tls: bool,
) -> Option<Uri> {
    let authority = match host {
        Some(host) => Authority::try_from(host.as_bytes()).ok()?,
        None => came_to?.clone(),
    };
    let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(target.into_parts().path_and_query?)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_connection_names_in_any_of_its_fields_is_nominated() {
        let sent = headers(&[("connection", "close, X-Trick"), ("connection", "x-other")]);
        let named = ["close", "x-trick", "x-other"].map(HeaderName::from_static);
        assert_eq!(nominated(&sent), HashSet::from(named));
    }

    #[test]
    fn host_and_length_cannot_be_nominated_away() {
        assert!(nominated(&headers(&[("connection", "host, content-length")])).is_empty());
    }

    #[test]
    fn every_field_of_one_connection_is_told_from_the_rest() {
        for name in [
            "te",
            "keep-alive",
            "upgrade",
            "proxy-connection",
            "transfer-encoding",
        ] {
            assert!(
                is_connection_field(&HeaderName::from_static(name)),
                "{name}"
            );
        }
        for name in ["x-kept", "host", "content-length", "accept"] {
            assert!(
                !is_connection_field(&HeaderName::from_static(name)),
                "{name}"
            );
        }
    }
}

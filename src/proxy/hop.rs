//! What ends at each hop: connection fields, versions, framing.
//!
//! pingora's proxy loop does this for the requests it carries; the gate's own exchange does it here.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

/// Fields that concern one connection only (RFC 9110 section 7.6.1), whoever names them.
const CONNECTION_FIELDS: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What a `Connection` field says goes no further.
///
/// INVARIANT: this runs before identity headers are set, so that a caller who names one of them
/// removes only what it sent itself.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
        .collect()
}

/// Removes from a request what the client meant for the gate only.
pub(super) fn strip_request(request: &mut RequestHeader) {
    for name in nominated(&request.headers).iter().chain(&CONNECTION_FIELDS) {
        request.remove_header(name);
    }
}

/// Removes from an answer what the backend meant for the gate only, its protocol version included:
/// pingora can't write the head of an HTTP/2 answer to an HTTP/1 client.
pub(super) fn strip_answer(answer: &mut ResponseHeader) {
    answer.set_version(Version::HTTP_11);
    for name in nominated(&answer.headers).iter().chain(&CONNECTION_FIELDS) {
        answer.remove_header(name);
    }
}

/// Makes the request one of the backend's HTTP version, framed for its body: the length is known,
/// whatever coding the client used.
///
/// # Errors
/// The request names no authority, which HTTP/2 asks for.
pub(super) fn frame_request(
    request: &mut RequestHeader,
    peer: &HttpPeer,
    body: Option<&Bytes>,
) -> pingora::Result<()> {
    // The gate has answered the expectation; it has the body.
    request.remove_header(&header::EXPECT);
    // `Content-Length: 0` of a POST without content stays: some backends insist on it.
    if let Some(body) = body {
        request.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    let authority = request
        .headers
        .get(header::HOST)
        .cloned()
        .or_else(|| authority_of(request));
    if peer.options.alpn == ALPN::H2 {
        request.remove_header(&header::HOST);
        request.set_version(Version::HTTP_2);
        let uri = absolute(request, authority.as_ref(), peer.is_tls()).ok_or_else(|| {
            Error::explain(
                ErrorType::InvalidHTTPHeader,
                "the request names no authority",
            )
        })?;
        request.set_uri(uri);
    } else {
        if let Some(authority) = authority {
            request.insert_header(header::HOST, authority)?;
        }
        request.set_version(Version::HTTP_11);
    }
    Ok(())
}

fn authority_of(request: &RequestHeader) -> Option<HeaderValue> {
    HeaderValue::from_str(request.uri.authority()?.as_str()).ok()
}

fn absolute(request: &RequestHeader, authority: Option<&HeaderValue>, tls: bool) -> Option<Uri> {
    let authority = Authority::try_from(authority?.as_bytes()).ok()?;
    let target = request.uri.path_and_query()?.clone();
    let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(target)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_goes_no_further() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in [
            ("Connection", "close, X-Trick"),
            ("Connection", "x-other"),
            ("X-Trick", "1"),
            ("X-Other", "1"),
            ("TE", "trailers"),
            ("Keep-Alive", "9"),
            ("X-Kept", "1"),
            ("Host", "a"),
        ] {
            request.append_header(name, value).unwrap();
        }
        strip_request(&mut request);
        let left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-kept", "host"]);
    }

    #[test]
    fn the_host_cannot_be_nominated_away() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request
            .append_header("Connection", "host, content-length")
            .unwrap();
        request.append_header("Host", "a").unwrap();
        strip_request(&mut request);
        assert!(request.headers.contains_key("host"));
    }
}

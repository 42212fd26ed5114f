//! A request as decisions see it: everything before the body, in its one accepted form.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};

use super::canonical::CanonicalTarget;
use super::identity_headers::PeerTrust;
use crate::identity::client_certificate::CertificateFacts;

/// Who is at the other end of the connection; the same for all requests on it.
#[derive(Clone, Debug)]
pub struct PeerFacts {
    /// Its address; a unix socket has none.
    pub address: Option<SocketAddr>,
    /// Whether what it says of the client is believed.
    pub trust: PeerTrust,
    /// Its certificate, if TLS asked for one and verified it.
    pub certificate: Option<Arc<CertificateFacts>>,
}

/// A request that was framed and spelled unambiguously. Nothing is known of its caller yet.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: CanonicalTarget<'a>,
    /// All header fields as they came.
    pub headers: &'a HeaderMap,
    /// Host and port as sent; HTTP/1.0 may come without.
    pub host: Option<&'a str>,
    /// The other end of the connection.
    pub peer: &'a PeerFacts,
}

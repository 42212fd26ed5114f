//! The request that a backend would get: made as for sending, and not sent.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;

use super::{failures, forward, hop, tunnel, upstreams};
use crate::decision::Refusal;
use crate::pipeline::{Admission, Trail};
use crate::policy::{UpstreamAddress, UpstreamProtocol};

/// What a backend would get, its body aside.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Every field, credentials among them.
    pub headers: HeaderMap,
}

/// What the backend of an admitted request would get. `came` is the head of it, `body` what goes
/// with it.
///
/// # Errors
/// The handshake of an upgrade is none that is taken; what only a defect brings about.
pub fn outgoing(
    came: &Parts,
    admission: &Admission,
    trail: &Trail,
    body: Option<&Bytes>,
) -> Result<Outgoing, Refusal> {
    let came = RequestHeader::from(came.clone());
    let route = admission.route();
    if admission.is_upgrade() {
        tunnel::asked(&came, route)?;
    }
    let host = upstreams::authority(&route.upstream);
    let internal = |error: Box<pingora::Error>| failures::internal(&error);
    let mut parts = forward::compose(&came, admission, trail, host.as_ref()).map_err(internal)?;
    if admission.is_upgrade() {
        tunnel::offer(&mut parts.headers, route.reads_messages());
    }
    parts.method = admission.asks_by(&parts.method);
    let tls = matches!(
        &route.upstream.address,
        UpstreamAddress::Tcp { tls: true, .. }
    );
    // Nobody connects to it: it only says which version of HTTP is spoken, and whether by TLS.
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let mut peer = HttpPeer::new(nowhere, tls, String::new());
    peer.options.alpn = match route.upstream.protocol {
        UpstreamProtocol::Http2 if !admission.is_upgrade() => ALPN::H2,
        UpstreamProtocol::Http1 | UpstreamProtocol::Http2 => ALPN::H1,
    };
    let came_to = came.uri.authority();
    let framed = hop::frame_request(parts, came_to, &peer, body).map_err(internal)?;
    let target = framed.uri.path_and_query().map_or("/", |it| it.as_str());
    Ok(Outgoing {
        method: framed.method.clone(),
        target: target.to_owned(),
        headers: framed.headers.clone(),
    })
}

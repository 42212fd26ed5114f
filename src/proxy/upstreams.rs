//! Backends as pingora peers: addresses resolved in the background, settings made once.
//!
//! `HttpPeer::new("host:port")` resolves DNS while a request waits, on a thread that serves others,
//! and panics when it fails. Names are looked up by [`Upstreams::refresh`] instead, which the
//! control runtime calls; a request only ever reads addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::{WrappedX509, parse_x509};

use crate::decision::{Failure, FailureCode, Refusal};
use crate::policy::{
    PolicySnapshot, RoutePolicy, UpstreamAddress, UpstreamPolicy, UpstreamProtocol,
};

/// How long a pooled connection to a backend is kept idle.
const POOL_IDLE: Duration = Duration::from_secs(50);

/// Streams one HTTP/2 connection to a backend carries at a time.
const H2_STREAMS: usize = 100;

/// Every backend of the snapshot in force.
#[derive(Debug, Default)]
pub struct Upstreams {
    backends: ArcSwap<Vec<Arc<Backend>>>,
}

/// Where one attempt goes.
#[derive(Debug)]
pub(super) struct Destination {
    /// Address and settings.
    pub(super) peer: Box<HttpPeer>,
    /// The `Host` the backend is asked for; `None` for a unix socket, where the caller's is kept.
    pub(super) host: Option<HeaderValue>,
}

/// One backend.
#[derive(Debug)]
struct Backend {
    policy: Arc<UpstreamPolicy>,
    ca: Option<Arc<[WrappedX509]>>,
    addresses: ArcSwap<Vec<SocketAddr>>,
    next: AtomicUsize,
    authority: Option<HeaderValue>,
    group: u64,
}

/// A backend can't be prepared.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its certificate authority file can't be used.
    #[error("upstream `{name}`: cannot use `{path}`: {reason}")]
    Ca {
        /// The upstream.
        name: String,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Upstreams {
    /// Takes the backends of a snapshot; those that did not change keep their addresses.
    ///
    /// # Errors
    /// A certificate authority file can't be used. Nothing changes then.
    pub fn install(&self, snapshot: &PolicySnapshot) -> Result<(), UpstreamError> {
        let old = self.backends.load_full();
        let mut new = Vec::with_capacity(snapshot.upstreams.len());
        for policy in &snapshot.upstreams {
            let backend = Backend::new(Arc::clone(policy))?;
            if let Some(known) = old
                .iter()
                .find(|known| known.policy.address == policy.address)
            {
                backend.addresses.store(known.addresses.load_full());
            }
            new.push(Arc::new(backend));
        }
        self.backends.store(Arc::new(new));
        Ok(())
    }

    /// Looks up the names of all backends. A name that can't be looked up keeps its last addresses.
    pub async fn refresh(&self) {
        for backend in self.backends.load_full().iter() {
            backend.resolve().await;
        }
    }

    /// A peer for one attempt on the route's backend, and the `Host` it is asked for.
    ///
    /// # Errors
    /// `upstream_unreachable`: its name was never resolved.
    pub(super) fn destination(&self, route: &RoutePolicy) -> Result<Destination, Refusal> {
        let backends = self.backends.load();
        let backend = backends
            .iter()
            .find(|backend| Arc::ptr_eq(&backend.policy, &route.upstream))
            .or_else(|| {
                backends
                    .iter()
                    .find(|backend| backend.policy == route.upstream)
            })
            .ok_or_else(|| unreachable_backend(route, "the policy that named it is gone"))?;
        let peer = backend
            .peer(route)
            .ok_or_else(|| unreachable_backend(route, "no address is known"))?;
        Ok(Destination {
            peer: Box::new(peer),
            host: backend.authority.clone(),
        })
    }
}

fn unreachable_backend(route: &RoutePolicy, why: &str) -> Refusal {
    Failure::logged(
        FailureCode::UpstreamUnreachable,
        format!("upstream `{}`: {why}", route.upstream.name),
    )
    .into()
}

impl Backend {
    fn new(policy: Arc<UpstreamPolicy>) -> Result<Self, UpstreamError> {
        let ca = match &policy.ca {
            Some(path) => Some(read_ca(&policy.name, path)?),
            None => None,
        };
        let mut addresses = Vec::new();
        let authority = authority(&policy);
        if let UpstreamAddress::Tcp { host, port, .. } = &policy.address
            && let Ok(ip) = host.parse::<IpAddr>()
        {
            addresses.push(SocketAddr::new(ip, *port));
        }
        // Pooled connections are told apart by address and name only; two upstreams that trust
        // different authorities must not share one.
        let digest = blake3::hash(format!("{policy:?}").as_bytes());
        let group = digest
            .as_bytes()
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Ok(Self {
            policy,
            ca,
            addresses: ArcSwap::from_pointee(addresses),
            next: AtomicUsize::new(0),
            authority,
            group,
        })
    }

    async fn resolve(&self) {
        let UpstreamAddress::Tcp { host, port, .. } = &self.policy.address else {
            return;
        };
        if host.parse::<IpAddr>().is_ok() {
            return;
        }
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(found) => {
                let found: Vec<SocketAddr> = found.collect();
                if !found.is_empty() && *found != **self.addresses.load() {
                    self.addresses.store(Arc::new(found));
                }
            }
            Err(error) => {
                tracing::warn!(upstream = %self.policy.name, %host, %error, "the name can't be looked up")
            }
        }
    }

    fn peer(&self, route: &RoutePolicy) -> Option<HttpPeer> {
        let mut peer = match &self.policy.address {
            UpstreamAddress::Unix(path) => {
                HttpPeer::new_uds(path.to_str()?, false, String::new()).ok()?
            }
            UpstreamAddress::Tcp { host, tls, .. } => {
                let addresses = self.addresses.load();
                let turn = self.next.fetch_add(1, Ordering::Relaxed);
                let address = addresses.get(turn.checked_rem(addresses.len())?)?;
                let name = if *tls { host.clone() } else { String::new() };
                HttpPeer::new(address, *tls, name)
            }
        };
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.connection_timeout = Some(self.policy.connect_timeout);
        options.total_connection_timeout = Some(self.policy.connect_timeout * 2);
        // pingora knows one bound on every read of an exchange; see the decision on bodies.
        options.read_timeout = Some(route.timeout.max(route.stream_idle));
        options.write_timeout = Some(route.timeout);
        options.idle_timeout = Some(POOL_IDLE);
        options.max_h2_streams = H2_STREAMS;
        // Upgrades are no business of pingora's loop.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        options.alpn = match self.policy.protocol {
            UpstreamProtocol::Http1 => ALPN::H1,
            UpstreamProtocol::Http2 => ALPN::H2,
        };
        options.ca.clone_from(&self.ca);
        Some(peer)
    }
}

/// The `Host` that a backend is asked for; `None` for a unix socket, where the caller's is kept.
pub(super) fn authority(upstream: &UpstreamPolicy) -> Option<HeaderValue> {
    match &upstream.address {
        UpstreamAddress::Tcp { host, port, tls } => {
            HeaderValue::from_str(&authority_text(host, *port, *tls)).ok()
        }
        UpstreamAddress::Unix(_) => None,
    }
}

fn authority_text(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    match (port, tls) {
        (443, true) | (80, false) => host,
        _ => format!("{host}:{port}"),
    }
}

fn read_ca(name: &str, path: &std::path::Path) -> Result<Arc<[WrappedX509]>, UpstreamError> {
    let fault = |reason: String| UpstreamError::Ca {
        name: name.to_owned(),
        path: path.display().to_string(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let certificates: Vec<WrappedX509> = x509_parser::pem::Pem::iter_from_buffer(&pem)
        .map(|block| {
            let block = block.map_err(|error| fault(error.to_string()))?;
            // pingora's own parser panics on what is no certificate.
            x509_parser::parse_x509_certificate(&block.contents)
                .map_err(|error| fault(error.to_string()))?;
            Ok(WrappedX509::new(block.contents, parse_x509))
        })
        .collect::<Result<_, UpstreamError>>()?;
    if certificates.is_empty() {
        return Err(fault("it holds no certificate".to_owned()));
    }
    Ok(certificates.into())
}

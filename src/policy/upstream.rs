//! `[[upstreams]]`: the backends.

use std::sync::Arc;
use std::time::Duration;

use super::cost::CostPolicy;
use super::profiles::Profile;
use crate::identity::RoutePattern;

/// Where the backend listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// Host name or address, and port.
    Tcp {
        /// Host without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Speak TLS.
        tls: bool,
    },
    /// A unix socket.
    Unix(std::path::PathBuf),
}

/// What becomes of the caller's credential on the way to the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAuthorization {
    /// Passed on.
    Forward,
    /// Removed.
    Strip,
    /// Replaced by `Bearer` and the secret under this handle; `{tenant}` stands for the tenant.
    Handle(String),
}

/// Which HTTP version to speak to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by ALPN on TLS and by prior knowledge on plain connections.
    Http2,
}

/// `[[upstreams]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamPolicy {
    /// Name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: UpstreamAddress,
    /// HTTP version.
    pub protocol: UpstreamProtocol,
    /// The caller's credential.
    pub authorization: UpstreamAuthorization,
    /// Whether the gate says under its signature who calls (`X-Fabric-Assertion`). `None` where nobody
    /// says: it does not.
    pub assertion: Option<bool>,
    /// The beginning of a path that only the gate knows: taken off before a request goes on.
    pub strip_prefix: Option<Arc<str>>,
    /// PEM file with the roots its certificate is checked against; the system's when absent.
    pub ca: Option<std::path::PathBuf>,
    /// What the gate tells clients that need a token for it.
    pub protected_resource: Option<Arc<super::ProtectedResource>>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Where the workspaces of its users are: an absolute path in its plain form.
    pub workspace: Option<Arc<str>>,
    /// The known backend whose routes it brought.
    pub profile: Option<&'static Profile>,
    /// What the routes it brought cost, over what they say themselves: by name or the start of one,
    /// without the upstream's name. `None`: nothing.
    pub costs: Vec<(RoutePattern, Option<CostPolicy>)>,
    /// Further headers the backend believes about who calls, in lower case with `-`: no caller may
    /// send them.
    pub identity_headers: Vec<String>,
}

impl UpstreamPolicy {
    /// Path and query as the backend has them, of those that the gate's routes have. `None` where the
    /// path does not begin as every path of this upstream does.
    pub fn outbound<'target>(&self, target: &'target str) -> Option<&'target str> {
        match &self.strip_prefix {
            Some(prefix) => target
                .strip_prefix(&**prefix)
                .filter(|rest| rest.starts_with('/')),
            None => Some(target),
        }
    }
}

//! The listener: TCP or a unix socket, plain or TLS, HTTP/1.1 or HTTP/2, with bounds on all of it.
//!
//! A connection has a time for each request head and one to stay silent, whichever way it is slow;
//! the number of connections is bounded; and a stop lets requests under way finish within the grace,
//! ends event streams, and closes what is idle at once.

mod activity;
mod connection;
mod tls;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{MemoryMetrics, Stopping};
use connection::ConnectionSettings;
use unix::SocketFile;

pub use tls::{TlsError, TlsFiles};

/// How long accepting waits where the process has no file descriptor left.
const BREATHER: Duration = Duration::from_millis(50);

/// How long after the end of the grace connections may take to be torn down.
const TEAR_DOWN: Duration = Duration::from_secs(1);

/// What a listener is told.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where it listens.
    pub address: ServerAddress,
    /// TLS, if it speaks it.
    pub tls: Option<TlsFiles>,
    /// Most connections at once.
    pub connections: usize,
    /// For a request's head to arrive, and for a TLS handshake.
    pub header_timeout: Duration,
    /// For a connection to stay silent between requests, or to take none of an answer.
    pub idle_timeout: Duration,
    /// For requests under way to end after the stop.
    pub grace: Duration,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// Address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// A listener can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`")]
    Address {
        /// Which.
        address: ServerAddress,
        /// Why.
        source: io::Error,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound listener.
pub struct Server {
    socket: Socket,
    tls: Option<Arc<ServerConfig>>,
    settings: ServerSettings,
    metrics: Arc<MemoryMetrics>,
}

enum Socket {
    Tcp(TcpListener),
    /// The file goes away with the listener.
    Unix(UnixListener, SocketFile),
}

impl Server {
    /// Listens. Nothing is accepted before [`Server::serve`].
    ///
    /// # Errors
    /// The address can't be had, or a file of TLS is missing or unusable.
    pub fn bind(
        settings: ServerSettings,
        metrics: Arc<MemoryMetrics>,
    ) -> Result<Self, ServerError> {
        let tls = match &settings.tls {
            Some(files) => Some(tls::server_config(files)?),
            None => None,
        };
        let socket = match &settings.address {
            ServerAddress::Tcp(address) => bind_tcp(*address).map(Socket::Tcp),
            ServerAddress::Unix(path) => {
                unix::bind(path).map(|(listener, file)| Socket::Unix(listener, file))
            }
        };
        let socket = socket.map_err(|source| ServerError::Address {
            address: settings.address.clone(),
            source,
        })?;
        Ok(Self {
            socket,
            tls,
            settings,
            metrics,
        })
    }

    /// Where it listens: with the port that the system chose, or `unix:PATH`.
    pub fn address(&self) -> ServerAddress {
        match &self.socket {
            Socket::Tcp(listener) => match listener.local_addr() {
                Ok(address) => ServerAddress::Tcp(address),
                Err(_) => self.settings.address.clone(),
            },
            Socket::Unix(..) => self.settings.address.clone(),
        }
    }

    /// Serves `router` until `stopping`, and then what is under way for as long as the grace lasts.
    pub async fn serve(self, router: Router, stopping: Stopping) {
        let places = Arc::new(Semaphore::new(self.settings.connections));
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stopping.clone().begun());
        loop {
            // A finished connection's result says nothing; what went wrong was its peer's doing.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = &mut stop => break,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) if is_peers(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(BREATHER).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.metrics.connection_refused();
                continue;
            };
            let connection = Connection {
                router: router.clone(),
                acceptor: acceptor.clone(),
                settings: ConnectionSettings {
                    header: self.settings.header_timeout,
                    idle: self.settings.idle_timeout,
                },
                stopping: stopping.clone(),
                _open: Open::new(&self.metrics, place),
            };
            connections.spawn(connection.serve(stream));
        }
        let grace = self.settings.grace;
        // Nobody connects any more while the rest is finished.
        drop(self);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(left = connections.len(), "connections outlived the grace");
            let _ = tokio::time::timeout(TEAR_DOWN, connections.shutdown()).await;
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _peer) = listener.accept().await?;
                // Refused for a peer that is gone again, which its first read tells as well.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Socket::Unix(listener, _file) => {
                let (stream, _peer) = listener.accept().await?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Whether a connection was given up by its peer before it was accepted: nothing to wait for.
fn is_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// What bytes come and go by.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection's task.
struct Connection {
    router: Router,
    acceptor: Option<TlsAcceptor>,
    settings: ConnectionSettings,
    stopping: Stopping,
    _open: Open,
}

impl Connection {
    async fn serve(self, stream: Box<dyn Stream>) {
        match &self.acceptor {
            None => connection::serve(stream, self.router, self.settings, self.stopping).await,
            Some(acceptor) => {
                let handshake = acceptor.accept(stream);
                match tokio::time::timeout(self.settings.header, handshake).await {
                    Ok(Ok(stream)) => {
                        connection::serve(stream, self.router, self.settings, self.stopping).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
                }
            }
        }
    }
}

/// Counts a connection while it is open.
struct Open {
    metrics: Arc<MemoryMetrics>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: &Arc<MemoryMetrics>, place: OwnedSemaphorePermit) -> Self {
        metrics.connected();
        Self {
            metrics: Arc::clone(metrics),
            _place: place,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.disconnected();
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

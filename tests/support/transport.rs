//! Where backends listen and clients connect: TCP, unix sockets and TLS, behind one stream type.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificates::Identity;

/// A byte stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Arranges that dropping the stream resets the connection where the transport can.
    fn reset_on_drop(&mut self);
}

impl Stream for TcpStream {
    fn reset_on_drop(&mut self) {
        self.set_zero_linger().unwrap();
    }
}

impl Stream for UnixStream {
    // A unix socket has no reset; the peer sees the end.
    fn reset_on_drop(&mut self) {}
}

impl Stream for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset_on_drop(&mut self) {
        self.get_mut().0.reset_on_drop();
    }
}

impl Stream for tokio_rustls::client::TlsStream<TcpStream> {
    fn reset_on_drop(&mut self) {
        self.get_mut().0.reset_on_drop();
    }
}

/// A byte stream of any kind, owned.
pub type BoxedStream = Box<dyn Stream>;

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Connects in plain.
    pub async fn connect(&self) -> std::io::Result<BoxedStream> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }

    /// Connects by TLS as a client of `name`, and says which protocol ALPN chose.
    ///
    /// # Panics
    /// The address is a unix socket.
    pub async fn connect_tls(
        &self,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<(BoxedStream, Option<String>)> {
        let Self::Tcp(address) = self else {
            panic!("TLS is for TCP here");
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let chosen = stream.get_ref().1.alpn_protocol();
        let chosen = chosen.map(|name| String::from_utf8(name.to_vec()).unwrap());
        Ok((Box::new(stream), chosen))
    }

    /// As an upstream's `url` says it, and as an HTTP client's `Host`.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// What a backend listens on.
pub enum Endpoint {
    /// A free port of 127.0.0.1.
    Tcp,
    /// A unix socket at this path.
    Unix(PathBuf),
    /// A free port of 127.0.0.1 with TLS.
    Tls(Arc<ServerConfig>),
}

impl Endpoint {
    /// TLS with this certificate, offering these protocols by ALPN.
    pub fn tls(identity: &Identity, alpn: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&identity.private_key).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self::Tls(Arc::new(config))
    }

    /// A unix socket at this path.
    pub fn unix(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }

    /// Begins to listen.
    pub async fn listen(self) -> Listener {
        let (socket, tls) = match self {
            Self::Tcp => (tcp_on_a_free_port().await, None),
            Self::Unix(path) => (Socket::Unix(UnixListener::bind(path).unwrap()), None),
            Self::Tls(config) => (tcp_on_a_free_port().await, Some(TlsAcceptor::from(config))),
        };
        Listener { socket, tls }
    }
}

async fn tcp_on_a_free_port() -> Socket {
    Socket::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap())
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket.
pub struct Listener {
    socket: Socket,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> Address {
        match &self.socket {
            Socket::Tcp(listener) => Address::Tcp(listener.local_addr().unwrap()),
            Socket::Unix(listener) => {
                let address = listener.local_addr().unwrap();
                Address::Unix(address.as_pathname().unwrap().to_owned())
            }
        }
    }

    /// The `url` of an upstream at this listener.
    pub fn url(&self) -> String {
        match self.address() {
            Address::Tcp(address) if self.tls.is_some() => {
                format!("https://localhost:{}", address.port())
            }
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection whose handshake succeeds, if it needs one.
    pub async fn accept(&self) -> BoxedStream {
        loop {
            match &self.socket {
                Socket::Unix(listener) => return Box::new(listener.accept().await.unwrap().0),
                Socket::Tcp(listener) => {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    match &self.tls {
                        None => return Box::new(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => return Box::new(stream),
                            // A client that distrusts the certificate is the client's test.
                            Err(_) => continue,
                        },
                    }
                }
            }
        }
    }
}

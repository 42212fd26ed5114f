//! TLS on the public listener: versions, ALPN, and who a client certificate says it is.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::tls::TlsRef;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;

use crate::identity::client_certificate::CertificateFacts;

/// Files of the listener's TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub private_key: PathBuf,
    /// Roots that client certificates have to chain to; switches on mutual TLS.
    pub client_ca: Option<PathBuf>,
    /// Offer HTTP/2.
    pub http2: bool,
}

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or holds nothing of use.
    #[error("cannot use `{path}`: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// What a verified client certificate says, kept with its connection.
#[derive(Clone, Debug)]
pub(super) struct ClientIdentity(pub(super) Arc<CertificateFacts>);

/// The listener's settings.
///
/// # Errors
/// A file is missing or unusable; pingora itself would panic.
pub(super) fn settings(files: &TlsFiles) -> Result<TlsSettings, TlsError> {
    let fault = |path: &Path, reason: &dyn ToString| TlsError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    };
    rustls::pki_types::PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|error| fault(&files.private_key, &error))?;
    let certificate = files.certificate.to_string_lossy().into_owned();
    let private_key = files.private_key.to_string_lossy().into_owned();
    let mut settings = TlsSettings::with_callbacks(Box::new(Accepted))
        .map_err(|error| fault(&files.certificate, &error))?;
    settings
        .set_certificate_chain_file(&certificate)
        .map_err(|error| fault(&files.certificate, &error))?;
    settings
        .set_private_key_file(&private_key)
        .map_err(|error| fault(&files.private_key, &error))?;
    if files.http2 {
        settings.enable_h2();
    }
    if let Some(path) = &files.client_ca {
        let mut roots = RootCertStore::empty();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| fault(path, &error))?
        {
            let certificate = certificate.map_err(|error| fault(path, &error))?;
            roots
                .add(certificate)
                .map_err(|error| fault(path, &error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // A certificate is asked for and not demanded: callers with tokens have none.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| fault(path, &error))?;
        settings.set_client_cert_verifier(verifier);
    }
    Ok(settings)
}

/// Reads the verified certificate once, when the handshake is through.
struct Accepted;

#[async_trait]
impl TlsAccept for Accepted {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let certificate = tls.peer_certificate_der()?;
        match CertificateFacts::parse(certificate) {
            Ok(facts) => Some(Arc::new(ClientIdentity(Arc::new(facts)))),
            Err(error) => {
                tracing::warn!(%error, "a client certificate can't be read and counts as none");
                None
            }
        }
    }
}

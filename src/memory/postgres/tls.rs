//! Encrypted connections, by rustls.
//!
//! Verified are the chain, the dates and the name of the server's certificate. With a password
//! (SCRAM-SHA-256-PLUS) both sides also prove that they see the same certificate (RFC 5929
//! `tls-server-end-point`), so nobody in between can pass the proof on.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::OpenError;

/// A connector that trusts the certificates in `roots`, or those that the system trusts.
pub(super) fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, OpenError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OpenError::Tls)?;
    let config = match roots {
        Some(path) => config.with_root_certificates(read(path)?),
        None => config.with_platform_verifier().map_err(OpenError::Tls)?,
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn read(path: &Path) -> Result<RootCertStore, OpenError> {
    let refused = |why: &dyn std::fmt::Display| OpenError::Roots {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refused(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    if roots.is_empty() {
        return Err(refused(&"there is no certificate in it"));
    }
    Ok(roots)
}

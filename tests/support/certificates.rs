//! Certificates for tests: an authority of one's own, and what it signs, as PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// An authority that signs servers and clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key on disk.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of its key, in PKCS #8.
    pub private_key: PathBuf,
    /// The certificate in DER, to take a fingerprint of.
    pub der: Vec<u8>,
}

impl Authority {
    /// An authority with this common name. Two of one name have different keys.
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        }
    }

    /// Its own certificate as PEM text.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes its own certificate as `NAME.pem` into `directory`.
    pub fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.pem"));
        std::fs::write(&path, self.pem()).unwrap();
        path
    }

    /// A server certificate for these DNS names and IP addresses.
    pub fn server(&self, directory: &Path, name: &str, hosts: &[&str]) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(parameters, directory, name)
    }

    /// A client certificate with these subject alternative names.
    pub fn client(&self, directory: &Path, name: &str, names: Vec<SanType>) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = names;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(parameters, directory, name)
    }

    /// Signs any other certificate: one that expired, one for another use.
    pub fn sign(
        &self,
        mut parameters: CertificateParams,
        directory: &Path,
        name: &str,
    ) -> Identity {
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: directory.join(format!("{name}.pem")),
            private_key: directory.join(format!("{name}.key.pem")),
            der: certificate.der().to_vec(),
        };
        std::fs::write(&identity.certificate, certificate.pem()).unwrap();
        std::fs::write(&identity.private_key, key.serialize_pem()).unwrap();
        identity
    }

    /// A TLS client that trusts this authority alone, offers these protocols by ALPN and shows
    /// `identity` when the server asks.
    pub fn client_config(&self, alpn: &[&str], identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(&identity.private_key).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A DNS name, for [`Authority::client`].
pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A URI (a SPIFFE id), for [`Authority::client`].
pub fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

//! Client certificates: TLS verified the chain, the policy says whom a certificate stands for.
//!
//! The common name is never looked at (RFC 6125 section 6.4.4 has it as a last resort, RFC 9525 not
//! at all): only subject alternative names and the hash of the whole certificate count, each compared
//! byte by byte, so that a wildcard or a name with a NUL in it matches nothing but itself.

use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::digest::sha256;
use super::settings::{CertificateMatch, ClientCertificateSettings};
use super::{AuthMethod, Delegation, Principal, PrincipalKind};
use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode};

/// What a verified client certificate says; read once per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    dns: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
    sha256: [u8; 32],
    not_before: Timestamp,
    not_after: Timestamp,
}

impl CertificateFacts {
    /// Reads the DER of an end-entity certificate that TLS has verified.
    ///
    /// # Errors
    /// It is no X.509 certificate, has bytes after it, or its alternative names can't be read.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Certificate)?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingBytes);
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| CertificateError::AlternativeNames)?;
        let mut facts = Self {
            dns: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
            sha256: sha256(der),
            not_before: Timestamp::from_seconds(certificate.validity().not_before.timestamp()),
            not_after: Timestamp::from_seconds(certificate.validity().not_after.timestamp()),
        };
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => facts.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(email) => facts.emails.push((*email).to_owned()),
                GeneralName::OtherName(..)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::IPAddress(_)
                | GeneralName::RegisteredID(_) => {}
            }
        }
        Ok(facts)
    }

    /// SHA-256 over the DER.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    fn shows(&self, wanted: &CertificateMatch) -> bool {
        match wanted {
            CertificateMatch::Dns(name) => self.dns.contains(name),
            CertificateMatch::Uri(uri) => self.uris.contains(uri),
            CertificateMatch::Email(email) => self.emails.contains(email),
            CertificateMatch::Sha256(hash) => self.sha256 == *hash,
        }
    }
}

/// Why nothing can be said about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is no X.509 certificate.
    #[error("the client certificate is not an X.509 certificate")]
    Certificate,
    /// Bytes follow the certificate.
    #[error("there are bytes after the client certificate")]
    TrailingBytes,
    /// The subject alternative names are malformed or repeated.
    #[error("the alternative names of the client certificate cannot be read")]
    AlternativeNames,
}

impl From<CertificateError> for Denial {
    fn from(error: CertificateError) -> Self {
        Self::because(DenialCode::TokenInvalid, error.to_string())
    }
}

/// The `[[client_certificates]]` of one policy snapshot.
#[derive(Debug, Default)]
pub struct ClientCertificateTable {
    entries: Vec<(CertificateMatch, Principal)>,
}

impl ClientCertificateTable {
    /// The table of these entries.
    pub fn new(settings: &[ClientCertificateSettings]) -> Self {
        let entries = settings
            .iter()
            .map(|entry| (entry.matches.clone(), principal_of(entry)))
            .collect();
        Self { entries }
    }

    /// Whom the certificate stands for; nobody when no entry matches.
    ///
    /// # Errors
    /// `token_invalid` when two entries match, as it would stand for two callers, and outside of the
    /// certificate's validity: connections outlive it, and TLS looked once.
    pub fn identify(
        &self,
        certificate: &CertificateFacts,
        now: Timestamp,
    ) -> Result<Option<Principal>, Denial> {
        let mut matching = self
            .entries
            .iter()
            .filter(|(wanted, _)| certificate.shows(wanted));
        let Some((_, principal)) = matching.next() else {
            return Ok(None);
        };
        if matching.next().is_some() {
            let several = "the client certificate stands for several callers";
            return Err(Denial::because(DenialCode::TokenInvalid, several));
        }
        if now < certificate.not_before || now > certificate.not_after {
            let outside = "the client certificate is outside of its validity";
            return Err(Denial::because(DenialCode::TokenInvalid, outside));
        }
        Ok(Some(Principal {
            expires_at: Some(certificate.not_after),
            ..principal.clone()
        }))
    }
}

fn principal_of(entry: &ClientCertificateSettings) -> Principal {
    Principal {
        tenant: entry.tenant.clone(),
        user: entry.user.clone(),
        kind: PrincipalKind::Machine,
        roles: Arc::clone(&entry.roles),
        scopes: Arc::clone(&entry.scopes),
        delegation: Delegation::default(),
        method: AuthMethod::client_certificate(&entry.name),
        token_id: Some(entry.name.as_str().into()),
        expires_at: None,
        routes: None,
        claims: None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::super::UserId;
    use super::*;

    /// A certificate with these alternative names, good from 2020 to 2030.
    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        params
            .distinguished_name
            .push(DnType::CommonName, "ci.example");
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn ia5(text: &str) -> Ia5String {
        text.try_into().unwrap()
    }

    fn everything() -> Vec<u8> {
        certificate(vec![
            SanType::DnsName(ia5("edge.example")),
            SanType::URI(ia5("spiffe://example/ns/a/sa/b")),
            SanType::Rfc822Name(ia5("ci@example")),
        ])
    }

    fn entry(name: &str, matches: CertificateMatch, tenant: &str) -> ClientCertificateSettings {
        ClientCertificateSettings {
            name: name.to_owned(),
            matches,
            tenant: tenant.parse().unwrap(),
            user: UserId::parse("svc-edge").unwrap(),
            roles: Arc::from([Arc::from("service")]),
            scopes: Arc::from([]),
        }
    }

    fn dns(name: &str) -> CertificateMatch {
        CertificateMatch::Dns(name.to_owned())
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_750_000_000)
    }

    fn identify(
        der: &[u8],
        entries: &[ClientCertificateSettings],
    ) -> Result<Option<Principal>, Denial> {
        let facts = CertificateFacts::parse(der).unwrap();
        ClientCertificateTable::new(entries).identify(&facts, now())
    }

    #[test]
    fn each_kind_of_match_finds_its_certificate() {
        let der = everything();
        for matches in [
            dns("edge.example"),
            CertificateMatch::Uri("spiffe://example/ns/a/sa/b".to_owned()),
            CertificateMatch::Email("ci@example".to_owned()),
            CertificateMatch::Sha256(sha256(&der)),
        ] {
            let entries = [
                entry("edge", matches.clone(), "acme"),
                entry("x", dns("x"), "globex"),
            ];
            let principal = identify(&der, &entries).unwrap().unwrap();
            assert_eq!(principal.tenant().as_str(), "acme", "{matches:?}");
            assert_eq!(principal.method().as_str(), "mtls:edge");
            assert_eq!(principal.kind(), PrincipalKind::Machine);
            assert_eq!(
                principal.expires_at(),
                Some(Timestamp::from_seconds(1_893_456_000))
            );
        }
    }

    #[test]
    fn what_is_only_similar_stands_for_nobody() {
        let der = everything();
        for matches in [
            dns("EDGE.example"),
            dns("edge.example."),
            dns("*.example"),
            dns("example"),
            dns("ci.example"),
            dns("ci@example"),
            CertificateMatch::Uri("spiffe://example/ns/a/sa".to_owned()),
            CertificateMatch::Uri("edge.example".to_owned()),
            CertificateMatch::Email("CI@example".to_owned()),
            CertificateMatch::Sha256([0; 32]),
        ] {
            let found = identify(&der, &[entry("edge", matches.clone(), "acme")]).unwrap();
            assert!(found.is_none(), "{matches:?}");
        }
        let wildcard = certificate(vec![SanType::DnsName(ia5("*.example"))]);
        let found = identify(&wildcard, &[entry("edge", dns("edge.example"), "acme")]);
        assert!(found.unwrap().is_none(), "a wildcard is no name");
    }

    #[test]
    fn a_certificate_that_two_entries_match_is_refused() {
        let der = everything();
        let first = entry("a", dns("edge.example"), "acme");
        let second = entry(
            "b",
            CertificateMatch::Email("ci@example".to_owned()),
            "globex",
        );
        assert!(
            identify(&der, std::slice::from_ref(&first))
                .unwrap()
                .is_some()
        );
        let denial = identify(&der, &[first, second]).unwrap_err();
        assert_eq!(denial.code, DenialCode::TokenInvalid);
    }

    #[test]
    fn a_certificate_counts_inside_its_validity_only() {
        let facts = CertificateFacts::parse(&everything()).unwrap();
        let table = ClientCertificateTable::new(&[entry("edge", dns("edge.example"), "acme")]);
        let begin = Timestamp::from_seconds(1_577_836_800);
        let end = Timestamp::from_seconds(1_893_456_000);
        for now in [begin, end] {
            assert!(table.identify(&facts, now).unwrap().is_some(), "{now}");
        }
        for now in [begin.plus_seconds(-1), end.plus_seconds(1)] {
            let denial = table.identify(&facts, now).unwrap_err();
            assert_eq!(denial.code, DenialCode::TokenInvalid, "{now}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let der = everything();
        let longer = [der.as_slice(), b"\0"].concat();
        assert_eq!(
            CertificateFacts::parse(&longer),
            Err(CertificateError::TrailingBytes)
        );
        for bytes in [
            &b""[..],
            b"\x30",
            &der[..der.len() - 1],
            b"-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(
                CertificateFacts::parse(bytes),
                Err(CertificateError::Certificate)
            );
        }
    }

    #[test]
    fn a_certificate_without_alternative_names_is_known_by_its_hash_only() {
        let der = certificate(Vec::new());
        assert!(
            identify(&der, &[entry("edge", dns("ci.example"), "acme")])
                .unwrap()
                .is_none()
        );
        let pinned = entry("edge", CertificateMatch::Sha256(sha256(&der)), "acme");
        assert!(identify(&der, &[pinned]).unwrap().is_some());
    }
}

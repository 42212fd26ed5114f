//! Tokens for tests: an issuer with its own keys, the JWKS to trust it by, and claims.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fabric_gate::clock::{Clock, SystemClock};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The `iss` of [`SigningKey::policy`] and of [`claims`].
pub const ISSUER: &str = "https://issuer.test";

/// The `aud` of [`SigningKey::policy`] and of [`claims`].
pub const AUDIENCE: &str = "fabric";

/// A key that signs tokens.
pub struct SigningKey {
    /// Its `kid`.
    pub kid: String,
    /// Its algorithm: EdDSA, ES256 or RS256.
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// An Ed25519 key; the cheapest to make, so the one to use where the algorithm does not matter.
    pub fn ed25519(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        Self::new(
            kid,
            Algorithm::EdDSA,
            EncodingKey::from_ed_der(document.as_ref()),
        )
    }

    /// A P-256 key.
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let document = pair.to_pkcs8v1().unwrap();
        Self::new(
            kid,
            Algorithm::ES256,
            EncodingKey::from_ec_der(document.as_ref()),
        )
    }

    /// An RSA key of 2048 bits.
    pub fn rs256(kid: &str) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = pem("PRIVATE KEY", pair.as_der().unwrap().as_ref());
        Self::new(
            kid,
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        )
    }

    fn new(kid: &str, algorithm: Algorithm, key: EncodingKey) -> Self {
        Self {
            kid: kid.to_owned(),
            algorithm,
            key,
        }
    }

    /// A token with these claims, `typ` JWT and this key's `kid`.
    pub fn sign(&self, claims: &Claims) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        self.sign_with_header(&header, &claims.0)
    }

    /// A token with this header, whatever it says, and these claims.
    pub fn sign_with_header(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        serde_json::to_value(jwk).unwrap()
    }

    /// Writes a JWKS with this key alone into `directory` and says where.
    pub fn write_jwks(&self, directory: &Path) -> PathBuf {
        let path = directory.join(format!("{}.jwks.json", self.kid));
        std::fs::write(&path, jwks(&[self]).to_string()).unwrap();
        path
    }

    /// An `[[issuers]]` stanza that trusts this key by the JWKS at `jwks_file`.
    pub fn policy(&self, jwks_file: &Path) -> String {
        format!(
            "[[issuers]]\n\
             name = \"test\"\n\
             issuer = \"{ISSUER}\"\n\
             audiences = [\"{AUDIENCE}\"]\n\
             jwks_file = \"{}\"\n\
             algorithms = [\"{:?}\"]\n\
             claims = {{ user = \"sub\", tenant = \"tid\", roles = \"roles\", scopes = \"scope\" }}\n",
            jwks_file.display(),
            self.algorithm,
        )
    }
}

/// The JWKS of these keys.
pub fn jwks(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// The claims of a token; every method replaces what was said before.
#[derive(Clone, Debug)]
pub struct Claims(pub Value);

/// Good claims: issued now, good for five minutes, by [`ISSUER`] for [`AUDIENCE`].
pub fn claims(tenant: &str, user: &str, roles: &[&str]) -> Claims {
    let now = SystemClock.now().as_seconds();
    Claims(json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user,
        "tid": tenant,
        "roles": roles,
        "iat": now,
        "exp": now + 300,
    }))
}

impl Claims {
    /// Sets one claim to any value.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0[name] = value.into();
        self
    }

    /// Leaves one claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.0.as_object_mut().unwrap().remove(name);
        self
    }

    /// Sets the scopes.
    pub fn scopes(self, scopes: &str) -> Self {
        self.with("scope", scopes)
    }

    /// Sets `exp` to `seconds` from now, in the past when negative.
    pub fn expires_in(self, seconds: i64) -> Self {
        let now = SystemClock.now().as_seconds();
        self.with("exp", now + seconds)
    }
}

/// `der` in PEM (RFC 7468) under `label`.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

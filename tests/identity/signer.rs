//! Keys of issuers, and tokens signed by them exactly as a test writes them.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A private key with the id it goes by.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    key: Key,
}

enum Key {
    Rsa(RsaPair, &'static dyn RsaEncoding, &'static str),
    Ec(EcdsaKeyPair, &'static str, &'static str),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa(kid: &'static str) -> Self {
        Self::rsa_as(kid, KeySize::Rsa2048, &RSA_PKCS1_SHA256, "RS256")
    }

    pub(crate) fn rsa_as(
        kid: &'static str,
        size: KeySize,
        scheme: &'static dyn RsaEncoding,
        algorithm: &'static str,
    ) -> Self {
        let pair = RsaPair::generate(size).unwrap();
        Self {
            kid,
            key: Key::Rsa(pair, scheme, algorithm),
        }
    }

    pub(crate) fn p256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid,
            key: Key::Ec(pair, "P-256", "ES256"),
        }
    }

    pub(crate) fn p384(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self {
            kid,
            key: Key::Ec(pair, "P-384", "ES384"),
        }
    }

    pub(crate) fn ed25519(kid: &'static str) -> Self {
        Self {
            kid,
            key: Key::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    /// One RSA key for all tests: making one takes longer than anything that is tested.
    pub(crate) fn shared_rsa() -> &'static Self {
        static RSA: OnceLock<Signer> = OnceLock::new();
        RSA.get_or_init(|| Self::rsa("rsa"))
    }

    /// The same key under every scheme.
    pub(crate) fn rsa_schemes() -> Vec<Self> {
        vec![
            Self::rsa_as("rs384", KeySize::Rsa2048, &RSA_PKCS1_SHA384, "RS384"),
            Self::rsa_as("ps256", KeySize::Rsa2048, &RSA_PSS_SHA256, "PS256"),
        ]
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match &self.key {
            Key::Rsa(_, _, algorithm) | Key::Ec(_, _, algorithm) => algorithm,
            Key::Ed(_) => "EdDSA",
        }
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        match &self.key {
            Key::Rsa(pair, _, algorithm) => {
                let public = pair.public_key();
                let n = public.modulus();
                let e = public.exponent();
                json!({
                    "kty": "RSA", "use": "sig", "alg": algorithm, "kid": self.kid,
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Key::Ec(pair, curve, algorithm) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(self.coordinate());
                json!({
                    "kty": "EC", "crv": curve, "alg": algorithm, "kid": self.kid,
                    "x": encode(x), "y": encode(y),
                })
            }
            Key::Ed(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": self.kid,
                "x": encode(pair.public_key().as_ref()),
            }),
        }
    }

    /// A token with the usual header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.kid});
        self.sign_raw(&header.to_string(), &claims.to_string())
    }

    /// A token of exactly this header and these claims.
    pub(crate) fn sign_raw(&self, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(claims.as_bytes())
        );
        let signature = self.signature(signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(pair, scheme, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*scheme, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Key::Ec(pair, ..) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn coordinate(&self) -> usize {
        match &self.key {
            Key::Ec(_, "P-384", _) => 48,
            Key::Ec(..) | Key::Rsa(..) | Key::Ed(_) => 32,
        }
    }
}

/// A key set of these signers.
pub(crate) fn jwks(signers: &[&Signer]) -> Value {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()})
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

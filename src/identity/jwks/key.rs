//! One public key of a key set, parsed once when the set is loaded.
//!
//! Parsing an RSA key costs a third of a verification, so it is not done per token. A key is bound
//! to its algorithms when it is parsed: a token can't talk an RSA key into another scheme, and
//! there is no symmetric algorithm in here for a public key to be mistaken for a secret of.

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse,
};

use crate::identity::settings::SignatureAlgorithm;

/// Sizes of RSA moduli that are used, in bits (RFC 7518 section 3.3 sets the lower end).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Smallest RSA exponent that is used (FIPS 186-5 section A.1.1).
const RSA_MIN_EXPONENT: u64 = 65_537;

/// A key that can verify signatures.
#[derive(Debug)]
pub(super) struct VerificationKey {
    kid: Option<Box<str>>,
    verifiers: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
}

/// Why a member of a key set is left out. One unusable key does not cost the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyUnusable {
    #[error("it can't be read")]
    Unreadable,
    #[error("it is not for verifying signatures")]
    OtherUse,
    #[error("its type, curve or algorithm is not supported")]
    Unsupported,
    #[error("it is weaker than 2048 bit RSA with exponent 65537")]
    Weak,
}

impl VerificationKey {
    /// Parses a key for every algorithm it may be used with.
    ///
    /// # Errors
    /// The key is unreadable, not for signatures, of an unsupported kind, or too weak.
    pub(super) fn parse(jwk: &Jwk) -> Result<Self, KeyUnusable> {
        if !is_for_signatures(&jwk.common) {
            return Err(KeyUnusable::OtherUse);
        }
        let material = Material::of(&jwk.algorithm)?;
        let mut verifiers = Vec::new();
        for algorithm in SignatureAlgorithm::EVERY {
            let named = jwk.common.key_algorithm;
            if named.is_none_or(|named| named == algorithm.key_algorithm())
                && let Some(parsed) = material.parse_for(algorithm)?
            {
                verifiers.push((algorithm, parsed));
            }
        }
        if verifiers.is_empty() {
            return Err(KeyUnusable::Unsupported);
        }
        Ok(Self {
            kid: jwk.common.key_id.as_deref().map(Box::from),
            verifiers,
        })
    }

    /// The key's id.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key's verifier for an algorithm, if it may be used with it.
    pub(super) fn verifier(&self, algorithm: SignatureAlgorithm) -> Option<&ParsedPublicKey> {
        self.verifiers
            .iter()
            .find_map(|(bound, parsed)| (*bound == algorithm).then_some(parsed))
    }

    /// Whether `other` verifies all that this key verifies, under the same id.
    pub(super) fn is_covered_by(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.verifiers.iter().all(|(algorithm, parsed)| {
                other
                    .verifier(*algorithm)
                    .is_some_and(|theirs| theirs.as_ref() == parsed.as_ref())
            })
    }
}

fn is_for_signatures(common: &CommonParameters) -> bool {
    let by_use = match &common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => false,
    };
    by_use
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// The numbers of a key, decoded.
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point (SEC 1 section 2.3.3).
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    fn of(parameters: &AlgorithmParameters) -> Result<Self, KeyUnusable> {
        match parameters {
            AlgorithmParameters::RSA(rsa) => rsa_material(&rsa.n, &rsa.e),
            AlgorithmParameters::EllipticCurve(point) => match point.curve {
                EllipticCurve::P256 => Ok(Self::P256(uncompressed(&point.x, &point.y, 32)?)),
                EllipticCurve::P384 => Ok(Self::P384(uncompressed(&point.x, &point.y, 48)?)),
                _ => Err(KeyUnusable::Unsupported),
            },
            AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
                EllipticCurve::Ed25519 => Ok(Self::Ed25519(decode_exactly(&pair.x, 32)?)),
                _ => Err(KeyUnusable::Unsupported),
            },
            // Symmetric keys, and whatever a later version of the format brings.
            _ => Err(KeyUnusable::Unsupported),
        }
    }

    /// The key bound to `algorithm`; nothing where the two do not go together.
    fn parse_for(
        &self,
        algorithm: SignatureAlgorithm,
    ) -> Result<Option<ParsedPublicKey>, KeyUnusable> {
        let parsed = match (self, algorithm) {
            (Self::P256(point), SignatureAlgorithm::ES256) => {
                ec_key(&signature::ECDSA_P256_SHA256_FIXED, point)
            }
            (Self::P384(point), SignatureAlgorithm::ES384) => {
                ec_key(&signature::ECDSA_P384_SHA384_FIXED, point)
            }
            (Self::Ed25519(public), SignatureAlgorithm::EdDSA) => {
                ParsedPublicKey::new(&signature::ED25519, public)
                    .map_err(|_| KeyUnusable::Unreadable)
            }
            (Self::Rsa(numbers), _) => match rsa_parameters(algorithm) {
                Some(parameters) => numbers
                    .to_parsed_public_key(parameters)
                    .map_err(|_| KeyUnusable::Unreadable),
                None => return Ok(None),
            },
            (Self::P256(_) | Self::P384(_) | Self::Ed25519(_), _) => return Ok(None),
        };
        parsed.map(Some)
    }
}

fn ec_key(
    algorithm: &'static EcdsaVerificationAlgorithm,
    point: &[u8],
) -> Result<ParsedPublicKey, KeyUnusable> {
    ParsedPublicKey::new(algorithm, point).map_err(|_| KeyUnusable::Unreadable)
}

fn rsa_parameters(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        SignatureAlgorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SignatureAlgorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SignatureAlgorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        SignatureAlgorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        SignatureAlgorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        SignatureAlgorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        SignatureAlgorithm::ES256 | SignatureAlgorithm::ES384 | SignatureAlgorithm::EdDSA => None,
    }
}

fn rsa_material(n: &str, e: &str) -> Result<Material, KeyUnusable> {
    let n = decode_number(n)?;
    let e = decode_number(e)?;
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let exponent = e
        .iter()
        .try_fold(0_u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        })
        .ok_or(KeyUnusable::Unsupported)?;
    if bits < *RSA_BITS.start() || exponent < RSA_MIN_EXPONENT {
        return Err(KeyUnusable::Weak);
    }
    if bits > *RSA_BITS.end() || exponent % 2 == 0 {
        return Err(KeyUnusable::Unsupported);
    }
    Ok(Material::Rsa(RsaPublicKeyComponents { n, e }))
}

/// A big-endian number; some issuers write it with leading zeros, against RFC 7518 section 6.3.1.
fn decode_number(text: &str) -> Result<Vec<u8>, KeyUnusable> {
    let bytes = decode(text)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn uncompressed(x: &str, y: &str, length: usize) -> Result<Vec<u8>, KeyUnusable> {
    let mut point = vec![4];
    point.extend(decode_exactly(x, length)?);
    point.extend(decode_exactly(y, length)?);
    Ok(point)
}

fn decode_exactly(text: &str, length: usize) -> Result<Vec<u8>, KeyUnusable> {
    let bytes = decode(text)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(KeyUnusable::Unreadable)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, KeyUnusable> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| KeyUnusable::Unreadable)
}

//! The registered names of signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1).

use jsonwebtoken::jwk::KeyAlgorithm;

use crate::identity::settings::SignatureAlgorithm;

impl SignatureAlgorithm {
    /// Every algorithm.
    pub(in crate::identity) const EVERY: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The name in `alg`.
    pub(in crate::identity) const fn jose_name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm with exactly this name.
    pub(in crate::identity) fn from_jose_name(name: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|algorithm| algorithm.jose_name() == name)
    }

    /// The `alg` of a JWK that is for this algorithm.
    pub(super) const fn key_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::RS256 => KeyAlgorithm::RS256,
            Self::RS384 => KeyAlgorithm::RS384,
            Self::RS512 => KeyAlgorithm::RS512,
            Self::PS256 => KeyAlgorithm::PS256,
            Self::PS384 => KeyAlgorithm::PS384,
            Self::PS512 => KeyAlgorithm::PS512,
            Self::ES256 => KeyAlgorithm::ES256,
            Self::ES384 => KeyAlgorithm::ES384,
            Self::EdDSA => KeyAlgorithm::EdDSA,
        }
    }
}

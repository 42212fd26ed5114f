//! A JWK Set (RFC 7517 section 5) as it arrives, turned into the keys that can be used.

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;

use super::key::{KeyUnusable, VerificationKey};
use crate::identity::settings::SignatureAlgorithm;

/// Most members of a set.
const MAX_KEYS: usize = 100;

/// Most keys that are tried for a token that names none.
const MAX_TRIED: usize = 8;

/// Why a document is no key set. The last good one stays in use then.
#[derive(Debug, thiserror::Error)]
pub enum KeySetUnusable {
    /// It is not the JSON of a key set.
    #[error("the document is not a JSON Web Key Set")]
    Unreadable(#[source] serde_json::Error),
    /// It has more members than a key set has any reason to have.
    #[error("the key set has more than 100 keys")]
    TooManyKeys,
    /// No key of it can be used: to believe that would lock everybody out.
    #[error("none of the {0} keys in the set can be used")]
    NoUsableKey(usize),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The usable keys of a set, in their order. Of several with one id and one algorithm the first
/// counts.
#[derive(Debug)]
pub(super) struct Keys(Vec<VerificationKey>);

impl Keys {
    /// Reads a key set, leaving out the keys that can't be used, each with a line in the log.
    ///
    /// # Errors
    /// The document is no key set, has more than 100 keys, or none that can be used.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeySetUnusable> {
        let document: Document =
            serde_json::from_slice(document).map_err(KeySetUnusable::Unreadable)?;
        let members = document.keys.len();
        if members > MAX_KEYS {
            return Err(KeySetUnusable::TooManyKeys);
        }
        let mut keys = Vec::new();
        for (position, member) in document.keys.into_iter().enumerate() {
            let key = Jwk::deserialize(member)
                .map_err(|_| KeyUnusable::Unreadable)
                .and_then(|jwk| VerificationKey::parse(&jwk));
            match key {
                Ok(key) => keys.push(key),
                Err(reason) => tracing::debug!(position, %reason, "a key of a set is left out"),
            }
        }
        if keys.is_empty() {
            return Err(KeySetUnusable::NoUsableKey(members));
        }
        Ok(Self(keys))
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether any key has this id.
    pub(super) fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid() == Some(kid))
    }

    /// Whether every key of this set is in `other` too.
    pub(super) fn are_all_in(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|key| other.0.iter().any(|theirs| key.is_covered_by(theirs)))
    }

    /// Whether the signature is one of the key that `kid` names, or, without a name, of one of the
    /// first few keys for this algorithm.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: SignatureAlgorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        let most = if kid.is_some() { 1 } else { MAX_TRIED };
        self.0
            .iter()
            .filter(|key| kid.is_none_or(|kid| key.kid() == Some(kid)))
            .filter_map(|key| key.verifier(algorithm))
            .take(most)
            .any(|verifier| verifier.verify_sig(signed, signature).is_ok())
    }
}

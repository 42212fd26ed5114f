//! A local signing key, so that a developer needs no identity provider.
//!
//! The key and its key set are two files of one folder. A policy names the key set as `jwks_file`
//! of an issuer, and `dev token` signs with the key; verification is the same as for any issuer.

use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::JwkSet;

use super::signing_key::{Existing, SigningKey, SigningKeyError, write_whole};

/// The private key: PKCS#8 in PEM, readable by its owner only.
pub const KEY_FILE: &str = "signing-key.pem";

/// The public key as a JWK Set.
pub const JWKS_FILE: &str = "jwks.json";

/// An Ed25519 key for signing development tokens.
#[derive(Debug)]
pub struct DevelopmentKey {
    key: SigningKey,
    jwks: PathBuf,
}

impl DevelopmentKey {
    /// The key in `directory`, made along with the folder if it is missing. The key set beside it
    /// is written anew when it is not the key's.
    ///
    /// # Errors
    /// A file can't be read or written, the key is no Ed25519 key, or others may read it.
    pub fn load_or_create(directory: &Path) -> Result<Self, SigningKeyError> {
        let key = SigningKey::load_or_create(&directory.join(KEY_FILE))?;
        let keys = vec![key.public().jwk().clone()];
        let document = serde_json::to_vec_pretty(&JwkSet { keys })?;
        let jwks = directory.join(JWKS_FILE);
        if std::fs::read(&jwks).ok().as_deref() != Some(&*document) {
            write_whole(&jwks, &document, 0o644, Existing::Replaced)?;
        }
        Ok(Self { key, jwks })
    }

    /// The key's id: its SHA-256 thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        self.key.public().kid()
    }

    /// The file with the key set.
    pub fn jwks_file(&self) -> &Path {
        &self.jwks
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// The claims can't be signed.
    pub fn sign(&self, claims: &serde_json::Value) -> Result<String, SigningKeyError> {
        self.key.sign(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("dev");
        let first = DevelopmentKey::load_or_create(&directory).unwrap();
        let again = DevelopmentKey::load_or_create(&directory).unwrap();
        assert_eq!(first.kid(), again.kid());
        let names: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "nothing but the two files stays: {names:?}");
    }

    #[test]
    fn a_foreign_key_set_beside_the_key_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let key = DevelopmentKey::load_or_create(folder.path()).unwrap();
        let document = std::fs::read(key.jwks_file()).unwrap();
        std::fs::write(key.jwks_file(), "{\"keys\":[]}").unwrap();
        DevelopmentKey::load_or_create(folder.path()).unwrap();
        assert_eq!(std::fs::read(key.jwks_file()).unwrap(), document);
    }
}

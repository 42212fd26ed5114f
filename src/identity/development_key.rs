//! A local signing key, so that a developer needs no identity provider.
//!
//! The key and its key set are two files of one folder. A policy names the key set as `jwks_file`
//! of an issuer, and `dev token` signs with the key; verification is the same as for any issuer.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

/// The private key: PKCS#8 in PEM, readable by its owner only.
pub const KEY_FILE: &str = "signing-key.pem";

/// The public key as a JWK Set.
pub const JWKS_FILE: &str = "jwks.json";

/// An Ed25519 key for signing development tokens.
#[derive(Debug)]
pub struct DevelopmentKey {
    key: EncodingKey,
    kid: String,
    jwks: PathBuf,
}

/// Why there is no development key, or no token by it.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentKeyError {
    /// A file of the folder can't be read or written.
    #[error("`{path}` can't be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner may read the key, so its signatures prove nothing.
    #[error("`{0}` may be read by others than its owner; it has to have mode 0600")]
    Exposed(PathBuf),
    /// No key can be generated.
    #[error("no key can be generated")]
    Generate,
    /// The file is no Ed25519 key, or the token can't be signed by it.
    #[error("the development key can't be used")]
    Key(#[from] jsonwebtoken::errors::Error),
    /// The key set can't be written as JSON.
    #[error("the key set can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl DevelopmentKey {
    /// The key in `directory`, made along with the folder if it is missing. The key set beside it
    /// is written anew when it is not the key's.
    ///
    /// # Errors
    /// A file can't be read or written, the key is no Ed25519 key, or others may read it.
    pub fn load_or_create(directory: &Path) -> Result<Self, DevelopmentKeyError> {
        let key_path = directory.join(KEY_FILE);
        if !key_path.exists() {
            create(directory, &key_path)?;
        }
        let mode = std::fs::metadata(&key_path)
            .map_err(|source| file_error(&key_path, source))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(DevelopmentKeyError::Exposed(key_path));
        }
        let pem = std::fs::read(&key_path).map_err(|source| file_error(&key_path, source))?;
        let key = EncodingKey::from_ed_pem(&pem)?;
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let jwks = directory.join(JWKS_FILE);
        let document = serde_json::to_vec_pretty(&JwkSet { keys: vec![jwk] })?;
        if std::fs::read(&jwks).ok().as_deref() != Some(&*document) {
            write_whole(&jwks, &document, 0o644, Existing::Replaced)?;
        }
        Ok(Self { key, kid, jwks })
    }

    /// The key's id: its SHA-256 thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The file with the key set.
    pub fn jwks_file(&self) -> &Path {
        &self.jwks
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// The claims can't be signed.
    pub fn sign(&self, claims: &serde_json::Value) -> Result<String, DevelopmentKeyError> {
        let header = Header {
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }
}

fn create(directory: &Path, key_path: &Path) -> Result<(), DevelopmentKeyError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| file_error(directory, source))?;
    let pair = Ed25519KeyPair::generate().map_err(|_| DevelopmentKeyError::Generate)?;
    // Version 1 of PKCS#8: the one that everything reads.
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| DevelopmentKeyError::Generate)?;
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    write_whole(key_path, pem.as_bytes(), 0o600, Existing::Kept)
}

/// What becomes of a file that somebody else wrote in the meantime.
#[derive(Clone, Copy)]
enum Existing {
    Kept,
    Replaced,
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(
    path: &Path,
    content: &[u8],
    mode: u32,
    existing: Existing,
) -> Result<(), DevelopmentKeyError> {
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| match existing {
            Existing::Replaced => std::fs::rename(&partial, path),
            Existing::Kept => match std::fs::hard_link(&partial, path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                other => other,
            },
        });
    // Gone already where it was renamed.
    let _ = std::fs::remove_file(&partial);
    written.map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> DevelopmentKeyError {
    DevelopmentKeyError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("dev");
        let first = DevelopmentKey::load_or_create(&directory).unwrap();
        let again = DevelopmentKey::load_or_create(&directory).unwrap();
        assert_eq!(first.kid(), again.kid());
        let mode = std::fs::metadata(directory.join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let names: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "nothing but the two files stays: {names:?}");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        DevelopmentKey::load_or_create(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            DevelopmentKey::load_or_create(folder.path()),
            Err(DevelopmentKeyError::Exposed(_))
        ));
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

//! An Ed25519 key that signs tokens, and the files such keys are in.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

/// A private key. `Debug` shows its id only.
pub struct SigningKey {
    key: EncodingKey,
    public: PublicKey,
}

/// The public half of a key, as a member of a key set.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kid: String,
    jwk: Jwk,
}

/// Why there is no key, or no token by it. No message holds any of a key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// A file can't be read or written.
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
    /// It is no Ed25519 key in PEM.
    #[error("it is no Ed25519 key in PEM (PKCS#8)")]
    Unreadable(#[source] jsonwebtoken::errors::Error),
    /// A token can't be signed.
    #[error("a token can't be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// The key set can't be written as JSON.
    #[error("the key set can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl SigningKey {
    /// The key in this PEM text.
    ///
    /// # Errors
    /// It is no Ed25519 private key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let key = EncodingKey::from_ed_pem(pem).map_err(SigningKeyError::Unreadable)?;
        let jwk =
            Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(SigningKeyError::Unreadable)?;
        let public = PublicKey::of(jwk)?;
        Ok(Self { key, public })
    }

    /// A key that is nowhere but in memory.
    ///
    /// # Errors
    /// No key can be generated.
    pub fn in_memory() -> Result<Self, SigningKeyError> {
        Self::from_pem(generate()?.as_bytes())
    }

    /// The key in the file, made along with its folder if it is missing: complete under its name or
    /// not there, and where two processes make one, the first one's stays.
    ///
    /// # Errors
    /// The file can't be read or made, others than its owner may read it, or it holds no Ed25519 key.
    pub fn load_or_create(path: &Path) -> Result<Self, SigningKeyError> {
        if !path.exists() {
            create(path)?;
        }
        let failed = |source| file_error(path, source);
        let mode = std::fs::metadata(path)
            .map_err(failed)?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(SigningKeyError::Exposed(path.to_owned()));
        }
        Self::from_pem(&std::fs::read(path).map_err(failed)?)
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signed token with these claims (RFC 7519), typed `JWT`, that names the key.
    ///
    /// # Errors
    /// The claims can't be signed.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SigningKeyError> {
        let header = Header {
            kid: Some(self.public.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(SigningKeyError::Sign)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SigningKey({})", self.public.kid)
    }
}

impl PublicKey {
    /// The public half of the key in this PEM text, which may be either half of it.
    ///
    /// # Errors
    /// It is no Ed25519 key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        if let Ok(private) = SigningKey::from_pem(pem) {
            return Ok(private.public);
        }
        let key = DecodingKey::from_ed_pem(pem).map_err(SigningKeyError::Unreadable)?;
        let jwk = Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA))
            .map_err(SigningKeyError::Unreadable)?;
        Self::of(jwk)
    }

    fn of(mut jwk: Jwk) -> Result<Self, SigningKeyError> {
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(SigningKeyError::Unreadable)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { kid, jwk })
    }

    /// The key's id: its SHA-256 thumbprint (RFC 7638), so no two keys share one.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a JWK (RFC 7517).
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}

fn create(path: &Path) -> Result<(), SigningKeyError> {
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| file_error(directory, source))?;
    }
    write_whole(path, generate()?.as_bytes(), 0o600, Existing::Kept)
}

/// A key that nobody else has, in PEM.
fn generate() -> Result<String, SigningKeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| SigningKeyError::Generate)?;
    // Version 1 of PKCS#8: the one that everything reads.
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SigningKeyError::Generate)?;
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    ))
}

/// What becomes of a file that somebody else wrote in the meantime.
#[derive(Clone, Copy)]
pub(super) enum Existing {
    Kept,
    Replaced,
}

/// Writes a file so that nobody ever sees half of it, not even after a crash.
pub(super) fn write_whole(
    path: &Path,
    content: &[u8],
    mode: u32,
    existing: Existing,
) -> Result<(), SigningKeyError> {
    let partial = partial(path)?;
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
    let written = written.and_then(|()| sync_folder(path));
    written.map_err(|source| file_error(path, source))
}

/// A name of its own, as what a crash left behind must not be in the way: in a container every
/// process has the same id.
fn partial(path: &Path) -> Result<PathBuf, SigningKeyError> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| SigningKeyError::Generate)?;
    Ok(path.with_extension(format!("{:016x}.partial", u64::from_ne_bytes(random))))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

fn file_error(path: &Path, source: std::io::Error) -> SigningKeyError {
    SigningKeyError::File {
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
        let path = folder.path().join("data/gate.assertion.key");
        let first = SigningKey::load_or_create(&path).unwrap();
        let again = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(first.public().kid(), again.public().kid());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let data = path.parent().unwrap();
        assert_eq!(mode(data), 0o700);
        let names: Vec<_> = std::fs::read_dir(data).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "nothing but the key stays: {names:?}");
    }

    #[test]
    fn processes_that_start_together_sign_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let kids: Vec<String> = std::thread::scope(|scope| {
            let make = || {
                SigningKey::load_or_create(&path)
                    .unwrap()
                    .public()
                    .kid()
                    .to_owned()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        SigningKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refused = SigningKey::load_or_create(&path);
            assert!(
                matches!(refused, Err(SigningKeyError::Exposed(_))),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "no key\n"] {
            write_whole(&path, text.as_bytes(), 0o600, Existing::Replaced).unwrap();
            let refused = SigningKey::load_or_create(&path);
            assert!(
                matches!(refused, Err(SigningKeyError::Unreadable(_))),
                "{text:?}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn either_half_of_a_key_is_the_same_public_key() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let private = pem("PRIVATE KEY", private.as_ref());
        let public = {
            use aws_lc_rs::encoding::PublicKeyX509Der;
            use aws_lc_rs::signature::KeyPair;
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            pem("PUBLIC KEY", der.as_ref())
        };
        let of_private = PublicKey::from_pem(private.as_bytes()).unwrap();
        let of_public = PublicKey::from_pem(public.as_bytes()).unwrap();
        assert_eq!(of_private.jwk(), of_public.jwk());
        assert!(PublicKey::from_pem(b"no key").is_err());
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }
}

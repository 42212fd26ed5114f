//! The log's secret and what is derived from it.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::chain::HexHash;

/// Contexts for `blake3::derive_key`: one secret, keys that have nothing to do with each other.
const CHAIN_CONTEXT: &str = "fabric-gate 2026-11 audit log: hash chain";
const SIGNING_CONTEXT: &str = "fabric-gate 2026-11 audit log: checkpoint signing seed";

/// 32 random bytes; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct LogSecret([u8; 32]);

impl LogSecret {
    /// The secret with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, with blanks around them.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let hash = blake3::Hash::from_hex(text.trim()).map_err(|_| KeyError::Malformed)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl fmt::Debug for LogSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogSecret(…)")
    }
}

/// Where the secret comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// Given.
    Given(LogSecret),
    /// A file of 64 hexadecimal digits, made with mode 0600 by the first process that opens the
    /// log.
    File(PathBuf),
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file can't be read or made.
    #[error("the key file `{}` can't be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not 64 hexadecimal digits.
    #[error("the key is not 64 hexadecimal digits")]
    Malformed,
    /// No key can be derived or no random bytes be had.
    #[error("the cryptographic library refused")]
    Crypto,
}

/// The keys of a log.
pub struct LogKeys {
    chain: [u8; 32],
    signing: Ed25519KeyPair,
}

impl LogKeys {
    /// The keys of an existing log.
    ///
    /// # Errors
    /// There is no usable secret.
    pub fn load(source: &SecretSource) -> Result<Self, KeyError> {
        match source {
            SecretSource::Given(secret) => Self::derive(secret),
            SecretSource::File(path) => Self::derive(&read(path)?),
        }
    }

    /// The keys, with a new secret in the key file if there is none.
    pub(super) fn load_or_create(source: &SecretSource) -> Result<Self, KeyError> {
        if let SecretSource::File(path) = source
            && !path.exists()
        {
            create(path)?;
        }
        Self::load(source)
    }

    /// The public half of the signing key, in hexadecimal: with it, checkpoints and exports can be
    /// checked by whoever must not be able to make them.
    pub fn public_key(&self) -> String {
        hex(self.signing.public_key().as_ref())
    }

    pub(super) fn chain_hash(&self, bytes: &[u8]) -> HexHash {
        let mut text = [b'0'; 64];
        let hash = blake3::keyed_hash(&self.chain, bytes);
        for (slot, digit) in text.iter_mut().zip(hash.to_hex().bytes()) {
            *slot = digit;
        }
        text
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        hex(self.signing.sign(bytes).as_ref())
    }

    pub(super) fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, self.signing.public_key().as_ref());
        unhex(signature).is_some_and(|signature| public.verify(bytes, &signature).is_ok())
    }

    fn derive(secret: &LogSecret) -> Result<Self, KeyError> {
        let seed = blake3::derive_key(SIGNING_CONTEXT, &secret.0);
        Ok(Self {
            chain: blake3::derive_key(CHAIN_CONTEXT, &secret.0),
            signing: Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Crypto)?,
        })
    }
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LogKeys({})", self.public_key())
    }
}

/// `N` random bytes in hexadecimal.
pub(super) fn random_hex<const N: usize>() -> Result<String, KeyError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Crypto)?;
    Ok(hex(&bytes))
}

fn read(path: &Path) -> Result<LogSecret, KeyError> {
    let at = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(at)?.permissions().mode();
    if mode & 0o007 != 0 {
        tracing::warn!(path = %path.display(), "the key of the audit log is open to everybody");
    }
    LogSecret::parse(&std::fs::read_to_string(path).map_err(at)?)
}

/// Makes the key file in one step: complete under its name, or not there. Where two processes try,
/// the first one's key stays.
fn create(path: &Path) -> Result<(), KeyError> {
    let at = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    let secret = random_hex::<32>()?;
    let draft = path.with_extension(format!("draft-{}", random_hex::<8>()?));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(at)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(at)?;
    writeln!(file, "{secret}").map_err(at)?;
    file.sync_all().map_err(at)?;
    let linked = match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    std::fs::remove_file(&draft).map_err(at)?;
    linked.map_err(at)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

//! References to secrets: files name where a secret is, never the secret itself.
//!
//! `env:NAME` is an environment variable, `file:PATH` a file whose whole content, less one line
//! end, is the secret. A text that is neither is refused without being repeated in the message: it
//! is most likely the secret that somebody wrote down by mistake.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;

/// Longest secret in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretReference {
    /// `env:NAME`.
    Environment(String),
    /// `file:PATH`.
    File(PathBuf),
}

impl SecretReference {
    /// The same reference with a relative path taken from `directory`.
    pub fn relative_to(self, directory: &Path) -> Self {
        match self {
            Self::Environment(name) => Self::Environment(name),
            Self::File(path) => Self::File(directory.join(path)),
        }
    }
}

impl FromStr for SecretReference {
    type Err = SecretReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Environment(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(Self::File(PathBuf::from(path)))
            }
            _ => Err(SecretReferenceError),
        }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
        }
    }
}

/// A text refers to no secret. It does not hold the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is a reference, `env:NAME` or `file:PATH`, never the secret itself")]
pub struct SecretReferenceError;

/// Looks secrets up.
#[derive(Clone, Debug, Default)]
pub struct SecretResolver {
    environment: Environment,
}

/// Where environment variables come from. Setting them in a process with threads is unsound, so a
/// test brings its own.
#[derive(Clone, Debug, Default)]
enum Environment {
    #[default]
    Process,
    Fixed(HashMap<String, String>),
}

impl SecretResolver {
    /// A resolver over the process's own environment.
    pub fn from_process() -> Self {
        Self::default()
    }

    /// A resolver that knows exactly these variables.
    pub fn with_environment<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            environment: Environment::Fixed(HashMap::from(variables)),
        }
    }

    /// An environment variable, if it is set.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        match &self.environment {
            Environment::Process => std::env::var_os(name),
            Environment::Fixed(variables) => variables.get(name).map(OsString::from),
        }
    }

    /// Reads the secret. One line end after it is not part of it.
    ///
    /// # Errors
    /// The variable is not set, the file can't be read, or what is there is empty, longer than
    /// [`MAX_SECRET_BYTES`] or not text. No message holds any of it.
    pub fn resolve(&self, reference: &SecretReference) -> Result<SecretString, SecretError> {
        let text = match reference {
            SecretReference::Environment(name) => self
                .variable(name)
                .ok_or_else(|| SecretError::NotSet(name.clone()))?
                .into_string()
                .map_err(|_| SecretError::NotText(reference.to_string()))?,
            SecretReference::File(path) => read_bounded(path)?,
        };
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(SecretError::Empty(reference.to_string()));
        }
        Ok(SecretString::from(trimmed))
    }
}

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such environment variable.
    #[error("the environment variable `{0}` is not set")]
    NotSet(String),
    /// The file can't be read.
    #[error("the secret file `{}` can't be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a regular file of at most [`MAX_SECRET_BYTES`].
    #[error("the secret file `{}` is not a file of at most 64 KiB", .0.display())]
    NotASecretFile(PathBuf),
    /// What is there is not UTF-8.
    #[error("the secret `{0}` is not text")]
    NotText(String),
    /// There is nothing.
    #[error("the secret `{0}` is empty")]
    Empty(String),
}

fn read_bounded(path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Asked before opening: opening a named pipe would wait for somebody to write to it.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_SECRET_BYTES {
        return Err(SecretError::NotASecretFile(path.to_owned()));
    }
    let mut content = Vec::new();
    let mut file = File::open(path)
        .map_err(unreadable)?
        .take(MAX_SECRET_BYTES + 1);
    file.read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MAX_SECRET_BYTES {
        return Err(SecretError::NotASecretFile(path.to_owned()));
    }
    String::from_utf8(content)
        .map_err(|_| SecretError::NotText(SecretReference::File(path.to_owned()).to_string()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_literal_is_refused_without_being_repeated() {
        for text in ["hunter2", "env:", "file:", "ENV:NAME", "", "vault:x"] {
            let error = text.parse::<SecretReference>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(&format!("`{text}`")));
        }
    }

    #[test]
    fn a_file_secret_loses_one_line_end_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for (written, read) in [
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            (" s \n\n", " s \n"),
        ] {
            std::fs::write(directory.path().join("key"), written).unwrap();
            let reference = "file:key".parse::<SecretReference>().unwrap();
            let secret = SecretResolver::default()
                .resolve(&reference.relative_to(directory.path()))
                .unwrap();
            assert_eq!(secret.expose_secret(), read);
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_and_not_shown() {
        let resolver = SecretResolver::with_environment([("SET", "hunter2"), ("EMPTY", "\n")]);
        let found = resolver.resolve(&SecretReference::Environment("SET".into()));
        assert!(!format!("{found:?}").contains("hunter2"));
        for (name, expected) in [
            ("ABSENT", "the environment variable `ABSENT` is not set"),
            ("EMPTY", "the secret `env:EMPTY` is empty"),
        ] {
            let error = resolver
                .resolve(&SecretReference::Environment(name.into()))
                .unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_directory_or_a_huge_file_is_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let huge = directory.path().join("huge");
        std::fs::write(&huge, vec![b'x'; 64 * 1024 + 1]).unwrap();
        for path in [directory.path().to_owned(), huge] {
            assert!(matches!(
                SecretResolver::default().resolve(&SecretReference::File(path)),
                Err(SecretError::NotASecretFile(_))
            ));
        }
    }
}

//! Credential handles: secrets of backends, named in policies and kept in files.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use http::HeaderValue;

use crate::tenant::TenantId;

/// The directory that handles are looked up in.
#[derive(Clone)]
pub struct CredentialHandles {
    /// `None`: every handle is there, and leads to no secret.
    directory: Option<PathBuf>,
}

/// A handle leads to no usable secret. Neither the secret nor the path is part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The handle leaves the directory, or is no relative path.
    #[error("the handle is no plain relative name")]
    Name,
    /// There is no such file, or it can't be read.
    #[error("the handle's file can't be read")]
    Missing,
    /// What the file holds can't stand in a header.
    #[error("the handle's secret is no header value")]
    Unusable,
}

/// Largest secret in bytes.
const MAX_SECRET: u64 = 16 * 1024;

impl CredentialHandles {
    /// Handles under this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(directory.into()),
        }
    }

    /// Handles that all lead to the same word, which is no secret: for asking what a policy decides
    /// where its secrets are not.
    pub fn supposed() -> Self {
        Self { directory: None }
    }

    /// `Bearer` and the secret under `handle`, in which `{tenant}` stands for the tenant. Read anew
    /// each time, so that a rotated secret is used at once.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn bearer(&self, handle: &str, tenant: &TenantId) -> Result<HeaderValue, HandleError> {
        let name = handle.replace("{tenant}", tenant.as_str());
        let relative = Path::new(&name);
        let plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || name.is_empty() {
            return Err(HandleError::Name);
        }
        let Some(directory) = &self.directory else {
            let mut value = HeaderValue::from_static("Bearer supposed");
            value.set_sensitive(true);
            return Ok(value);
        };
        let path = directory.join(relative);
        let size = std::fs::metadata(&path)
            .map_err(|_error| HandleError::Missing)?
            .len();
        if size > MAX_SECRET {
            return Err(HandleError::Unusable);
        }
        let secret = std::fs::read_to_string(&path).map_err(|_error| HandleError::Missing)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.trim_end()))
            .map_err(|_error| HandleError::Unusable)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for CredentialHandles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CredentialHandles")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_gets_its_own_secret_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        for tenant in ["acme", "globex"] {
            std::fs::create_dir_all(directory.path().join("tenant").join(tenant)).unwrap();
            let file = directory.path().join("tenant").join(tenant).join("token");
            std::fs::write(file, format!("secret-of-{tenant}\n")).unwrap();
        }
        let handles = CredentialHandles::new(directory.path());
        let acme = handles
            .bearer("tenant/{tenant}/token", &"acme".parse().unwrap())
            .unwrap();
        assert_eq!(acme, "Bearer secret-of-acme");
        assert!(acme.is_sensitive());
        let globex = handles
            .bearer("tenant/{tenant}/token", &"globex".parse().unwrap())
            .unwrap();
        assert_eq!(globex, "Bearer secret-of-globex");
    }

    #[test]
    fn a_handle_cannot_leave_its_directory() {
        let handles = CredentialHandles::new("/nonexistent");
        let acme = "acme".parse().unwrap();
        for handle in ["../x", "/etc/passwd", "a/../../b", "", "./a"] {
            assert_eq!(
                handles.bearer(handle, &acme),
                Err(HandleError::Name),
                "{handle}"
            );
        }
        assert_eq!(handles.bearer("a/b", &acme), Err(HandleError::Missing));
    }
}

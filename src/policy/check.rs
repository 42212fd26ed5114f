//! `check`: a policy directory judged without serving it.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::problem::Problem;
use super::{PolicyDirectory, PolicySnapshot, compile, lint};
use crate::clock::Timestamp;
use crate::secret::SecretResolver;

/// What a sound directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is a count of the section of its name")]
pub struct Summary {
    /// The revision the process would run with.
    pub revision: String,
    /// File names.
    pub files: Vec<String>,
    pub issuers: usize,
    pub api_keys: usize,
    pub webhooks: usize,
    pub client_certificates: usize,
    pub tenants: usize,
    pub upstreams: usize,
    pub routes: usize,
    pub rules: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "revision {} from {}: {} issuers, {} API keys, {} webhooks, {} client certificates, {} tenants, \
             {} upstreams, {} routes, {} rules",
            self.revision,
            self.files.join(", "),
            self.issuers,
            self.api_keys,
            self.webhooks,
            self.client_certificates,
            self.tenants,
            self.upstreams,
            self.routes,
            self.rules,
        )
    }
}

/// A sound directory.
#[derive(Debug)]
pub struct Checked {
    /// What it holds, in numbers.
    pub summary: Summary,
    /// What it compiles to.
    pub snapshot: PolicySnapshot,
    /// What lints found.
    pub warnings: Vec<Problem>,
}

/// Reads and compiles the directory, and looks at it with every lint. `now` is when credentials are
/// judged to have expired.
///
/// # Errors
/// Every problem there is, in order of file and line.
pub fn check(
    directory: &Path,
    secrets: &SecretResolver,
    now: Timestamp,
) -> Result<Checked, Vec<Problem>> {
    let directory = PolicyDirectory::read(directory)?;
    let snapshot = compile(&directory, secrets)?;
    let files = directory.files().iter();
    let summary = Summary {
        revision: snapshot.revision.as_str().to_owned(),
        files: files.map(|file| file.name.clone()).collect(),
        issuers: snapshot.issuers.len(),
        api_keys: snapshot.api_keys.len(),
        webhooks: snapshot.webhooks.len(),
        client_certificates: snapshot.client_certificates.len(),
        tenants: snapshot.tenants.len(),
        upstreams: snapshot.upstreams.len(),
        routes: snapshot.routes.len(),
        rules: snapshot.rules.len(),
    };
    let warnings = lint(&directory, &snapshot, now);
    Ok(Checked {
        summary,
        snapshot,
        warnings,
    })
}

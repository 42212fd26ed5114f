//! `check`: a policy directory judged without serving it, and its problems told to people and to
//! programs.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::problem::Problem;
use super::{PolicyDirectory, compile};
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
             {} upstreams, {} routes, {} rules; no problems",
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

/// Reads and compiles the directory.
///
/// # Errors
/// Every problem there is, in order of file and line.
pub fn check(directory: &Path, secrets: &SecretResolver) -> Result<Summary, Vec<Problem>> {
    let directory = PolicyDirectory::read(directory)?;
    let snapshot = compile(&directory, secrets)?;
    let files = directory.files().iter();
    Ok(Summary {
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
    })
}

/// One line per problem, and a last one with their number.
pub fn render_text(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{problem}\n"));
    }
    let noun = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    text.push_str(&format!("{} {noun}\n", problems.len()));
    text
}

/// `[{"file", "line", "column", "at", "kind", "message", "suggestion"}]`; keys that do not apply are
/// left out.
pub fn render_json(problems: &[Problem]) -> serde_json::Value {
    serde_json::json!(problems)
}

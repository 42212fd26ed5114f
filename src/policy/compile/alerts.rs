//! Who is written to when a ceiling is spent, and with what key.

use std::sync::Arc;

use super::Compiler;
use crate::identity::webhook::{SigningKey, WebhookTarget};
use crate::policy::problem::ProblemKind;
use crate::secret::SecretResolver;

impl Compiler<'_> {
    /// The receiver; `None` if there is none, or with something in the report.
    pub(super) fn alerts(&self, secrets: &SecretResolver) -> Option<Arc<WebhookTarget>> {
        let entry = self.document.alerts.as_ref()?;
        let secret = self.secret(&entry.secret, secrets)?;
        match SigningKey::parse(&secret) {
            Ok(key) => Some(Arc::new(WebhookTarget {
                url: entry.url.clone(),
                key,
            })),
            Err(error) => {
                self.report
                    .add(&entry.secret.place, ProblemKind::Secret, error.to_string());
                None
            }
        }
    }
}

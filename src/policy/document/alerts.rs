//! `alerts` of `[costs]`: who is written to when a ceiling is spent.

use std::path::Path;

use super::reader::Fields;
use super::values;
use crate::policy::problem::Located;
use crate::secret::{SecretReference, SecretReferenceError};

/// The receiver as written.
#[derive(Debug)]
pub(in crate::policy) struct AlertsEntry {
    pub(in crate::policy) url: String,
    pub(in crate::policy) secret: Located<SecretReference>,
}

/// Reads the table; `None` where it is absent.
pub(super) fn alerts(costs: Option<&Fields<'_>>, base: &Path) -> Option<AlertsEntry> {
    let table = costs?.table("alerts")?;
    table.require("url");
    table.require("secret");
    let url = table.parsed("url", values::confidential_url);
    let secret = table.parsed("secret", |text| {
        let reference = text.parse::<SecretReference>()?;
        Ok::<_, SecretReferenceError>(reference.relative_to(base))
    });
    Some(AlertsEntry {
        url: url?.value,
        secret: secret?,
    })
}

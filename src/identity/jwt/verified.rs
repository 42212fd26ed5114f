//! A token that passed every check.

use std::sync::Arc;

use http::HeaderMap;

use super::machine::acting_principal;
use crate::decision::Refusal;
use crate::identity::Principal;
use crate::identity::settings::MachineSettings;

/// A verified token. It becomes the caller of one request by [`Self::principal`].
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    pub(super) principal: Arc<Principal>,
    /// Present on a machine token: what a request with it has to carry.
    pub(super) machine: Option<Arc<MachineSettings>>,
}

impl VerifiedToken {
    /// The caller of a request with this token. An ordinary token stands for its user whatever the
    /// headers say; a machine token acts for the user that the headers name.
    ///
    /// # Errors
    /// A machine token without its required scope (`scope_required`), tenant header
    /// (`tenant_required`, `tenant_mismatch`) or user header (`request_rejected`).
    pub fn principal(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Refusal> {
        match &self.machine {
            None => Ok(Arc::clone(&self.principal)),
            Some(settings) => acting_principal(&self.principal, settings, headers),
        }
    }
}

//! One policy snapshot with what is built from it: loaded once per request and kept to its end.

use std::sync::Arc;

use http::HeaderName;

use super::admission::MachineHeaders;
use crate::identity::api_key::ApiKeyTable;
use crate::identity::assertion::Assertions;
use crate::identity::client_certificate::ClientCertificateTable;
use crate::identity::webhook::{WebhookError, WebhookTable};
use crate::identity::{Principal, TokenAuthenticator};
use crate::policy::{PolicySnapshot, Revision};

/// Everything a request is judged by.
#[derive(Debug)]
pub struct Generation {
    pub(super) snapshot: PolicySnapshot,
    pub(super) tokens: TokenAuthenticator,
    pub(super) api_keys: ApiKeyTable,
    pub(super) certificates: ClientCertificateTable,
    pub(super) webhooks: WebhookTable,
    pub(super) development: Option<Arc<Principal>>,
    pub(super) assertions: Arc<Assertions>,
    machine_headers: Vec<MachineHeaders>,
    identity_header_names: Vec<String>,
}

impl Generation {
    /// Builds what a snapshot needs to judge requests.
    ///
    /// # Errors
    /// A webhook's secret can't sign.
    pub(super) fn new(
        snapshot: PolicySnapshot,
        tokens: TokenAuthenticator,
        assertions: Arc<Assertions>,
    ) -> Result<Self, WebhookError> {
        let machines: Vec<_> = snapshot
            .issuers
            .iter()
            .filter_map(|issuer| issuer.machine.as_ref())
            .collect();
        let machine_headers = machines
            .iter()
            .filter_map(|machine| {
                Some(MachineHeaders {
                    tenant: HeaderName::from_bytes(machine.tenant_header.as_bytes()).ok()?,
                    user: HeaderName::from_bytes(machine.user_header.as_bytes()).ok()?,
                })
            })
            .collect();
        let mut names: Vec<String> = machines
            .iter()
            .flat_map(|machine| [machine.tenant_header.clone(), machine.user_header.clone()])
            .chain(
                snapshot
                    .upstreams
                    .iter()
                    .flat_map(|upstream| upstream.identity_headers.iter().cloned()),
            )
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(Self {
            api_keys: ApiKeyTable::new(&snapshot.api_keys),
            certificates: ClientCertificateTable::new(&snapshot.client_certificates),
            webhooks: WebhookTable::new(&snapshot.webhooks)?,
            development: snapshot
                .development
                .as_ref()
                .map(|who| Arc::new(Principal::development(who))),
            machine_headers,
            identity_header_names: names,
            snapshot,
            tokens,
            assertions,
        })
    }

    /// The compiled policy.
    pub fn snapshot(&self) -> &PolicySnapshot {
        &self.snapshot
    }

    /// Which files it was made of.
    pub fn revision(&self) -> &Revision {
        &self.snapshot.revision
    }

    /// The token side, for readiness and metrics.
    pub fn tokens(&self) -> &TokenAuthenticator {
        &self.tokens
    }

    pub(super) fn machine_headers(&self) -> &[MachineHeaders] {
        &self.machine_headers
    }

    pub(super) fn identity_header_names(&self) -> &[String] {
        &self.identity_header_names
    }
}

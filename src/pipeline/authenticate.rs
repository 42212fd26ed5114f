//! Who calls: the one step whose outcome can be supplied, where a request is only asked about.

use std::sync::Arc;

use http::Method;

use super::canonical::CanonicalTarget;
use super::credentials::{self, Presented};
use super::generation::Generation;
use super::trail::Trail;
use super::{Call, Gate, PeerFacts};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::identity::webhook::{VerifiedDelivery, Webhook};
use crate::policy::RoutePolicy;

/// What is known of the caller.
pub(super) enum Caller<'generation> {
    /// Who it is.
    Known(Arc<Principal>),
    /// A signed delivery, by the hook that verified it.
    Delivers(&'generation Webhook, VerifiedDelivery),
    /// The body has to be there first: it is what is signed.
    InBody,
}

impl Gate {
    /// Who calls: by the credential, or whoever an inquiry supposes.
    ///
    /// # Errors
    /// The credential is missing, is not good, or is not the only one.
    #[expect(clippy::too_many_arguments, reason = "all that a caller is known by")]
    pub(super) async fn caller<'generation>(
        &self,
        generation: &'generation Generation,
        route: &RoutePolicy,
        call: &Call<'_>,
        target: &CanonicalTarget<'_>,
        peer: &PeerFacts,
        body: Option<&[u8]>,
        trail: &Trail,
    ) -> Result<Caller<'generation>, Refusal> {
        if let Some(supposed) = trail.supposed() {
            return Ok(Caller::Known(Arc::clone(supposed)));
        }
        let Some(hook) = generation.webhooks.at(target.path()) else {
            let verified = self.authenticate(generation, route, call, target, peer);
            return verified.await.map(Caller::Known);
        };
        match body {
            Some(body) => {
                let verified = self.delivery(hook, call, body, trail)?;
                Ok(Caller::Delivers(hook, verified))
            }
            None => Ok(Caller::InBody),
        }
    }

    async fn authenticate(
        &self,
        generation: &Generation,
        route: &RoutePolicy,
        call: &Call<'_>,
        target: &CanonicalTarget<'_>,
        peer: &PeerFacts,
    ) -> Result<Arc<Principal>, Refusal> {
        let certificate = match &peer.certificate {
            Some(facts) => generation.certificates.identify(facts, self.now())?,
            None => None,
        };
        match credentials::present(route, call.headers, target.query(), certificate)? {
            Presented::Token(token) => {
                let verified = match generation.tokens.cached(&token) {
                    Some(verified) => verified,
                    // Boxed, because it is rare and large: the future of every request would carry it.
                    None => Box::pin(generation.tokens.verify(&token)).await?,
                };
                verified
                    .principal(call.headers)
                    .map_err(|refusal| for_reading(refusal, call.method))
            }
            Presented::ApiKey(key) => Ok(Arc::new(generation.api_keys.verify(&key, self.now())?)),
            Presented::Certificate(principal) => Ok(Arc::from(principal)),
            Presented::Nothing => generation
                .development
                .clone()
                .ok_or_else(|| DenialCode::CredentialsMissing.into()),
        }
    }

    /// Verifies a signed delivery. It may carry no other credential. Asked without sending it, it is
    /// not taken: it can be delivered still.
    fn delivery(
        &self,
        hook: &Webhook,
        call: &Call<'_>,
        body: &[u8],
        trail: &Trail,
    ) -> Result<VerifiedDelivery, Refusal> {
        if credentials::any_in_headers(call.headers) {
            return Err(credentials::two_credentials());
        }
        match &trail.inquiry {
            None => hook.verify(call.headers, body, self.now(), self.replays()),
            Some(_) => hook.examine(call.headers, body, self.now(), self.replays()),
        }
    }
}

/// A mismatch looks like nothing found where the request only reads.
fn for_reading(refusal: Refusal, method: &Method) -> Refusal {
    match refusal {
        Refusal::Denied(denial)
            if denial.code == DenialCode::TenantMismatch
                && (method == Method::GET || method == Method::HEAD) =>
        {
            Denial {
                code: DenialCode::TenantMismatchRead,
                ..denial
            }
            .into()
        }
        other => other,
    }
}

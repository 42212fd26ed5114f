//! One policy generation's view of tokens: its issuers, their rules and their keys.

use std::sync::Arc;

use super::JwtError;
use super::claims::Claims;
use super::compact::CompactToken;
use super::header::JoseHeader;
use super::principal::PrincipalMapping;
use super::verified::VerifiedToken;
use crate::clock::SharedClock;
use crate::decision::{FailureCode, Refusal};
use crate::identity::jwks::{KeySet, KeySetRegistry, LoadedKeys};
use crate::identity::settings::{ClaimPath, IssuerSettings, MachineSettings};
use crate::identity::token_cache::{CachedToken, TokenCache};
use crate::tenant::TenantGrammar;

/// Verifies the tokens of the issuers that one policy names.
#[derive(Debug)]
pub struct TokenAuthenticator {
    issuers: Vec<Issuer>,
    revision_digest: [u8; 32],
    cache: Arc<TokenCache>,
    clock: SharedClock,
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    machine: Option<Arc<MachineSettings>>,
    mapping: PrincipalMapping,
    keys: Arc<KeySet>,
}

impl TokenAuthenticator {
    /// The authenticator of one policy generation.
    ///
    /// Of a token's claims beside those that say who calls it keeps `claims`.
    ///
    /// `revision_digest` is part of every cache key and has to cover `issuers`, `grammar` and `claims`:
    /// a token verified by one policy says nothing under another. Key sets that an earlier generation
    /// uses are shared with it, so a reload fetches only what is new.
    pub fn new(
        issuers: &[IssuerSettings],
        grammar: &TenantGrammar,
        claims: &Arc<[ClaimPath]>,
        revision_digest: [u8; 32],
        registry: &Arc<KeySetRegistry>,
        cache: Arc<TokenCache>,
        clock: SharedClock,
    ) -> Self {
        let issuers = issuers
            .iter()
            .map(|settings| Issuer {
                machine: settings.machine.clone().map(Arc::new),
                mapping: PrincipalMapping::new(settings, grammar.clone(), Arc::clone(claims)),
                keys: registry.key_set(&settings.keys),
                settings: settings.clone(),
            })
            .collect();
        Self {
            issuers,
            revision_digest,
            cache,
            clock,
        }
    }

    /// The token as it was verified before, if it still stands: not expired, its issuer's keys
    /// neither stale beyond their limit nor reduced since.
    pub fn cached(&self, token: &str) -> Option<VerifiedToken> {
        let hash = TokenCache::hash(&self.revision_digest, token);
        let found = self.cache.find(&hash)?;
        let now = self.clock.now();
        let issuer = self.issuers.get(usize::try_from(found.issuer).ok()?)?;
        let stands = found
            .principal
            .expires_at
            .is_some_and(|expires_at| now < expires_at)
            && issuer.keys.vouches(found.epoch, now);
        if !stands {
            self.cache.forget(&hash);
            return None;
        }
        Some(issuer.verified(found))
    }

    /// Verifies a token, and remembers it when it passes.
    ///
    /// It waits only where the keys are not there: up to a second for a fetch that an unknown `kid`
    /// asked for, and a fifth of one while the issuer does not answer.
    ///
    /// # Errors
    /// `token_expired` or `token_invalid` for whatever is wrong with the token; `keys_unavailable`
    /// when the issuer's keys were never had or are stale beyond their limit.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, Refusal> {
        let parts = CompactToken::parse(token)?;
        let header = JoseHeader::parse(&parts.header)?;
        let claims = Claims::parse(&parts.claims)?;
        let mut fallback = JwtError::IssuerUnknown;
        let mut refusal: Option<Refusal> = None;
        for (index, issuer) in self.issuers.iter().enumerate() {
            if claims.issuer() != Some(issuer.settings.issuer.as_str()) {
                continue;
            }
            if !claims.is_for(&issuer.settings.audiences) {
                fallback = JwtError::AudienceRefused;
                continue;
            }
            let verified = self.verify_for(index, issuer, &parts, &header, &claims);
            match verified.await {
                Ok(verified) => return Ok(self.remember(token, issuer, verified)),
                // While one of the issuers can't say, the token is not known to be bad.
                Err(failed @ Refusal::Failed(_)) => refusal = Some(failed),
                Err(denied @ Refusal::Denied(_)) => refusal = refusal.or(Some(denied)),
            }
        }
        Err(refusal.unwrap_or_else(|| fallback.into()))
    }

    /// The issuers' names with their key sets, for metrics and readiness.
    pub fn key_sets(&self) -> impl Iterator<Item = (&str, &Arc<KeySet>)> {
        self.issuers
            .iter()
            .map(|issuer| (issuer.settings.name.as_str(), &issuer.keys))
    }

    async fn verify_for(
        &self,
        index: usize,
        issuer: &Issuer,
        parts: &CompactToken<'_>,
        header: &JoseHeader,
        claims: &Claims<'_>,
    ) -> Result<CachedToken, Refusal> {
        if !issuer.settings.algorithms.contains(&header.algorithm) {
            return Err(JwtError::AlgorithmRefused.into());
        }
        if !header.is_accepted_by(&issuer.settings.token_types) {
            return Err(JwtError::TypeRefused.into());
        }
        let keys = issuer
            .keys
            .current(self.clock.now())
            .await
            .ok_or(FailureCode::KeysUnavailable)?;
        let epoch = verify_signature(&issuer.keys, keys, parts, header).await?;
        let now = self.clock.now();
        let validity = claims.judge(&issuer.settings, header.is_access_token(), now)?;
        let (principal, machine) =
            issuer
                .mapping
                .principal_of(claims, &issuer.settings, validity)?;
        Ok(CachedToken {
            principal: Arc::new(principal),
            // Past 32 bits nothing is found again, which only costs a verification.
            issuer: u32::try_from(index).unwrap_or(u32::MAX),
            epoch,
            machine,
        })
    }

    fn remember(&self, token: &str, issuer: &Issuer, verified: CachedToken) -> VerifiedToken {
        let hash = TokenCache::hash(&self.revision_digest, token);
        self.cache.insert(hash, verified.clone());
        issuer.verified(verified)
    }
}

impl Issuer {
    fn verified(&self, token: CachedToken) -> VerifiedToken {
        VerifiedToken {
            principal: token.principal,
            // Cloned for machine tokens only: a counter that every request touches would be
            // contended between threads.
            machine: token.machine.then(|| self.machine.clone()).flatten(),
        }
    }
}

/// Checks the signature and answers the epoch of the keys that vouch for it.
async fn verify_signature(
    set: &KeySet,
    mut keys: Arc<LoadedKeys>,
    parts: &CompactToken<'_>,
    header: &JoseHeader,
) -> Result<u64, JwtError> {
    if let Some(kid) = &header.kid
        && !keys.knows(kid)
    {
        keys = set.learn(kid).await.ok_or(JwtError::KeyUnknown)?;
    }
    let kid = header.kid.as_deref();
    if keys.verify(kid, header.algorithm, parts.signed, &parts.signature) {
        return Ok(keys.epoch());
    }
    if kid.is_none() {
        // Nothing tells a rotated key from a forgery here, so the set is looked at again, within
        // the cool-down; the token is refused meanwhile.
        set.ask_for_fetch();
    }
    Err(JwtError::SignatureInvalid)
}

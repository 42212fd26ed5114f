//! The caller of a request under way, as the policy files describe it at present.
//!
//! A long answer outlives the files it was admitted by. What a credential is (its hash, its
//! certificate, its issuer) must not have changed, nor whom it stands for; what it may do is taken
//! from the present entry, so that a role that was withdrawn is gone for open streams too.

use std::sync::Arc;

use super::Principal;
use super::settings::{
    ApiKeySettings, ClientCertificateSettings, DevelopmentSettings, IssuerSettings, WebhookSettings,
};

/// The entries a credential can come from, in the files of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'files> {
    /// `[[issuers]]`.
    pub issuers: &'files [IssuerSettings],
    /// `[[api_keys]]`.
    pub api_keys: &'files [ApiKeySettings],
    /// `[[webhooks]]`.
    pub webhooks: &'files [WebhookSettings],
    /// `[[client_certificates]]`.
    pub client_certificates: &'files [ClientCertificateSettings],
    /// `[development]`.
    pub development: Option<&'files DevelopmentSettings>,
}

/// `principal`, which `before` admitted, as `at_present` has it; `None` where its credential was
/// withdrawn, replaced, or given to somebody else.
///
/// The token itself is not looked at again: a stanza of its issuer that changed in any way withdraws
/// it, keys that rotate do not.
pub fn renewed(
    principal: &Principal,
    before: Entries<'_>,
    at_present: Entries<'_>,
) -> Option<Principal> {
    let (kind, name) = principal
        .method
        .as_str()
        .split_once(':')
        .unwrap_or((principal.method.as_str(), ""));
    match kind {
        "jwt" => {
            let issuer =
                |entries: Entries<'_>| named(entries.issuers, name, |it| &it.name).cloned();
            (issuer(before)? == issuer(at_present)?).then(|| principal.clone())
        }
        "api_key" => {
            let old = named(before.api_keys, name, |it| &it.name)?;
            let new = named(at_present.api_keys, name, |it| &it.name)?;
            let same = old.sha256 == new.sha256 && stays(principal, &new.tenant, &new.user);
            same.then(|| Principal {
                roles: Arc::clone(&new.roles),
                scopes: Arc::clone(&new.scopes),
                expires_at: new.expires_at,
                routes: new.routes.clone(),
                ..principal.clone()
            })
        }
        "mtls" => {
            let old = named(before.client_certificates, name, |it| &it.name)?;
            let new = named(at_present.client_certificates, name, |it| &it.name)?;
            let same = old.matches == new.matches && stays(principal, &new.tenant, &new.user);
            same.then(|| Principal {
                roles: Arc::clone(&new.roles),
                scopes: Arc::clone(&new.scopes),
                ..principal.clone()
            })
        }
        "webhook" => {
            let new = named(at_present.webhooks, name, |it| &it.name)?;
            stays(principal, &new.tenant, &new.user).then(|| Principal {
                roles: Arc::clone(&new.roles),
                ..principal.clone()
            })
        }
        "development" => {
            let new = at_present.development?;
            stays(principal, &new.tenant, &new.user).then(|| Principal::development(new))
        }
        _ => None,
    }
}

fn named<'files, T>(
    entries: &'files [T],
    name: &str,
    name_of: impl Fn(&T) -> &str,
) -> Option<&'files T> {
    entries.iter().find(|entry| name_of(entry) == name)
}

fn stays(principal: &Principal, tenant: &crate::tenant::TenantId, user: &super::UserId) -> bool {
    principal.tenant == *tenant && principal.user == *user
}

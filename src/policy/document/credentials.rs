//! `[[api_keys]]`, `[[webhooks]]`, `[[client_certificates]]` and `[development]`: callers that a
//! policy file names itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::reader::Fields;
use super::{bare, values};
use crate::clock::Timestamp;
use crate::identity::settings::{CertificateMatch, WebhookScheme};
use crate::identity::{RoutePattern, UserId};
use crate::policy::problem::{Located, ProblemKind};
use crate::secret::{SecretReference, SecretReferenceError};
use crate::tenant::{TenantGrammar, TenantId};

/// How far a webhook's signed time may be off when the file does not say, in seconds.
pub(super) const TOLERANCE_SECONDS: u64 = 300;

/// Whom a credential stands for.
#[derive(Debug)]
pub(in crate::policy) struct HolderEntry {
    pub(in crate::policy) tenant: Located<TenantId>,
    pub(in crate::policy) user: UserId,
    pub(in crate::policy) roles: Arc<[Arc<str>]>,
    pub(in crate::policy) scopes: Arc<[Arc<str>]>,
}

/// One `[[api_keys]]` entry.
#[derive(Debug)]
pub(in crate::policy) struct ApiKeyEntry {
    pub(in crate::policy) sha256: Located<[u8; 32]>,
    pub(in crate::policy) holder: HolderEntry,
    pub(in crate::policy) expires_at: Option<Timestamp>,
    pub(in crate::policy) routes: Option<Vec<Located<RoutePattern>>>,
}

/// One `[[webhooks]]` entry.
#[derive(Debug)]
pub(in crate::policy) struct WebhookEntry {
    pub(in crate::policy) path: Located<String>,
    pub(in crate::policy) scheme: WebhookScheme,
    pub(in crate::policy) secret: Located<SecretReference>,
    pub(in crate::policy) holder: HolderEntry,
    pub(in crate::policy) tolerance: Duration,
}

/// One `[[client_certificates]]` entry.
#[derive(Debug)]
pub(in crate::policy) struct CertificateEntry {
    pub(in crate::policy) matches: Located<CertificateMatch>,
    pub(in crate::policy) holder: HolderEntry,
}

/// `[development]`.
#[derive(Debug)]
pub(in crate::policy) struct DevelopmentEntry {
    pub(in crate::policy) tenant: Located<TenantId>,
    pub(in crate::policy) user: UserId,
    pub(in crate::policy) roles: Arc<[Arc<str>]>,
}

/// Reads one `[[api_keys]]` entry.
pub(super) fn api_key(fields: &Fields<'_>, grammar: &TenantGrammar) -> Option<ApiKeyEntry> {
    fields.require("sha256");
    let sha256 = fields.parsed("sha256", values::sha256);
    let holder = holder(fields, grammar, true);
    let expires_at = fields.timestamp("expires_at");
    let routes = fields.some_parsed("routes", values::route_pattern);
    // A key whose confinement can't be read must not become a key that reaches everything.
    let confined = fields.has("routes") == routes.is_some();
    let ends = fields.has("expires_at") == expires_at.is_some();
    Some(ApiKeyEntry {
        sha256: sha256?,
        holder: holder.filter(|_| confined && ends)?,
        expires_at,
        routes,
    })
}

/// Reads one `[[webhooks]]` entry; relative secret files are taken from `base`.
pub(super) fn webhook(
    fields: &Fields<'_>,
    grammar: &TenantGrammar,
    base: &Path,
) -> Option<WebhookEntry> {
    for key in ["path", "scheme", "secret"] {
        fields.require(key);
    }
    let path = fields.parsed("path", absolute_path);
    let scheme = fields.choice(
        "scheme",
        &[
            ("standard", WebhookScheme::Standard),
            ("github", WebhookScheme::GitHub),
            ("stripe", WebhookScheme::Stripe),
            ("slack", WebhookScheme::Slack),
        ],
    );
    let secret = fields.parsed("secret", |text| {
        let reference = text.parse::<SecretReference>()?;
        Ok::<_, SecretReferenceError>(reference.relative_to(base))
    });
    let holder = holder(fields, grammar, false);
    let tolerance = fields.integer("tolerance_seconds", 1..=86_400);
    Some(WebhookEntry {
        path: path?,
        scheme: scheme?,
        secret: secret?,
        holder: holder?,
        tolerance: Duration::from_secs(tolerance.unwrap_or(TOLERANCE_SECONDS)),
    })
}

/// Reads one `[[client_certificates]]` entry.
pub(super) fn client_certificate(
    fields: &Fields<'_>,
    grammar: &TenantGrammar,
) -> Option<CertificateEntry> {
    let alternatives = [
        fields.text("dns").map(|name| {
            let host = CertificateMatch::Dns(name.value.to_owned());
            name.with(host)
        }),
        fields.text("uri").map(|uri| {
            let uri_match = CertificateMatch::Uri(uri.value.to_owned());
            uri.with(uri_match)
        }),
        fields.text("email").map(|email| {
            let address = CertificateMatch::Email(email.value.to_owned());
            email.with(address)
        }),
        fields
            .parsed("sha256", values::sha256)
            .map(|digest| digest.with(CertificateMatch::Sha256(digest.value))),
    ];
    let named = ["dns", "uri", "email", "sha256"]
        .into_iter()
        .filter(|key| fields.has(key))
        .count();
    if named != 1 {
        fields.report().add(
            fields.place(),
            ProblemKind::Conflict,
            "exactly one of `dns`, `uri`, `email` and `sha256` is needed",
        );
    }
    let holder = holder(fields, grammar, true);
    let mut matches = alternatives.into_iter().flatten();
    Some(CertificateEntry {
        matches: matches.next().filter(|_| named == 1)?,
        holder: holder?,
    })
}

/// Reads `[development]`.
pub(super) fn development(
    fields: &Fields<'_>,
    grammar: &TenantGrammar,
) -> Option<DevelopmentEntry> {
    let holder = holder(fields, grammar, false)?;
    Some(DevelopmentEntry {
        tenant: holder.tenant,
        user: holder.user,
        roles: holder.roles,
    })
}

/// The keys that every kind of credential shares; `scoped` ones have `scopes` too.
fn holder(fields: &Fields<'_>, grammar: &TenantGrammar, scoped: bool) -> Option<HolderEntry> {
    fields.require("tenant");
    fields.require("user");
    let tenant = fields.parsed("tenant", |text| values::tenant(grammar, text));
    let user = fields.parsed("user", values::user);
    let roles = fields.all_parsed("roles", values::role);
    let scopes = if scoped {
        fields.all_parsed("scopes", values::scope)
    } else {
        Vec::new()
    };
    Some(HolderEntry {
        tenant: tenant?,
        user: user?.value,
        roles: bare(roles).into(),
        scopes: bare(scopes).into(),
    })
}

fn absolute_path(text: &str) -> Result<String, PathError> {
    let fits = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['?', '#', '{', '}', '*']);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(PathError)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the exact path of a request is needed, beginning with `/`, without query or `{{`")]
struct PathError;

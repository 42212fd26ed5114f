//! The verified caller.

use std::fmt;
use std::sync::Arc;

use super::KeptClaims;
use super::settings::DevelopmentSettings;
use crate::clock::Timestamp;
use crate::tenant::TenantId;

/// Longest user id in bytes (`sub` of RFC 7519 has no limit of its own).
pub const MAX_USER_LENGTH: usize = 255;

/// Most actors kept of a delegation chain.
pub const MAX_DELEGATION_DEPTH: usize = 10;

/// A user's id inside its tenant: 1 to 255 bytes of visible text, safe as a header value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Parses a user id.
    ///
    /// # Errors
    /// Empty, longer than [`MAX_USER_LENGTH`] bytes, not visible ASCII with inner spaces, or with
    /// a blank at either end: backends trim header values, so `"bob "` and `"bob"` would be one user.
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        let fits = !text.is_empty()
            && text.len() <= MAX_USER_LENGTH
            && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
            && !text.starts_with(' ')
            && !text.ends_with(' ');
        if fits {
            Ok(Self(Arc::from(text)))
        } else {
            Err(UserIdError)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UserId({})", self.0)
    }
}

/// A text is no user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to 255 visible ASCII characters without a blank at either end")]
pub struct UserIdError;

/// What kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program acting for itself or for a named user.
    Machine,
    /// A signed webhook delivery.
    Webhook,
    /// The loopback-only development identity.
    Development,
}

impl PrincipalKind {
    /// The word in audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Machine => "machine",
            Self::Webhook => "webhook",
            Self::Development => "development",
        }
    }
}

/// By which credential: `jwt:corp`, `api_key:ci`, `webhook:github-acme`, `mtls:edge`, `development`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthMethod(Arc<str>);

impl AuthMethod {
    /// A JWT of the issuer named `name`.
    pub(super) fn jwt(name: &str) -> Self {
        Self(format!("jwt:{name}").into())
    }

    /// The API key named `name`.
    pub(super) fn api_key(name: &str) -> Self {
        Self(format!("api_key:{name}").into())
    }

    /// The webhook named `name`.
    pub(super) fn webhook(name: &str) -> Self {
        Self(format!("webhook:{name}").into())
    }

    /// The client certificate mapping named `name`.
    pub(super) fn client_certificate(name: &str) -> Self {
        Self(format!("mtls:{name}").into())
    }

    /// The development bypass.
    pub(super) fn development() -> Self {
        Self("development".into())
    }

    /// None: a caller who is only supposed to be one.
    pub(super) fn supposed() -> Self {
        Self("supposed".into())
    }

    /// None: the gate asks by itself.
    pub(super) fn own() -> Self {
        Self("gate".into())
    }

    /// The method as it stands in audit records.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The `act` chain of a token (RFC 8693 section 4.1), outermost actor first.
///
/// It is recorded and passed on, and never consulted for authorization: RFC 8693 says that prior
/// actors are informational only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// At most [`MAX_DELEGATION_DEPTH`] actors, outermost first.
    pub actors: Arc<[Arc<str>]>,
    /// How many inner actors were cut off.
    pub dropped: u32,
}

/// A verified caller, bound to one tenant.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) kind: PrincipalKind,
    pub(super) roles: Arc<[Arc<str>]>,
    pub(super) scopes: Arc<[Arc<str>]>,
    pub(super) delegation: Delegation,
    pub(super) method: AuthMethod,
    pub(super) token_id: Option<Arc<str>>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) routes: Option<Arc<[RoutePattern]>>,
    /// Claims that routes name; only a token has any.
    pub(super) claims: Option<Arc<KeptClaims>>,
}

impl Principal {
    /// Who a request without any credential is, where `[development]` says so.
    pub fn development(settings: &DevelopmentSettings) -> Self {
        Self {
            tenant: settings.tenant.clone(),
            user: settings.user.clone(),
            kind: PrincipalKind::Development,
            roles: Arc::clone(&settings.roles),
            scopes: Arc::from([]),
            delegation: Delegation::default(),
            method: AuthMethod::development(),
            token_id: None,
            expires_at: None,
            routes: None,
            claims: None,
        }
    }

    /// Who a question of the gate's own is asked for: somebody whose request began work that goes
    /// on. `None` for what is no user id. No request is ever let in by it.
    pub fn on_behalf_of(
        tenant: TenantId,
        user: &str,
        roles: Arc<[Arc<str>]>,
        machine: bool,
    ) -> Option<Self> {
        Some(Self {
            tenant,
            user: UserId::parse(user).ok()?,
            kind: match machine {
                true => PrincipalKind::Machine,
                false => PrincipalKind::User,
            },
            roles,
            scopes: Arc::from([]),
            delegation: Delegation::default(),
            method: AuthMethod::own(),
            token_id: None,
            expires_at: None,
            routes: None,
            claims: None,
        })
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user inside the tenant.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What kind of caller.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Role names; each is 1 to 64 of `[A-Za-z0-9_.:-]`, so a comma-separated list is unambiguous.
    pub fn roles(&self) -> &[Arc<str>] {
        &self.roles
    }

    /// Scope names (RFC 6749 section 3.3 tokens).
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.scopes
    }

    /// Who acts for whom.
    pub fn delegation(&self) -> &Delegation {
        &self.delegation
    }

    /// By which credential.
    pub fn method(&self) -> &AuthMethod {
        &self.method
    }

    /// `jti` of a token, name of a key or delivery; never a secret.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// When the credential ends; open streams end with it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// What its token says at the places that the policy's routes name.
    pub fn claims(&self) -> Option<&KeptClaims> {
        self.claims.as_deref()
    }

    /// Whether the caller has the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| **held == *role)
    }

    /// Whether the caller has the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| **held == *scope)
    }

    /// Whether the credential may reach the route at all (API keys can be confined to some).
    pub fn may_reach(&self, route: &str) -> bool {
        self.routes
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(route)))
    }
}

/// A route name, or a prefix of route names when it ends in `*`: `task.read`, `task.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutePattern(Arc<str>);

impl RoutePattern {
    /// The pattern `text`; `*` is only special at the end.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers the route name.
    pub fn matches(&self, route: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => route.starts_with(prefix),
            None => *self.0 == *route,
        }
    }
}

#[cfg(test)]
impl Principal {
    /// A verified caller made up for tests of what is decided about one.
    pub(crate) fn made_up(
        tenant: &str,
        user: &str,
        roles: &[&str],
        scopes: &[&str],
        routes: Option<&[&str]>,
    ) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Self {
            tenant: tenant.parse().unwrap(),
            user: UserId::parse(user).unwrap(),
            kind: PrincipalKind::User,
            roles: names(roles),
            scopes: names(scopes),
            delegation: Delegation::default(),
            method: AuthMethod::jwt("test"),
            token_id: None,
            expires_at: None,
            routes: routes
                .map(|patterns| patterns.iter().map(|it| RoutePattern::new(it)).collect()),
            claims: None,
        }
    }
}

//! What identity needs to know, as plain values; `policy` compiles the files into these.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::{RoutePattern, UserId};
use crate::clock::Timestamp;
use crate::tenant::TenantId;

/// Signature algorithms a JWT may use (RFC 7518, RFC 8037): asymmetric only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the registered names say it all")]
pub enum SignatureAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A JWKS at this URL (https, or http on loopback).
    Url(String),
    /// A JWKS file, re-read when it changes.
    File(PathBuf),
    /// OpenID Connect Discovery 1.0 at this issuer.
    Discovery(String),
}

/// Where a claim is: a member name taken literally, or a JSON pointer (RFC 6901) when it begins
/// with `/`. A namespaced claim such as `https://example.com/tenant` is a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimPath {
    /// A top-level member.
    Name(String),
    /// Reference tokens of a JSON pointer, already unescaped.
    Pointer(Vec<String>),
}

/// Which claims say who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The user (default `sub`).
    pub user: ClaimPath,
    /// The tenant.
    pub tenant: ClaimPath,
    /// The roles: string, array of strings, or space-separated.
    pub roles: ClaimPath,
    /// The scopes: the same forms (default `scope`).
    pub scopes: ClaimPath,
}

/// What a token of an issuer stands for when it is not a machine token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerPrincipal {
    /// A person.
    User,
    /// A program.
    Machine,
}

/// How to tell machine tokens, and what such a request has to carry (AgentFlow's contract).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSettings {
    /// Claim whose presence marks a machine token (`gty`), if any.
    pub marker_claim: Option<String>,
    /// Ending of `sub` that marks a machine token (`@clients`), if any.
    pub subject_suffix: Option<String>,
    /// Header that has to be present and equal to the tenant claim, in lower case.
    pub tenant_header: String,
    /// Header that has to name the acting user, in lower case.
    pub user_header: String,
    /// Scope a machine token has to carry.
    pub required_scope: Option<String>,
}

/// Which `typ` header values are taken (RFC 8725 section 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTypes {
    /// Accepted values, lower case, without an `application/` prefix.
    pub accepted: Vec<String>,
    /// Whether a token without `typ` is taken.
    pub absent_allowed: bool,
}

/// One `[[issuers]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Name in audit records and metrics.
    pub name: String,
    /// Exact `iss`.
    pub issuer: String,
    /// `aud` has to hold one of these.
    pub audiences: Vec<String>,
    /// Where the keys are.
    pub keys: KeySource,
    /// Accepted algorithms.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Clock difference that is forgiven for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
    /// Accepted `typ`.
    pub token_types: TokenTypes,
    /// What an ordinary token stands for.
    pub principal: IssuerPrincipal,
    /// Where the claims are.
    pub claims: ClaimNames,
    /// Machine tokens, if the issuer has any.
    pub machine: Option<MachineSettings>,
    /// Longest `exp - iat` that is believed.
    pub max_lifetime: Duration,
}

/// One `[[api_keys]]` entry.
#[derive(Clone, Debug)]
pub struct ApiKeySettings {
    /// Name in audit records.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The user it acts as.
    pub user: UserId,
    /// Its roles.
    pub roles: Arc<[Arc<str>]>,
    /// Its scopes.
    pub scopes: Arc<[Arc<str>]>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// What it may reach; `None` is all.
    pub routes: Option<Arc<[RoutePattern]>>,
}

/// How a webhook delivery is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookScheme {
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// GitHub: `X-Hub-Signature-256`, delivery id in `X-GitHub-Delivery`.
    GitHub,
    /// Stripe: `Stripe-Signature: t=…,v1=…`.
    Stripe,
    /// Slack: `X-Slack-Signature`, `X-Slack-Request-Timestamp`.
    Slack,
}

/// One `[[webhooks]]` entry.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Name in audit records.
    pub name: String,
    /// Exact request path.
    pub path: String,
    /// Signature scheme.
    pub scheme: WebhookScheme,
    /// Signing secret.
    pub secret: SecretString,
    /// The tenant deliveries belong to.
    pub tenant: TenantId,
    /// The user they act as.
    pub user: UserId,
    /// Roles they carry.
    pub roles: Arc<[Arc<str>]>,
    /// How far a signed timestamp may be off, either way.
    pub tolerance: Duration,
}

/// Which client certificates an entry stands for. The chain was verified by TLS before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateMatch {
    /// A DNS name among the subject alternative names, exact.
    Dns(String),
    /// A URI among the subject alternative names, exact (SPIFFE ids).
    Uri(String),
    /// An e-mail address among the subject alternative names, exact.
    Email(String),
    /// SHA-256 over the DER of the certificate.
    Sha256([u8; 32]),
}

/// One `[[client_certificates]]` entry.
#[derive(Clone, Debug)]
pub struct ClientCertificateSettings {
    /// Name in audit records.
    pub name: String,
    /// What the certificate has to show.
    pub matches: CertificateMatch,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The user it acts as.
    pub user: UserId,
    /// Its roles.
    pub roles: Arc<[Arc<str>]>,
    /// Its scopes.
    pub scopes: Arc<[Arc<str>]>,
}

/// The `[development]` table: who a request without any credential is, on loopback only.
#[derive(Clone, Debug)]
pub struct DevelopmentSettings {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The roles.
    pub roles: Arc<[Arc<str>]>,
}

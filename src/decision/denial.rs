//! Refusals by rule: a closed list and its table.

use std::borrow::Cow;
use std::sync::Arc;

use super::RefusalFacts;

/// After how many seconds a retry may help where only an operator can mend what is wrong: an hour.
const MENDED_LATER: u32 = 3_600;

/// Why a rule refused a request. The list is closed: what is not here is not a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each code is described by its title in the table below"
)]
pub enum DenialCode {
    RequestRejected,
    /// A header field that repeats the body says something else (MCP 2026-07-28, `HeaderMismatch`).
    HeaderMismatch,
    RequestTimeout,
    TenantRequired,
    TenantInvalid,
    CredentialsMissing,
    TokenInvalid,
    TokenExpired,
    ApiKeyExpired,
    SignatureInvalid,
    RoleRequired,
    ScopeRequired,
    Forbidden,
    ToolForbidden,
    TenantUnknown,
    TenantSuspended,
    /// The request declares another tenant than its credential, and only reads (GET, HEAD).
    TenantMismatchRead,
    /// The same for any other method.
    TenantMismatch,
    NotFound,
    /// The backend's answer names what belongs to another: the caller learns no more than from
    /// [`Self::NotFound`], and the operator is alerted.
    ForeignAnswer,
    /// No route is for the JSON-RPC method of the body.
    MethodUnknown,
    MethodNotAllowed,
    BodyTooLarge,
    EncodingUnsupported,
    QueueFull,
    /// More requests a second than the tenant or user may make.
    RateLimited,
    /// More requests or streams at a time than the tenant or user may have.
    ConcurrencyLimited,
    /// What the request may cost does not fit under a ceiling.
    BudgetExceeded,
    /// Nobody knows what the model costs, or nothing bounds what the request may use.
    PriceUnknown,
    /// The tenant may not use the model.
    ModelForbidden,
    /// What is to be changed is not any more what the caller goes by (RFC 9110 section 13.1.1).
    PreconditionFailed,
}

impl DenialCode {
    /// Every code, for tests and documentation.
    pub const ALL: [Self; 31] = [
        Self::RequestRejected,
        Self::HeaderMismatch,
        Self::RequestTimeout,
        Self::TenantRequired,
        Self::TenantInvalid,
        Self::CredentialsMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::ApiKeyExpired,
        Self::SignatureInvalid,
        Self::RoleRequired,
        Self::ScopeRequired,
        Self::Forbidden,
        Self::ToolForbidden,
        Self::TenantUnknown,
        Self::TenantSuspended,
        Self::TenantMismatchRead,
        Self::TenantMismatch,
        Self::NotFound,
        Self::ForeignAnswer,
        Self::MethodUnknown,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::EncodingUnsupported,
        Self::QueueFull,
        Self::RateLimited,
        Self::ConcurrencyLimited,
        Self::BudgetExceeded,
        Self::PriceUnknown,
        Self::ModelForbidden,
        Self::PreconditionFailed,
    ];

    /// Code, status and title.
    pub const fn facts(self) -> RefusalFacts {
        let (code, status, title) = match self {
            Self::RequestRejected => (
                "request_rejected",
                400,
                "The request is ambiguous or malformed",
            ),
            Self::HeaderMismatch => ("request_rejected", 400, "A header does not match the body"),
            Self::RequestTimeout => ("request_timeout", 408, "The request did not arrive in time"),
            Self::TenantRequired => (
                "tenant_required",
                400,
                "The X-Fabric-Tenant header is required",
            ),
            Self::TenantInvalid => ("tenant_invalid", 400, "The tenant id is not well-formed"),
            Self::CredentialsMissing => ("credentials_missing", 401, "Credentials are required"),
            Self::TokenInvalid => ("token_invalid", 401, "The credential is not valid"),
            Self::TokenExpired => ("token_expired", 401, "The token has expired"),
            Self::ApiKeyExpired => ("api_key_expired", 401, "The API key has expired"),
            Self::SignatureInvalid => ("signature_invalid", 401, "The signature is not valid"),
            Self::RoleRequired => ("role_required", 403, "A role is missing"),
            Self::ScopeRequired => ("scope_required", 403, "A scope is missing"),
            Self::Forbidden => ("forbidden", 403, "A rule forbids the request"),
            Self::ToolForbidden => (
                "tool_forbidden",
                403,
                "A rule forbids the tool, prompt or resource",
            ),
            Self::TenantUnknown => ("tenant_unknown", 403, "The tenant is not known"),
            Self::TenantSuspended => ("tenant_suspended", 403, "The tenant is suspended"),
            Self::TenantMismatchRead => ("tenant_mismatch", 404, "Not found"),
            Self::TenantMismatch => ("tenant_mismatch", 403, "The request names another tenant"),
            Self::NotFound | Self::ForeignAnswer => ("not_found", 404, "Not found"),
            Self::MethodUnknown => ("not_found", 404, "Method not found"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed"),
            Self::BodyTooLarge => ("body_too_large", 413, "The request body is too large"),
            Self::EncodingUnsupported => (
                "encoding_unsupported",
                415,
                "The content encoding is not supported",
            ),
            Self::QueueFull => ("queue_full", 429, "Too many requests wait in line"),
            Self::RateLimited => ("rate_limited", 429, "Too many requests a second"),
            Self::ConcurrencyLimited => ("concurrency_limited", 429, "Too many requests at a time"),
            Self::BudgetExceeded => ("budget_exceeded", 429, "The budget is spent"),
            Self::PriceUnknown => ("price_unknown", 429, "The request has no known price"),
            Self::ModelForbidden => ("model_forbidden", 403, "The model is not allowed"),
            Self::PreconditionFailed => (
                "precondition_failed",
                412,
                "It has changed since it was read",
            ),
        };
        // A line moves, a second passes; everything else stays refused until something is mended.
        let retry_after = if matches!(self, Self::QueueFull) {
            Some(5)
        } else if matches!(self, Self::RateLimited | Self::ConcurrencyLimited) {
            Some(1)
        } else if matches!(self, Self::BudgetExceeded | Self::PriceUnknown) {
            Some(MENDED_LATER)
        } else {
            None
        };
        RefusalFacts {
            code,
            status,
            title,
            retry_after,
        }
    }
}

/// A refusal by rule, with what the caller may know about it and what only the log may.
#[derive(Clone, Debug)]
#[must_use]
pub struct Denial {
    /// Which line of the table.
    pub code: DenialCode,
    /// What helps the caller mend the request; never names another tenant or a secret.
    pub detail: Option<Cow<'static, str>>,
    /// The `[[rules]]` entry that forbade it.
    pub rule: Option<Arc<str>>,
    /// Methods the path takes, for `Allow` (RFC 9110 section 15.5.6).
    pub allow: Option<Arc<str>>,
    /// Role or scope names for the `WWW-Authenticate` challenge (RFC 6750 section 3).
    pub required: Option<Arc<str>>,
    /// Where the challenge says that a token can be had (RFC 9728 section 5.1).
    pub resource_metadata: Option<Arc<str>>,
    /// The status where it is not the table's.
    pub status: Option<u16>,
    /// Seconds after which a retry can help, where that is known better than the table does.
    pub retry_after: Option<u32>,
    /// The ceiling that is in the way; of a request without a known price, the one it could break first.
    pub ceiling: Option<Box<CeilingFacts>>,
}

/// What a caller is told of the ceiling that its request does not fit under. Amounts are decimal
/// text in USD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingFacts {
    /// `tenant`, `user`, `agent`, `route`, `session`.
    pub scope: &'static str,
    /// `month`, `rolling:24h`.
    pub window: String,
    /// The most that may be spent.
    pub limit_usd: String,
    /// What was spent or is held for requests under way.
    pub spent_usd: String,
    /// When the window ends (RFC 3339); `None` where it never does.
    pub resets_at: Option<String>,
}

impl Denial {
    /// A denial without further detail.
    pub const fn new(code: DenialCode) -> Self {
        Self {
            code,
            detail: None,
            rule: None,
            allow: None,
            required: None,
            resource_metadata: None,
            status: None,
            retry_after: None,
            ceiling: None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.code.facts().status)
    }

    /// Whether trying again soon can only fail again, so that a client library should not.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self.code,
            DenialCode::BudgetExceeded | DenialCode::PriceUnknown
        )
    }

    /// The same denial with a sentence for the caller.
    pub fn because(code: DenialCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(code)
        }
    }

    /// The `WWW-Authenticate` value that goes with this denial, if its status asks for one
    /// (RFC 9110 section 11.6.1, RFC 6750 section 3.1).
    pub fn challenge(&self) -> Option<String> {
        let error = match self.code {
            DenialCode::CredentialsMissing
            | DenialCode::ApiKeyExpired
            | DenialCode::SignatureInvalid => None,
            DenialCode::TokenInvalid | DenialCode::TokenExpired => Some("invalid_token"),
            DenialCode::ScopeRequired => Some("insufficient_scope"),
            DenialCode::RequestRejected
            | DenialCode::HeaderMismatch
            | DenialCode::RequestTimeout
            | DenialCode::TenantRequired
            | DenialCode::TenantInvalid
            | DenialCode::RoleRequired
            | DenialCode::Forbidden
            | DenialCode::ToolForbidden
            | DenialCode::TenantUnknown
            | DenialCode::TenantSuspended
            | DenialCode::TenantMismatchRead
            | DenialCode::TenantMismatch
            | DenialCode::NotFound
            | DenialCode::ForeignAnswer
            | DenialCode::MethodUnknown
            | DenialCode::MethodNotAllowed
            | DenialCode::BodyTooLarge
            | DenialCode::EncodingUnsupported
            | DenialCode::QueueFull
            | DenialCode::RateLimited
            | DenialCode::ConcurrencyLimited
            | DenialCode::BudgetExceeded
            | DenialCode::PriceUnknown
            | DenialCode::ModelForbidden
            | DenialCode::PreconditionFailed => return None,
        };
        let mut challenge = "Bearer realm=\"fabric-gate\"".to_owned();
        if let Some(error) = error {
            challenge.push_str(&format!(", error=\"{error}\""));
        }
        if self.code == DenialCode::TokenExpired {
            challenge.push_str(", error_description=\"the token has expired\"");
        }
        if let Some(scope) = &self.required {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        if let Some(url) = &self.resource_metadata {
            challenge.push_str(&format!(", resource_metadata=\"{url}\""));
        }
        Some(challenge)
    }
}

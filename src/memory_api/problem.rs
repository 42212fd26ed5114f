//! Refusals as callers see them: `application/problem+json` (RFC 9457).
//!
//! One table has every code that the service itself gives; what refuses a credential comes from
//! [`decision`](crate::decision) with the gate's own codes.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::decision::{CONTENT_TYPE, Refusal};

/// What `type` begins with; the code follows. It names the kind of problem and need not resolve.
const TYPE_BASE: &str = "https://fabric-gate.dev/problems/";

/// Why the service does not do what it was asked. The list is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each code is described by its title in the table below"
)]
pub enum ProblemCode {
    RequestRejected,
    RoleRequired,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// Others kept changing it.
    Conflict,
    /// Another entry has the key.
    KeyTaken,
    PreconditionFailed,
    /// The change needs `If-Match` (RFC 6585 section 3).
    PreconditionRequired,
    BodyTooLarge,
    /// One entry is larger than an entry may be.
    EntryTooLarge,
    MediaTypeUnsupported,
    /// The namespace holds all it may (RFC 4918 section 11.5).
    QuotaExceeded,
    StateUnavailable,
    Overloaded,
    TimedOut,
    Internal,
}

impl ProblemCode {
    /// Every code, for tests and documentation.
    pub const ALL: [Self; 17] = [
        Self::RequestRejected,
        Self::RoleRequired,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::KeyTaken,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::BodyTooLarge,
        Self::EntryTooLarge,
        Self::MediaTypeUnsupported,
        Self::QuotaExceeded,
        Self::StateUnavailable,
        Self::Overloaded,
        Self::TimedOut,
        Self::Internal,
    ];

    /// Code, status, title, and seconds after which a retry can help.
    const fn facts(self) -> (&'static str, StatusCode, &'static str, Option<u32>) {
        match self {
            Self::RequestRejected => (
                "request_rejected",
                StatusCode::BAD_REQUEST,
                "The request is ambiguous or malformed",
                None,
            ),
            Self::RoleRequired => (
                "role_required",
                StatusCode::FORBIDDEN,
                "A role is missing",
                None,
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "The caller may not do this",
                None,
            ),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Not found", None),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not allowed",
                None,
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "It conflicts with what is there",
                None,
            ),
            Self::KeyTaken => (
                "key_taken",
                StatusCode::CONFLICT,
                "Another entry has the key",
                None,
            ),
            Self::PreconditionFailed => (
                "precondition_failed",
                StatusCode::PRECONDITION_FAILED,
                "It has changed since it was read",
                None,
            ),
            Self::PreconditionRequired => (
                "precondition_required",
                StatusCode::PRECONDITION_REQUIRED,
                "The change has to say what it goes by",
                None,
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request body is too large",
                None,
            ),
            Self::EntryTooLarge => (
                "entry_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The entry is too large",
                None,
            ),
            Self::MediaTypeUnsupported => (
                "media_type_unsupported",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The media type is not supported",
                None,
            ),
            Self::QuotaExceeded => (
                "quota_exceeded",
                StatusCode::INSUFFICIENT_STORAGE,
                "The quota is used up",
                None,
            ),
            Self::StateUnavailable => (
                "state_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The memory can't be reached",
                Some(1),
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service is at its limit",
                Some(1),
            ),
            Self::TimedOut => (
                "timed_out",
                StatusCode::SERVICE_UNAVAILABLE,
                "The request took too long",
                Some(1),
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The service failed",
                None,
            ),
        }
    }
}

/// One refusal. As a response it has no body yet: the outermost layer writes it, with the request's
/// id, unless somebody within has answered in another protocol's words.
#[derive(Clone, Debug)]
#[must_use]
pub struct Problem {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<u32>,
    challenge: Option<String>,
    members: Map<String, Value>,
    of_store: bool,
}

impl Problem {
    /// A problem without further detail.
    pub fn new(code: ProblemCode) -> Self {
        let (code, status, title, retry_after) = code.facts();
        Self {
            code,
            status,
            title,
            detail: None,
            retry_after,
            challenge: None,
            members: Map::new(),
            of_store: false,
        }
    }

    /// A problem with a sentence for the caller: what is wrong, where, and what to do. It never names
    /// what belongs to another, nor a secret.
    pub fn because(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(code)
        }
    }

    /// The same problem with one more member (RFC 9457 section 3.2), such as the quota that is used up.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The same problem, as one that the store had.
    pub fn of_the_store(mut self) -> Self {
        self.of_store = true;
        self
    }

    /// Whether it is one that the store had.
    pub fn is_of_the_store(&self) -> bool {
        self.of_store
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether it is this one of the service's own.
    pub fn is(&self, code: ProblemCode) -> bool {
        self.code == code.facts().0
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What helps the caller, or what kind of problem it is.
    pub fn message(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.title)
    }

    /// The document, with the id of the request.
    pub fn document(&self, request_id: &str) -> Value {
        let mut members = self.members.clone();
        members.insert(
            "type".to_owned(),
            format!("{TYPE_BASE}{}", self.code).into(),
        );
        members.insert("title".to_owned(), self.title.into());
        members.insert("status".to_owned(), self.status.as_u16().into());
        members.insert("code".to_owned(), self.code.into());
        members.insert("request_id".to_owned(), request_id.into());
        if let Some(detail) = &self.detail {
            members.insert("detail".to_owned(), detail.as_ref().into());
        }
        Value::Object(members)
    }

    /// The response, with the id of the request.
    pub(super) fn answer(&self, request_id: &str) -> Response {
        let mut response = self.clone().into_response();
        *response.body_mut() = Body::from(self.document(request_id).to_string());
        response
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl From<Refusal> for Problem {
    /// A refused credential. Status, code and challenge are the gate's.
    fn from(refusal: Refusal) -> Self {
        let (facts, detail, challenge) = match &refusal {
            Refusal::Denied(denial) => (
                denial.code.facts(),
                denial.detail.clone(),
                denial.challenge(),
            ),
            Refusal::Failed(failure) => (failure.code.facts(), failure.detail.clone(), None),
        };
        let status = StatusCode::from_u16(refusal.status());
        Self {
            code: facts.code,
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            title: facts.title,
            detail,
            retry_after: facts.retry_after,
            challenge,
            members: Map::new(),
            of_store: false,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let challenge = self.challenge.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(challenge)) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Denial, DenialCode, FailureCode};

    #[test]
    fn the_table_of_problems_is_the_contract() {
        let mut table = String::new();
        for code in ProblemCode::ALL {
            let (code, status, title, retry) = code.facts();
            table.push_str(&format!("{} {code} {title:?} {retry:?}\n", status.as_u16()));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_document_has_its_code_its_request_and_nothing_a_member_could_overwrite() {
        let problem = Problem::because(ProblemCode::QuotaExceeded, "delete something first")
            .with("limit_bytes", 10)
            .with("code", "other");
        let document = problem.document("r-1");
        assert_eq!(document["code"], "quota_exceeded");
        assert_eq!(document["status"], 507);
        assert_eq!(document["request_id"], "r-1");
        assert_eq!(document["detail"], "delete something first");
        assert_eq!(document["limit_bytes"], 10);
    }

    #[test]
    fn a_refused_credential_keeps_the_gates_status_and_challenge() {
        let denial = Refusal::from(Denial::because(DenialCode::TokenInvalid, "a"));
        let response = Problem::from(denial).into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer realm=\"fabric-gate\", error=\"invalid_token\""
        );
        let failure = Refusal::from(FailureCode::KeysUnavailable);
        let response = Problem::from(failure).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}

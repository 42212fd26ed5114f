//! A refusal in the words of JSON-RPC 2.0.

use super::{DenialCode, Problem, Refusal};

/// `HeaderMismatch` of MCP 2026-07-28, "Server Validation".
const HEADER_MISMATCH: i32 = -32020;

/// Not a valid request (JSON-RPC 2.0 section 5.1).
const INVALID_REQUEST: i32 = -32600;

/// No such method (section 5.1).
const METHOD_NOT_FOUND: i32 = -32601;

/// Our fault or the backend's (section 5.1).
const INTERNAL_ERROR: i32 = -32603;

/// What is asked for is not there. From the range that is left to implementations, as is the next;
/// the number is the one that MCP servers commonly use for a session they don't know.
const NOT_FOUND: i32 = -32001;

/// Refused by a rule.
const REFUSED: i32 = -32003;

impl Problem {
    /// The error response of a refusal: the stable code is in `error.data.code`, the HTTP status stays
    /// what it is. `id` is the request's as it is written, `None` where it is not known
    /// (section 5: `null`).
    pub fn json_rpc(refusal: &Refusal, request_id: &str, id: Option<&str>) -> Self {
        let problem = Self::of(refusal, request_id);
        let (number, title, detail) = match refusal {
            Refusal::Denied(denial) => {
                let number = match (denial.code, denial.code.facts().status) {
                    (DenialCode::HeaderMismatch, _) => HEADER_MISMATCH,
                    (DenialCode::MethodUnknown, _) => METHOD_NOT_FOUND,
                    (_, 400 | 413 | 415) => INVALID_REQUEST,
                    (_, 404) => NOT_FOUND,
                    _ => REFUSED,
                };
                let title = denial.code.facts().title;
                (number, title, denial.detail.as_deref())
            }
            Refusal::Failed(failure) => {
                let title = failure.code.facts().title;
                (INTERNAL_ERROR, title, failure.detail.as_deref())
            }
        };
        let message = match detail {
            Some(detail) => format!("{title}: {detail}"),
            None => title.to_owned(),
        };
        let error = serde_json::json!({
            "code": number,
            "message": message,
            "data": { "code": problem.code, "request_id": request_id },
        });
        let id = id.unwrap_or("null");
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
        Self {
            content_type: "application/json",
            body: body.into_bytes(),
            ..problem
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Denial, FailureCode};
    use super::*;

    fn written(refusal: impl Into<Refusal>, id: Option<&str>) -> serde_json::Value {
        let problem = Problem::json_rpc(&refusal.into(), "r-1", id);
        assert_eq!(problem.content_type, "application/json");
        serde_json::from_slice(&problem.body).unwrap()
    }

    #[test]
    fn an_error_response_has_the_requests_id_and_the_stable_code() {
        let document = written(DenialCode::ToolForbidden, Some("\"a\\\"b\""));
        assert_eq!(document["id"], "a\"b");
        assert_eq!(document["error"]["data"]["code"], "tool_forbidden");
        assert_eq!(document["error"]["data"]["request_id"], "r-1");
        assert!(document.get("result").is_none());
        let unknown = written(FailureCode::Overloaded, None);
        assert!(unknown["id"].is_null());
        assert_eq!(unknown["error"]["code"], INTERNAL_ERROR);
    }

    #[test]
    fn the_number_says_what_kind_of_refusal_it_is() {
        let detail = Denial::because(DenialCode::HeaderMismatch, "the Mcp-Name header");
        let mismatch = written(detail, Some("7"));
        assert_eq!(mismatch["error"]["code"], -32020);
        assert_eq!(
            mismatch["error"]["message"],
            "A header does not match the body: the Mcp-Name header"
        );
        for (code, number) in [
            (DenialCode::RequestRejected, INVALID_REQUEST),
            (DenialCode::NotFound, NOT_FOUND),
            (DenialCode::ToolForbidden, REFUSED),
            (DenialCode::TokenInvalid, REFUSED),
        ] {
            assert_eq!(written(code, None)["error"]["code"], number, "{code:?}");
        }
    }
}

//! A body that is a JSON object every reader finds the same members in.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::{Problem, ProblemCode};
use crate::inspect::json;

/// The body as a JSON object. A name that stands twice in one object is refused (RFC 8259 section 4
/// leaves open which one counts): what one reader checked, another would not keep.
#[derive(Clone, Debug)]
pub struct ObjectBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for ObjectBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body has to be JSON: `Content-Type: application/json`";
            return Err(Problem::because(ProblemCode::MediaTypeUnsupported, detail));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| unread(&rejection))?;
        object(&body).map(Self)
    }
}

/// The object that a text is.
///
/// # Errors
/// It is no JSON, no object, nested too deep, or repeats a name.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, Problem> {
    let members: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| rejected(error.to_string()))?;
    match json::Value::parse(text, &json::Limits::default()) {
        Ok(_) => Ok(members),
        Err(fault) => Err(rejected(fault.to_string())),
    }
}

fn rejected(detail: String) -> Problem {
    Problem::because(ProblemCode::RequestRejected, detail)
}

/// `application/json`, or a type whose suffix says that it is JSON (RFC 6839 section 3.1).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Why a body can't be read.
pub(super) fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemCode::BodyTooLarge),
        _ => rejected(rejection.body_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_each_name_once_at_every_depth() {
        assert!(object(br#"{"a":{"b":1},"c":[{"b":1},{"b":2}]}"#).is_ok());
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":1,"\u0061":2}"#,
            "[]",
            "1",
            "{",
            "",
            "{} {}",
        ] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert!(object(deep.as_bytes()).is_err());
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn only_json_is_taken_for_json() {
        for (kind, right) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("application/x-ndjson", false),
            ("application/jsonl", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(is_json(&headers), right, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}

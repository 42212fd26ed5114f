//! An absence in the words of a policy, where a backend's own can't be learned.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::answer::Answer;
use super::spelling::json;

impl Answer {
    /// What a policy states as `not_found = { status, content_type, body }`, about `id`.
    ///
    /// In `body`, `{id}` stands for the id that was asked for and `{rpc_id}` for the id of the
    /// JSON-RPC request: a JSON value, as it was written there (`null` where it had none). An empty
    /// `content_type` is left out.
    pub fn stated(
        status: StatusCode,
        content_type: &HeaderValue,
        body: &str,
        id: &str,
        rpc_id: Option<&str>,
    ) -> Self {
        let id = if names_json(content_type) {
            Cow::Owned(json(id, false))
        } else {
            Cow::Borrowed(id)
        };
        let mut whole = String::with_capacity(body.len() + id.len());
        let mut rest = body;
        // In one pass, so that an id that is spelled like a placeholder stays an id.
        while let Some((before, from)) = rest.split_once('{') {
            whole.push_str(before);
            if let Some(after) = from.strip_prefix("id}") {
                whole.push_str(&id);
                rest = after;
            } else if let Some(after) = from.strip_prefix("rpc_id}") {
                whole.push_str(rpc_id.unwrap_or("null"));
                rest = after;
            } else {
                whole.push('{');
                rest = from;
            }
        }
        whole.push_str(rest);
        let mut headers = HeaderMap::with_capacity(2);
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.clone());
        }
        if status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
        }
        Self {
            status,
            headers,
            body: Bytes::from(whole),
        }
    }
}

/// Whether a media type is JSON (`application/json`, `application/problem+json`).
fn names_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(kind: &'static str, body: &str, id: &str, rpc_id: Option<&str>) -> Answer {
        let kind = HeaderValue::from_static(kind);
        Answer::stated(StatusCode::NOT_FOUND, &kind, body, id, rpc_id)
    }

    #[test]
    fn the_id_stands_in_a_json_body_as_json_and_in_text_as_it_is() {
        let body = r#"{"error":"no {id}"}"#;
        let answer = stated("application/json; charset=utf-8", body, "a\"b", None);
        assert_eq!(answer.body, r#"{"error":"no a\"b"}"#);
        assert_eq!(answer.headers["content-length"], "19");
        let answer = stated("text/plain", "no {id}", "a\"b", None);
        assert_eq!(answer.body, "no a\"b");
    }

    #[test]
    fn an_id_that_is_spelled_like_a_placeholder_is_an_id() {
        let answer = stated("text/plain", "{id} {rpc_id} {x}", "{rpc_id}", Some("7"));
        assert_eq!(answer.body, "{rpc_id} 7 {x}");
    }

    #[test]
    fn a_json_rpc_request_without_id_is_answered_with_null() {
        let body = r#"{"id":{rpc_id},"error":{"code":-32001}}"#;
        let answer = stated("application/json", body, "t", None);
        assert!(answer.body.starts_with(br#"{"id":null,"#));
        let answer = stated("application/json", body, "t", Some("\"a\""));
        assert!(answer.body.starts_with(br#"{"id":"a","#));
    }
}

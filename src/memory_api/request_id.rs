//! The id that a request goes by, here and in the gate's records.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};

/// The header that carries it, both ways.
pub(super) const HEADER: &str = "x-request-id";

/// Longest id that is taken from a caller.
const MAX_LENGTH: usize = 64;

/// A request's id, the same one that the gate has put in the audit log where it came through the
/// gate. It names the request and decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The one id that the headers carry, if it is safe to write down, or a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next().and_then(sound), given.next()) {
            (Some(given), None) => Self(given.into()),
            _ => Self(mint().into()),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header value.
    pub(super) fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The `traceparent` of a request (W3C Trace Context section 3.2), if it is one that a log can take
/// as it stands.
pub(super) fn trace_parent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let sound = text.len() == 55
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    sound.then_some(text)
}

fn sound(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let sound = (1..=MAX_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    sound.then_some(text)
}

fn mint() -> String {
    let mut random = [0; 16];
    // An id decides nothing: one that repeats is better than a request that is refused for it.
    let _ = aws_lc_rs::rand::fill(&mut random);
    format!("{:032x}", u128::from_be_bytes(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        RequestId::of(&headers)
    }

    #[test]
    fn the_gates_id_is_taken() {
        assert_eq!(of(&["0af7651916cd43dd8448eb211c80319c"]).as_str().len(), 32);
        assert_eq!(of(&["a.b-c_9"]).as_str(), "a.b-c_9");
    }

    #[test]
    fn what_is_no_single_plain_id_is_replaced() {
        let long = "x".repeat(65);
        let long: &'static str = long.leak();
        for values in [&[][..], &["a", "b"], &["a b"], &[""], &["a\"b"], &[long]] {
            let minted = of(values);
            assert_eq!(minted.as_str().len(), 32, "{values:?}");
            assert_ne!(minted, of(values), "ids are not given twice");
        }
    }
}

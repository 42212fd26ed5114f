//! JSON-RPC 2.0 messages, read strictly.
//!
//! What a message is follows from which members it has, and readers differ where it has too many: a
//! `method` beside a `result`, an `id` that is `null`. Such a message is refused, because the gate
//! would decide about one thing and the backend do another. Members of other names are left alone.

use std::borrow::Cow;

use super::json::{JsonFault, Limits, Value};
use crate::decision::{Denial, DenialCode};

/// Longest method name, in bytes.
const MAX_METHOD: usize = 256;

/// Longest id as it is written, in bytes. It is sent back in refusals.
const MAX_ID: usize = 256;

/// Most messages of one batch.
const MAX_BATCH: usize = 100;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'body> {
    /// Something is asked, and an answer expected.
    Request {
        /// A string or number, as it is written.
        id: Value<'body>,
        /// What is asked.
        method: Cow<'body, str>,
        /// An array or object.
        params: Option<Value<'body>>,
    },
    /// Something is told.
    Notification {
        /// What is told.
        method: Cow<'body, str>,
        /// An array or object.
        params: Option<Value<'body>>,
    },
    /// The answer to a request.
    Response {
        /// Of the request; absent or `null` in an error about one that could not be read.
        id: Option<Value<'body>>,
        /// How it went.
        outcome: Outcome<'body>,
    },
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'body> {
    /// Well, with this.
    Result(Value<'body>),
    /// Not.
    Error(Value<'body>),
}

/// The messages of one body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'body> {
    /// One message.
    One(Message<'body>),
    /// A batch (JSON-RPC 2.0 section 6); never empty.
    Batch(Vec<Message<'body>>),
}

impl<'body> Body<'body> {
    /// Reads a body.
    ///
    /// # Errors
    /// See [`JsonRpcFault`].
    pub fn parse(body: &'body [u8], limits: &Limits) -> Result<Self, JsonRpcFault> {
        let value = Value::parse(body, limits)?;
        if !value.is_array() {
            return Message::of(value).map(Self::One);
        }
        let mut messages = Vec::new();
        for element in value.elements() {
            if messages.len() == MAX_BATCH {
                return Err(JsonRpcFault::TooMany);
            }
            messages.push(Message::of(element)?);
        }
        if messages.is_empty() {
            return Err(JsonRpcFault::Shape("an empty batch"));
        }
        Ok(Self::Batch(messages))
    }

    /// The messages, in order.
    pub fn messages(&self) -> &[Message<'body>] {
        match self {
            Self::One(message) => std::slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }
}

impl<'body> Message<'body> {
    /// Reads one message.
    ///
    /// # Errors
    /// See [`JsonRpcFault`].
    pub fn of(value: Value<'body>) -> Result<Self, JsonRpcFault> {
        if !value.is_object() {
            return Err(JsonRpcFault::Shape("no object"));
        }
        let version = value.member("jsonrpc")?.and_then(Value::text);
        if version.as_deref() != Some("2.0") {
            return Err(JsonRpcFault::Shape("`jsonrpc` is not \"2.0\""));
        }
        let id = value.member("id")?;
        let params = value.member("params")?;
        let result = value.member("result")?;
        let error = value.member("error")?;
        let Some(method) = value.member("method")? else {
            if params.is_some() {
                return Err(JsonRpcFault::Shape("`params` without `method`"));
            }
            let outcome = match (result, error) {
                (Some(result), None) => Outcome::Result(result),
                (None, Some(error)) => Outcome::Error(error),
                (Some(_), Some(_)) => {
                    return Err(JsonRpcFault::Shape("`result` beside `error`"));
                }
                (None, None) => return Err(JsonRpcFault::Shape("no `method`, no outcome")),
            };
            let id = id.filter(|id| id.raw() != "null");
            if id.is_none() && matches!(outcome, Outcome::Result(_)) {
                return Err(JsonRpcFault::Shape("a `result` without `id`"));
            }
            let id = id.map(sound_id).transpose()?;
            return Ok(Self::Response { id, outcome });
        };
        if result.is_some() || error.is_some() {
            return Err(JsonRpcFault::Shape("`method` beside an outcome"));
        }
        let method = method
            .text()
            .ok_or(JsonRpcFault::Shape("`method` is no text"))?;
        if method.is_empty() || method.len() > MAX_METHOD {
            return Err(JsonRpcFault::Shape("`method` is empty or too long"));
        }
        if params.is_some_and(|params| !params.is_object() && !params.is_array()) {
            return Err(JsonRpcFault::Shape("`params` is no array or object"));
        }
        Ok(match id {
            Some(id) => Self::Request {
                id: sound_id(id)?,
                method,
                params,
            },
            None => Self::Notification { method, params },
        })
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Response { .. } => None,
        }
    }

    /// The parameters of a request or notification.
    pub fn params(&self) -> Option<Value<'body>> {
        match self {
            Self::Request { params, .. } | Self::Notification { params, .. } => *params,
            Self::Response { .. } => None,
        }
    }

    /// The id of a request, as it is written: what a refusal has to send back.
    pub fn request_id(&self) -> Option<&'body str> {
        match self {
            Self::Request { id, .. } => Some(id.raw()),
            Self::Notification { .. } | Self::Response { .. } => None,
        }
    }
}

/// A text or number. `null` would be a request to some readers and a notification to others.
fn sound_id(id: Value<'_>) -> Result<Value<'_>, JsonRpcFault> {
    let fits = id.raw().len() <= MAX_ID && (id.is_number() || id.text().is_some());
    if fits {
        Ok(id)
    } else {
        Err(JsonRpcFault::Shape(
            "`id` is no text or number, or too long",
        ))
    }
}

/// The id of the request in a body that is refused before anything else of it is read; `None` where
/// that can't be said.
pub fn id_of(body: &[u8]) -> Option<String> {
    match Body::parse(body, &Limits::default()).ok()? {
        Body::One(message) => message.request_id().map(str::to_owned),
        Body::Batch(_) => None,
    }
}

/// Why a body is no JSON-RPC message that every reader understands alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonRpcFault {
    /// See there.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// Not a message; what is wrong with it.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
    /// A batch that is too long.
    #[error("the JSON-RPC batch has too many messages")]
    TooMany,
}

impl From<JsonRpcFault> for Denial {
    fn from(fault: JsonRpcFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Body<'_>, JsonRpcFault> {
        Body::parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn a_message_is_what_its_members_say() {
        let body = parse(r#" {"jsonrpc":"2.0","id": "a\"b" ,"method":"m","params":{"x":1}} "#);
        let body = body.unwrap();
        let [request] = body.messages() else {
            panic!("one message");
        };
        assert_eq!(request.request_id(), Some(r#""a\"b""#));
        assert_eq!(request.method(), Some("m"));
        assert_eq!(request.params().map(Value::raw), Some(r#"{"x":1}"#));
        let told = parse(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap();
        assert!(matches!(
            told.messages(),
            [Message::Notification { params: None, .. }]
        ));
        let failed = parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#).unwrap();
        assert!(matches!(
            failed.messages(),
            [Message::Response {
                id: None,
                outcome: Outcome::Error(_)
            }]
        ));
    }

    #[test]
    fn a_message_that_readers_understand_differently_is_refused() {
        for text in [
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            r#"{"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}"#,
            r#"[]"#,
            r#"[1]"#,
            r#""m""#,
        ] {
            assert!(matches!(parse(text), Err(JsonRpcFault::Shape(_))), "{text}");
        }
        for (text, fault) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                JsonFault::DuplicateName,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
                JsonFault::NameCase,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","PARAMS":{}}"#,
                JsonFault::NameCase,
            ),
        ] {
            assert_eq!(parse(text), Err(JsonRpcFault::Json(fault)), "{text}");
        }
    }

    #[test]
    fn a_batch_is_bounded() {
        let batch = |count: usize| {
            let message = r#"{"jsonrpc":"2.0","method":"m"}"#;
            format!("[{}]", vec![message; count].join(","))
        };
        assert_eq!(
            parse(&batch(MAX_BATCH)).map(|body| body.messages().len()),
            Ok(MAX_BATCH)
        );
        assert_eq!(parse(&batch(MAX_BATCH + 1)), Err(JsonRpcFault::TooMany));
    }
}

//! A request in plain parts, and the four ways it can go through the gate.
//!
//! The gate drives most exchanges with backends itself and leaves the others to pingora's loop
//! (uploads it need not read, among them everything of unknown length). What is promised about a
//! request has to hold on either way, and whichever protocol the client speaks.

use http::Request;

use crate::support::h2_client::{self, H2Response};
use crate::support::raw_client::RawResponse;

/// Protocol of the client, and who drives the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP/1.1, without a body or with one of a stated length: the gate's own exchange.
    Exchange,
    /// HTTP/1.1 with a chunked body: pingora's loop.
    Loop,
    /// HTTP/2, without a body or with one of a stated length: the gate's own exchange.
    Http2Exchange,
    /// HTTP/2 with a body of no stated length: pingora's loop.
    Http2Loop,
}

/// Every way.
pub const WAYS: [Way; 4] = [Way::Exchange, Way::Loop, Way::Http2Exchange, Way::Http2Loop];

impl Way {
    /// Whether pingora's loop drives the exchange.
    pub fn is_loop(self) -> bool {
        matches!(self, Self::Loop | Self::Http2Loop)
    }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// Fields in order; the ones that frame the message are added by the way.
    pub headers: Vec<(String, String)>,
    /// The body. The loop's ways send one byte where there is none.
    pub body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST with this body.
    pub fn post(target: &str, body: impl AsRef<[u8]>) -> Self {
        Self {
            body: body.as_ref().to_vec(),
            ..Self::new("POST", target)
        }
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds these fields.
    pub fn with_all(self, fields: &[(&str, &str)]) -> Self {
        fields
            .iter()
            .fold(self, |call, (name, value)| call.with(name, value))
    }

    /// Adds `Authorization: Bearer`.
    pub fn bearer(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    /// The bytes of the request in HTTP/1.1.
    pub fn to_http1(&self, way: Way) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: gate.test\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = self.body_by(way);
        if way.is_loop() {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            let mut bytes = head.into_bytes();
            bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n0\r\n\r\n");
            return bytes;
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Head and body of the request in HTTP/2.
    pub fn to_http2(&self, way: Way) -> (Request<()>, Vec<u8>) {
        let headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let mut fields: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = self.body_by(way);
        let length = body.len().to_string();
        if !way.is_loop() && !body.is_empty() {
            fields.push(("content-length", &length));
        }
        let request = h2_client::request(&self.method, &self.target, &fields);
        (request, body.to_vec())
    }

    fn body_by(&self, way: Way) -> &[u8] {
        if self.body.is_empty() && way.is_loop() {
            b"x"
        } else {
            &self.body
        }
    }
}

/// An answer of either protocol.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Fields with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of the only field with this name.
    ///
    /// # Panics
    /// There are several.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut found = self.headers.iter().filter(|(field, _)| field == name);
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "several `{name}` in {self:?}");
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem document, which it has to be.
    pub fn code(&self) -> String {
        let kind = self.header("content-type");
        assert_eq!(
            kind.as_deref(),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], self.status, "status in body and line");
        document["code"].as_str().unwrap().to_owned()
    }
}

impl From<RawResponse> for Reply {
    fn from(answer: RawResponse) -> Self {
        Self {
            status: answer.status,
            headers: answer
                .head
                .fields()
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            body: answer.body.content,
        }
    }
}

impl From<H2Response> for Reply {
    fn from(answer: H2Response) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
        Self {
            status: answer.head.status.as_u16(),
            headers: answer
                .head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
            body: answer.body,
        }
    }
}

//! Rules about header fields that hold for both versions of HTTP.

use http::{HeaderMap, Method, Uri};

use super::FramingFault;
use super::authority::is_authority;

/// Largest `Content-Length`: what a signed 64-bit integer holds.
const MAX_CONTENT_LENGTH: u64 = i64::MAX as u64;

/// What the fields say, gathered one field at a time; values are without blanks around them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Singles<'head> {
    pub(super) host: Option<&'head [u8]>,
    pub(super) content_length: Option<&'head [u8]>,
    pub(super) transfer_encoding: Option<&'head [u8]>,
    pub(super) expect: Option<&'head [u8]>,
    pub(super) upgrade: bool,
    authorization: Option<&'head [u8]>,
    api_key: Option<&'head [u8]>,
}

impl<'head> Singles<'head> {
    /// Takes one field. Names are told apart by length first, so that most are dismissed by one
    /// comparison.
    ///
    /// # Errors
    /// The field repeats one that may stand once, is an alias of one, or asks for HTTP/2.
    pub(super) fn take(
        &mut self,
        name: &'head [u8],
        value: &'head [u8],
    ) -> Result<(), FramingFault> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => once(&mut self.host, value),
            6 if name.eq_ignore_ascii_case(b"expect") => once(&mut self.expect, value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                refuse_http2(value)
            }
            9 if spells(name, b"x-api-key")? => once(&mut self.api_key, value),
            13 if name.eq_ignore_ascii_case(b"authorization") => {
                once(&mut self.authorization, value)
            }
            14 if spells(name, b"content-length")? => once(&mut self.content_length, value),
            14 if spells(name, b"http2-settings")? => Err(FramingFault::UpgradeToHttp2),
            17 if spells(name, b"transfer-encoding")? => once(&mut self.transfer_encoding, value),
            _ => Ok(()),
        }
    }

    /// The announced length of the body.
    ///
    /// # Errors
    /// It is not `1*DIGIT` (RFC 9110 section 8.6), or too large. A list of equal numbers, which
    /// the section lets a recipient take, is refused: not every backend takes it for one number.
    pub(super) fn body_length(&self) -> Result<Option<u64>, FramingFault> {
        let Some(text) = self.content_length else {
            return Ok(None);
        };
        let length = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|length| *length <= MAX_CONTENT_LENGTH)
            .ok_or(FramingFault::ContentLength)?;
        Ok(Some(length))
    }

    /// Whether the caller waits for `100 Continue`.
    ///
    /// # Errors
    /// Any other expectation.
    pub(super) fn expects_continue(&self) -> Result<bool, FramingFault> {
        match self.expect {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            Some(_) => Err(FramingFault::Expectation),
        }
    }

    /// The one authority of the request, from `Host` and from the target. They are compared byte by
    /// byte: the proxy's parser does, and answers a difference in case without an audit record.
    ///
    /// # Errors
    /// One of them is malformed, or they differ.
    pub(super) fn authority(
        &self,
        of_target: Option<&'head [u8]>,
    ) -> Result<Option<&'head str>, FramingFault> {
        for authority in [self.host, of_target].into_iter().flatten() {
            if !is_authority(authority) {
                return Err(FramingFault::Host);
            }
        }
        if let (Some(host), Some(of_target)) = (self.host, of_target)
            && host != of_target
        {
            return Err(FramingFault::HostMismatch);
        }
        let authority = self.host.or(of_target);
        Ok(authority.and_then(|authority| std::str::from_utf8(authority).ok()))
    }
}

/// Whether the method is one that is served: the standard ones without TRACE, which echoes
/// credentials, and CONNECT, which asks for a tunnel.
pub fn is_served_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"POST" | b"PUT" | b"DELETE" | b"HEAD" | b"PATCH" | b"OPTIONS"
    )
}

/// What an accepted HTTP/2 head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFacts<'head> {
    /// Host and port as sent.
    pub host: &'head str,
    /// Announced length of the body; without it the end of the stream tells.
    pub content_length: Option<u64>,
    /// The caller waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Inspects a request whose framing is not in its fields: HTTP/2 (RFC 9113 section 8).
///
/// The name and value alphabets need no check: [`HeaderMap`] holds nothing outside of them.
///
/// # Errors
/// The same faults as for HTTP/1, and connection-specific fields.
pub fn inspect_fields<'head>(
    method: &Method,
    uri: &'head Uri,
    headers: &'head HeaderMap,
) -> Result<FieldFacts<'head>, FramingFault> {
    if !is_served_method(method.as_str().as_bytes()) {
        return Err(FramingFault::Method);
    }
    if headers.len() > super::MAX_FIELDS {
        return Err(FramingFault::TooManyFields);
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > super::MAX_TARGET_BYTES {
        return Err(FramingFault::TargetTooLong);
    }
    if !target.starts_with('/') {
        return Err(FramingFault::TargetForm);
    }
    let mut singles = Singles::default();
    for (name, value) in headers {
        refuse_connection_specific(name.as_str(), value.as_bytes())?;
        singles.take(name.as_str().as_bytes(), value.as_bytes().trim_ascii())?;
    }
    let of_target = uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    Ok(FieldFacts {
        host: singles
            .authority(of_target)?
            .ok_or(FramingFault::HostMissing)?,
        content_length: singles.body_length()?,
        expects_continue: singles.expects_continue()?,
    })
}

/// RFC 9113 section 8.2.2: `te` may say `trailers`, the rest makes the message malformed.
fn refuse_connection_specific(name: &str, value: &[u8]) -> Result<(), FramingFault> {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => {
            Err(FramingFault::ConnectionSpecific)
        }
        "te" if !value.eq_ignore_ascii_case(b"trailers") => Err(FramingFault::ConnectionSpecific),
        _ => Ok(()),
    }
}

fn once<'head>(slot: &mut Option<&'head [u8]>, value: &'head [u8]) -> Result<(), FramingFault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(FramingFault::Repeated),
    }
}

/// Whether `name` is `field`; `field` is in lower case and of the same length.
///
/// # Errors
/// It is `field` for a backend that reads `_` or `.` as `-` (CGI, WSGI, PHP), and another field
/// for everyone else.
fn spells(name: &[u8], field: &[u8]) -> Result<bool, FramingFault> {
    if name.eq_ignore_ascii_case(field) {
        return Ok(true);
    }
    let folds = name.iter().zip(field).all(|(byte, wanted)| match byte {
        b'_' | b'.' => *wanted == b'-',
        letter => letter.to_ascii_lowercase() == *wanted,
    });
    if folds {
        Err(FramingFault::AliasedName)
    } else {
        Ok(false)
    }
}

/// `Upgrade: h2c` in any place of the list; a second `Upgrade` field passes through here as well.
fn refuse_http2(value: &[u8]) -> Result<(), FramingFault> {
    let asks_for_http2 = value.split(|byte| *byte == b',').any(|protocol| {
        let name = protocol.trim_ascii();
        let name = name.split(|byte| *byte == b'/').next().unwrap_or(name);
        name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"h2")
    });
    if asks_for_http2 {
        Err(FramingFault::UpgradeToHttp2)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn judge(
        method: &str,
        uri: &str,
        fields: &[(&str, &str)],
    ) -> Result<(String, Option<u64>), FramingFault> {
        let method = method.parse::<Method>().unwrap();
        let uri = uri.parse::<Uri>().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            );
        }
        inspect_fields(&method, &uri, &headers)
            .map(|facts| (facts.host.to_owned(), facts.content_length))
    }

    #[test]
    fn an_ordinary_http2_request_passes() {
        let fields = [
            ("content-length", "5"),
            ("te", "trailers"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("authorization", "Bearer x"),
        ];
        assert_eq!(
            judge("POST", "http://gate.example/x?y=1", &fields),
            Ok(("gate.example".to_owned(), Some(5)))
        );
        assert_eq!(
            judge("GET", "/x", &[("host", "gate.example:80")]),
            Ok(("gate.example:80".to_owned(), None))
        );
        assert!(judge("GET", "https://gate.example/", &[("host", "gate.example")]).is_ok());
    }

    #[test]
    fn http2_requests_that_two_parties_read_differently_are_refused() {
        use FramingFault as Fault;
        type Case = (
            &'static str,
            &'static str,
            &'static [(&'static str, &'static str)],
            FramingFault,
        );
        let table: &[Case] = &[
            ("TRACE", "http://a/", &[], Fault::Method),
            ("get", "http://a/", &[], Fault::Method),
            ("GET", "/x", &[], Fault::HostMissing),
            ("GET", "http://a/", &[("host", "b")], Fault::HostMismatch),
            ("GET", "http://a/", &[("host", "A")], Fault::HostMismatch),
            ("GET", "http://a/", &[("host", "a/b")], Fault::Host),
            ("GET", "http://u@a/", &[], Fault::Host),
            ("OPTIONS", "*", &[("host", "a")], Fault::TargetForm),
            (
                "POST",
                "http://a/",
                &[("content-length", "5"), ("content-length", "5")],
                Fault::Repeated,
            ),
            (
                "POST",
                "http://a/",
                &[("content-length", "5, 5")],
                Fault::ContentLength,
            ),
            (
                "GET",
                "http://a/",
                &[("connection", "close")],
                Fault::ConnectionSpecific,
            ),
            (
                "GET",
                "http://a/",
                &[("keep-alive", "5")],
                Fault::ConnectionSpecific,
            ),
            (
                "GET",
                "http://a/",
                &[("proxy-connection", "close")],
                Fault::ConnectionSpecific,
            ),
            (
                "POST",
                "http://a/",
                &[("transfer-encoding", "chunked")],
                Fault::ConnectionSpecific,
            ),
            (
                "GET",
                "http://a/",
                &[("upgrade", "websocket")],
                Fault::ConnectionSpecific,
            ),
            (
                "GET",
                "http://a/",
                &[("te", "gzip")],
                Fault::ConnectionSpecific,
            ),
            (
                "GET",
                "http://a/",
                &[("authorization", "a"), ("authorization", "b")],
                Fault::Repeated,
            ),
            (
                "GET",
                "http://a/",
                &[("x-api-key", "a"), ("x-api-key", "a")],
                Fault::Repeated,
            ),
            (
                "GET",
                "http://a/",
                &[("x_api_key", "a")],
                Fault::AliasedName,
            ),
            (
                "GET",
                "http://a/",
                &[("expect", "200-ok")],
                Fault::Expectation,
            ),
        ];
        for (method, uri, fields, fault) in table {
            assert_eq!(
                judge(method, uri, fields),
                Err(*fault),
                "{method} {uri} {fields:?}"
            );
        }
    }
}

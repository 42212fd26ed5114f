//! The opening handshake on both sides (RFC 6455 section 4).

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Version};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::decision::{Denial, DenialCode};
use crate::inspect::websocket::{accept_of, is_key, only_deflate};

/// What a client asked for.
#[derive(Debug)]
pub(in crate::proxy) struct Handshake {
    accept: String,
    protocols: Vec<String>,
    deflate: bool,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// permessage-deflate (RFC 7692).
    pub(super) compresses: bool,
}

impl Handshake {
    /// The handshake in this request; where messages are read, without compression.
    ///
    /// # Errors
    /// `request_rejected`: it is none that RFC 6455 section 4.2.1 would let a server take.
    pub(super) fn of(request: &RequestHeader, read: bool) -> Result<Self, Denial> {
        let fields = &request.headers;
        let rejected = |detail: &'static str| Denial::because(DenialCode::RequestRejected, detail);
        if request.method != Method::GET || request.version != Version::HTTP_11 {
            return Err(rejected("a WebSocket handshake is a GET of HTTP/1.1"));
        }
        if only(fields, &header::UPGRADE).is_none_or(|it| !it.eq_ignore_ascii_case("websocket")) {
            return Err(rejected("of all upgrades only `websocket` is taken"));
        }
        if only(fields, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(rejected("Sec-WebSocket-Version has to be 13"));
        }
        let key = only(fields, &header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key.as_bytes()))
            .ok_or_else(|| rejected("Sec-WebSocket-Key has to be 16 bytes in base64"))?;
        Ok(Self {
            accept: accept_of(key.as_bytes()),
            protocols: list(fields, &header::SEC_WEBSOCKET_PROTOCOL)
                .map(str::to_owned)
                .collect(),
            deflate: !read && deflate_of(fields).is_some(),
        })
    }

    /// What a backend's `101` agrees on.
    ///
    /// # Errors
    /// In words for the log: the answer is none to this handshake (section 4.1).
    pub(super) fn agreed(&self, answer: &ResponseHeader) -> Result<Agreement, &'static str> {
        let fields = &answer.headers;
        let switches = only(fields, &header::UPGRADE)
            .is_some_and(|it| it.eq_ignore_ascii_case("websocket"))
            && list(fields, &header::CONNECTION).any(|it| it.eq_ignore_ascii_case("upgrade"));
        if !switches {
            return Err("does not switch to WebSocket");
        }
        if only(fields, &header::SEC_WEBSOCKET_ACCEPT) != Some(&self.accept) {
            return Err("does not accept the key");
        }
        let mut chosen = list(fields, &header::SEC_WEBSOCKET_PROTOCOL);
        let (first, second) = (chosen.next(), chosen.next());
        let offered = first.is_none_or(|first| self.protocols.iter().any(|it| it == first));
        if !offered || second.is_some() {
            return Err("chooses a protocol that was not offered");
        }
        let all = list(fields, &header::SEC_WEBSOCKET_EXTENSIONS).count();
        let known = deflate_of(fields).map_or(0, |known| known.split(',').count());
        if all != known || (known > 0 && !self.deflate) {
            return Err("chooses an extension that was not offered");
        }
        Ok(Agreement {
            compresses: known > 0,
        })
    }
}

/// Adds the handshake to a request that was made anew: what the client asked for, save for the
/// extensions that the gate does not know, and of compression where it reads messages.
pub(in crate::proxy) fn offer(fields: &mut HeaderMap, read: bool) {
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let deflate = deflate_of(fields).filter(|_| !read);
    let deflate = deflate.and_then(|offers| HeaderValue::try_from(offers).ok());
    match deflate {
        Some(offers) => fields.insert(header::SEC_WEBSOCKET_EXTENSIONS, offers),
        None => fields.remove(header::SEC_WEBSOCKET_EXTENSIONS),
    };
}

/// The bytes of a `101` with these fields.
pub(super) fn answered(head: &ResponseHeader) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n\
                      Upgrade: websocket\r\nConnection: Upgrade\r\n"
        .to_vec();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The value of a field that stands there once.
fn only<'fields>(fields: &'fields HeaderMap, name: &HeaderName) -> Option<&'fields str> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// The members of a list field.
fn list<'fields>(
    fields: &'fields HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'fields str> {
    fields
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

fn deflate_of(fields: &HeaderMap) -> Option<String> {
    only_deflate(
        fields
            .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
            .iter()
            .filter_map(|value| value.to_str().ok()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const ACCEPT: (&str, &str) = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");
    const UPGRADE: [(&str, &str); 2] = [("Upgrade", "WebSocket"), ("Connection", "Upgrade")];

    fn handshake(more: &[(&'static str, &'static str)]) -> Result<Handshake, Denial> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in more {
            request.append_header(*name, *value).unwrap();
        }
        Handshake::of(&request, false)
    }

    fn asked(more: &[(&'static str, &'static str)]) -> Handshake {
        handshake(&[&UPGRADE[..], &[KEY, VERSION], more].concat()).unwrap()
    }

    fn answer(fields: &[(&'static str, &'static str)]) -> ResponseHeader {
        let mut answer = ResponseHeader::build(101, None).unwrap();
        for (name, value) in fields {
            answer.append_header(*name, *value).unwrap();
        }
        answer
    }

    #[test]
    fn a_handshake_needs_its_version_its_key_and_the_word_websocket() {
        let [upgrade, connection] = UPGRADE;
        assert!(handshake(&[upgrade, connection, KEY, VERSION]).is_ok());
        for lacking in [
            vec![connection, KEY, VERSION],
            vec![("Upgrade", "h2c"), connection, KEY, VERSION],
            vec![("Upgrade", "websocket, x"), connection, KEY, VERSION],
            vec![upgrade, connection, VERSION],
            vec![upgrade, connection, KEY, KEY, VERSION],
            vec![upgrade, connection, ("Sec-WebSocket-Key", "short"), VERSION],
            vec![upgrade, connection, KEY, ("Sec-WebSocket-Version", "8")],
        ] {
            assert!(handshake(&lacking).is_err(), "{lacking:?}");
        }
    }

    #[test]
    fn an_answer_has_to_fit_what_was_asked() {
        let plain = asked(&[]);
        let fits = [&UPGRADE[..], &[ACCEPT]].concat();
        let agreed = Agreement { compresses: false };
        assert_eq!(plain.agreed(&answer(&fits)), Ok(agreed));
        assert!(plain.agreed(&answer(&UPGRADE)).is_err(), "no accept");
        assert!(plain.agreed(&answer(&[ACCEPT])).is_err(), "no upgrade");
        let wrong = ("Sec-WebSocket-Accept", "AAAALMBiTxaQ9kYGzzhZRbK+xOo=");
        let wrong = [&UPGRADE[..], &[wrong]].concat();
        assert!(plain.agreed(&answer(&wrong)).is_err(), "another key");
        let chosen = [&fits[..], &[("Sec-WebSocket-Protocol", "chat")]].concat();
        assert!(plain.agreed(&answer(&chosen)).is_err(), "not offered");
        let offering = asked(&[("Sec-WebSocket-Protocol", "soap, chat")]);
        assert_eq!(offering.agreed(&answer(&chosen)), Ok(agreed));
    }

    #[test]
    fn compression_is_agreed_on_where_it_was_offered_and_nothing_else_is() {
        let field = "Sec-WebSocket-Extensions";
        let deflate = [&UPGRADE[..], &[ACCEPT, (field, "permessage-deflate")]].concat();
        let offering = asked(&[(field, "permessage-deflate; client_max_window_bits")]);
        let agreed = Agreement { compresses: true };
        assert_eq!(offering.agreed(&answer(&deflate)), Ok(agreed));
        assert!(asked(&[]).agreed(&answer(&deflate)).is_err());
        let other = [&UPGRADE[..], &[ACCEPT, (field, "x-other")]].concat();
        assert!(offering.agreed(&answer(&other)).is_err());
        assert!(
            asked(&[(field, "x-other")])
                .agreed(&answer(&other))
                .is_err()
        );
    }
}

//! What may stand in `Host`, in `:authority` and before the path of an absolute-form target.

use std::net::Ipv6Addr;

/// Longest authority in bytes: a DNS name (253), its dot, a colon and a port.
const MAX_AUTHORITY_BYTES: usize = 260;

/// Whether `text` is `host` or `host:port` (RFC 3986 section 3.2), narrower than the grammar on
/// purpose: a `reg-name` of letters, digits, `-`, `.` and `_` only, no user information, no empty
/// host and no empty port. Backends have decided access by a `Host` with a path in it
/// (CVE-2026-49468), and the wider grammar serves no real client.
pub(super) fn is_authority(text: &[u8]) -> bool {
    if text.len() > MAX_AUTHORITY_BYTES {
        return false;
    }
    let (host_fits, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some((address, port)) = split_once(rest, b']') else {
                return false;
            };
            let address_fits = std::str::from_utf8(address)
                .is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok());
            let port = match port {
                [] => None,
                [b':', port @ ..] => Some(port),
                _ => return false,
            };
            (address_fits, port)
        }
        None => {
            let (name, port) = match split_once(text, b':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            (is_registered_name(name), port)
        }
    };
    host_fits && port.is_none_or(is_port)
}

fn is_registered_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn is_port(port: &[u8]) -> bool {
    port.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
}

/// The parts before and after the first `separator`.
pub(super) fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, bytes)?;
    let (before, after) = bytes.split_at_checked(at)?;
    Some((before, after.split_first()?.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_addresses_and_ports_are_authorities() {
        for text in [
            "localhost",
            "gate.example.com",
            "gate.example.com:8080",
            "my_service",
            "xn--bcher-kva.example.",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:443",
        ] {
            assert!(is_authority(text.as_bytes()), "`{text}`");
        }
    }

    #[test]
    fn what_a_backend_could_read_differently_is_no_authority() {
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:-1",
            "a:+80",
            "a:65536",
            "a:80:80",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a b",
            "a,b",
            "a%2eb",
            "[::1",
            "[::1]80",
            "[::1%25eth0]",
            "[a]",
            "::1",
            "b\u{fc}cher",
        ] {
            assert!(!is_authority(text.as_bytes()), "`{text}`");
        }
        assert!(!is_authority("a".repeat(300).as_bytes()));
    }

    proptest! {
        #[test]
        fn an_authority_is_read_the_same_by_the_http_crate(text in "[a-z0-9.:_@\\[\\]/-]{1,20}") {
            if is_authority(text.as_bytes()) {
                let parsed = text.parse::<http::uri::Authority>().unwrap();
                prop_assert_eq!(parsed.as_str(), text);
                prop_assert!(!parsed.host().is_empty());
            }
        }
    }
}

//! What a WebSocket handshake agrees on (RFC 6455 section 4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What the key is hashed with (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a `Sec-WebSocket-Key` is 16 bytes in base64 (section 4.1).
pub fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// The `Sec-WebSocket-Accept` that answers a key (section 4.2.2).
pub fn accept_of(key: &[u8]) -> String {
    // SHA-1 because the protocol says so; nothing secret rests on it.
    let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    let digest = aws_lc_rs::digest::digest(algorithm, &[key, GUID].concat());
    STANDARD.encode(digest)
}

/// The offers of permessage-deflate (RFC 7692) among the extensions in these fields, as one field.
/// Any other extension may change what a frame is, and the gate follows frames.
pub fn only_deflate<'field>(fields: impl Iterator<Item = &'field str>) -> Option<String> {
    let offers: Vec<&str> = fields
        .flat_map(|field| field.split(','))
        .map(str::trim)
        .filter(|offer| {
            let name = offer.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("permessage-deflate")
        })
        .collect();
    (!offers.is_empty()).then(|| offers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455_section_1_3_is_answered() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        assert!(is_key(key));
        assert_eq!(accept_of(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for other in [&b""[..], b"dGhlIHNhbXBsZQ==", b"not base64"] {
            assert!(!is_key(other));
        }
    }

    #[test]
    fn of_extensions_only_permessage_deflate_is_passed_on() {
        let fields = [
            "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
            "Permessage-Deflate",
        ];
        let offers = only_deflate(fields.into_iter()).unwrap();
        assert_eq!(
            offers,
            "permessage-deflate; client_max_window_bits, Permessage-Deflate"
        );
        assert_eq!(only_deflate(["bbf-usp-protocol"].into_iter()), None);
    }
}

//! The compact serialisation of a signed token (RFC 7515 section 7.1), and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::JwtError;

/// Longest token in bytes. Proxies and backends commonly cut header fields at 8 to 16 KiB.
pub(super) const MAX_TOKEN_LENGTH: usize = 16 * 1024;

/// A token taken apart: three non-empty segments, decoded.
pub(super) struct CompactToken<'a> {
    /// What was signed: the first two segments as they came, with the dot between them.
    pub(super) signed: &'a [u8],
    /// The JOSE header's JSON.
    pub(super) header: Vec<u8>,
    /// The claims' JSON.
    pub(super) claims: Vec<u8>,
    /// The signature.
    pub(super) signature: Vec<u8>,
}

impl<'a> CompactToken<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Longer than 16 KiB; not exactly three segments (five is an encrypted token, braces are the
    /// JSON serialisation); an empty segment; padding, another alphabet or bits left over, each of
    /// which would give one signature several spellings.
    pub(super) fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        // A third dot ends up in the claims segment, whose alphabet has none.
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        Ok(Self {
            signed: signed.as_bytes(),
            header: decode(header)?,
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, JwtError> {
    if segment.is_empty() {
        return Err(JwtError::Malformed);
    }
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| JwtError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_three_non_empty_unpadded_segments_are_a_token() {
        assert!(CompactToken::parse("e30.e30.AA").is_ok());
        for token in [
            "",
            ".",
            "..",
            "e30",
            "e30.e30",
            "e30.e30.",
            ".e30.AA",
            "e30..AA",
            "e30.e30.AA.AA",
            "e30.e30.AA.AA.AA",
            "e30=.e30.AA",
            "e30.e30.AA==",
            "e3+.e30.AA",
            "e30.e30.A\u{a0}",
            " e30.e30.AA",
            "e30.e30.AA ",
            "e30.e30.AB",
            "{\"payload\":\"e30\"}.e30.AA",
        ] {
            assert!(
                matches!(CompactToken::parse(token), Err(JwtError::Malformed)),
                "`{token}`"
            );
        }
    }

    #[test]
    fn a_token_at_the_limit_is_read_and_one_byte_more_is_not() {
        let token = |length: usize| format!("e30.{}.AAAA", "A".repeat(length - 9));
        assert!(CompactToken::parse(&token(MAX_TOKEN_LENGTH - 3)).is_ok());
        assert!(matches!(
            CompactToken::parse(&token(MAX_TOKEN_LENGTH + 1)),
            Err(JwtError::TooLong)
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in "[A-Za-z0-9_.=+-]{0,64}") {
            if let Ok(parts) = CompactToken::parse(&text) {
                let again = [&parts.header, &parts.claims, &parts.signature]
                    .map(|part| URL_SAFE_NO_PAD.encode(part))
                    .join(".");
                prop_assert_eq!(again, text, "a token has one spelling");
            }
        }
    }
}

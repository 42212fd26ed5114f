//! Rules about the path.

use std::borrow::Cow;

use super::{TargetFault, decode, unescaped};
use crate::policy::PathAllowances;

/// How often an escape is looked through for what is never allowed. A path of 8 KiB can nest more
/// `%25` than that; one that does is refused.
const MAX_DECODINGS: usize = 4;

/// Checks a path and says which ambiguous spellings it uses.
///
/// # Errors
/// A spelling that no route may allow.
pub(super) fn inspect(path: &str) -> Result<PathAllowances, TargetFault> {
    if !path.starts_with('/') {
        return Err(TargetFault::NotAbsolute);
    }
    let mut found = PathAllowances::default();
    let mut dot_begins_segment = false;
    let mut escapes = false;
    let mut before = 0;
    for byte in path.bytes() {
        match byte {
            b'/' => found.double_slash |= before == b'/',
            b'.' => dot_begins_segment |= before == b'/',
            b';' => found.semicolon = true,
            b'%' => escapes = true,
            b'\\' | b'#' | b'"' | b'<' | b'>' | b'^' | b'{' | b'|' | b'}' | b'`' => {
                return Err(TargetFault::Character);
            }
            0x21..=0x7e => {}
            _ => return Err(TargetFault::Character),
        }
        before = byte;
    }
    if escapes {
        note_escapes(path.as_bytes(), &mut found)?;
        refuse_hidden(path.as_bytes(), &mut found)?;
    } else if dot_begins_segment && has_dot_segment(path.as_bytes()) {
        return Err(TargetFault::DotSegment);
    }
    Ok(found)
}

/// What single escapes stand for.
fn note_escapes(path: &[u8], found: &mut PathAllowances) -> Result<(), TargetFault> {
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let Some([b'%', high, low, after @ ..]) = rest.get(at..) else {
            return Err(TargetFault::MalformedEscape);
        };
        match unescaped(*high, *low).ok_or(TargetFault::MalformedEscape)? {
            0..=0x20 | 0x7f | b'\\' | b'?' | b'#' => return Err(TargetFault::EscapedCharacter),
            b'/' => found.encoded_slash = true,
            b';' => found.semicolon = true,
            b'%' => found.encoded_percent = true,
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                found.needless_escape = true;
            }
            _ => {}
        }
        rest = after;
    }
    Ok(())
}

/// Looks at the path as a backend sees it that decodes once, twice, and so on.
fn refuse_hidden(path: &[u8], found: &mut PathAllowances) -> Result<(), TargetFault> {
    let mut decoded = decode(path)?;
    let text = std::str::from_utf8(&decoded).map_err(|_| TargetFault::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(TargetFault::EscapedCharacter);
    }
    found.double_slash |= memchr::memmem::find(&decoded, b"//").is_some();
    for _ in 0..MAX_DECODINGS {
        let hidden = |byte: &u8| byte.is_ascii_control() || *byte == b'\\';
        if decoded.iter().any(hidden) {
            return Err(TargetFault::EscapedCharacter);
        }
        if has_dot_segment(&decoded) {
            return Err(TargetFault::DotSegment);
        }
        let again = decode_leniently(&decoded);
        if again == decoded {
            return Ok(());
        }
        decoded = again;
    }
    Err(TargetFault::EncodedPercent)
}

/// Decodes well-formed escapes and leaves a `%` that begins none: in `100%25` the second decoding
/// finds a plain percent sign.
fn decode_leniently(text: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(text).collect()
}

/// Whether a segment is `.` or `..`, with or without `;` parameters, which servlet containers cut
/// off before they resolve the path.
fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| {
        let name = segment
            .iter()
            .position(|byte| *byte == b';')
            .and_then(|end| segment.get(..end))
            .unwrap_or(segment);
        matches!(name, b"." | b"..")
    })
}

/// A path parameter's text as the backend reads it: decoded once.
///
/// `segment` is part of an accepted path, so its escapes are well-formed and it decodes to UTF-8;
/// text that is neither comes back as it is.
pub fn decode_segment(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    match decode(segment.as_bytes()).map(String::from_utf8) {
        Ok(Ok(text)) => Cow::Owned(text),
        Ok(Err(_)) | Err(_) => Cow::Borrowed(segment),
    }
}

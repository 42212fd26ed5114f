//! JSON written by hand: one line of plain ASCII whatever a stranger sent.
//!
//! Records are built on the path of every request, so this writes into a buffer that is already
//! there and looks at ordinary text eight bytes at a time. Everything outside printable ASCII leaves
//! as an escape: a line break can't forge a record, a terminal escape can't reach the terminal of
//! whoever reads the log, and bidirectional marks can't reorder what they see. Bytes that are no
//! UTF-8 become U+FFFD.

use crate::clock::Timestamp;

/// Follows a value that was cut because it is too long (U+2026, horizontal ellipsis).
const CUT_MARK: &[u8] = b"\\u2026";

/// Appends `text` as a JSON string of at most `longest` source bytes.
pub(super) fn push_string(out: &mut Vec<u8>, text: &[u8], longest: usize) {
    let kept = match text.get(..longest) {
        Some(head) if text.len() > longest => whole_characters(head),
        _ => text,
    };
    out.push(b'"');
    if is_plain(kept) {
        out.extend_from_slice(kept);
    } else {
        push_escaped(out, kept);
    }
    if kept.len() < text.len() {
        out.extend_from_slice(CUT_MARK);
    }
    out.push(b'"');
}

/// Appends `value` in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot += (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends a JSON string with the time in RFC 3339.
pub(super) fn push_timestamp(out: &mut Vec<u8>, time: Timestamp) {
    out.push(b'"');
    time.append_to(out);
    out.push(b'"');
}

/// Whether `text` can stand in a JSON string as it is.
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text
            .iter()
            .all(|byte| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\');
    };
    // The last word overlaps the one before where the length is no multiple of eight.
    let (words, _) = text.as_chunks::<8>();
    let odd = words
        .iter()
        .chain([last])
        .fold(0, |odd, word| odd | odd_bytes(u64::from_le_bytes(*word)));
    odd == 0
}

/// Not 0 if one of the eight bytes is outside printable ASCII, a quotation mark or a backslash.
///
/// A byte minus `n` borrows into its top bit just if it is below `n`; an exclusive or turns
/// "equals" into "below 1". A borrow can only spread from a byte that is odd itself.
fn odd_bytes(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    let below = |word: u64, bound: u8| word.wrapping_sub(u64::from(bound) * EACH) & !word;
    let equals = |byte: u8| below(word ^ (u64::from(byte) * EACH), 1);
    (word | below(word, 0x20) | equals(0x7f) | equals(b'"') | equals(b'\\')) & TOP
}

/// `head` without a last character that may have lost its end.
fn whole_characters(mut head: &[u8]) -> &[u8] {
    while let Some((last, rest)) = head.split_last() {
        match last {
            0..0x80 => break,
            0x80..0xc0 => head = rest,
            0xc0.. => return rest,
        }
    }
    head
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(out, character);
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn push_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        ' '..='~' => out.push(character as u8),
        _ => {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.extend_from_slice(b"\\u");
                out.extend([12, 8, 4, 0].map(|shift| hex_digit(*unit >> shift)));
            }
        }
    }
}

fn hex_digit(value: u16) -> u8 {
    match (value & 0xf) as u8 {
        digit @ 0..10 => b'0' + digit,
        letter => b'a' + letter - 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &[u8], longest: usize) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text, longest);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_beyond_its_cap_is_cut_at_a_character_and_marked() {
        assert_eq!(written(b"abcdef", 4), "\"abcd\\u2026\"");
        let cut: String = serde_json::from_str(&written("abc€€".as_bytes(), 5)).unwrap();
        assert_eq!(cut, "abc…", "no half character is left");
        assert_eq!(written(b"abcd", 4), "\"abcd\"");
    }

    #[test]
    fn every_byte_that_needs_an_escape_gets_one_at_every_place() {
        for byte in 0..=u8::MAX {
            let plain = (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
            for length in 1..20 {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    assert_eq!(is_plain(&text), plain, "byte {byte} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_ascii_line_that_parses_back(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let json = written(&text, 1000);
            prop_assert!(json.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), String::from_utf8_lossy(&text));
        }

        #[test]
        fn any_text_parses_back(text in "\\PC{0,40}[\\x00-\\x1f\u{80}-\u{9f}\u{2028}\u{202e}]{0,4}") {
            prop_assert_eq!(serde_json::from_str::<String>(&written(text.as_bytes(), 1000)).unwrap(), text);
        }

        #[test]
        fn numbers_are_decimal(value in any::<u64>()) {
            let mut out = Vec::new();
            push_number(&mut out, value);
            prop_assert_eq!(out, value.to_string().into_bytes());
        }
    }
}

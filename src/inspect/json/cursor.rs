//! A reader that knows where it is: for whoever has to cut a document without building it.
//!
//! What it steps over is checked against RFC 8259, names and all, but not for names that stand
//! twice: nothing is decided from what is stepped over. Whoever decides from an object reads its
//! members himself, and compares their names.

use std::borrow::Cow;
use std::ops::Range;

use super::JsonFault;
use super::scan::unescape;

/// Deepest nesting of what is stepped over: one bit for each level says what is open there.
const DEPTH: u32 = 128;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub struct Cursor<'text> {
    text: &'text str,
    bytes: &'text [u8],
    at: usize,
}

impl<'text> Cursor<'text> {
    /// The beginning of a document.
    ///
    /// # Errors
    /// It is not UTF-8 (RFC 8259 section 8.1).
    pub fn new(document: &'text [u8]) -> Result<Self, JsonFault> {
        let text = std::str::from_utf8(document).map_err(|_| JsonFault::NotUtf8)?;
        Ok(Self::of(text))
    }

    /// The beginning of a document that is known to be text.
    pub fn of(text: &'text str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// Where the cursor stands, in bytes from the beginning.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The byte that begins the next value or mark, with the blanks before it stepped over.
    ///
    /// # Errors
    /// The document ends here.
    pub fn peek(&mut self) -> Result<u8, JsonFault> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(JsonFault::Syntax),
            }
        }
    }

    /// Whether nothing but blanks is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_err()
    }

    /// Steps over `mark`, and the blanks before it.
    ///
    /// # Errors
    /// Something else stands there.
    pub fn expect(&mut self, mark: u8) -> Result<(), JsonFault> {
        if self.peek()? == mark {
            self.at += 1;
            Ok(())
        } else {
            Err(JsonFault::Syntax)
        }
    }

    /// Steps over what stands before a further element of the container that `end` closes, or over
    /// `end` itself. `first` says that no element was read yet.
    ///
    /// # Errors
    /// Neither stands there.
    pub fn another(&mut self, first: bool, end: u8) -> Result<bool, JsonFault> {
        let mark = self.peek()?;
        if mark == end {
            self.at += 1;
            Ok(false)
        } else if first {
            Ok(true)
        } else if mark == b',' {
            self.at += 1;
            Ok(true)
        } else {
            Err(JsonFault::Syntax)
        }
    }

    /// Steps over a member's name and its colon.
    ///
    /// # Errors
    /// No name stands there, or one with an escape that readers take differently.
    pub fn name(&mut self) -> Result<Cow<'text, str>, JsonFault> {
        let (inside, escaped) = self.name_inside()?;
        let name = self.text.get(inside).ok_or(JsonFault::Syntax)?;
        if escaped {
            unescape(name.as_bytes())
        } else {
            Ok(Cow::Borrowed(name))
        }
    }

    /// Steps over one value and says where it stands, without the blanks around it.
    ///
    /// # Errors
    /// It is not well-formed, or nested too deep.
    pub fn skip(&mut self) -> Result<Range<usize>, JsonFault> {
        self.peek()?;
        let start = self.at;
        // One bit for each open container, the innermost lowest: set for an object.
        let mut open = 0_u128;
        let mut depth = 0_u32;
        loop {
            let first = self.peek()?;
            match first {
                b'{' | b'[' => {
                    self.at += 1;
                    if depth == DEPTH {
                        return Err(JsonFault::TooDeep);
                    }
                    depth += 1;
                    open = open << 1 | u128::from(first == b'{');
                    if self.peek()? == closing(open) {
                        self.at += 1;
                        open >>= 1;
                        depth -= 1;
                    } else {
                        if first == b'{' {
                            self.name_inside()?;
                        }
                        continue;
                    }
                }
                b'"' => {
                    self.string()?;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            // A value ended: what it stood in goes on, or ends with it.
            loop {
                if depth == 0 {
                    return Ok(start..self.at);
                }
                let mark = self.peek()?;
                self.at += 1;
                if mark == b',' {
                    if open & 1 == 1 {
                        self.name_inside()?;
                    }
                    break;
                }
                if mark != closing(open) {
                    return Err(JsonFault::Syntax);
                }
                open >>= 1;
                depth -= 1;
            }
        }
    }

    fn name_inside(&mut self) -> Result<(Range<usize>, bool), JsonFault> {
        self.peek()?;
        let inside = self.string()?;
        self.expect(b':')?;
        Ok(inside)
    }

    /// Steps over a string; says what is between its quotes, and whether escapes are in it.
    fn string(&mut self) -> Result<(Range<usize>, bool), JsonFault> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(JsonFault::Syntax);
        }
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = plain_until(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok((start..at, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    at = after_escape(self.bytes, at)?;
                }
                Some(_) | None => return Err(JsonFault::Syntax),
            }
        }
    }

    /// `[ "-" ] int [ frac ] [ exp ]` (RFC 8259 section 6).
    fn number(&mut self) -> Result<(), JsonFault> {
        self.step_over(b"-");
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return Err(JsonFault::Syntax),
        }
        if self.step_over(b".") {
            self.digits()?;
        }
        if self.step_over(b"eE") {
            self.step_over(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(JsonFault::Syntax)
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonFault> {
        let ahead = self.bytes.get(self.at..).unwrap_or_default();
        if ahead.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(JsonFault::Syntax)
        }
    }

    fn step_over(&mut self, any_of: &[u8]) -> bool {
        let there = self
            .bytes
            .get(self.at)
            .is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(there);
        there
    }
}

/// What closes the innermost container.
fn closing(open: u128) -> u8 {
    if open & 1 == 1 { b'}' } else { b']' }
}

/// The first byte from `at` on that ends a string, begins an escape, or may not stand in one.
///
/// Sixteen bytes are looked at together, which the compiler turns into vector instructions.
fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..at + 16) {
        let special = block
            .iter()
            .fold(false, |found, byte| found | is_special(*byte));
        if special {
            break;
        }
        at += 16;
    }
    let ahead = bytes.get(at..).unwrap_or_default();
    at + ahead
        .iter()
        .position(|byte| is_special(*byte))
        .unwrap_or(ahead.len())
}

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Where an escape ends. Half of a surrogate pair is let through: nothing is decided from this
/// string, and backends write such halves where they cut text.
fn after_escape(bytes: &[u8], at: usize) -> Result<usize, JsonFault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match bytes.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) | None => Err(JsonFault::Syntax),
        },
        Some(_) | None => Err(JsonFault::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn whole(text: &str) -> Result<Range<usize>, JsonFault> {
        let mut cursor = Cursor::new(text.as_bytes())?;
        let span = cursor.skip()?;
        if cursor.is_at_end() {
            Ok(span)
        } else {
            Err(JsonFault::Syntax)
        }
    }

    #[test]
    fn a_value_is_stepped_over_without_the_blanks_around_it() {
        for (text, span) in [
            (" {\"a\" : [1, {}, [ ]]} ", 1..21),
            ("\"a\\\"b\"", 0..6),
            ("\n-0.5e+7\t", 1..8),
            ("[]", 0..2),
            ("null", 0..4),
            ("\"sixteen letters and more \\u00e9\"", 0..33),
            ("\"\\ud83d\"", 0..8),
        ] {
            assert_eq!(whole(text), Ok(span), "{text}");
        }
    }

    #[test]
    fn brackets_that_do_not_match_are_no_json() {
        for text in [
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "[[1]",
            "{\"a\"}",
            "{\"a\":}",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "\"\n\"",
            "{1:2}",
            "[,1]",
            "\"\\u00g0\"",
            "\"\\",
            "truefalse",
            "01",
            "1.",
            "",
        ] {
            assert_eq!(whole(text), Err(JsonFault::Syntax), "{text}");
        }
    }

    #[test]
    fn nesting_is_followed_to_the_last_level_and_no_further() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(whole(&nested(128)), Ok(0..256));
        assert_eq!(whole(&nested(129)), Err(JsonFault::TooDeep));
        let objects = format!("{}1{}", "{\"a\":".repeat(128), "}".repeat(128));
        assert!(whole(&objects).is_ok());
        assert_eq!(whole(&"[".repeat(1_000_000)), Err(JsonFault::TooDeep));
    }

    #[test]
    fn names_are_read_unescaped() {
        let mut cursor = Cursor::new(b" {\"a\\u0062\" : 1}").unwrap();
        cursor.expect(b'{').unwrap();
        assert_eq!(cursor.name(), Ok(Cow::from("ab")));
        assert_eq!(cursor.peek(), Ok(b'1'));
    }

    proptest! {
        #[test]
        fn what_is_stepped_over_is_what_another_reader_calls_a_value(
            text in "[\\[\\]{},:\"\\\\ua0-9eE.+\\- \u{e9}tfnrlsu]{0,24}"
        ) {
            let known = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            let ours = whole(&text).is_ok();
            prop_assert_eq!(ours, known, "{}", text);
        }
    }
}

//! The way back: an answer shows callers their own values, not what the backend got instead.
//!
//! A prefix comes off every string that begins with it, as the caller's own space is all it could
//! name. A scoped value turns back into what this request had; one of an earlier request stays a
//! digest, which tells nobody what it is of.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};

use crate::inspect::json::edit::{Restored, restore};

/// Longest line of a stream that is searched, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// What is turned back in an answer.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    prefixes: Vec<String>,
    elements: Vec<String>,
    /// Digest and original.
    scoped: Vec<(String, String)>,
}

impl Restoration {
    pub(super) fn prefixed(&mut self, prefix: &str, element: bool) {
        let prefixes = if element {
            &mut self.elements
        } else {
            &mut self.prefixes
        };
        if !prefixes.iter().any(|known| known == prefix) {
            prefixes.push(prefix.to_owned());
        }
    }

    pub(super) fn scoped(&mut self, scoped: &str, original: &str) {
        if !self.scoped.iter().any(|(known, _)| known == scoped) {
            self.scoped.push((scoped.to_owned(), original.to_owned()));
        }
    }

    /// Whether answers stay as they are.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.elements.is_empty() && self.scoped.is_empty()
    }

    /// Whether an answer is one JSON document, to be searched as a whole.
    pub fn wants_whole(&self, headers: &HeaderMap) -> bool {
        !self.is_empty() && media_type(headers).is_some_and(|it| is_json(&it))
    }

    /// Whether an answer is a stream that is searched line by line.
    pub fn wants_lines(&self, headers: &HeaderMap) -> bool {
        !self.is_empty() && media_type(headers).is_some_and(|it| is_lines(&it))
    }

    /// A document, or a line of one, with the caller's values. Nothing when it stays.
    pub fn body(&self, text: &[u8]) -> Option<Bytes> {
        restore(text, |value, first| self.value(value, first)).map(Bytes::from)
    }

    /// Complete lines of a stream with the caller's values. They are searched one by one: a quote that
    /// is open at the end of one (text need not be JSON) says nothing about the next.
    pub fn lines(&self, lines: Bytes) -> Bytes {
        if self.is_empty() {
            return lines;
        }
        let mut searched: Option<BytesMut> = None;
        let mut at = 0;
        for line in lines.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            match (self.body(line), &mut searched) {
                (None, None) => {}
                (None, Some(searched)) => searched.extend_from_slice(line),
                (Some(restored), Some(searched)) => searched.extend_from_slice(&restored),
                (Some(restored), None) => {
                    let mut begun = BytesMut::from(lines.get(..at).unwrap_or_default());
                    begun.extend_from_slice(&restored);
                    searched = Some(begun);
                }
            }
            at += line.len();
        }
        searched.map_or(lines.clone(), BytesMut::freeze)
    }

    /// Turns back fields of an answer that repeat a scoped value.
    pub fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let original = self
                .scoped
                .iter()
                .find(|(scoped, _)| value.as_bytes() == scoped.as_bytes())
                .and_then(|(_, original)| HeaderValue::from_str(original).ok());
            if let Some(original) = original {
                *value = original;
            }
        }
    }

    fn value(&self, value: &str, first: bool) -> Restored {
        if first && self.elements.iter().any(|element| element == value) {
            return Restored::Gone;
        }
        if let Some((_, original)) = self.scoped.iter().find(|(scoped, _)| scoped == value) {
            return Restored::Text(original.clone());
        }
        let mut stripped = self
            .prefixes
            .iter()
            .filter_map(|prefix| value.strip_prefix(prefix.as_str()));
        stripped
            .next()
            .map_or(Restored::Same, |rest| Restored::Text(rest.to_owned()))
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = text.split(';').next().unwrap_or(text);
    Some(kind.trim().to_ascii_lowercase())
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind.ends_with("+json")
}

fn is_lines(kind: &str) -> bool {
    matches!(
        kind,
        "text/event-stream" | "application/x-ndjson" | "application/ndjson" | "application/jsonl"
    )
}

/// A stream of lines that is searched as it passes. A line is held until its end is there.
#[derive(Debug, Default)]
pub struct RestoringLines {
    held: BytesMut,
}

impl RestoringLines {
    /// What can be passed on after a further piece came; it may be empty.
    pub fn push(&mut self, restoration: &Restoration, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        let end = memchr::memrchr2(b'\n', b'\r', &self.held).map(|at| at + 1);
        // A line without an end is not held for ever; it goes as it is.
        let end = end.or((self.held.len() > MAX_LINE).then_some(self.held.len()));
        end.map_or_else(Bytes::new, |end| {
            restoration.lines(self.held.split_to(end).freeze())
        })
    }

    /// What is left at the end.
    pub fn finish(&mut self, restoration: &Restoration) -> Bytes {
        restoration.lines(self.held.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restoration() -> Restoration {
        let mut restoration = Restoration::default();
        restoration.prefixed("acme.alice.", false);
        restoration.prefixed("tenant:acme:user:alice:", true);
        restoration.scoped("d1g35t", "k-1");
        restoration
    }

    fn streamed(text: &str, piece: usize) -> String {
        let restoration = restoration();
        let mut lines = RestoringLines::default();
        let mut passed = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            passed.extend_from_slice(&lines.push(&restoration, piece));
        }
        passed.extend_from_slice(&lines.finish(&restoration));
        String::from_utf8(passed).unwrap()
    }

    #[test]
    fn a_document_shows_the_callers_values() {
        let text = r#"{"ns":["tenant:acme:user:alice:","a"],"k":"acme.alice.x","h":"d1g35t","o":"acme.bob.x"}"#;
        let expected = r#"{"ns":["a"],"k":"x","h":"k-1","o":"acme.bob.x"}"#;
        assert_eq!(restoration().body(text.as_bytes()).unwrap(), expected);
        assert_eq!(restoration().body(expected.as_bytes()), None);
    }

    #[test]
    fn a_stream_shows_the_same_however_it_is_cut() {
        let text = "event: a\r\ndata: {\"k\":\"acme.alice.x\"}\r\n\r\ndata: say \"\ndata: \"d1g35t\"\n\ndata: {\"k\":\"acme.alice.y\"}";
        let expected = "event: a\r\ndata: {\"k\":\"x\"}\r\n\r\ndata: say \"\ndata: \"k-1\"\n\ndata: {\"k\":\"y\"}";
        for piece in 1..=text.len() {
            assert_eq!(streamed(text, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn complete_lines_are_not_held_back() {
        let mut lines = RestoringLines::default();
        let passed = lines.push(&restoration(), b"data: 1\n\ndata: 2");
        assert_eq!(passed, "data: 1\n\n");
        assert_eq!(lines.finish(&restoration()), "data: 2");
    }

    #[test]
    fn a_line_without_an_end_is_not_held_for_ever() {
        let mut lines = RestoringLines::default();
        let passed = lines.push(&restoration(), &vec![b'x'; MAX_LINE + 1]);
        assert_eq!(passed.len(), MAX_LINE + 1);
    }

    #[test]
    fn a_field_that_repeats_a_scoped_value_shows_the_original() {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_static("d1g35t"));
        headers.insert("x-other", HeaderValue::from_static("d1g35t-"));
        restoration().headers(&mut headers);
        assert_eq!(headers["idempotency-key"], "k-1");
        assert_eq!(headers["x-other"], "d1g35t-");
    }
}

//! The way back: strings of an answer that say what only the backend is meant to see.
//!
//! Nothing is decided by it, so no judgement is passed on the document: its strings are found by
//! their quotes alone. That way it serves whole documents, lines of them, and the data of server-sent
//! events (no string of JSON goes over the end of a line).

use std::borrow::Cow;

use super::quoted;
use super::splice::Splices;
use crate::inspect::json::scan::unescape;

/// What becomes of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It stays as it is.
    Same,
    /// It says this instead.
    Text(String),
    /// It goes, with its comma. Only for the first element of an array; another one stays.
    Gone,
}

/// The text with every string value changed as `change` says; names of members stay. `change` gets
/// the unescaped string and whether it is the first element of an array. Nothing when all of them stay.
pub fn restore(text: &[u8], mut change: impl FnMut(&str, bool) -> Restored) -> Option<Vec<u8>> {
    let mut splices = Splices::default();
    let mut at = 0;
    let mut before = None;
    while let Some(found) = rest(text, at).iter().position(|byte| *byte == b'"') {
        let start = at + found;
        before = last_significant(text.get(at..start).unwrap_or_default()).or(before);
        let Some(length) = closing_quote(rest(text, start + 1)) else {
            break;
        };
        let end = start + 1 + length + 1;
        let next = rest(text, end).iter().position(|byte| !is_blank(*byte));
        let next = next.map(|blanks| end + blanks);
        let following = next.and_then(|next| text.get(next)).copied();
        at = end;
        let first = before == Some(b'[');
        before = Some(b'"');
        if following == Some(b':') {
            continue;
        }
        let inside = text.get(start + 1..end - 1).unwrap_or_default();
        let Ok(value): Result<Cow<'_, str>, _> = unescape(inside) else {
            continue;
        };
        match change(&value, first) {
            Restored::Same => {}
            Restored::Text(text) => splices.replace(start..end, quoted(&text)),
            Restored::Gone if first => {
                let gone = match (following, next) {
                    (Some(b','), Some(comma)) => comma + 1,
                    (Some(_) | None, _) => end,
                };
                splices.replace(start..gone, String::new());
                at = gone;
            }
            Restored::Gone => {}
        }
    }
    splices.apply(text)
}

fn rest(text: &[u8], at: usize) -> &[u8] {
    text.get(at..).unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn last_significant(between: &[u8]) -> Option<u8> {
    between.iter().rev().copied().find(|byte| !is_blank(*byte))
}

/// How long the string is whose inside begins here.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = memchr::memchr2(b'"', b'\\', rest(text, at))?;
        at += found;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

//! A document of a provider, looked into without being built.
//!
//! What is stepped over is checked for well-formedness only: half of a surrogate pair, which
//! streams of tokens have where they cut text, does not keep the usage beside it from being read.
//! Two members of a name that is looked for are no usage: readers differ on which one counts.

use std::borrow::Cow;

use crate::inspect::json::{Cursor, JsonFault, unescape};
use crate::money::NanoUsd;

/// The largest count that is taken for one: 2^53, the last that every reader of JSON keeps exactly.
const LARGEST_COUNT: u64 = 1 << 53;

/// What stands there can't be what it has to be: a negative count, a fraction, a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl From<JsonFault> for Unreadable {
    fn from(_fault: JsonFault) -> Self {
        Self
    }
}

/// A value: a piece of the document's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'text>(&'text str);

impl<'text> Node<'text> {
    /// The value of a whole document. Nothing of it is checked yet but that it is UTF-8.
    pub(super) fn of(document: &'text [u8]) -> Result<Self, Unreadable> {
        std::str::from_utf8(document)
            .map(Self)
            .map_err(|_| Unreadable)
    }

    /// The members of these names, in their order; `None` for one that is absent or `null`, and for
    /// all where the value is no object.
    pub(super) fn pick<const N: usize>(
        self,
        names: [&str; N],
    ) -> Result<[Option<Node<'text>>; N], Unreadable> {
        let mut found = [None; N];
        let mut cursor = Cursor::of(self.0);
        if cursor.peek()? != b'{' {
            return Ok(found);
        }
        cursor.expect(b'{')?;
        let mut first = true;
        while cursor.another(std::mem::take(&mut first), b'}')? {
            let name = cursor.name()?;
            let value = self.0.get(cursor.skip()?).ok_or(Unreadable)?;
            let wanted = names.iter().position(|wanted| *wanted == name);
            if let Some(slot) = wanted.and_then(|at| found.get_mut(at)) {
                if slot.is_some() {
                    return Err(Unreadable);
                }
                *slot = Some(Node(value));
            }
        }
        if !cursor.is_at_end() {
            return Err(Unreadable);
        }
        Ok(found.map(|node| node.filter(|node| node.0 != "null")))
    }

    /// The elements of an array; none of any other value.
    pub(super) fn elements(self) -> Result<Vec<Node<'text>>, Unreadable> {
        let mut elements = Vec::new();
        let mut cursor = Cursor::of(self.0);
        if cursor.peek()? != b'[' {
            return Ok(elements);
        }
        cursor.expect(b'[')?;
        let mut first = true;
        while cursor.another(std::mem::take(&mut first), b']')? {
            elements.push(Node(self.0.get(cursor.skip()?).ok_or(Unreadable)?));
        }
        Ok(elements)
    }

    /// Whether it is an array without elements.
    pub(super) fn is_empty_array(self) -> bool {
        let inside = self
            .0
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|inside| inside.trim_ascii().is_empty())
    }

    pub(super) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(super) fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// A string, unescaped.
    pub(super) fn text(self) -> Option<Cow<'text, str>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        unescape(inside.as_bytes()).ok()
    }

    /// A whole number that is not negative.
    pub(super) fn count(self) -> Result<u64, Unreadable> {
        count(self.0)
    }

    /// An amount in US dollars, as a number or as a string.
    pub(super) fn amount(self) -> Result<NanoUsd, Unreadable> {
        let text = self.text();
        NanoUsd::of_stranger(text.as_deref().unwrap_or(self.0)).map_err(|_| Unreadable)
    }
}

/// The count that a number or field says.
pub(super) fn count(text: &str) -> Result<u64, Unreadable> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unreadable);
    }
    let count: u64 = text.parse().map_err(|_| Unreadable)?;
    (count <= LARGEST_COUNT).then_some(count).ok_or(Unreadable)
}

/// A count that need not be there.
pub(super) fn count_of(node: Option<Node<'_>>) -> Result<Option<u64>, Unreadable> {
    node.map(Node::count).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> Result<Option<u64>, Unreadable> {
        let document = format!("{{\"other\":[1,{{}}],\"n\":{text}}}");
        let [n] = Node::of(document.as_bytes()).unwrap().pick(["n"])?;
        count_of(n)
    }

    #[test]
    fn null_zero_and_what_is_no_count_are_kept_apart() {
        assert_eq!(counted("null"), Ok(None));
        assert_eq!(counted("0"), Ok(Some(0)));
        assert_eq!(counted("9007199254740992"), Ok(Some(1 << 53)));
        for text in [
            "9007199254740993",
            "99999999999999999999999",
            "-1",
            "1.0",
            "1e3",
            "\"7\"",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(counted(text), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_unreadable_where_it_is_looked_for() {
        let document = Node::of(br#"{"n":1,"m":2,"\u006e":3}"#).unwrap();
        assert_eq!(document.pick(["n"]).unwrap_err(), Unreadable);
        assert!(document.pick(["m"]).is_ok());
    }

    #[test]
    fn half_a_surrogate_pair_hides_nothing_beside_it() {
        let document = Node::of(br#"{"text":"\ud83d","n":1}"#).unwrap();
        let [n] = document.pick(["n"]).unwrap();
        assert_eq!(count_of(n), Ok(Some(1)));
    }

    #[test]
    fn what_follows_the_value_or_cuts_it_off_is_unreadable() {
        for text in ["{\"n\":1", "{\"n\":1}}", "{\"n\":1} x", "", "{\"n\":}"] {
            assert!(
                Node::of(text.as_bytes()).unwrap().pick(["n"]).is_err(),
                "{text}"
            );
        }
    }
}

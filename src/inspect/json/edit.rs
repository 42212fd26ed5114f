//! Changes to a JSON document that leave every byte they do not concern as it was.
//!
//! A document is not parsed and written again: numbers, escapes, blanks and the order of members
//! would not survive it, and a signature over the rest would break. The places that change are
//! found by the scanner, with all its strictness, and spliced.

mod put;
mod restore;
mod splice;

use std::borrow::Cow;

pub use put::{Member, put};
pub use restore::{Restored, restore};

use super::scan::{Names, Next, Scanner, array_index, same_but_for_case, unescape};
use super::{JsonFault, Limits};
use splice::{Gaps, Splices};

/// What stands where a pointer leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'document> {
    /// Nothing, and a value can be put there. A `null` on the way counts as nothing.
    Absent,
    /// `null`.
    Null,
    /// A string, unescaped.
    Text(Cow<'document, str>),
    /// An array.
    Array,
    /// A number, `true`, `false` or an object.
    Other,
    /// Nothing, and nothing can be put there: on the way is a value of another type.
    Unreachable,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// A string stands there.
    Text(String),
    /// A string is the first element of the array there; of a new array where none was.
    FirstElement(String),
    /// It goes, with its name and its comma.
    Remove,
}

/// The document with every place changed that the pointer leads to; nothing when all of it stays.
///
/// Pointers are those of [`super::pointer_values`], save that `*` stands for elements of arrays only.
/// A place that is absent is told to `decide` too: what is put there comes last in its object, inside
/// objects made for it (an array for the token `0`), or last in its array. No place is made up
/// beyond a `*`.
///
/// # Errors
/// Those of `decide`; the document is no JSON text, is ambiguous, exceeds a limit, or has no room
/// for what is to be put there.
pub fn edit<E: From<JsonFault>>(
    document: &[u8],
    pointer: &[String],
    limits: &Limits,
    decide: impl FnMut(Found<'_>) -> Result<Change, E>,
) -> Result<Option<Vec<u8>>, E> {
    let text = std::str::from_utf8(document).map_err(|_| JsonFault::NotUtf8)?;
    let mut editor = Editor {
        scanner: Scanner::new(text, limits),
        length: document.len(),
        splices: Splices::default(),
        decide,
        places: limits.values,
        error: std::marker::PhantomData,
    };
    editor.scanner.skip_blanks();
    match pointer.split_first() {
        Some((token, rest)) => editor.container(token, rest)?,
        None => {
            let place = editor.place()?;
            match place.change {
                Change::Remove => return Err(JsonFault::Misplaced.into()),
                Change::Keep | Change::Text(_) | Change::FirstElement(_) => editor.put(place)?,
            }
        }
    }
    editor.scanner.end()?;
    Ok(editor.splices.apply(document))
}

struct Editor<'text, D, E> {
    scanner: Scanner<'text>,
    length: usize,
    splices: Splices,
    decide: D,
    /// How many further places may be found.
    places: usize,
    error: std::marker::PhantomData<E>,
}

/// A value at the end of the pointer, scanned and decided on.
struct Place {
    start: usize,
    end: usize,
    /// Whether it is an array, and whether that one is empty.
    array: Option<Emptiness>,
    /// It says already what the change would make it say.
    same: bool,
    change: Change,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Empty,
    Filled,
}

impl<'text, D, E> Editor<'text, D, E>
where
    D: FnMut(Found<'_>) -> Result<Change, E>,
    E: From<JsonFault>,
{
    fn at(&self) -> usize {
        self.length - self.scanner.rest().len()
    }

    /// The value that the tokens before `token` lead to.
    fn container(&mut self, token: &str, rest: &[String]) -> Result<(), E> {
        let start = self.at();
        match self.scanner.rest().first() {
            Some(b'{') if token != "*" => self.object(token, rest),
            Some(b'[') => self.array(token, rest),
            Some(b'n') => {
                self.scanner.value(None)?;
                if let Some(change) = self.decide_absent(token, rest)? {
                    let value = created(&change, Some(token), rest)?;
                    self.splices.replace(start..self.at(), value);
                }
                Ok(())
            }
            Some(_) | None => {
                self.scanner.value(None)?;
                self.decide_unreachable()
            }
        }
    }

    fn object(&mut self, token: &str, rest: &[String]) -> Result<(), E> {
        let open = self.at();
        self.scanner.enter()?;
        let mut names = Names::default();
        let mut gaps = Gaps::default();
        let mut next = Next::FirstOrEnd;
        let mut found = false;
        while self.scanner.another(b'}', &mut next)? {
            let comma = self.at().saturating_sub(1);
            self.scanner.skip_blanks();
            let start = self.at();
            let name = unescape(self.scanner.string()?)?;
            self.scanner.skip_blanks();
            self.scanner.expect(b':')?;
            let wanted = name == token;
            if !wanted && same_but_for_case(token, &name) {
                return Err(JsonFault::NameCase.into());
            }
            self.scanner.open_member(&mut names, name)?;
            self.scanner.skip_blanks();
            found |= wanted;
            self.element(wanted.then_some(rest), &mut gaps, comma, start)?;
        }
        self.scanner.close_members(&names);
        self.scanner.leave();
        gaps.close(&mut self.splices);
        if found {
            return Ok(());
        }
        let Some(change) = self.decide_absent(token, rest)? else {
            return Ok(());
        };
        let value = created(
            &change,
            rest.first().map(String::as_str),
            rest.get(1..).unwrap_or_default(),
        )?;
        let member = format!("{}:{value}", quoted(token));
        self.append(open, &gaps, member);
        Ok(())
    }

    fn array(&mut self, token: &str, rest: &[String]) -> Result<(), E> {
        let open = self.at();
        let every = token == "*";
        let index = array_index(token);
        self.scanner.enter()?;
        let mut gaps = Gaps::default();
        let mut next = Next::FirstOrEnd;
        let mut length = 0;
        while self.scanner.another(b']', &mut next)? {
            let comma = self.at().saturating_sub(1);
            self.scanner.skip_blanks();
            let start = self.at();
            let wanted = every || index == Some(length);
            self.element(wanted.then_some(rest), &mut gaps, comma, start)?;
            length += 1;
        }
        self.scanner.leave();
        gaps.close(&mut self.splices);
        if every || index.is_some_and(|index| index < length) {
            return Ok(());
        }
        if index != Some(length) {
            return self.decide_unreachable();
        }
        if let Some(change) = self.decide_absent(token, rest)? {
            let value = created(
                &change,
                rest.first().map(String::as_str),
                rest.get(1..).unwrap_or_default(),
            )?;
            self.append(open, &gaps, value);
        }
        Ok(())
    }

    /// One element or member that begins at `start`, behind the comma at `comma` if it is not the
    /// first; the scanner stands before its value. `rest` is what is left of the pointer where it
    /// leads here.
    fn element(
        &mut self,
        rest: Option<&[String]>,
        gaps: &mut Gaps,
        comma: usize,
        start: usize,
    ) -> Result<(), E> {
        match rest.map(<[String]>::split_first) {
            None => {
                gaps.keep(start, &mut self.splices);
                self.scanner.value(None)?;
            }
            Some(Some((token, rest))) => {
                gaps.keep(start, &mut self.splices);
                self.container(token, rest)?;
            }
            Some(None) => {
                let place = self.place()?;
                if place.change == Change::Remove {
                    gaps.remove(comma, start, place.end, &mut self.splices);
                    return Ok(());
                }
                gaps.keep(start, &mut self.splices);
                self.put(place)?;
            }
        }
        gaps.kept_to(self.at());
        Ok(())
    }

    /// Scans the value at the end of the pointer and asks what becomes of it.
    fn place(&mut self) -> Result<Place, E> {
        self.places = self.places.checked_sub(1).ok_or(JsonFault::TooMany)?;
        let start = self.at();
        let first = self.scanner.rest().first().copied();
        let found = if first == Some(b'"') {
            Found::Text(unescape(self.scanner.string()?)?)
        } else {
            let inside = self.scanner.rest();
            self.scanner.value(None)?;
            match first {
                Some(b'n') => Found::Null,
                Some(b'[') => {
                    let blank = |byte: &&u8| b" \t\r\n".contains(byte);
                    let filled = inside.iter().skip(1).find(|byte| !blank(byte)) != Some(&b']');
                    let change = (self.decide)(Found::Array)?;
                    return Ok(Place {
                        start,
                        end: self.at(),
                        array: Some(if filled {
                            Emptiness::Filled
                        } else {
                            Emptiness::Empty
                        }),
                        same: false,
                        change,
                    });
                }
                Some(_) | None => Found::Other,
            }
        };
        let before = match &found {
            Found::Text(text) => Some(text.clone()),
            Found::Absent | Found::Null | Found::Array | Found::Other | Found::Unreachable => None,
        };
        let change = (self.decide)(found)?;
        let same =
            matches!((&change, before), (Change::Text(text), Some(before)) if *text == before);
        Ok(Place {
            start,
            end: self.at(),
            array: None,
            same,
            change,
        })
    }

    /// Puts a value where one stands.
    fn put(&mut self, place: Place) -> Result<(), E> {
        match (&place.change, place.array) {
            (Change::Keep | Change::Remove, _) => {}
            (Change::Text(_), _) if place.same => {}
            (Change::FirstElement(text), Some(emptiness)) => {
                let comma = if emptiness == Emptiness::Filled {
                    ","
                } else {
                    ""
                };
                let inside = place.start + 1;
                self.splices
                    .replace(inside..inside, format!("{}{comma}", quoted(text)));
            }
            (Change::Text(_) | Change::FirstElement(_), _) => {
                let value = created(&place.change, None, &[])?;
                self.splices.replace(place.start..place.end, value);
            }
        }
        Ok(())
    }

    /// Puts a member or an element behind the last one.
    fn append(&mut self, open: usize, gaps: &Gaps, text: String) {
        match gaps.end() {
            Some(end) => self.splices.replace(end..end, format!(",{text}")),
            None => self.splices.replace(open + 1..open + 1, text),
        }
    }

    /// Asks about a place that is not there; nothing when it stays so.
    fn decide_absent(&mut self, token: &str, rest: &[String]) -> Result<Option<Change>, E> {
        if token == "*" || rest.iter().any(|token| token == "*") {
            return Ok(None);
        }
        match (self.decide)(Found::Absent)? {
            Change::Keep | Change::Remove => Ok(None),
            change @ (Change::Text(_) | Change::FirstElement(_)) => Ok(Some(change)),
        }
    }

    fn decide_unreachable(&mut self) -> Result<(), E> {
        match (self.decide)(Found::Unreachable)? {
            Change::Keep | Change::Remove => Ok(()),
            Change::Text(_) | Change::FirstElement(_) => Err(JsonFault::Misplaced.into()),
        }
    }
}

/// A value inside the containers that `token` and `rest` ask for.
fn created(change: &Change, token: Option<&str>, rest: &[String]) -> Result<String, JsonFault> {
    let value = match change {
        Change::Text(text) => quoted(text),
        Change::FirstElement(text) => format!("[{}]", quoted(text)),
        Change::Keep | Change::Remove => return Err(JsonFault::Misplaced),
    };
    let tokens = token.into_iter().chain(rest.iter().map(String::as_str));
    tokens
        .rev()
        .try_fold(value, |inner, token| match array_index(token) {
            None => Ok(format!("{{{}:{inner}}}", quoted(token))),
            Some(0) => Ok(format!("[{inner}]")),
            Some(_) => Err(JsonFault::Misplaced),
        })
}

/// A JSON string (RFC 8259 section 7).
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;

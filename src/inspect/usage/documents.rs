//! JSON as it comes in pieces: one document, or the elements of an array as they end.
//!
//! Gemini's stream without `alt=sse` is one array that grows: each element is read when it is there,
//! and the whole is never held. Any other document is held to its end, within a bound.

use crate::inspect::usage::shape::Scope;

/// Cuts a body into documents.
#[derive(Debug)]
pub(super) struct Documents {
    held: Vec<u8>,
    largest: usize,
    state: State,
    /// Even an array is one document.
    whole_only: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing but blanks came yet.
    Before,
    /// The body is one document.
    Whole,
    /// Inside of an array.
    Elements(Element),
    /// The array is over.
    After,
}

#[derive(Debug, Default)]
struct Element {
    /// Containers that are open inside of the array.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// A document has more bytes than may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Documents {
    /// For one body. `largest` bounds a document, in bytes.
    pub(super) fn new(largest: usize, whole_only: bool) -> Self {
        Self {
            held: Vec::new(),
            largest,
            state: State::Before,
            whole_only,
        }
    }

    /// The first byte of the body that is no blank, if this piece has it.
    pub(super) fn begins_with(&self, piece: &[u8]) -> Option<u8> {
        let first = piece.trim_ascii_start().first().copied();
        first.filter(|_| matches!(self.state, State::Before))
    }

    /// Takes the next piece, and gives every element that ends in it to `each`.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), TooLarge> {
        let mut piece = piece;
        if let State::Before = self.state {
            piece = piece.trim_ascii_start();
            match piece.split_first() {
                None => return Ok(()),
                Some((b'[', rest)) if !self.whole_only => {
                    piece = rest;
                    self.state = State::Elements(Element::default());
                }
                Some(_) => self.state = State::Whole,
            }
        }
        match &mut self.state {
            State::Before | State::After => {}
            State::Whole => self.held.extend_from_slice(piece),
            State::Elements(element) => {
                let mut start = 0;
                for (at, byte) in piece.iter().enumerate() {
                    if !element.ends_at(*byte) {
                        continue;
                    }
                    let ended = piece.get(start..at).unwrap_or_default();
                    self.held.extend_from_slice(ended);
                    if self.held.len() > self.largest {
                        return Err(TooLarge);
                    }
                    each(self.held.trim_ascii());
                    self.held.clear();
                    start = at + 1;
                    if *byte == b']' {
                        self.state = State::After;
                        return Ok(());
                    }
                }
                let rest = piece.get(start..).unwrap_or_default();
                self.held.extend_from_slice(rest);
            }
        }
        match self.held.len() > self.largest {
            true => Err(TooLarge),
            false => Ok(()),
        }
    }

    /// What is left at the end of the body, and what it is: all of a document, or the beginning of an
    /// element that never ended.
    pub(super) fn into_rest(self) -> Option<(Vec<u8>, Scope)> {
        match self.state {
            State::Whole => Some((self.held, Scope::Whole)),
            State::Elements(_) => Some((self.held, Scope::Part)),
            State::Before | State::After => None,
        }
    }
}

impl Element {
    /// Whether an element ends before this byte.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str, size: usize) -> (Vec<String>, Option<(Vec<u8>, Scope)>) {
        let mut documents = Documents::new(64, false);
        let mut elements = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            documents
                .push(piece, |element| {
                    elements.push(String::from_utf8_lossy(element).into_owned());
                })
                .unwrap();
        }
        (elements, documents.into_rest())
    }

    #[test]
    fn elements_come_out_as_they_end_however_the_body_is_split() {
        let body = " [{\"a\":\"],}\\\"[\"},\r\n{\"b\":[1,2]} , 3]\n";
        for size in 1..body.len() {
            let (elements, rest) = cut(body, size);
            assert_eq!(
                elements,
                ["{\"a\":\"],}\\\"[\"}", "{\"b\":[1,2]}", "3"],
                "pieces of {size}"
            );
            assert_eq!(rest, None);
        }
    }

    #[test]
    fn anything_but_an_array_is_one_document_to_the_end_of_the_body() {
        let (elements, rest) = cut("  {\"a\":[1,2]}", 3);
        assert!(elements.is_empty());
        assert_eq!(rest, Some((b"{\"a\":[1,2]}".to_vec(), Scope::Whole)));
    }

    #[test]
    fn an_array_that_breaks_off_leaves_the_beginning_of_an_element() {
        let (elements, rest) = cut("[1,{\"a\":", 2);
        assert_eq!(elements, ["1"]);
        assert_eq!(rest, Some((b"{\"a\":".to_vec(), Scope::Part)));
    }

    #[test]
    fn more_than_the_bound_is_not_held() {
        for body in ["{\"a\":\"", "[{\"a\":\""] {
            let mut documents = Documents::new(16, false);
            let body = format!("{body}{}", "x".repeat(20));
            assert_eq!(documents.push(body.as_bytes(), |_| ()), Err(TooLarge));
        }
        let mut documents = Documents::new(16, false);
        let many = format!("[{}]", "[1,2,3],".repeat(50));
        assert_eq!(documents.push(many.as_bytes(), |_| ()), Ok(()));
    }
}

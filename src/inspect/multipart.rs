//! Forms in parts (`multipart/form-data`, RFC 7578), read so that no other reader finds more.
//!
//! Parsers of these differ more than those of any other format: in what ends a line, in what stands
//! before the first delimiter, in which of two names counts. What is read here is the narrow form
//! that browsers and HTTP libraries write; all that another parser could take for a delimiter, a
//! header or a name of its own is refused. A field is every part whose name *some* parser takes for
//! it, as with query parameters.

mod head;

use std::fmt::Write;

use memchr::memmem;

use self::head::Head;
use super::query;

/// Most parts of one form.
pub const MAX_PARTS: usize = 1_000;

/// Longest header section of one part, in bytes.
pub const MAX_HEAD_BYTES: usize = 8_192;

/// A form that was read whole.
#[derive(Debug)]
pub struct Multipart<'body> {
    boundary: String,
    body: &'body [u8],
    parts: Vec<Part<'body>>,
}

/// One part.
#[derive(Debug)]
struct Part<'body> {
    head: Head<'body>,
    content: &'body [u8],
    /// Header section and content with the line end behind them: what stands between two delimiters.
    whole: &'body [u8],
}

/// What becomes of a part.
enum Fate {
    Stay,
    Drop,
    Become(String),
}

impl<'body> Multipart<'body> {
    /// Reads a form. `content_type` is the value of the request's `Content-Type`.
    ///
    /// # Errors
    /// The boundary is missing or odd, or the body is anything but parts between its delimiters.
    pub fn parse(content_type: &str, body: &'body [u8]) -> Result<Self, FormFault> {
        let boundary = head::boundary(content_type)?;
        let delimiter = format!("--{boundary}");
        let mut rest = body
            .strip_prefix(delimiter.as_bytes())
            .ok_or(FormFault::Delimiter)?;
        let mut parts = Vec::new();
        loop {
            if let Some(end) = rest.strip_prefix(b"--") {
                // RFC 2046 section 5.1.1 lets anything follow; to a parser that looks on, it is a part.
                return if matches!(end, b"" | b"\r\n") {
                    Ok(Self {
                        boundary,
                        body,
                        parts,
                    })
                } else {
                    Err(FormFault::Delimiter)
                };
            }
            let part = rest.strip_prefix(b"\r\n").ok_or(FormFault::Delimiter)?;
            // INVARIANT: the delimiter's text stands nowhere but in delimiters, so that whoever takes
            // a bare LF for a line end, or looks for the text alone, finds the same parts.
            let end = memmem::find(part, delimiter.as_bytes()).ok_or(FormFault::Delimiter)?;
            let (whole, after) = part.split_at_checked(end).ok_or(FormFault::Delimiter)?;
            let inside = whole.strip_suffix(b"\r\n").ok_or(FormFault::Delimiter)?;
            if parts.len() == MAX_PARTS {
                return Err(FormFault::TooMany);
            }
            let (head, content) = head::split(inside)?;
            parts.push(Part {
                head,
                content,
                whole,
            });
            rest = after
                .strip_prefix(delimiter.as_bytes())
                .ok_or(FormFault::Delimiter)?;
        }
    }

    /// The values of every spelling of the field `name`.
    ///
    /// # Errors
    /// A value is a file, coded, or no UTF-8.
    pub fn values_of(&self, name: &str) -> Result<Vec<&'body str>, FormFault> {
        let parts = self.parts.iter();
        parts
            .filter(|part| query::spells(&part.head.name, name))
            .map(Part::text)
            .collect()
    }

    /// The form with one field `name` of this value in place of its first spelling and without the
    /// others, or added at the end; all other bytes stay. Nothing when it says exactly that already.
    ///
    /// # Errors
    /// The value would end its part.
    pub fn set(&self, name: &str, value: &str) -> Result<Option<Vec<u8>>, FormFault> {
        let mut field = Some(self.field(name, value)?);
        let present = self
            .parts
            .iter()
            .any(|part| query::spells(&part.head.name, name));
        let added = field.take_if(|_| !present);
        self.edit(name, added, |_| {
            Ok(field.take().map_or(Fate::Drop, Fate::Become))
        })
    }

    /// The form without any spelling of the field `name`. Nothing when there is nothing to remove.
    ///
    /// # Errors
    /// None in practice.
    pub fn remove(&self, name: &str) -> Result<Option<Vec<u8>>, FormFault> {
        self.edit(name, None, |_| Ok(Fate::Drop))
    }

    /// The form with the value of every spelling of the field changed; `change` answers nothing where
    /// it stays. Nothing when all stay.
    ///
    /// # Errors
    /// Those of `change`, and of [`Multipart::values_of`] and [`Multipart::set`].
    pub fn map<E: From<FormFault>>(
        &self,
        name: &str,
        mut change: impl FnMut(&str) -> Result<Option<String>, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        self.edit(name, None, |part| {
            Ok(match change(part.text()?)? {
                Some(value) => Fate::Become(self.field(name, &value)?),
                None => Fate::Stay,
            })
        })
    }

    fn edit<E>(
        &self,
        name: &str,
        added: Option<String>,
        mut fate: impl FnMut(&Part<'_>) -> Result<Fate, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        let mut edited = Vec::with_capacity(self.body.len());
        let part_begins = |edited: &mut Vec<u8>| {
            edited.extend_from_slice(b"--");
            edited.extend_from_slice(self.boundary.as_bytes());
            edited.extend_from_slice(b"\r\n");
        };
        for part in &self.parts {
            let fate = if query::spells(&part.head.name, name) {
                fate(part)?
            } else {
                Fate::Stay
            };
            match fate {
                Fate::Drop => {}
                Fate::Stay => {
                    part_begins(&mut edited);
                    edited.extend_from_slice(part.whole);
                }
                Fate::Become(field) => {
                    part_begins(&mut edited);
                    edited.extend_from_slice(field.as_bytes());
                }
            }
        }
        if let Some(field) = added {
            part_begins(&mut edited);
            edited.extend_from_slice(field.as_bytes());
        }
        let end = format!("--{}--", self.boundary);
        edited.extend_from_slice(end.as_bytes());
        if self.body.ends_with(b"\r\n") {
            edited.extend_from_slice(b"\r\n");
        }
        Ok((edited != self.body).then_some(edited))
    }

    /// Header section and content of a plain field, with the line end behind them.
    fn field(&self, name: &str, value: &str) -> Result<String, FormFault> {
        // The caller chose the boundary, and could choose one that its own user id holds.
        let fits = |text: &str| !text.contains(&format!("--{}", self.boundary));
        if !fits(value) || !fits(name) || !head::is_plain_name(name) {
            return Err(FormFault::Value);
        }
        let mut field = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            field,
            "Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        Ok(field)
    }
}

impl<'body> Part<'body> {
    fn text(&self) -> Result<&'body str, FormFault> {
        if !self.head.plain {
            return Err(FormFault::NotText);
        }
        std::str::from_utf8(self.content).map_err(|_| FormFault::NotText)
    }
}

/// Why nothing can be said about a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// The content type has no boundary, several, or an odd one.
    #[error("the content type has to be multipart/form-data with one boundary")]
    Boundary,
    /// The body is not parts between delimiters.
    #[error("the form does not consist of parts between its delimiters")]
    Delimiter,
    /// A part has no header section, or one that is not well-formed.
    #[error("a part of the form has a malformed header section")]
    Head,
    /// A part has no name, several, or one that parsers read differently.
    #[error("a part of the form has no name, or an ambiguous one")]
    Name,
    /// A field that decides is a file, coded, or no UTF-8.
    #[error("a form field that decides is not plain text")]
    NotText,
    /// It has too many parts.
    #[error("the form has too many parts")]
    TooMany,
    /// A value that has to be put in would end its part.
    #[error("the form's boundary stands in a value that has to be put in")]
    Value,
}

#[cfg(test)]
mod tests;

//! Facts about a JSON document, without building it.
//!
//! A value decides access only if every reader of the document finds the same one. So the whole
//! document is checked against RFC 8259 while it is scanned, and refused where readers differ:
//! a member name that stands twice in an object (in any spelling of its escapes: RFC 8259 section 4
//! leaves open which one counts), and, on the way to a value that is asked for, a name that differs
//! in case only (some decoders match names without regard to case).
//!
//! Memory is bounded by [`Limits`], not by the document: names are borrowed from it, and only those
//! of the objects that are open at one moment are kept.

mod cursor;
pub mod edit;
mod scan;
mod value;

pub use cursor::Cursor;
use scan::Scanner;
pub(crate) use scan::{array_index, same_but_for_case, unescape};
pub use value::{Elements, Members, Value};

use crate::decision::{Denial, DenialCode};

/// What a scan may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of arrays and objects.
    pub depth: usize,
    /// Most members of all objects that are open at one moment.
    pub open_members: usize,
    /// Most values one pointer may find.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            open_members: 262_144,
            values: 10_000,
        }
    }
}

/// What stands where a pointer leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written: no digit is lost.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// An array or object: there is a value, and it is no scalar.
    Container,
}

/// Every value the pointer leads to, in the order of the document.
///
/// `pointer` holds unescaped reference tokens (RFC 6901 section 3). `*` stands for every element of
/// an array; in an object it is a name like any other. As the last token it also stands for a value
/// that is no array: many readers take that for the only element. No token at all is the whole
/// document.
///
/// # Errors
/// The document is no JSON text, is ambiguous, or exceeds a limit.
pub fn pointer_values(
    document: &[u8],
    pointer: &[String],
    limits: &Limits,
) -> Result<Vec<Scalar>, JsonFault> {
    // RFC 8259 section 8.1: UTF-8, and no byte order mark.
    let text = std::str::from_utf8(document).map_err(|_| JsonFault::NotUtf8)?;
    Scanner::new(text, limits).run(pointer)
}

/// Why nothing can be said about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The document is not UTF-8.
    #[error("the JSON document is not UTF-8")]
    NotUtf8,
    /// The document is not a JSON text (RFC 8259 section 2).
    #[error("the JSON document is not well-formed")]
    Syntax,
    /// It nests too deep.
    #[error("the JSON document is nested too deep")]
    TooDeep,
    /// Its objects have too many members, or a pointer finds too many values.
    #[error("the JSON document has too many members")]
    TooMany,
    /// An object has two members of one name.
    #[error("the JSON document repeats a member name")]
    DuplicateName,
    /// A name differs only in case from one that decides.
    #[error("the JSON document has a member name that differs in case only from one that decides")]
    NameCase,
    /// A value on the way to one that is to be changed is neither object nor array, or the wrong one.
    #[error("the JSON document has something else where an object or array has to be")]
    Misplaced,
}

impl From<JsonFault> for Denial {
    fn from(fault: JsonFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}

#[cfg(test)]
mod tests;

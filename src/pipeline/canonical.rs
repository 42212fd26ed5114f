//! The request target: taken as it stands or refused, never normalised.
//!
//! Access is decided on a path, and the backend serves a path. Where the two are computed
//! differently (dot segments, escapes, `//`, `;` parameters) somebody reaches what nobody decided
//! on. So the same bytes are decided on and forwarded, and a target that some backend would rewrite
//! is refused. Some spellings are only ambiguous ([`PathAllowances`]): which of them a target uses
//! is noted here, and once its route is known, [`CanonicalTarget::permitted_by`] asks whether the
//! route's backend needs them. Dot segments, controls, blanks and backslashes are never allowed,
//! however deep they are escaped.
//!
//! Case folding and Unicode normalisation of paths stay the operator's choice: the gate compares
//! bytes.

mod path;
mod query;

pub use path::decode_segment;

use crate::decision::{Denial, DenialCode};
use crate::policy::PathAllowances;

/// A request target in its one accepted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalTarget<'a> {
    raw: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    ambiguities: PathAllowances,
}

impl<'a> CanonicalTarget<'a> {
    /// Takes the target of a request in origin-form (RFC 9112 section 3.2.1).
    ///
    /// # Errors
    /// A spelling no route may allow.
    pub fn parse(raw: &'a str) -> Result<Self, TargetFault> {
        let (path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        let ambiguities = path::inspect(path)?;
        if let Some(query) = query {
            query::inspect(query)?;
        }
        Ok(Self {
            raw,
            path,
            query,
            ambiguities,
        })
    }

    /// Whether a route that allows `allowed` takes this target.
    ///
    /// # Errors
    /// The first ambiguous spelling that the route does not allow.
    pub fn permitted_by(&self, allowed: &PathAllowances) -> Result<(), TargetFault> {
        let used = &self.ambiguities;
        let refused = [
            (
                used.encoded_slash,
                allowed.encoded_slash,
                TargetFault::EncodedSlash,
            ),
            (used.semicolon, allowed.semicolon, TargetFault::Semicolon),
            (
                used.double_slash,
                allowed.double_slash,
                TargetFault::DoubleSlash,
            ),
            (
                used.encoded_percent,
                allowed.encoded_percent,
                TargetFault::EncodedPercent,
            ),
            (
                used.needless_escape,
                allowed.needless_escape,
                TargetFault::NeedlessEscape,
            ),
        ];
        for (used, allowed, fault) in refused {
            if used && !allowed {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The whole target, as it came and as it is forwarded.
    pub fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path, escapes and all.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A byte that has to be escaped, a backslash or a `#`.
    #[error("the target holds a character that has to be escaped")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("the target holds a malformed percent escape")]
    MalformedEscape,
    /// An escape of a control, a blank, `\`, `?` or `#`.
    #[error("the target holds an escaped character that is not accepted")]
    EscapedCharacter,
    /// A `.` or `..` segment in any spelling.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// What is escaped is no UTF-8.
    #[error("the target is not UTF-8 once decoded")]
    NotUtf8,
    /// `%2F`, where the route does not allow it.
    #[error("the path holds an escaped slash")]
    EncodedSlash,
    /// `;`, where the route does not allow it.
    #[error("the path holds a semicolon")]
    Semicolon,
    /// An empty segment, where the route does not allow it.
    #[error("the path holds an empty segment")]
    DoubleSlash,
    /// `%25`, where the route does not allow it.
    #[error("the path holds an escaped percent sign")]
    EncodedPercent,
    /// The escape of a letter, digit, `-`, `.`, `_` or `~`, where the route does not allow it.
    #[error("the path holds an escape of a character that needs none")]
    NeedlessEscape,
}

impl From<TargetFault> for Denial {
    fn from(fault: TargetFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}

/// The byte that `%` and these two digits stand for.
fn unescaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Decodes every escape once.
///
/// # Errors
/// An escape is malformed.
fn decode(text: &[u8]) -> Result<Vec<u8>, TargetFault> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = rest else {
            return Err(TargetFault::MalformedEscape);
        };
        decoded.push(unescaped(*high, *low).ok_or(TargetFault::MalformedEscape)?);
        rest = after;
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;

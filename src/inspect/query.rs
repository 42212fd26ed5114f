//! Query parameters, and the fields of url-encoded forms, as any backend could read them.
//!
//! A parameter such as `?tenant=` is an identity channel, and query parsers differ: some split at
//! `;`, some fold case, some take `tenant[]`, some trim blanks or stop at a NUL, some decode twice.
//! A parameter is here every piece that *some* parser takes for it. What is forwarded after a change
//! holds no piece that any of them could take for the parameter and that says something else.

use std::borrow::Cow;
use std::convert::Infallible;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How often a name is decoded before it is compared.
const MAX_DECODINGS: usize = 3;

/// Everything but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The values of every spelling of the parameter `name`, decoded once; an empty value where a piece
/// has no `=`.
pub fn values_of<'query>(query: &'query str, name: &str) -> impl Iterator<Item = Cow<'query, str>> {
    let pieces = may_spell(query, name).then_some(Pieces { rest: Some(query) });
    pieces
        .into_iter()
        .flatten()
        .filter(move |piece| spells(piece.name, name))
        .map(|piece| decode_once(piece.value))
}

/// The query with one `name=value` in place of the first spelling and without the others; all other
/// bytes stay. `None` when it says exactly that already, or does not name the parameter at all.
pub fn replace(query: &str, name: &str, value: &str) -> Option<String> {
    let mut piece = Some(assignment(name, value));
    unfailing(edit(query, name, |_| {
        Ok(piece.take().map_or(Fate::Drop, Fate::Become))
    }))
}

/// As [`replace`], and where the query does not name the parameter it is added at the end.
/// `None` when nothing changes.
pub fn set(query: &str, name: &str, value: &str) -> Option<String> {
    if values_of(query, name).next().is_some() {
        return replace(query, name, value);
    }
    let joint = if query.is_empty() || query.ends_with('&') {
        ""
    } else {
        "&"
    };
    Some(format!("{query}{joint}{}", assignment(name, value)))
}

/// The query without any spelling of the parameter `name`; empty when nothing else was in it.
/// `None` when there is nothing to remove.
pub fn remove(query: &str, name: &str) -> Option<String> {
    unfailing(edit(query, name, |_| Ok(Fate::Drop)))
}

/// The query with the value of every spelling of the parameter changed; `change` gets it decoded
/// once, and answers nothing where it stays. `None` when all stay.
///
/// # Errors
/// Those of `change`.
pub fn map<E>(
    query: &str,
    name: &str,
    mut change: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    edit(query, name, |piece| {
        let changed = change(&decode_once(piece.value))?;
        Ok(changed.map_or(Fate::Stay, |value| {
            let value = utf8_percent_encode(&value, RESERVED);
            Fate::Become(format!("{}={value}", plain_name(piece.name, name)))
        }))
    })
}

/// Whether some parser takes the encoded name `spelled` for the parameter `name`.
pub fn spells(spelled: &str, name: &str) -> bool {
    if spelled.eq_ignore_ascii_case(name) {
        return true;
    }
    let mut decoded = Cow::Borrowed(spelled);
    for _ in 0..=MAX_DECODINGS {
        if reads_as(&decoded, name) {
            return true;
        }
        if !decoded.contains(['%', '+']) {
            return false;
        }
        decoded = Cow::Owned(decode_once(&decoded).into_owned());
    }
    false
}

/// What becomes of a piece that spells the parameter.
enum Fate {
    Stay,
    Drop,
    Become(String),
}

fn edit<E>(
    query: &str,
    name: &str,
    mut fate: impl FnMut(&Piece<'_>) -> Result<Fate, E>,
) -> Result<Option<String>, E> {
    if !may_spell(query, name) {
        return Ok(None);
    }
    let mut edited = String::with_capacity(query.len());
    // What stands between two pieces that stay; `&` beside what is put in, as a parser that does
    // not split at `;` would take the next piece for a part of the value.
    let mut joint = None;
    for piece in (Pieces { rest: Some(query) }) {
        let fate = if spells(piece.name, name) {
            fate(&piece)?
        } else {
            Fate::Stay
        };
        match fate {
            Fate::Stay => {
                edited.extend(joint);
                edited.push_str(piece.text);
                joint = piece.separator;
            }
            Fate::Become(text) => {
                if joint.is_some() {
                    edited.push('&');
                }
                edited.push_str(&text);
                joint = piece.separator.map(|_| '&');
            }
            Fate::Drop => {}
        }
    }
    Ok((edited != query).then_some(edited))
}

fn unfailing<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

fn assignment(name: &str, value: &str) -> String {
    let name = utf8_percent_encode(name, RESERVED);
    format!("{name}={}", utf8_percent_encode(value, RESERVED))
}

/// The name a changed piece keeps: as it was spelled where every parser that takes it takes the
/// same value (`name`, `name[]`, `name[3]`), else the parameter's own.
fn plain_name<'piece>(spelled: &'piece str, name: &str) -> Cow<'piece, str> {
    let index = spelled
        .split_at_checked(name.len())
        .filter(|(start, _)| start.eq_ignore_ascii_case(name))
        .map(|(_, index)| index);
    let inside = index.and_then(|index| index.strip_prefix('[')?.strip_suffix(']'));
    let plain = index == Some("")
        || inside.is_some_and(|inside| inside.bytes().all(|byte| byte.is_ascii_digit()));
    if plain {
        Cow::Borrowed(spelled)
    } else {
        Cow::Owned(utf8_percent_encode(name, RESERVED).to_string())
    }
}

/// Whether any piece can spell `name`: a scan that lets nearly every query pass in one go.
fn may_spell(query: &str, name: &str) -> bool {
    let bytes = query.as_bytes();
    memchr::memchr(b'%', bytes).is_some()
        || !query.is_ascii()
        || bytes
            .windows(name.len().max(1))
            .any(|window| same_or_mangled(window, name))
}

/// Whether these bytes are the name, in any case and with what PHP makes `_` of where it has one:
/// `.`, a blank (`+` before it is decoded), and a `[` that nothing closes.
fn same_or_mangled(bytes: &[u8], name: &str) -> bool {
    bytes.len() == name.len()
        && bytes.iter().zip(name.as_bytes()).all(|(byte, wanted)| {
            byte.eq_ignore_ascii_case(wanted) || (*wanted == b'_' && b". +[".contains(byte))
        })
}

/// One `name=value` between separators.
#[derive(Clone, Copy)]
struct Piece<'query> {
    text: &'query str,
    name: &'query str,
    value: &'query str,
    separator: Option<char>,
}

/// Whether a decoded name is `name` to some parser: whatever the case, after what parsers trim
/// (blanks, controls, a `?` that `URLSearchParams` drops), up to what they cut at (NUL, `[`, `]`,
/// `=`). `[name]` is a top-level member to some, and `a.b` is `a_b`.
fn reads_as(decoded: &str, name: &str) -> bool {
    let skipped = |letter: char| letter.is_whitespace() || letter.is_control();
    let begun =
        decoded.trim_start_matches(|letter: char| skipped(letter) || "?[&;".contains(letter));
    let cut = begun
        .split(['\0', '[', ']', '='])
        .next()
        .unwrap_or(begun)
        .trim_end_matches(skipped);
    // A `[` that nothing closes is a part of the name, so that it is not cut at.
    let uncut = begun.split(['\0', '=']).next().unwrap_or(begun);
    let mangled = [cut, uncut.trim_end_matches(skipped)]
        .iter()
        .any(|it| same_or_mangled(it.as_bytes(), name));
    mangled || cut.eq_ignore_ascii_case(name) || (!cut.is_ascii() && folded(cut) == folded(name))
}

/// Simple Unicode case folding: the Kelvin sign is a `k`, the long s an `s`.
fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// `+` and one level of escapes, as form decoding does; what is no UTF-8 becomes U+FFFD.
fn decode_once(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
    Cow::Owned(decoded.into_owned())
}

/// The pieces of a query, split at `&` and `;`.
struct Pieces<'query> {
    rest: Option<&'query str>,
}

impl<'query> Iterator for Pieces<'query> {
    type Item = Piece<'query>;

    fn next(&mut self) -> Option<Piece<'query>> {
        let rest = self.rest.take()?;
        let end = rest.find(['&', ';']).unwrap_or(rest.len());
        let (text, after) = rest.split_at_checked(end)?;
        let separator = after.chars().next();
        self.rest = after.get(1..);
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Some(Piece {
            text,
            name,
            value,
            separator,
        })
    }
}

#[cfg(test)]
mod tests;

//! Query parameters as any backend could read them.
//!
//! `?tenant=` is an identity channel, and query parsers differ: some split at `;`, some fold case,
//! some take `tenant[]`, some trim blanks or stop at a NUL, some decode twice. A parameter is here
//! every piece that *some* parser takes for it. What is forwarded after [`rewrite`] holds exactly
//! one piece that any of them could take, and it says the credential's tenant.

use std::borrow::Cow;

use crate::tenant::TenantId;

/// The parameter that names a tenant.
pub const TENANT_PARAMETER: &str = "tenant";

/// How often a name is decoded before it is compared.
const MAX_DECODINGS: usize = 3;

/// The values of every spelling of the parameter `name`, decoded once; an empty value where a piece
/// has no `=`.
pub fn values_of<'query>(query: &'query str, name: &str) -> impl Iterator<Item = Cow<'query, str>> {
    let pieces = may_spell(query, name).then_some(Pieces { rest: Some(query) });
    pieces
        .into_iter()
        .flatten()
        .filter(move |piece| piece.spells(name))
        .map(|piece| decode_once(piece.value))
}

/// The values of every spelling of `tenant`.
pub fn tenant_values(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    values_of(query, TENANT_PARAMETER)
}

/// The query with one `tenant=<tenant>` in place of the first spelling and without the others; all
/// other bytes stay. `None` when it says exactly that already, or names no tenant at all.
pub fn rewrite(query: &str, tenant: &TenantId) -> Option<String> {
    replace(query, TENANT_PARAMETER, Some(tenant.as_str()))
}

/// The query without any spelling of the parameter `name`; empty when nothing else was in it.
/// `None` when there is nothing to remove.
pub fn remove_parameter(query: &str, name: &str) -> Option<String> {
    replace(query, name, None)
}

fn replace(query: &str, name: &str, value: Option<&str>) -> Option<String> {
    if !may_spell(query, name) {
        return None;
    }
    let mut rewritten = String::with_capacity(query.len());
    let mut placed = value.is_none();
    let mut found = false;
    // What stands between two pieces that stay; `&` beside what is put in, as a parser that does
    // not split at `;` would take the next piece for a part of the value.
    let mut joint = None;
    for piece in (Pieces { rest: Some(query) }) {
        if !piece.spells(name) {
            if let Some(joint) = joint {
                rewritten.push(joint);
            }
            rewritten.push_str(piece.text);
            joint = piece.separator;
            continue;
        }
        found = true;
        if let Some(value) = value.filter(|_| !placed) {
            if joint.is_some() {
                rewritten.push('&');
            }
            rewritten.push_str(name);
            rewritten.push('=');
            rewritten.push_str(value);
            placed = true;
            joint = piece.separator.map(|_| '&');
        }
    }
    if let (Some(joint), true) = (joint, query.ends_with(['&', ';'])) {
        rewritten.push(joint);
    }
    (found && rewritten != query).then_some(rewritten)
}

/// Whether any piece can spell `name`: a scan that lets nearly every query pass in one go.
fn may_spell(query: &str, name: &str) -> bool {
    let bytes = query.as_bytes();
    memchr::memchr(b'%', bytes).is_some()
        || !query.is_ascii()
        || bytes
            .windows(name.len().max(1))
            .any(|window| window.eq_ignore_ascii_case(name.as_bytes()))
}

/// One `name=value` between separators.
#[derive(Clone, Copy)]
struct Piece<'query> {
    text: &'query str,
    name: &'query str,
    value: &'query str,
    separator: Option<char>,
}

impl Piece<'_> {
    /// Whether some parser takes the piece for the parameter `name`.
    fn spells(&self, name: &str) -> bool {
        if self.name.eq_ignore_ascii_case(name) {
            return true;
        }
        let mut decoded = Cow::Borrowed(self.name);
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
}

/// Whether a decoded name is `name` to some parser: whatever the case, after what parsers trim
/// (blanks, controls, a `?` that `URLSearchParams` drops), up to what they cut at (NUL, `[`, `]`,
/// `=`). `[name]` is a top-level member to some.
fn reads_as(decoded: &str, name: &str) -> bool {
    let skipped = |letter: char| letter.is_whitespace() || letter.is_control();
    let begun =
        decoded.trim_start_matches(|letter: char| skipped(letter) || "?[&;".contains(letter));
    let cut = begun
        .split(['\0', '[', ']', '='])
        .next()
        .unwrap_or(begun)
        .trim_end_matches(skipped);
    cut.eq_ignore_ascii_case(name) || (!cut.is_ascii() && folded(cut) == folded(name))
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

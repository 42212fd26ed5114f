//! Targets: path templates, and how ids are written in them.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

/// Path and query.
pub(super) fn halves(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// A path template (matchit's syntax) in parts.
pub(super) struct Template<'text> {
    text: &'text str,
    pub(super) parts: Vec<Part<'text>>,
}

pub(super) enum Part<'text> {
    Literal(Cow<'text, str>),
    Param(&'text str),
}

impl<'text> Template<'text> {
    pub(super) fn parse(text: &'text str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            parts.push(Part::Literal(before.into()));
            // Doubled, a brace is one.
            if let Some(after) = from.strip_prefix("{{") {
                parts.push(Part::Literal("{".into()));
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                parts.push(Part::Literal("}".into()));
                rest = after;
            } else if let Some((name, after)) =
                from.strip_prefix('{').and_then(|from| from.split_once('}'))
            {
                let name = name.strip_prefix('*').unwrap_or(name);
                parts.push(Part::Param(name));
                rest = after;
            } else {
                rest = from.get(1..).unwrap_or_default();
            }
        }
        parts.push(Part::Literal(rest.into()));
        Self { text, parts }
    }

    pub(super) fn params_named(&self) -> usize {
        self.parts
            .iter()
            .filter(|part| matches!(part, Part::Param(_)))
            .count()
    }

    /// The parameters of a path of this template, as they are written.
    pub(super) fn params(&self, path: &str) -> HashMap<String, String> {
        let mut router = matchit::Router::new();
        if router.insert(self.text, ()).is_err() {
            return HashMap::new();
        }
        match router.at(path) {
            Ok(found) => found
                .params
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            Err(_) => HashMap::new(),
        }
    }
}

pub(super) fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

pub(super) fn encoded(text: &str) -> String {
    written_like(text, "")
}

/// `id` as the one that is written so is written: what that one encodes is encoded, in its spelling.
pub(super) fn written_like(id: &str, written: &str) -> String {
    let mut spelled: HashMap<u8, String> = HashMap::new();
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten();
        match escape.and_then(|digits| Some((digits, u8::from_str_radix(digits, 16).ok()?))) {
            Some((digits, byte)) => {
                spelled.insert(byte, format!("%{digits}"));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                let byte = if *first == b'+' { b' ' } else { *first };
                spelled.insert(byte, char::from(*first).to_string());
                rest = after;
            }
        }
    }
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        match spelled.get(&byte) {
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            Some(spelling) => text.push_str(spelling),
            None if b"-._~".contains(&byte) => text.push(char::from(byte)),
            None => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_the_one_it_replaces_was() {
        assert_eq!(written_like("{b}", "%7ba%7d"), "%7bb%7d");
        assert_eq!(written_like("b:c", "a:d"), "b:c");
        assert_eq!(written_like("b c", "a+d"), "b+c");
        assert_eq!(written_like("b/c", ""), "b%2Fc");
    }

    #[test]
    fn a_template_with_braces_and_a_tail_is_read_as_the_router_reads_it() {
        let template = Template::parse("/a{{b}}/{id}/{*rest}");
        let params = template.params("/a{b}/7/x/y");
        assert_eq!(
            (params["id"].as_str(), params["rest"].as_str()),
            ("7", "x/y")
        );
    }
}

//! The tenant: the isolation boundary everything else is keyed by.
//!
//! A [`TenantId`] can only be made by a [`TenantGrammar`], so text that came from a request, a
//! token or a file is parsed exactly once, at the edge, and stays a value of this type from there
//! on. Whatever pattern an operator configures, an id stays inside an outer safe set (1 to 63 bytes
//! of ASCII letters, digits, `_` and `-`), so it can be put into a header, a query string, a file
//! name or a log line without escaping.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use regex::Regex;

/// The pattern of a tenant id when a policy names no other: 2 to 63 characters.
pub const DEFAULT_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{1,62}$";

/// Longest tenant id in bytes, whatever the configured pattern says.
pub const MAX_LENGTH: usize = 63;

/// A tenant's id, known to fit the grammar it was parsed with.
///
/// Cloning is cheap (a shared pointer). Equality is byte equality: no case folding.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// An id that was parsed once and kept since. The grammar may have changed meanwhile; the outer
    /// safe set has not.
    ///
    /// # Errors
    /// It leaves the safe set, so nobody kept it here.
    pub(crate) fn kept(text: &str) -> Result<Self, TenantIdError> {
        within_safe_set(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    /// Parses by the default grammar, [`DEFAULT_PATTERN`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < 2 || !starts_with_letter_or_digit(text) {
            return Err(TenantIdError::Pattern);
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        {
            return Err(TenantIdError::Pattern);
        }
        within_safe_set(text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantId({})", self.0)
    }
}

/// The grammar of tenant ids: the default one or an operator's pattern inside the safe set.
#[derive(Clone, Debug, Default)]
pub struct TenantGrammar {
    pattern: Option<Regex>,
}

impl TenantGrammar {
    /// The grammar of `pattern`, a regular expression that has to be anchored at both ends.
    ///
    /// # Errors
    /// The pattern is no regular expression, or lacks `^` at its start or `$` at its end: an
    /// unanchored pattern would accept any text that merely contains an id.
    pub fn new(pattern: &str) -> Result<Self, TenantGrammarError> {
        if pattern == DEFAULT_PATTERN {
            return Ok(Self { pattern: None });
        }
        if !pattern.starts_with('^') || !pattern.ends_with('$') {
            return Err(TenantGrammarError::NotAnchored);
        }
        // `^a|b$` is anchored on one side of each alternative only; the group closes that.
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        let regex = Regex::new(&format!("^(?:{inner})$")).map_err(TenantGrammarError::Syntax)?;
        Ok(Self {
            pattern: Some(regex),
        })
    }

    /// The pattern as it is written in a file.
    pub fn pattern(&self) -> String {
        let grouped = self.pattern.as_ref().map(Regex::as_str);
        let inner = grouped.and_then(|text| text.strip_prefix("^(?:")?.strip_suffix(")$"));
        inner.map_or_else(|| DEFAULT_PATTERN.to_owned(), |inner| format!("^{inner}$"))
    }

    /// Parses a tenant id.
    ///
    /// # Errors
    /// The text does not fit the pattern, or leaves the outer safe set.
    pub fn parse(&self, text: &str) -> Result<TenantId, TenantIdError> {
        match &self.pattern {
            None => text.parse(),
            Some(pattern) if pattern.is_match(text) => within_safe_set(text),
            Some(_) => Err(TenantIdError::Pattern),
        }
    }
}

/// Why a text is no tenant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantIdError {
    /// It does not fit the configured pattern.
    #[error("the tenant id does not fit the configured pattern")]
    Pattern,
    /// It fits the pattern but not the outer safe set.
    #[error(
        "a tenant id is 1 to 63 ASCII letters, digits, `_` or `-`, and starts with a letter or digit"
    )]
    Unsafe,
}

/// Why a pattern can't be the grammar of tenant ids.
#[derive(Debug, thiserror::Error)]
pub enum TenantGrammarError {
    /// The pattern has to begin with `^` and end with `$`.
    #[error("the pattern has to begin with `^` and end with `$`")]
    NotAnchored,
    /// The pattern is no regular expression.
    #[error("the pattern is not a regular expression: {}", reason(.0))]
    Syntax(#[source] regex::Error),
}

/// The last line of what `regex` says; the lines before it draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

fn within_safe_set(text: &str) -> Result<TenantId, TenantIdError> {
    let safe = !text.is_empty()
        && text.len() <= MAX_LENGTH
        && starts_with_letter_or_digit(text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if safe {
        Ok(TenantId(Arc::from(text)))
    } else {
        Err(TenantIdError::Unsafe)
    }
}

fn starts_with_letter_or_digit(text: &str) -> bool {
    text.bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_operator_pattern_cannot_leave_the_safe_set() {
        let grammar = TenantGrammar::new("^.*$").unwrap();
        for text in [
            "",
            "a/b",
            "..",
            "a b",
            "a\u{0}",
            "Ã",
            "a.b",
            "a:b",
            &"x".repeat(64),
        ] {
            assert!(
                grammar.parse(text).is_err(),
                "`{text}` is not safe to carry"
            );
        }
        assert_eq!(grammar.parse("Org_1").unwrap().as_str(), "Org_1");
    }

    #[test]
    fn an_unanchored_pattern_is_refused() {
        assert!(matches!(
            TenantGrammar::new("[a-z]+"),
            Err(TenantGrammarError::NotAnchored)
        ));
        let either = TenantGrammar::new("^acme|globex$").unwrap();
        assert!(
            either.parse("acme-evil").is_err(),
            "each alternative is anchored on both sides"
        );
        assert!(either.parse("acme").is_ok());
    }

    proptest! {
        #[test]
        fn the_default_grammar_is_its_regular_expression(text in "[a-zA-Z0-9_.: -]{0,66}") {
            let reference = Regex::new(DEFAULT_PATTERN).unwrap();
            prop_assert_eq!(text.parse::<TenantId>().is_ok(), reference.is_match(&text));
        }

        #[test]
        fn any_text_at_all_parses_or_fails_like_the_regular_expression(text in ".{0,70}") {
            let reference = Regex::new(r"\A[a-z0-9][a-z0-9_-]{1,62}\z").unwrap();
            prop_assert_eq!(text.parse::<TenantId>().is_ok(), reference.is_match(&text));
        }
    }
}

//! Patterns over names.

use std::sync::Arc;

/// A pattern in which `*` stands for any run of characters, an empty one too. Everything else stands
/// for itself, in its case: servers tell `Echo` from `echo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Arc<str>);

impl Glob {
    /// The pattern `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers the name. Takes time in the product of both lengths at worst.
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else {
            return false;
        };
        // Of the pieces between stars the earliest place is as good as any; the last one has to be at
        // the end.
        let Some(last) = pieces.next_back() else {
            return rest.is_empty();
        };
        let mut rest = rest;
        for piece in pieces {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// The pattern in lower case, for names in lower case.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self(self.0.to_lowercase().into())
    }

    /// Whether every name that `narrower` covers is covered by this pattern too. A star of the
    /// narrower one can only be taken by a star of this one, which stands for whatever that stands
    /// for: never true by mistake, and false for some pairs that differ in their spelling only.
    pub fn contains(&self, narrower: &Self) -> bool {
        self.matches(&narrower.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, covered) in [
            ("shell.*", "shell.run", true),
            ("shell.*", "shell.", true),
            ("shell.*", "shell", false),
            ("shell.*", "Shell.run", false),
            ("*.delete", "db.delete", true),
            ("*.delete", "db.delete.x", false),
            ("db.*.read", "db.a.b.read", true),
            ("db.*.read", "db.read", false),
            ("echo", "echo", true),
            ("echo", "echo2", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("*a*b*", "xaxbx", true),
            ("*ab", "abab", true),
            ("file:///secret/*", "file:///secret/../a", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(name),
                covered,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_pattern_contains_those_that_say_more() {
        for (wider, narrower, contained) in [
            ("claude-*", "claude-3*", true),
            ("claude-*", "claude-*", true),
            ("claude-*", "*", false),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4*", false),
            ("*-mini", "gpt-*-mini", true),
            ("gpt-*-mini", "*-mini", false),
        ] {
            assert_eq!(
                Glob::new(wider).contains(&Glob::new(narrower)),
                contained,
                "{wider} {narrower}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_glob_is_the_regular_expression_it_looks_like(
            pattern in "[ab.*]{0,6}",
            name in "[ab.]{0,8}",
        ) {
            let expression = regex::escape(&pattern).replace("\\*", ".*");
            let expression = regex::Regex::new(&format!("(?s)^{expression}$")).unwrap();
            prop_assert_eq!(Glob::new(&pattern).matches(&name), expression.is_match(&name));
        }

        #[test]
        fn what_a_contained_pattern_covers_is_covered(
            wider in "[ab*]{0,5}",
            narrower in "[ab*]{0,5}",
            name in "[ab]{0,6}",
        ) {
            let (wider, narrower) = (Glob::new(&wider), Glob::new(&narrower));
            if wider.contains(&narrower) && narrower.matches(&name) {
                prop_assert!(wider.matches(&name));
            }
        }
    }
}

//! `tools`, `prompts`, `resources` of a rule: patterns over what an MCP message uses.

use crate::inspect::Glob;
use crate::inspect::mcp::{Subject, Use};

/// What of MCP a rule is about. The three lists are alternatives of one condition: a message uses a
/// tool, a prompt or a resource, never two at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsePatterns {
    /// Names of tools.
    pub tools: Vec<Glob>,
    /// Names of prompts.
    pub prompts: Vec<Glob>,
    /// URIs of resources.
    pub resources: Vec<Glob>,
}

impl UsePatterns {
    /// Whether the rule is about this use.
    pub fn cover(&self, used: &Use) -> bool {
        let patterns = match used.subject {
            Subject::Tool => &self.tools,
            Subject::Prompt => &self.prompts,
            Subject::Resource => &self.resources,
        };
        patterns.iter().any(|pattern| pattern.matches(&used.name))
    }
}

/// Whether a URI of a resource is written as every server reads it: as the URL Standard (WHATWG)
/// writes it anew, with no escape of a character that needs none. What is no URL there is a name.
///
/// Patterns are held against the text. A server that reads `file:///public/../secret/a`, or
/// `FILE:/secret/%61`, gets to `file:///secret/a` all the same.
pub fn is_plain_uri(uri: &str) -> bool {
    let same = match url::Url::parse(uri) {
        Ok(read) => read.as_str() == uri,
        Err(_) => true,
    };
    let needless = uri.split('%').skip(1).any(|escape| {
        let digits = escape
            .get(..2)
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        digits.is_none_or(|byte| byte.is_ascii_alphanumeric() || b"-._~/\\".contains(&byte))
    });
    same && !needless
        && !uri
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_that_some_server_reads_as_another_is_not_plain() {
        for uri in [
            "file:///public/../secret/a",
            "FILE:///secret/a",
            "file:/secret/a",
            "file://localhost/secret/a",
            "file:///secret%2Fa",
            "file:///%73ecret/a",
            "file:///public/%2e%2e/secret/a",
            "file:\\\\\\secret\\a",
            " file:///secret/a",
            "file:///sec\tret/a",
            "https://Host/a",
            "file:///a%zz",
        ] {
            assert!(!is_plain_uri(uri), "{uri}");
        }
        for uri in [
            "file:///secret/a",
            "demo://resource/static/1",
            "https://host/a%20b",
            "note:7",
            "a name",
        ] {
            assert_eq!(is_plain_uri(uri), uri != "a name", "{uri}");
        }
    }

    #[test]
    fn a_pattern_is_about_its_own_kind_of_thing() {
        let patterns = UsePatterns {
            tools: vec![Glob::new("echo")],
            ..UsePatterns::default()
        };
        let used = |subject| Use {
            subject,
            name: "echo".to_owned(),
        };
        assert!(patterns.cover(&used(Subject::Tool)));
        assert!(!patterns.cover(&used(Subject::Prompt)));
        assert!(!patterns.cover(&used(Subject::Resource)));
    }
}

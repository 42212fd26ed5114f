//! Conditional requests (RFC 9110 section 13) by the version of a memory, its `ETag`.
//!
//! The tag tells what was written. That a memory was recalled changes its counters and neither its
//! version nor its tag: a reader that holds the tag holds the memory.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::problems::invalid;
use crate::memory::{Entry, Expected, MemoryError};
use crate::memory_api::Problem;

/// What a request says has to be so.
#[derive(Debug)]
pub(super) struct Conditions {
    matching: Option<Tags>,
    unmatched: Option<Tags>,
}

/// Entity tags.
#[derive(Debug, PartialEq)]
enum Tags {
    /// `*`.
    Any,
    /// Those that are versions, and whether each is strong.
    Listed(Vec<(u64, bool)>),
}

/// What a reading is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The memory.
    Whole,
    /// That it is what the reader has (304).
    Unchanged,
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self {
            matching: tags(&parts.headers, &header::IF_MATCH)?,
            unmatched: tags(&parts.headers, &header::IF_NONE_MATCH)?,
        })
    }
}

impl Conditions {
    /// What has to be so for a write.
    pub(super) fn expected(self) -> Result<Expected, Problem> {
        match (self.matching, self.unmatched) {
            (None, None) => Ok(Expected::Anything),
            (Some(Tags::Any), None) => Ok(Expected::Present),
            // Only strong tags match here (RFC 9110 section 13.1.1).
            (Some(Tags::Listed(tags)), None) => Ok(Expected::Versions(
                tags.into_iter()
                    .filter_map(|(version, strong)| strong.then_some(version))
                    .collect(),
            )),
            (None, Some(Tags::Any)) => Ok(Expected::Absent),
            (None, Some(Tags::Listed(_))) => {
                Err(invalid("If-None-Match", "a write takes `*` only"))
            }
            (Some(_), Some(_)) => Err(invalid("If-Match", "either this or If-None-Match")),
        }
    }

    /// What a reading of this entry is answered with.
    pub(super) fn reading(self, entry: &Entry) -> Result<Reading, Problem> {
        if let Some(tags) = &self.matching
            && !tags.hold(entry.version, true)
        {
            Expected::Versions(Vec::new())
                .judge(entry)
                .map_err(Problem::from)?;
        }
        match self.unmatched {
            Some(tags) if tags.hold(entry.version, false) => Ok(Reading::Unchanged),
            _ => Ok(Reading::Whole),
        }
    }
}

impl Tags {
    fn hold(&self, version: u64, strong: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags
                .iter()
                .any(|(it, is)| *it == version && (*is || !strong)),
        }
    }
}

/// The entity tag of an entry.
pub(super) fn tag(entry: &Entry) -> HeaderValue {
    let text = format!("\"{}\"", entry.version);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The tags of a header, in however many lines it comes.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let field = match *name == header::IF_MATCH {
        true => "If-Match",
        false => "If-None-Match",
    };
    let wrong = || MemoryError::invalid(field, "`*`, or entity tags such as `\"3\"`");
    let mut listed = Vec::new();
    let mut any = false;
    for line in lines {
        let line = line.to_str().map_err(|_error| wrong())?.trim();
        if line == "*" {
            any = true;
        } else {
            listed.extend(list(line).ok_or_else(wrong)?);
        }
    }
    match (any, listed.is_empty()) {
        (true, true) => Ok(Some(Tags::Any)),
        (true, false) => Err(wrong().into()),
        (false, _) => Ok(Some(Tags::Listed(listed.into_iter().flatten().collect()))),
    }
}

/// The tags of one line (RFC 9110 section 8.8.3). One that is no version of ours stays `None`: it is
/// a tag, and matches nothing.
fn list(line: &str) -> Option<Vec<Option<(u64, bool)>>> {
    let mut tags = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let (strong, opened) = match rest.strip_prefix("W/") {
            Some(weak) => (false, weak),
            None => (true, rest),
        };
        let (text, after) = opened.strip_prefix('"')?.split_once('"')?;
        let version = text.parse().ok();
        // Another spelling of the number, such as `"03"`, is another tag.
        let version = version.filter(|version: &u64| version.to_string() == text);
        tags.push(version.map(|version| (version, strong)));
        let after = after.trim_start_matches([' ', '\t']);
        if after.is_empty() {
            return Some(tags);
        }
        rest = after.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(name: HeaderName, values: &[&'static str]) -> Result<Expected, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        let conditions = Conditions {
            matching: tags(&headers, &header::IF_MATCH)?,
            unmatched: tags(&headers, &header::IF_NONE_MATCH)?,
        };
        conditions.expected()
    }

    #[test]
    fn strong_tags_that_are_versions_are_what_is_expected() {
        let versions = |values: &[&'static str]| expected(header::IF_MATCH, values).unwrap();
        assert_eq!(versions(&[]), Expected::Anything);
        assert_eq!(versions(&["*"]), Expected::Present);
        assert_eq!(versions(&["\"3\""]), Expected::Versions(vec![3]));
        assert_eq!(versions(&["\"3\" ,\"5\""]), Expected::Versions(vec![3, 5]));
        assert_eq!(
            versions(&["\"3\"", "\"5\""]),
            Expected::Versions(vec![3, 5])
        );
        for nothing in ["W/\"3\"", "\"03\"", "\"abc\"", "\"\"", "\"a,b\""] {
            let matching = versions(&[nothing]);
            assert_eq!(
                matching,
                Expected::Versions(vec![]),
                "{nothing} is a tag and matches no version (RFC 9110 section 13.1.1)"
            );
        }
        assert_eq!(
            expected(header::IF_NONE_MATCH, &["*"]).unwrap(),
            Expected::Absent
        );
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for wrong in ["3", "\"3", "\"3\",", ",", "", "\"3\" \"4\"", "*, \"3\""] {
            assert!(expected(header::IF_MATCH, &[wrong]).is_err(), "{wrong}");
        }
        assert!(expected(header::IF_MATCH, &["*", "\"3\""]).is_err());
        assert!(expected(header::IF_NONE_MATCH, &["\"3\""]).is_err());
    }

    #[test]
    fn a_weak_tag_is_good_for_reading() {
        let unmatched = Tags::Listed(vec![(3, false)]);
        assert!(unmatched.hold(3, false) && !unmatched.hold(3, true));
        assert!(!unmatched.hold(4, false));
    }
}

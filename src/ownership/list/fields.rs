//! Header fields around a list: which ones may be asked with, and which ones may be said.
//!
//! A field leaves whether or not anything left the body: that a field is missing must not tell that
//! an item is. What describes the backend's own bytes (validators, digests, ranges) describes nothing
//! the caller gets, and would change with other tenants' items. A number of everybody's items is
//! replaced where the route names its field, and leaves otherwise.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// Conditions and ranges of a request. Answered by the backend, they would tell of its whole list:
/// a 304 that nobody's items changed, a 206 what is at some place of it.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// What is said of the bytes the backend sent.
const OF_THE_BYTES: [&str; 14] = [
    "etag",
    "last-modified",
    "content-md5",
    "digest",
    "repr-digest",
    "content-digest",
    "signature",
    "signature-input",
    "accept-ranges",
    "content-range",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "x-content-length",
];

/// Last words of the names of fields that count.
const COUNTS: [&str; 6] = ["total", "totals", "count", "counts", "pages", "size"];

/// Whether a field of a request is one that a list must not be asked with.
pub fn is_condition(name: &HeaderName) -> bool {
    CONDITIONS.contains(name)
}

/// Corrects the fields of an answer. `named` are the fields the route says count the items; they
/// say `total`, or leave where there is none (an answer without a body: HEAD). `leaves` tells the ids
/// of items that left. The length and the framing of the body are left to whoever sends it.
pub fn correct(
    headers: &mut HeaderMap,
    named: &[HeaderName],
    total: Option<u64>,
    leaves: impl Fn(&str) -> bool,
) {
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| OF_THE_BYTES.contains(&name.as_str()) || counts(name))
        .filter(|name| !named.contains(name))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
    for name in named {
        if headers.remove(name).is_some()
            && let Some(total) = total
        {
            headers.insert(name, HeaderValue::from(total));
        }
    }
    let links: Vec<HeaderValue> = headers.get_all(header::LINK).iter().cloned().collect();
    headers.remove(header::LINK);
    for link in links {
        if let Some(kept) = link
            .to_str()
            .ok()
            .and_then(|link| kept_links(link, &leaves))
        {
            headers.append(header::LINK, kept);
        }
    }
}

fn counts(name: &HeaderName) -> bool {
    let last = name.as_str().rsplit(['-', '_', '.']).next();
    last.is_some_and(|last| COUNTS.contains(&last))
}

/// The links of a field (RFC 8288 section 3) that may be said: not the last page, whose place in
/// the order tells how many there are; none that has the id of an item that left as a segment of its
/// path or a value of its query.
fn kept_links(field: &str, leaves: &impl Fn(&str) -> bool) -> Option<HeaderValue> {
    let mut kept = Vec::new();
    let mut rest = field;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // A comma may stand within a target; behind it, the next `<` begins the next link.
        let (parameters, next) = match after.find('<') {
            Some(at) => after.split_at_checked(at)?,
            None => (after, ""),
        };
        let parameters = parameters.trim().trim_end_matches(',').trim_end();
        let last = parameters.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split_ascii_whitespace()
                        .any(|relation| relation.eq_ignore_ascii_case("last"))
            })
        });
        let names = target
            .split(['/', '?', '&', '=', ',', ';', '#', ':'])
            .map(|part| percent_decode_str(part).decode_utf8_lossy())
            .any(|part| leaves(&part));
        if !last && !names {
            kept.push(format!("<{target}>{parameters}"));
        }
        rest = next;
    }
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_str(&kept.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn corrected(
        fields: &[(&'static str, &'static str)],
        total: Option<u64>,
    ) -> Vec<(String, String)> {
        let mut headers = headers(fields);
        let named = [HeaderName::from_static("x-pagination-total")];
        correct(&mut headers, &named, total, |id| id == "t 9" || id == "t-8");
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        left.sort();
        left
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_describes_the_backends_bytes_or_counts_them_leaves() {
        let fields = [
            ("content-type", "application/json"),
            ("etag", "\"7\""),
            ("last-modified", "x"),
            ("content-md5", "x"),
            ("repr-digest", "x"),
            ("content-digest", "x"),
            ("digest", "x"),
            ("accept-ranges", "bytes"),
            ("content-range", "items 0-9/70"),
            ("content-length", "70"),
            ("x-total-count", "70"),
            ("x-total", "70"),
            ("x-total-pages", "7"),
            ("x-account", "acme"),
        ];
        assert_eq!(
            corrected(&fields, Some(3)),
            [
                pair("content-type", "application/json"),
                pair("x-account", "acme")
            ]
        );
    }

    #[test]
    fn a_named_count_says_the_callers_number_and_nothing_without_one() {
        let fields = [("x-pagination-total", "70"), ("x-pagination-total", "71")];
        assert_eq!(
            corrected(&fields, Some(3)),
            [pair("x-pagination-total", "3")]
        );
        assert_eq!(corrected(&fields, None), []);
        assert_eq!(corrected(&[], Some(3)), [], "none is made up");
    }

    #[test]
    fn a_link_stays_unless_it_names_what_left_or_the_last_page() {
        for (link, left) in [
            (
                "</t?page=2>; rel=\"next\"",
                Some("</t?page=2>; rel=\"next\""),
            ),
            (
                "</t?page=2>; rel=next, </t?page=7>; rel=\"last\"",
                Some("</t?page=2>; rel=next"),
            ),
            ("</t?after=t%209>; rel=next", None),
            (
                "</t/t%2D8/x>; rel=item, </t?a=1,2>; rel=prev",
                Some("</t?a=1,2>; rel=prev"),
            ),
            ("</t>; rel=\"first Last\"", None),
            (
                "</t?after=t-80>; rel=next",
                Some("</t?after=t-80>; rel=next"),
            ),
            ("not a link", None),
        ] {
            let fields = [("link", link)];
            let expected: Vec<_> = left.map(|left| pair("link", left)).into_iter().collect();
            assert_eq!(corrected(&fields, Some(1)), expected, "{link}");
        }
    }
}

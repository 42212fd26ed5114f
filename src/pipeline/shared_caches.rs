//! Answers to identified callers are theirs: no cache between the gate and them may keep one for
//! somebody else (RFC 9111 section 3).
//!
//! A cache in front of the gate takes a backend that never heard of tenants at its word, and
//! `Cache-Control: public` of an answer to one tenant would be served to the next.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};

/// Directives that let a shared cache keep an answer, or concern shared caches alone.
const SHARED: [&str; 4] = ["public", "s-maxage", "proxy-revalidate", "private"];

/// What an answer to an identified caller says to caches instead of what the backend said: the value
/// of its one `Cache-Control`.
pub fn private(headers: &HeaderMap) -> HeaderValue {
    let mut kept = vec!["private".to_owned()];
    for value in headers.get_all(CACHE_CONTROL) {
        match directives(value) {
            Some(directives) => kept.extend(directives.into_iter().filter(|it| !is_shared(it))),
            // What can't be read could let anybody keep it.
            None => kept.push("no-store".to_owned()),
        }
    }
    HeaderValue::try_from(kept.join(", ")).unwrap_or(HeaderValue::from_static("private, no-store"))
}

/// Whether a field speaks to one kind of shared cache, over the head of `Cache-Control` (RFC 9213).
pub fn is_targeted(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "cdn-cache-control"
        || name.ends_with("-cdn-cache-control")
        || matches!(
            name,
            "surrogate-control" | "akamai-cache-control" | "edge-control" | "x-accel-expires"
        )
}

/// A directive may have an argument: `private="set-cookie"` lets everything but that field be kept.
fn is_shared(directive: &str) -> bool {
    let name = directive.split('=').next().unwrap_or(directive).trim();
    SHARED
        .iter()
        .any(|shared| name.eq_ignore_ascii_case(shared))
}

/// The directives of a field, split at commas outside of quotes.
fn directives(value: &HeaderValue) -> Option<Vec<String>> {
    let text = value.to_str().ok()?;
    let mut found = Vec::new();
    let mut quoted = false;
    for piece in text.split_inclusive(|letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    }) {
        let directive = piece.strip_suffix(',').unwrap_or(piece).trim();
        if !directive.is_empty() {
            found.push(directive.to_owned());
        }
    }
    (!quoted && !text.contains('\\')).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of these values.
    fn left(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        private(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn what_lets_a_shared_cache_keep_an_answer_goes() {
        for (value, expected) in [
            ("public", "private"),
            ("public, max-age=60", "private, max-age=60"),
            ("max-age=60, S-MaxAge=600", "private, max-age=60"),
            ("PUBLIC,s-maxage=1,immutable", "private, immutable"),
            ("private", "private"),
            ("private=\"set-cookie, x\", max-age=5", "private, max-age=5"),
            ("no-store", "private, no-store"),
            ("no-cache=\"a, public\"", "private, no-cache=\"a, public\""),
            (
                "max-age=60, proxy-revalidate, must-revalidate",
                "private, max-age=60, must-revalidate",
            ),
            ("", "private"),
        ] {
            assert_eq!(left(&[value]), expected, "{value}");
        }
    }

    #[test]
    fn an_answer_that_says_nothing_is_private_too() {
        assert_eq!(left(&[]), "private");
    }

    #[test]
    fn several_fields_become_one() {
        assert_eq!(left(&["public", "max-age=1"]), "private, max-age=1");
    }

    #[test]
    fn fields_for_one_kind_of_cache_are_told_from_others() {
        let targeted = |name: &str| is_targeted(&name.parse().unwrap());
        for name in [
            "Surrogate-Control",
            "CDN-Cache-Control",
            "Cloudflare-CDN-Cache-Control",
            "Edge-Control",
            "X-Accel-Expires",
        ] {
            assert!(targeted(name), "{name}");
        }
        for name in ["Cache-Control", "Expires", "ETag", "X-Accel-Buffering"] {
            assert!(!targeted(name), "{name}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_not_kept_at_all() {
        for value in ["max-age=60, \"public", "a=\"\\\"public\""] {
            assert_eq!(left(&[value]), "private, no-store", "{value}");
        }
    }
}

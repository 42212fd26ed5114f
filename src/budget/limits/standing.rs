//! How the limits of a caller stand, in the words of the `RateLimit` header fields
//! (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! A limit on requests per second is a policy of a burst over the seconds in which a burst comes
//! back; one on requests at a time has the unit `concurrent-requests` (section 3.1.2) and no window.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{LimitName, whole_seconds};

/// About how many bytes one limit takes in a field.
const ROOM: usize = 56;

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Which limit.
    pub name: LimitName,
    /// Most requests.
    pub most: u64,
    /// Seconds in which all of them come back; `None` for a limit on how many at a time.
    pub window: Option<u64>,
    /// Requests that would pass at present.
    pub remaining: u64,
    /// Until one more would; `None` where nobody knows, or all would pass.
    pub next: Option<Duration>,
}

/// How all limits of one caller stand, as of its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing(pub(super) Vec<Quota>);

impl Standing {
    /// Each limit; none where nothing is limited.
    pub fn quotas(&self) -> &[Quota] {
        &self.0
    }

    /// The value of `RateLimit-Policy`; `None` where nothing is limited.
    ///
    /// ```text
    /// "tenant";q=100;w=2, "tenant-requests";q=64;qu="concurrent-requests"
    /// ```
    pub fn policy_field(&self) -> Option<String> {
        self.field(|quota, text| {
            write!(text, ";q={}", quota.most)?;
            match quota.window {
                Some(window) => write!(text, ";w={window}"),
                None => text.write_str(";qu=\"concurrent-requests\""),
            }
        })
    }

    /// The value of `RateLimit`; `None` where nothing is limited.
    ///
    /// ```text
    /// "tenant";r=99;t=1, "tenant-requests";r=63
    /// ```
    pub fn field_of_what_is_left(&self) -> Option<String> {
        self.field(|quota, text| {
            write!(text, ";r={}", quota.remaining)?;
            match quota.next {
                Some(next) => write!(text, ";t={}", whole_seconds(next)),
                None => Ok(()),
            }
        })
    }

    fn field(&self, parameters: impl Fn(&Quota, &mut String) -> fmt::Result) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut text = String::with_capacity(ROOM * self.0.len());
        for quota in &self.0 {
            if !text.is_empty() {
                text.push_str(", ");
            }
            // The names need no escape in a structured field string (RFC 9651 section 3.3.3).
            text.push('"');
            text.push_str(quota.name.as_str());
            text.push('"');
            parameters(quota, &mut text).ok()?;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_draft() {
        let standing = Standing(vec![
            Quota {
                name: LimitName::TenantRate,
                most: 100,
                window: Some(2),
                remaining: 99,
                next: Some(Duration::from_millis(20)),
            },
            Quota {
                name: LimitName::UserRequests,
                most: 4,
                window: None,
                remaining: 3,
                next: None,
            },
        ]);
        let policy = "\"tenant\";q=100;w=2, \"user-requests\";q=4;qu=\"concurrent-requests\"";
        let left = "\"tenant\";r=99;t=1, \"user-requests\";r=3";
        assert_eq!(standing.policy_field().as_deref(), Some(policy));
        assert_eq!(standing.field_of_what_is_left().as_deref(), Some(left));
    }

    #[test]
    fn what_is_not_limited_has_no_fields() {
        assert_eq!(Standing::default().policy_field(), None);
        assert_eq!(Standing::default().field_of_what_is_left(), None);
    }

    #[test]
    fn every_name_is_a_structured_field_string_as_it_stands() {
        for name in LimitName::ALL {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(name.as_str().bytes().all(fits), "{name:?}");
        }
    }
}

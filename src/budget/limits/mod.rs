//! Rates, requests at a time and open streams, of each tenant and of each of its users.
//!
//! All limits of one request are taken together or not at all, under one lock: a request that one of
//! them refuses has cost the others nothing. What is taken for its time (a slot) goes with the
//! [`Pass`], however that ends; what is taken for good (one of so many a second) can be given back.
//! Nothing of it outlives the process, and replicas know nothing of each other's.
//!
//! Lines are kept by names that a credential proves, never by ids that a client chooses.

mod limiter;
mod lines;
mod pass;
mod rate;
mod standing;

use std::time::Duration;

pub use limiter::{Bounds, Entrant, Limiter};
pub use pass::Pass;
pub use rate::{PerSecond, PerSecondError, Rate};
pub use standing::{Quota, Standing};

/// What one caller's requests are held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitPolicy {
    /// All of the tenant's together.
    pub tenant: LineLimits,
    /// Those of each user.
    pub user: LineLimits,
}

/// LineLimits of one line; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineLimits {
    /// Requests per second.
    pub rate: Option<Rate>,
    /// Requests at a time, streams among them.
    pub concurrent_requests: Option<u32>,
    /// Streams at a time.
    pub open_streams: Option<u32>,
}

impl LineLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which limit: the name under which callers and metrics know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitName {
    /// Requests per second of the tenant.
    TenantRate,
    /// Requests at a time of the tenant.
    TenantRequests,
    /// Streams at a time of the tenant.
    TenantStreams,
    /// Requests per second of the user.
    UserRate,
    /// Requests at a time of the user.
    UserRequests,
    /// Streams at a time of the user.
    UserStreams,
}

impl LimitName {
    /// Every name.
    pub const ALL: [Self; 6] = [
        Self::TenantRate,
        Self::TenantRequests,
        Self::TenantStreams,
        Self::UserRate,
        Self::UserRequests,
        Self::UserStreams,
    ];

    /// The word in headers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantRate => "tenant",
            Self::TenantRequests => "tenant-requests",
            Self::TenantStreams => "tenant-streams",
            Self::UserRate => "user",
            Self::UserRequests => "user-requests",
            Self::UserStreams => "user-streams",
        }
    }

    /// Whether it is about how many a second; else it is about how many at a time.
    pub const fn is_rate(self) -> bool {
        match self {
            Self::TenantRate | Self::UserRate => true,
            Self::TenantRequests | Self::TenantStreams | Self::UserRequests | Self::UserStreams => {
                false
            }
        }
    }
}

/// A limit is reached. Nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Limited {
    /// The limit; where several are reached, the one that has to be waited for longest.
    pub limit: LimitName,
    /// What is allowed.
    pub allowed: Allowed,
    /// When a request can pass, if nobody else asks in the meantime. Of limits on how many at a time
    /// nobody knows; it is a second then.
    pub retry_after: Duration,
    /// How all limits of the caller stand.
    pub standing: Standing,
}

/// What a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// So many a second, and so many at once.
    Rate(Rate),
    /// So many at a time.
    AtATime(u32),
}

impl Limited {
    /// Whole seconds to wait, at least one (`Retry-After`, RFC 9110 section 10.2.3).
    pub fn retry_after_seconds(&self) -> u32 {
        u32::try_from(whole_seconds(self.retry_after)).unwrap_or(u32::MAX)
    }

    fn sentence(&self) -> String {
        let whose = match self.limit {
            LimitName::TenantRate | LimitName::TenantRequests | LimitName::TenantStreams => {
                "the tenant's"
            }
            LimitName::UserRate | LimitName::UserRequests | LimitName::UserStreams => "the user's",
        };
        let what = match self.limit {
            LimitName::TenantStreams | LimitName::UserStreams => "open streams",
            LimitName::TenantRate
            | LimitName::TenantRequests
            | LimitName::UserRate
            | LimitName::UserRequests => "requests",
        };
        match self.allowed {
            Allowed::Rate(Rate { per_second, burst }) => format!(
                "{whose} limit of {per_second} requests per second ({burst} at once) is reached"
            ),
            Allowed::AtATime(most) => {
                format!("{whose} limit of {most} {what} at a time is reached")
            }
        }
    }
}

/// Seconds, rounded up, at least one.
fn whole_seconds(time: Duration) -> u64 {
    let more = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(more).max(1)
}

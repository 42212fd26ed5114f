//! Limits of tenants and of their users, as the files state them and as they hold.

use crate::budget::limits::{LimitPolicy, LineLimits, PerSecond, Rate};

/// `limits` or `user_limits`; what is absent is left to the defaults, and unlimited without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body_bytes: Option<u64>,
    /// Requests per second.
    pub requests_per_second: Option<PerSecond>,
    /// Most requests at once; what a second gives when absent.
    pub burst: Option<u32>,
    /// Requests at a time, streams among them.
    pub concurrent_requests: Option<u32>,
    /// Streams at a time.
    pub open_streams: Option<u32>,
}

impl Limits {
    /// These, and where they say nothing, those.
    pub fn over(self, those: Self) -> Self {
        Self {
            body_bytes: self.body_bytes.or(those.body_bytes),
            requests_per_second: self.requests_per_second.or(those.requests_per_second),
            burst: self.burst.or(those.burst),
            concurrent_requests: self.concurrent_requests.or(those.concurrent_requests),
            open_streams: self.open_streams.or(those.open_streams),
        }
    }

    fn of_a_line(self) -> LineLimits {
        LineLimits {
            rate: self.requests_per_second.map(|per_second| Rate {
                per_second,
                burst: self.burst.unwrap_or_else(|| per_second.ceil()),
            }),
            concurrent_requests: self.concurrent_requests,
            open_streams: self.open_streams,
        }
    }
}

/// What both tables of one tenant come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// `limits`: of all its users together.
    pub tenant: Limits,
    /// `user_limits`: of each.
    pub user: Limits,
}

impl TenantLimits {
    /// These, and where they say nothing, those.
    pub fn over(self, those: Self) -> Self {
        Self {
            tenant: self.tenant.over(those.tenant),
            user: self.user.over(those.user),
        }
    }

    /// Largest request body in bytes, where one is stated: the smaller one.
    pub fn body_bytes(self) -> Option<u64> {
        let stated = [self.tenant.body_bytes, self.user.body_bytes];
        stated.into_iter().flatten().min()
    }

    /// What requests are held to, of how many and how often.
    pub fn policy(self) -> LimitPolicy {
        LimitPolicy {
            tenant: self.tenant.of_a_line(),
            user: self.user.of_a_line(),
        }
    }
}

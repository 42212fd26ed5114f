//! Ceilings, and who it is that spends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// Over what inside a tenant a ceiling adds up: each value has a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CeilingScope {
    /// The whole tenant.
    Tenant,
    /// Each user.
    User,
    /// Each agent.
    Agent,
    /// Each route.
    Route,
    /// Each session.
    Session,
}

impl CeilingScope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::Tenant,
        Self::User,
        Self::Agent,
        Self::Route,
        Self::Session,
    ];

    /// The word in files, answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Agent => "agent",
            Self::Route => "route",
            Self::Session => "session",
        }
    }
}

/// The time over which a ceiling adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From each full hour of the local clock.
    Hour,
    /// From each local midnight.
    Day,
    /// From each Monday's local midnight (ISO 8601).
    Week,
    /// From the local midnight of each first of a month.
    Month,
    /// For good.
    Total,
    /// The time just past, of this length: whole seconds.
    Rolling(Duration),
}

impl fmt::Display for Window {
    /// As in files: `month`, `rolling:24h`, and in days from two on.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
            Self::Rolling(length) => {
                let seconds = length.as_secs();
                return match (seconds % 86_400, seconds % 3_600, seconds % 60) {
                    (0, _, _) if seconds > 86_400 => {
                        write!(formatter, "rolling:{}d", seconds / 86_400)
                    }
                    (_, 0, _) => write!(formatter, "rolling:{}h", seconds / 3_600),
                    (_, _, 0) => write!(formatter, "rolling:{}m", seconds / 60),
                    (_, _, _) => write!(formatter, "rolling:{seconds}s"),
                };
            }
        };
        formatter.write_str(word)
    }
}

/// The most that may be spent over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Over what it adds up.
    pub scope: CeilingScope,
    /// Over which time.
    pub window: Window,
    /// How much.
    pub limit: NanoUsd,
    /// Whose midnight begins a calendar window.
    pub timezone: TimeZone,
    /// Shares of the limit at which somebody is told, in thousandths, rising.
    pub warn_at: Arc<[u16]>,
}

/// Who spends: one value for each scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spender {
    /// The tenant.
    pub tenant: TenantId,
    /// Its user.
    pub user: Arc<str>,
    /// The agent that acts; empty where none is known. All such requests share a line.
    pub agent: Arc<str>,
    /// The route.
    pub route: Arc<str>,
    /// The session; empty where the request names none. All such requests share a line.
    pub session: Arc<str>,
}

impl Spender {
    /// Its value in a scope.
    pub fn value(&self, scope: CeilingScope) -> &str {
        match scope {
            CeilingScope::Tenant => "",
            CeilingScope::User => &self.user,
            CeilingScope::Agent => &self.agent,
            CeilingScope::Route => &self.route,
            CeilingScope::Session => &self.session,
        }
    }
}

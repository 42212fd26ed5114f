//! How many requests a second, and how many at once: the generic cell rate algorithm (GCRA, ITU-T
//! I.371 appendix I) in exact integers.
//!
//! The usual form keeps the time at which the next request conforms. That time means something at
//! one rate only, so a rate that a reload changes would have to forget it. Kept here is the debt, in
//! parts of a request: whatever the rate becomes, what was asked for stays asked for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One request, in the parts that a rate of a millionth of a request per second gives in a
/// nanosecond: every rate gives a whole number of them, so nothing is ever rounded.
const REQUEST: u128 = 1_000_000_000 * MICRO;

/// Parts of a request per second that a rate is written in.
const MICRO: u128 = 1_000_000;

/// Requests per second, a decimal with at most six places: 0.000001 to 1000000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PerSecond(u64);

/// A text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PerSecondError {
    /// Something else than digits with one point.
    #[error("requests per second are a decimal such as `200` or `0.5`, with at most six places")]
    NotDecimal,
    /// Nothing would ever pass.
    #[error("a rate of 0 lets nothing pass; `suspended = true` shuts a tenant out")]
    Zero,
    /// More than the highest rate.
    #[error("the highest rate is 1000000 requests per second")]
    TooHigh,
}

impl PerSecond {
    /// Highest rate, in requests per second.
    const MOST: u64 = 1_000_000;

    /// The least whole number of requests that is not below the rate of one second.
    pub fn ceil(self) -> u32 {
        u32::try_from(u128::from(self.0).div_ceil(MICRO)).unwrap_or(u32::MAX)
    }

    /// Parts of a request in a nanosecond.
    fn parts(self) -> u128 {
        u128::from(self.0)
    }
}

impl FromStr for PerSecond {
    type Err = PerSecondError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !digits(whole) || !digits(places) || places.len() > 6 {
            return Err(PerSecondError::NotDecimal);
        }
        // More digits than any number has are a high number.
        let whole: u64 = whole.parse().map_err(|_| PerSecondError::TooHigh)?;
        let micros: u64 = format!("{places:0<6}")
            .parse()
            .map_err(|_| PerSecondError::NotDecimal)?;
        match whole
            .checked_mul(1_000_000)
            .and_then(|it| it.checked_add(micros))
        {
            Some(0) => Err(PerSecondError::Zero),
            Some(rate) if rate <= Self::MOST * 1_000_000 => Ok(Self(rate)),
            Some(_) | None => Err(PerSecondError::TooHigh),
        }
    }
}

impl fmt::Display for PerSecond {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micros == 0 {
            return write!(formatter, "{whole}");
        }
        let places = format!("{micros:06}");
        write!(formatter, "{whole}.{}", places.trim_end_matches('0'))
    }
}

/// A rate and how far one may run ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What comes back each second.
    pub per_second: PerSecond,
    /// Most requests at once, after a rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// Seconds in which a whole burst comes back, rounded up.
    pub fn window(self) -> u64 {
        let burst = u128::from(self.burst.max(1)) * MICRO;
        saturated(burst.div_ceil(self.per_second.parts()))
    }

    /// Most debt.
    fn most(self) -> u128 {
        u128::from(self.burst.max(1)) * REQUEST
    }
}

/// What one key has asked for and not yet got back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// Debt at [`Bucket::at`], in parts of a request.
    debt: u128,
    /// Nanoseconds since the limiter began. Never goes back.
    at: u64,
    /// When the debt is paid at the rate it was last asked by.
    calm: u64,
}

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Requests that would pass at once.
    pub(super) remaining: u64,
    /// Until one more would; `None` where all of the burst would.
    pub(super) next: Option<Duration>,
}

impl Bucket {
    /// How long to wait before one more request conforms; zero if it does at `now`.
    pub(super) fn wait(&self, rate: Rate, now: u64) -> Duration {
        let over = (self.owed(rate, now) + REQUEST).saturating_sub(rate.most());
        nanos(over.div_ceil(rate.per_second.parts()))
    }

    /// Takes one request, whether or not it conforms.
    pub(super) fn take(&mut self, rate: Rate, now: u64) {
        self.debt = self.owed(rate, now) + REQUEST;
        self.at = self.at.max(now);
        self.calm(rate);
    }

    /// Gives back the request that was taken at `taken`, less what came back since by itself: part
    /// of that may have paid for this very request, and would be given twice.
    pub(super) fn give_back(&mut self, rate: Rate, taken: u64, now: u64) {
        let since = u128::from(now.saturating_sub(taken)) * rate.per_second.parts();
        let due = REQUEST.saturating_sub(since);
        self.debt = self.owed(rate, now).saturating_sub(due);
        self.at = self.at.max(now);
        self.calm(rate);
    }

    /// What is left.
    pub(super) fn level(&self, rate: Rate, now: u64) -> Level {
        let owed = self.owed(rate, now);
        let left = rate.most().saturating_sub(owed);
        let next = (owed > 0).then(|| {
            let lacking = REQUEST - left % REQUEST;
            // A burst that became smaller leaves more to wait for than one request.
            let lacking = lacking + owed.saturating_sub(rate.most());
            nanos(lacking.div_ceil(rate.per_second.parts()))
        });
        Level {
            remaining: saturated(left / REQUEST),
            next,
        }
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_calm(&self, now: u64) -> bool {
        self.debt == 0 || self.calm <= now
    }

    fn owed(&self, rate: Rate, now: u64) -> u128 {
        let since = u128::from(now.saturating_sub(self.at));
        self.debt.saturating_sub(since * rate.per_second.parts())
    }

    fn calm(&mut self, rate: Rate) {
        let rest = self.debt.div_ceil(rate.per_second.parts());
        self.calm = self.at.saturating_add(saturated(rest));
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(saturated(nanos))
}

fn saturated(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;

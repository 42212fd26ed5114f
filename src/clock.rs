//! The only source of now.
//!
//! Everything that asks for wall-clock time takes a [`Clock`], so a test can put a token past its
//! expiry or a replay outside its tolerance without waiting. Durations inside one request are
//! measured with [`std::time::Instant`], which no clock step can move.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The point `seconds` seconds after the epoch, saturating at the ends of the range.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This point moved by `seconds`, saturating.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Appends the text of [`fmt::Display`] to `out`, at a tenth of the formatting machinery's
    /// cost: every audit record holds one.
    pub fn append_to(self, out: &mut Vec<u8>) {
        let days = self.0.div_euclid(86_400_000_000);
        let of_day = self.0.rem_euclid(86_400_000_000);
        let (year, month, day) = civil_from_days(days);
        if !(0..=9999).contains(&year) {
            out.extend_from_slice(self.to_string().as_bytes());
            return;
        }
        let seconds = of_day / 1_000_000;
        out.extend_from_slice(&digits::<4>(year));
        out.push(b'-');
        out.extend_from_slice(&digits::<2>(month));
        out.push(b'-');
        out.extend_from_slice(&digits::<2>(day));
        out.push(b'T');
        out.extend_from_slice(&digits::<2>(seconds / 3600));
        out.push(b':');
        out.extend_from_slice(&digits::<2>(seconds / 60 % 60));
        out.push(b':');
        out.extend_from_slice(&digits::<2>(seconds % 60));
        out.push(b'.');
        out.extend_from_slice(&digits::<6>(of_day % 1_000_000));
        out.push(b'Z');
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six fractional digits: `2026-11-21T23:59:59.123456Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000_000);
        let of_day = self.0.rem_euclid(86_400_000_000);
        let (year, month, day) = civil_from_days(days);
        let seconds = of_day / 1_000_000;
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            of_day % 1_000_000
        )
    }
}

/// The last `N` decimal digits of a number that is not negative.
fn digits<const N: usize>(mut value: i64) -> [u8; N] {
    let mut text = [b'0'; N];
    for slot in text.iter_mut().rev() {
        *slot += (value % 10) as u8;
        value /= 10;
    }
    text
}

/// Year, month and day of a count of days since 1970-01-01 in the proleptic Gregorian calendar.
///
/// Era arithmetic over 400-year cycles, as described by Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms". It is here because the audit log prints a time for every request,
/// and a calendar library costs several times as much.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Where now comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present wall-clock time.
    fn now(&self) -> Timestamp;
}

/// A clock that is shared between threads.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        };
        Timestamp(micros)
    }
}

/// A clock that stands still until it is told to move; for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock by `seconds`, backwards when negative.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0
            .fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_prints_as_a_calendar_library_prints_it(
            micros in -62_135_596_800_000_000_i64..253_402_214_400_000_000
        ) {
            let library = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(Timestamp(micros).to_string(), format!("{library:.6}"));
        }

        #[test]
        fn appended_and_displayed_text_are_the_same(micros in -70_000_000_000_000_000_i64..300_000_000_000_000_000) {
            let mut appended = Vec::new();
            Timestamp(micros).append_to(&mut appended);
            prop_assert_eq!(appended, Timestamp(micros).to_string().into_bytes());
        }
    }
}

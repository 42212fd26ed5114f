//! When the window of a ceiling begins and ends.
//!
//! Calendar windows begin at instants, not at readings of a clock: a day begins at the first moment
//! of its date in the zone, whether its midnight is skipped, comes twice, or is taken back a minute
//! after it came. The beginnings rise with the dates, so each moment is in one window and every
//! window ends once, whatever the zone does in it.

use std::str::FromStr;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::ceiling::Window;
use crate::clock::Timestamp;

/// Shortest rolling window: what the ledger tells apart.
const SHORTEST: Duration = Duration::from_secs(60);
/// Longest rolling window: what the ledger remembers by the quarter of an hour.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

impl Window {
    /// When the window that holds `now` began. For [`Window::Total`], before every time.
    pub fn start(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        // A time that no calendar has counts everything: that refuses too much and never too little.
        self.around(now, zone)
            .map_or(Timestamp::from_micros(i64::MIN), |(start, _)| start)
    }

    /// When the window that holds `now` ends. A total never does, and out of a rolling window money
    /// leaves by and by.
    pub fn resets_at(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.around(now, zone)?.1
    }

    /// Beginning and end.
    fn around(&self, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Option<Timestamp>)> {
        match self {
            Self::Total => Some((Timestamp::from_micros(i64::MIN), None)),
            Self::Rolling(length) => {
                let length = i64::try_from(length.as_secs()).ok()?;
                Some((now.plus_seconds(length.saturating_neg()), None))
            }
            Self::Hour => {
                let (start, end) = hour_around(to_jiff(now)?, zone)?;
                Some((from_jiff(start), Some(from_jiff(end))))
            }
            Self::Day | Self::Week | Self::Month => {
                let (start, end) = self.dates_around(to_jiff(now)?, zone)?;
                Some((from_jiff(start), Some(from_jiff(end))))
            }
        }
    }

    fn dates_around(
        &self,
        now: jiff::Timestamp,
        zone: &TimeZone,
    ) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let mut first = self.first_date(zone.to_datetime(now).date())?;
        let mut next = self.next_date(first)?;
        // Where clocks went back over a midnight, the date of now is that of the day before, but the
        // next day began already and does not begin twice.
        if beginning_of(next, zone)? <= now {
            (first, next) = (next, self.next_date(next)?);
        }
        Some((beginning_of(first, zone)?, beginning_of(next, zone)?))
    }

    /// The first date of the window that holds `date`.
    fn first_date(&self, date: Date) -> Option<Date> {
        match self {
            Self::Month => Some(date.first_of_month()),
            Self::Week => {
                let days = date.weekday().since(Weekday::Monday);
                date.checked_sub(days.days()).ok()
            }
            Self::Hour | Self::Day | Self::Total | Self::Rolling(_) => Some(date),
        }
    }

    /// The first date of the window after the one that begins at `first`.
    fn next_date(&self, first: Date) -> Option<Date> {
        let span = match self {
            Self::Month => 1.month(),
            Self::Week => 7.days(),
            Self::Hour | Self::Day | Self::Total | Self::Rolling(_) => 1.day(),
        };
        first.checked_add(span).ok()
    }
}

/// The first moment of a date.
fn beginning_of(date: Date, zone: &TimeZone) -> Option<jiff::Timestamp> {
    let midnight = date.at(0, 0, 0, 0);
    let ambiguous = zone.to_ambiguous_timestamp(midnight);
    match ambiguous.offset() {
        // Midnight is skipped: the day begins where the clock jumps.
        AmbiguousOffset::Gap { after, .. } => {
            let before_it = after.to_timestamp(midnight).ok()?;
            let before_it = before_it.checked_sub(1.nanosecond()).ok()?;
            Some(zone.following(before_it).next()?.timestamp())
        }
        // Of two midnights the first.
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.compatible().ok()
        }
    }
}

/// The full hours around a moment. Where the offset changes inside an hour, one ends there and
/// another begins.
fn hour_around(
    now: jiff::Timestamp,
    zone: &TimeZone,
) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    let local = zone.to_datetime(now);
    let into = i64::from(local.minute()) * 60 + i64::from(local.second());
    let full = jiff::Timestamp::from_second(now.as_second() - into).ok()?;
    let next = full.checked_add(1.hour()).ok()?;
    let changed = |at: &jiff::Timestamp| *at > full && *at < next;
    let just_after = now.checked_add(1.nanosecond()).ok()?;
    let before = zone.preceding(just_after).next().map(|it| it.timestamp());
    let after = zone.following(now).next().map(|it| it.timestamp());
    Some((
        before.filter(changed).unwrap_or(full),
        after.filter(changed).unwrap_or(next),
    ))
}

fn to_jiff(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(time.as_micros()).ok()
}

fn from_jiff(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_microsecond())
}

/// A text is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// None of the words.
    #[error(
        "a window is \"hour\", \"day\", \"week\", \"month\", \"total\" or \"rolling:\" with a length, as \"rolling:24h\""
    )]
    Word,
    /// No length.
    #[error(
        "the length of a rolling window is a whole number of minutes, hours or days: \"90m\", \"24h\", \"7d\""
    )]
    Length,
    /// Too short or too long.
    #[error("a rolling window is from one minute to 31 days long")]
    Range,
}

impl FromStr for Window {
    type Err = WindowError;

    /// Reads what [`std::fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let length = match text {
            "hour" => return Ok(Self::Hour),
            "day" => return Ok(Self::Day),
            "week" => return Ok(Self::Week),
            "month" => return Ok(Self::Month),
            "total" => return Ok(Self::Total),
            rolling => rolling.strip_prefix("rolling:").ok_or(WindowError::Word)?,
        };
        let units = [("m", 60), ("h", 3_600), ("d", 86_400)];
        let (count, unit) = units
            .into_iter()
            .find_map(|(suffix, seconds)| Some((length.strip_suffix(suffix)?, seconds)))
            .ok_or(WindowError::Length)?;
        if count.is_empty() || !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(WindowError::Length);
        }
        let count: u64 = count.parse().map_err(|_too_long| WindowError::Range)?;
        let length = Duration::from_secs(count.saturating_mul(unit));
        match (SHORTEST..=LONGEST).contains(&length) {
            true => Ok(Self::Rolling(length)),
            false => Err(WindowError::Range),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        from_jiff(text.parse().unwrap())
    }

    /// Beginning and end in UTC of the window that holds a moment.
    fn around(window: Window, name: &str, now: &str) -> [String; 2] {
        let (now, zone) = (time(now), zone(name));
        let end = window.resets_at(now, &zone).unwrap();
        [window.start(now, &zone), end].map(|it| to_jiff(it).unwrap().to_string())
    }

    #[test]
    fn a_day_begins_at_the_local_midnight_and_has_23_or_25_hours_where_clocks_change() {
        let paris = |now| around(Window::Day, "Europe/Paris", now);
        let summer = ["2026-07-01T22:00:00Z", "2026-07-02T22:00:00Z"];
        assert_eq!(paris("2026-07-02T21:59:59.999999Z"), summer);
        assert_eq!(paris("2026-07-01T22:00:00Z"), summer);
        let short = ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"];
        assert_eq!(paris("2026-03-29T12:00:00Z"), short);
        let long = ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"];
        assert_eq!(paris("2026-10-25T00:30:00Z"), long);
        assert_eq!(paris("2026-10-25T01:30:00Z"), long, "02:30 comes twice");
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_where_the_clock_jumps() {
        let sao_paulo = |now| around(Window::Day, "America/Sao_Paulo", now);
        let without = ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"];
        assert_eq!(sao_paulo("2018-11-04T03:00:00Z"), without);
        assert_eq!(sao_paulo("2018-11-05T01:59:59Z"), without);
        assert_eq!(
            sao_paulo("2018-11-04T02:59:59Z"),
            ["2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"]
        );
        let toronto = around(Window::Day, "America/Toronto", "1919-03-31T12:00:00Z");
        assert_eq!(
            toronto[0], "1919-03-31T04:30:00Z",
            "23:30 was followed by 00:30"
        );
    }

    #[test]
    fn a_midnight_that_comes_twice_begins_one_day() {
        let long = ["2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"];
        for now in ["2018-02-18T01:30:00Z", "2018-02-18T02:30:00Z"] {
            assert_eq!(around(Window::Day, "America/Sao_Paulo", now), long);
        }
        let havana = ["2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"];
        for now in ["2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"] {
            assert_eq!(around(Window::Day, "America/Havana", now), havana);
        }
        // One minute after midnight it was 23:01 again.
        let begun = "2010-11-07T02:30:00Z";
        for now in [
            "2010-11-07T02:30:30Z",
            "2010-11-07T03:00:00Z",
            "2010-11-07T04:00:00Z",
        ] {
            let day = around(Window::Day, "America/St_Johns", now);
            assert_eq!(day[0], begun, "{now}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let week = ["2026-12-27T23:00:00Z", "2027-01-03T23:00:00Z"];
        assert_eq!(
            around(Window::Week, "Europe/Paris", "2027-01-01T12:00:00Z"),
            week
        );
        let march = ["2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"];
        assert_eq!(
            around(Window::Month, "Europe/Paris", "2026-03-01T00:00:00Z"),
            march
        );
        let kathmandu = ["2028-01-31T18:15:00Z", "2028-02-29T18:15:00Z"];
        assert_eq!(
            around(Window::Month, "Asia/Kathmandu", "2028-02-29T00:00:00Z"),
            kathmandu
        );
        assert_eq!(
            around(Window::Day, "Pacific/Apia", "2011-12-30T09:59:00Z"),
            ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"],
            "the 30th did not take place"
        );
    }

    #[test]
    fn hours_are_those_of_the_local_clock() {
        let kolkata = ["2026-07-01T09:30:00Z", "2026-07-01T10:30:00Z"];
        assert_eq!(
            around(Window::Hour, "Asia/Kolkata", "2026-07-01T10:00:00Z"),
            kolkata
        );
        // At 02:00 it is 01:30 again: half an hour of its own.
        let half = ["2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"];
        assert_eq!(
            around(Window::Hour, "Australia/Lord_Howe", "2026-04-04T15:10:00Z"),
            half
        );
    }

    #[test]
    fn a_total_and_a_rolling_window_have_no_end() {
        let now = time("2026-07-01T10:00:00Z");
        assert_eq!(Window::Total.resets_at(now, &TimeZone::UTC), None);
        assert_eq!(
            Window::Total.start(now, &TimeZone::UTC).as_micros(),
            i64::MIN
        );
        let rolling = Window::Rolling(Duration::from_secs(3_600));
        assert_eq!(rolling.resets_at(now, &TimeZone::UTC), None);
        assert_eq!(
            rolling.start(now, &TimeZone::UTC),
            time("2026-07-01T09:00:00Z")
        );
    }

    #[test]
    fn a_time_beyond_the_calendar_counts_everything() {
        let never = Timestamp::from_micros(i64::MAX);
        assert_eq!(
            Window::Day.start(never, &TimeZone::UTC).as_micros(),
            i64::MIN
        );
        assert_eq!(Window::Day.resets_at(never, &TimeZone::UTC), None);
    }

    #[test]
    fn windows_are_read_as_they_are_written() {
        for text in [
            "hour",
            "day",
            "week",
            "month",
            "total",
            "rolling:24h",
            "rolling:90m",
            "rolling:7d",
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(
                text.parse::<Window>().unwrap(),
                window.to_string().parse().unwrap()
            );
        }
        for (text, said) in [
            ("rolling:24h", "rolling:24h"),
            ("rolling:1d", "rolling:24h"),
            ("rolling:168h", "rolling:7d"),
            ("rolling:60m", "rolling:1h"),
        ] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), said);
        }
        for (text, error) in [
            ("year", WindowError::Word),
            ("Month", WindowError::Word),
            ("rolling", WindowError::Word),
            ("rolling:", WindowError::Length),
            ("rolling:h", WindowError::Length),
            ("rolling:1.5h", WindowError::Length),
            ("rolling:-1h", WindowError::Length),
            ("rolling:90s", WindowError::Length),
            ("rolling:0m", WindowError::Range),
            ("rolling:32d", WindowError::Range),
            ("rolling:99999999999999999999h", WindowError::Range),
        ] {
            assert_eq!(text.parse::<Window>(), Err(error), "{text}");
        }
    }

    const ZONES: [&str; 12] = [
        "UTC",
        "Europe/Paris",
        "America/Sao_Paulo",
        "America/St_Johns",
        "America/Havana",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Africa/Casablanca",
        "America/New_York",
        "Antarctica/Troll",
    ];

    proptest! {
        #[test]
        fn every_moment_is_in_one_window_and_each_window_is_followed_by_the_next(
            seconds in 0_i64..4_102_444_800,
            name in proptest::sample::select(&ZONES[..]),
            window in proptest::sample::select(&[Window::Hour, Window::Day, Window::Week, Window::Month][..]),
        ) {
            let zone = zone(name);
            let now = Timestamp::from_seconds(seconds);
            let start = window.start(now, &zone);
            let end = window.resets_at(now, &zone).unwrap();
            prop_assert!(start <= now && now < end);
            prop_assert_eq!(window.start(start, &zone), start);
            prop_assert_eq!(window.resets_at(start, &zone), Some(end));
            prop_assert_eq!(window.start(end, &zone), end);
            let last = Timestamp::from_micros(end.as_micros() - 1);
            prop_assert_eq!(window.start(last, &zone), start);
        }
    }
}

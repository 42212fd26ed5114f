//! Which windows began when, worked out once and not for every request.

use jiff::tz::TimeZone;

use super::history::Minute;
use crate::budget::ceiling::{Ceiling, Window};
use crate::clock::Timestamp;

/// How many calendar windows are remembered: a tenant's ceilings and zones are few.
const MOST: usize = 64;

#[derive(Debug)]
struct Known {
    window: Window,
    zone: TimeZone,
    from: Timestamp,
    until: Timestamp,
}

/// The calendar windows that were asked for of late.
#[derive(Debug, Default)]
pub(super) struct Starts(Vec<Known>);

impl Starts {
    /// The first minute of the window of a ceiling that holds `at`.
    pub(super) fn of(&mut self, ceiling: &Ceiling, at: Timestamp) -> Minute {
        let (window, zone) = (&ceiling.window, &ceiling.timezone);
        match window {
            Window::Total => return Minute::FIRST,
            Window::Rolling(_) => return Minute::of(window.start(at, zone)),
            Window::Hour | Window::Day | Window::Week | Window::Month => {}
        }
        let known = self
            .0
            .iter()
            .find(|it| it.from <= at && at < it.until && it.window == *window && it.zone == *zone);
        if let Some(known) = known {
            return Minute::of(known.from);
        }
        let from = window.start(at, zone);
        if let Some(until) = window.resets_at(at, zone) {
            if self.0.len() >= MOST {
                self.0.remove(0);
            }
            self.0.push(Known {
                window: *window,
                zone: zone.clone(),
                from,
                until,
            });
        }
        Minute::of(from)
    }
}

//! Whether money is left.

use std::sync::Arc;

use super::book::Book;
use super::history::{History, Minute};
use super::lines::Place;
use super::starts::Starts;
use crate::budget::ceiling::{Ceiling, CeilingScope, Spender, Window};
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// A ceiling has no room for an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {window} ceiling of {limit} USD per {} has no room for it: {spent} is spent and {reserved} reserved", scope.as_str())]
pub struct Exhausted {
    /// Over what it adds up.
    pub scope: CeilingScope,
    /// Over which time.
    pub window: Window,
    /// The most.
    pub limit: NanoUsd,
    /// What is spent of it.
    pub spent: NanoUsd,
    /// What is reserved for requests under way.
    pub reserved: NanoUsd,
    /// When the window ends, or enough has left a rolling one; the earliest time at which any
    /// leaves it where that is not enough. `None` for a total, and for a rolling window in which
    /// nothing is spent: then it is requests under way that hold it all.
    pub resets_at: Option<Timestamp>,
}

/// A line passed a share of its ceiling at which somebody is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Whose.
    pub tenant: TenantId,
    /// Which ceiling.
    pub ceiling: Ceiling,
    /// The line's value.
    pub value: Arc<str>,
    /// The share, in thousandths.
    pub threshold: u16,
    /// What is spent.
    pub spent: NanoUsd,
    /// When the window ends.
    pub resets_at: Option<Timestamp>,
}

/// How a line stands under a ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStanding {
    /// Over what the ceiling adds up.
    pub scope: CeilingScope,
    /// The line's value; empty for the tenant's own.
    pub value: Arc<str>,
    /// Over which time.
    pub window: Window,
    /// The most.
    pub limit: NanoUsd,
    /// What is spent of it.
    pub spent: NanoUsd,
    /// What is reserved for requests under way.
    pub reserved: NanoUsd,
    /// When the window ends; out of a rolling one, when the first of it leaves.
    pub resets_at: Option<Timestamp>,
    /// Spent and reserved as a share of the limit, in thousandths, rounded down.
    pub used_thousandths: u64,
}

/// What counts against a ceiling on one line.
#[derive(Clone, Copy, Debug)]
struct Counted {
    start: Minute,
    spent: i128,
    reserved: i128,
}

impl Counted {
    fn on(book: &Book, place: Option<Place>, ceiling: &Ceiling, start: Minute) -> Self {
        let Some(line) = place.and_then(|place| book.lines.get(place)) else {
            return Self {
                start,
                spent: 0,
                reserved: 0,
            };
        };
        let spent = match ceiling.window {
            Window::Total => line.history.total(),
            Window::Hour | Window::Day | Window::Week | Window::Month | Window::Rolling(_) => {
                line.history.since(start)
            }
        };
        Self {
            start,
            spent,
            reserved: line.reserved,
        }
    }

    /// What is left of the limit; below zero if it is passed.
    fn left(&self, ceiling: &Ceiling) -> i128 {
        i128::from(ceiling.limit.nanos()) - self.spent - self.reserved
    }
}

/// An amount that may be out of range, as it is told to people.
fn told(amount: i128) -> NanoUsd {
    NanoUsd::from_wide(u128::try_from(amount).unwrap_or(0))
}

/// A question about a book.
#[derive(Debug)]
pub(super) struct Check<'a> {
    pub(super) book: &'a Book,
    pub(super) starts: &'a mut Starts,
    pub(super) at: Timestamp,
}

impl Check<'_> {
    /// Whether `more` fits under every ceiling, and the least that is left after it.
    ///
    /// # Errors
    /// It does not. Of several ceilings without room, the one is named that has none the longest:
    /// before that ends, asking again is in vain.
    pub(super) fn fits(
        &mut self,
        ceilings: &[Ceiling],
        place_of: impl Fn(CeilingScope) -> Option<Place>,
        more: i128,
    ) -> Result<Option<NanoUsd>, Exhausted> {
        let mut least: Option<i128> = None;
        let mut worst: Option<Exhausted> = None;
        for ceiling in ceilings {
            let place = place_of(ceiling.scope);
            let start = self.starts.of(ceiling, self.at);
            let counted = Counted::on(self.book, place, ceiling, start);
            let left = counted.left(ceiling) - more;
            least = Some(least.map_or(left, |least| least.min(left)));
            if left >= 0 {
                continue;
            }
            let exhausted = Exhausted {
                scope: ceiling.scope,
                window: ceiling.window,
                limit: ceiling.limit,
                spent: told(counted.spent),
                reserved: told(counted.reserved),
                resets_at: self.room_at(ceiling, place, counted.start, -left),
            };
            let longer = worst
                .as_ref()
                .is_none_or(|worst| when(worst) < when(&exhausted));
            if longer {
                worst = Some(exhausted);
            }
        }
        match worst {
            Some(exhausted) => Err(exhausted),
            None => Ok(least.map(told)),
        }
    }

    /// The least that is left under the ceilings.
    pub(super) fn left(
        &mut self,
        ceilings: &[Ceiling],
        place_of: impl Fn(CeilingScope) -> Option<Place>,
    ) -> Option<NanoUsd> {
        let left = ceilings.iter().map(|ceiling| {
            let start = self.starts.of(ceiling, self.at);
            Counted::on(self.book, place_of(ceiling.scope), ceiling, start).left(ceiling)
        });
        left.min().map(told)
    }

    /// When `missing` is no longer missing.
    fn room_at(
        &self,
        ceiling: &Ceiling,
        place: Option<Place>,
        start: Minute,
        missing: i128,
    ) -> Option<Timestamp> {
        let Window::Rolling(length) = ceiling.window else {
            return ceiling.window.resets_at(self.at, &ceiling.timezone);
        };
        let history: &History = &self.book.lines.get(place?)?.history;
        let minute = history.leaves(start, missing)?;
        // It is out of the window when the window begins in the minute after.
        let after = i64::try_from(length.as_secs()).ok()?.saturating_add(60);
        Some(minute.start().plus_seconds(after))
    }

    /// What shares the lines have passed since `cost` was booked for a request of `at`.
    pub(super) fn crossings(
        &mut self,
        ceilings: &[Ceiling],
        place_of: impl Fn(CeilingScope) -> Option<Place>,
        booked: Minute,
        cost: NanoUsd,
    ) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for ceiling in ceilings.iter().filter(|it| !it.warn_at.is_empty()) {
            let place = place_of(ceiling.scope);
            let start = self.starts.of(ceiling, self.at);
            let after = Counted::on(self.book, place, ceiling, start).spent;
            // A charge before the window's beginning changed nothing in it.
            let cost = match booked >= start {
                true => i128::from(cost.nanos()),
                false => 0,
            };
            let limit = i128::from(ceiling.limit.nanos());
            let passed = ceiling.warn_at.iter().filter(|share| {
                let at = limit * i128::from(**share);
                (after - cost) * 1_000 < at && after * 1_000 >= at
            });
            let Some(line) = place.and_then(|place| self.book.lines.get(place)) else {
                continue;
            };
            crossings.extend(passed.map(|share| Crossing {
                tenant: line.tenant.clone(),
                ceiling: ceiling.clone(),
                value: Arc::from(&*line.value),
                threshold: *share,
                spent: told(after),
                resets_at: ceiling.window.resets_at(self.at, &ceiling.timezone),
            }));
        }
        crossings
    }

    /// How a tenant's lines stand: its own under every ceiling, others where something counts.
    pub(super) fn standing(
        &mut self,
        tenant: &TenantId,
        ceilings: &[Ceiling],
    ) -> Vec<LineStanding> {
        let own = self.book.lines.find(tenant, CeilingScope::Tenant, "");
        let mut standing = Vec::new();
        for ceiling in ceilings {
            let start = self.starts.of(ceiling, self.at);
            let mut lines: Vec<(&str, Option<Place>)> = match ceiling.scope {
                CeilingScope::Tenant => vec![("", own)],
                CeilingScope::User
                | CeilingScope::Agent
                | CeilingScope::Route
                | CeilingScope::Session => self.book.lines.of(tenant, ceiling.scope).collect(),
            };
            lines.sort_unstable_by_key(|(value, _)| *value);
            for (value, place) in lines {
                let counted = Counted::on(self.book, place, ceiling, start);
                let idle = counted.spent == 0 && counted.reserved == 0;
                if idle && ceiling.scope != CeilingScope::Tenant {
                    continue;
                }
                standing.push(self.standing_of(ceiling, value, place, counted));
            }
        }
        standing
    }

    /// How the lines of one spender stand, used or not.
    pub(super) fn standing_on(
        &mut self,
        ceilings: &[Ceiling],
        spender: &Spender,
        place_of: impl Fn(CeilingScope) -> Option<Place>,
    ) -> Vec<LineStanding> {
        let mut standing = Vec::new();
        for ceiling in ceilings {
            let place = place_of(ceiling.scope);
            let start = self.starts.of(ceiling, self.at);
            let counted = Counted::on(self.book, place, ceiling, start);
            let value = spender.value(ceiling.scope);
            standing.push(self.standing_of(ceiling, value, place, counted));
        }
        standing
    }

    fn standing_of(
        &self,
        ceiling: &Ceiling,
        value: &str,
        place: Option<Place>,
        counted: Counted,
    ) -> LineStanding {
        let limit = u128::from(ceiling.limit.nanos());
        let used = u128::try_from(counted.spent + counted.reserved).unwrap_or(0);
        let used = match limit {
            0 => u128::from(used > 0) * u128::from(u64::MAX),
            limit => used * 1_000 / limit,
        };
        LineStanding {
            scope: ceiling.scope,
            value: value.into(),
            window: ceiling.window,
            limit: ceiling.limit,
            spent: told(counted.spent),
            reserved: told(counted.reserved),
            resets_at: self.room_at(ceiling, place, counted.start, i128::MIN),
            used_thousandths: u64::try_from(used).unwrap_or(u64::MAX),
        }
    }
}

/// For comparing: never is later than any time.
fn when(exhausted: &Exhausted) -> Timestamp {
    let never = Timestamp::from_micros(i64::MAX);
    exhausted.resets_at.unwrap_or(never)
}

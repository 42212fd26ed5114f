//! Room for further lines.
//!
//! Callers choose what sessions and agents are called, and each that spends has a line for a month.
//! So a tenant may have so many lines and no more. Where that is reached, those go that no ceiling of
//! the tenant counts any more, the half on which nothing happened the longest; what a later ceiling
//! would have counted on them is forgotten. Where too few can go, nothing more is reserved for whom
//! there is no line: a line that was not kept would be a ceiling that does not hold.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Request;
use super::book::Book;
use super::history::Minute;
use super::keeper::Steady;
use super::lines::SCOPES;
use super::starts::Starts;
use crate::budget::ceiling::CeilingScope;
use crate::tenant::TenantId;

/// For how many seconds a window that is over still counts: a request may wait for so long, and
/// counts from when it came.
const MARGIN: i64 = 3_600;
/// For how long nobody looks again for lines that can go, after few were found: each look goes over
/// all lines of the shard.
const AGAIN: Duration = Duration::from_secs(60);
/// What share of all lines is few.
const FEW: usize = 8;

/// A tenant has as many lines as the ledger keeps for one, and the request needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger keeps {most} lines for a tenant, and all of them count under its ceilings")]
pub struct Full {
    /// How many lines that is.
    pub most: usize,
}

/// How many lines tenants may have.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    steady: Steady,
    /// Tenants of whose lines few could go, and when that was seen.
    looked: HashMap<TenantId, Instant>,
}

/// What goes: lines of a scope on which nothing happened since a minute began.
pub(super) type Going = Vec<(CeilingScope, Minute)>;

impl Room {
    pub(super) fn new(most: usize, steady: Steady) -> Self {
        Self {
            most,
            steady,
            looked: HashMap::new(),
        }
    }

    /// What has to go so that a request finds room for `missing` lines. Where few could, nobody looks
    /// again for [`AGAIN`].
    ///
    /// # Errors
    /// Too few can.
    pub(super) fn of(
        &mut self,
        book: &Book,
        starts: &mut Starts,
        request: &Request<'_>,
        missing: usize,
    ) -> Result<Going, Full> {
        let (found, of_few) = self.look(book, starts, request, missing);
        if of_few {
            let tenant = &request.spender.tenant;
            self.looked.retain(|_, at| at.elapsed() < AGAIN);
            self.looked.insert(tenant.clone(), Instant::now());
            if found.is_err() {
                tracing::warn!(%tenant, lines = self.most, "the tenant has as many lines in the ledger as it may: who has none is refused");
            }
        }
        found
    }

    /// What [`Room::of`] would say, for who only asks: what is not done leaves no trace.
    pub(super) fn asked(
        &self,
        book: &Book,
        starts: &mut Starts,
        request: &Request<'_>,
        missing: usize,
    ) -> Result<(), Full> {
        self.look(book, starts, request, missing).0.map(drop)
    }

    /// What could go, and whether that was looked for and is little.
    fn look(
        &self,
        book: &Book,
        starts: &mut Starts,
        request: &Request<'_>,
        missing: usize,
    ) -> (Result<Going, Full>, bool) {
        let tenant = &request.spender.tenant;
        let excess = (book.lines.count(tenant) + missing).saturating_sub(self.most);
        if missing == 0 || excess == 0 {
            return (Ok(Going::new()), false);
        }
        let full = Full { most: self.most };
        let looked = self.looked.get(tenant);
        if looked.is_some_and(|at| at.elapsed() < AGAIN) {
            return (Err(full), false);
        }
        let ends = self.ends(starts, request);
        let end_of = |scope: CeilingScope| ends.get(scope as usize).copied();
        let lines = book.lines.iter().filter(|line| line.tenant == *tenant);
        // The request's own come back with it.
        let lines = lines.filter(|line| *line.value != *request.spender.value(line.scope));
        let idle =
            lines.filter(|line| end_of(line.scope).is_some_and(|end| line.is_idle_since(end)));
        let mut idle: Vec<_> = idle
            .map(|line| (line.history.last().unwrap_or(Minute::FIRST), line.scope))
            .collect();
        let few = idle.len() <= self.most / FEW;
        idle.sort_unstable();
        let going = excess.max(idle.len() / 2);
        let Some((last, _)) = going.checked_sub(1).and_then(|last| idle.get(last)) else {
            return (Err(full), few);
        };
        let goes = |scope| idle.iter().any(|(at, of)| *of == scope && at <= last);
        let scopes = CeilingScope::ALL.into_iter().filter(|scope| goes(*scope));
        let going = scopes.filter_map(|scope| Some((scope, end_of(scope)?.min(last.next()))));
        (Ok(going.collect()), few)
    }

    /// Before which minute what was spent counts under no ceiling, by scope.
    fn ends(&self, starts: &mut Starts, request: &Request<'_>) -> [Minute; SCOPES] {
        let at = self.steady.at_most(request.at).plus_seconds(-MARGIN);
        CeilingScope::ALL.map(|scope| {
            let ceilings = request.ceilings.iter();
            let ceilings = ceilings.filter(|ceiling| ceiling.scope == scope);
            let first = ceilings.map(|ceiling| starts.of(ceiling, at)).min();
            first.unwrap_or(Minute::LAST)
        })
    }
}

//! The ledger's lines: one for each value of a scope inside a tenant.
//!
//! They lie in one vector, named by their place in it, and are found through a table of those
//! places. That is what makes a hundred thousand tenants fit: a line costs about a hundred bytes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::history::{History, Minute};
use crate::budget::ceiling::{CeilingScope, Spender};
use crate::tenant::TenantId;

/// How many scopes there are, and so how many lines a request is on.
pub(super) const SCOPES: usize = CeilingScope::ALL.len();

/// Where a line is. It stays there for as long as something is reserved on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u32);

/// Where the lines of a spender are, by scope; `None` where nothing was ever spent.
pub(super) type Places = [Option<Place>; SCOPES];

/// What was spent and what is reserved on one value of one scope.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) tenant: TenantId,
    pub(super) value: Box<str>,
    pub(super) scope: CeilingScope,
    /// A ceiling without end is on it, so it is never forgotten.
    pub(super) for_good: bool,
    /// How many reservations are open on it.
    pub(super) holds: u32,
    /// What they hold together. Not more than 2^32 amounts of 63 bits.
    pub(super) reserved: i128,
    pub(super) history: History,
}

impl Line {
    /// Nothing stands on it: it is as if it were not there. A tenant's own line says that there is
    /// such a tenant.
    fn is_blank(&self) -> bool {
        let stands = self.holds > 0 || self.history.last().is_some() || self.history.total() != 0;
        !stands && self.scope != CeilingScope::Tenant
    }

    /// Nothing is reserved on it, and nothing was spent since a minute began.
    pub(super) fn is_idle_since(&self, start: Minute) -> bool {
        self.can_go() && self.history.last().is_none_or(|last| last < start)
    }

    /// A tenant's own line stays, and so does one under a ceiling without end.
    fn can_go(&self) -> bool {
        self.holds == 0 && !self.for_good && self.scope != CeilingScope::Tenant
    }
}

/// All lines of a shard.
#[derive(Debug, Default)]
pub(super) struct Lines {
    slots: Vec<Option<Line>>,
    free: Vec<Place>,
    table: HashTable<Place>,
    /// How many there are of each tenant.
    counts: HashMap<TenantId, usize>,
    hasher: RandomState,
}

impl Lines {
    fn hash(hasher: &RandomState, tenant: &TenantId, scope: CeilingScope, value: &str) -> u64 {
        hasher.hash_one((tenant.as_str(), scope as u8, value))
    }

    /// Where a line is.
    pub(super) fn find(
        &self,
        tenant: &TenantId,
        scope: CeilingScope,
        value: &str,
    ) -> Option<Place> {
        let hash = Self::hash(&self.hasher, tenant, scope, value);
        let found = self.table.find(hash, |place| {
            self.get(*place).is_some_and(|line| {
                line.scope == scope && *line.value == *value && line.tenant == *tenant
            })
        });
        found.copied()
    }

    /// Where all lines of a spender are.
    pub(super) fn places(&self, spender: &Spender) -> Places {
        CeilingScope::ALL.map(|scope| self.find(&spender.tenant, scope, spender.value(scope)))
    }

    /// The line at a place.
    pub(super) fn get(&self, place: Place) -> Option<&Line> {
        self.slots.get(place.0 as usize)?.as_ref()
    }

    /// The line at a place.
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Line> {
        self.slots.get_mut(place.0 as usize)?.as_mut()
    }

    /// Where a line is; it is made if it is not there.
    pub(super) fn ensure(&mut self, tenant: &TenantId, scope: CeilingScope, value: &str) -> Place {
        if let Some(place) = self.find(tenant, scope, value) {
            return place;
        }
        self.insert(Line {
            tenant: tenant.clone(),
            value: value.into(),
            scope,
            for_good: false,
            holds: 0,
            reserved: 0,
            history: History::default(),
        })
    }

    /// Adds a line that is not there yet.
    pub(super) fn insert(&mut self, line: Line) -> Place {
        let hash = Self::hash(&self.hasher, &line.tenant, line.scope, &line.value);
        match self.counts.get_mut(&line.tenant) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(line.tenant.clone(), 1)),
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                // A shard never has 2^32 lines: that would be half a terabyte.
                let place = Place(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
                self.slots.push(None);
                place
            }
        };
        if let Some(slot) = self.slots.get_mut(place.0 as usize) {
            *slot = Some(line);
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.table.insert_unique(hash, place, |other| {
            let line = slots.get(other.0 as usize).and_then(Option::as_ref);
            line.map_or(0, |it| Self::hash(hasher, &it.tenant, it.scope, &it.value))
        });
        place
    }

    /// The lines of a tenant in a scope.
    pub(super) fn of<'a>(
        &'a self,
        tenant: &TenantId,
        scope: CeilingScope,
    ) -> impl Iterator<Item = (&'a str, Option<Place>)> {
        let tenant = tenant.clone();
        self.slots
            .iter()
            .enumerate()
            .filter_map(move |(index, slot)| {
                let line = slot.as_ref()?;
                let theirs = line.scope == scope && line.tenant == tenant;
                let place = Place(u32::try_from(index).ok()?);
                theirs.then_some((&*line.value, Some(place)))
            })
    }

    /// Every line.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.slots.iter().flatten()
    }

    /// How many lines a tenant has.
    pub(super) fn count(&self, tenant: &TenantId) -> usize {
        self.counts.get(tenant).copied().unwrap_or(0)
    }

    /// Folds what is older than `horizon`, and forgets lines that nothing happened on since.
    pub(super) fn fold(&mut self, horizon: Minute) {
        for line in self.slots.iter_mut().flatten() {
            line.history.fold(horizon);
        }
        self.remove_all(|line| line.can_go() && line.history.last().is_none());
    }

    /// Forgets the lines of a tenant in a scope that nothing happened on since a minute began.
    pub(super) fn forget(&mut self, tenant: &TenantId, scope: CeilingScope, before: Minute) {
        self.remove_all(|line| {
            line.scope == scope && line.tenant == *tenant && line.is_idle_since(before)
        });
    }

    /// Forgets a line on which nothing stands.
    pub(super) fn forget_blank(&mut self, place: Place) {
        if self.get(place).is_some_and(Line::is_blank) {
            self.remove(place);
        }
    }

    fn remove_all(&mut self, goes: impl Fn(&Line) -> bool) {
        for index in 0..self.slots.len() {
            let place = Place(u32::try_from(index).unwrap_or(u32::MAX));
            if self.get(place).is_some_and(&goes) {
                self.remove(place);
            }
        }
    }

    fn remove(&mut self, place: Place) {
        let Some(line) = self.slots.get_mut(place.0 as usize).and_then(Option::take) else {
            return;
        };
        let hash = Self::hash(&self.hasher, &line.tenant, line.scope, &line.value);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
        self.free.push(place);
        if let Some(count) = self.counts.get_mut(&line.tenant) {
            *count = count.saturating_sub(1);
        }
    }
}

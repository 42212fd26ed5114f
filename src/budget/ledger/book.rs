//! The book: what the records of a journal come to.
//!
//! It is a function of the records alone: two processes that applied the same ones have the same
//! book. Whether something fits is asked before its record is written ([`super::check`]); what is
//! written is applied and not asked again.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::charge::{Adjustment, Kept, KeptReservation};
use super::codec::Damage;
use super::history::Minute;
use super::lines::{Line, Lines, Place, SCOPES};
use super::record::{Opening, Record, WholeLine};
use crate::budget::ceiling::{CeilingScope, Spender};
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// A reservation that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) process: u64,
    pub(super) request_id: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) spender: Spender,
    pub(super) amount: NanoUsd,
    pub(super) places: [Place; SCOPES],
    pub(super) kept: Option<Box<Kept>>,
}

impl Open {
    /// As it is told to those who ask; `None` if its request still goes on.
    pub(super) fn as_kept(&self, id: u64) -> Option<KeptReservation> {
        Some(KeptReservation {
            id,
            request_id: Arc::clone(&self.request_id),
            at: self.at,
            spender: self.spender.clone(),
            amount: self.amount,
            kept: Kept::clone(self.kept.as_deref()?),
        })
    }
}

/// Lines and open reservations of one shard.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) lines: Lines,
    open: HashMap<u64, Open>,
    /// Open reservations that outlive their requests, by what the work is known by.
    kept: HashMap<Arc<str>, BTreeSet<u64>>,
    /// Adjustments that were booked, by tenant and id. They are few, and are remembered for good.
    adjusted: BTreeSet<Box<str>>,
    /// The number of the next reservation.
    next: u64,
    /// The head of the generation was read to its end.
    whole: bool,
}

impl Book {
    /// A book in which nothing was written.
    pub(super) fn empty() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// The number of the next reservation.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether all of the records that a generation begins with were applied.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The open reservation of a number.
    pub(super) fn open(&self, id: u64) -> Option<&Open> {
        self.open.get(&id)
    }

    /// Every open reservation.
    pub(super) fn all_open(&self) -> impl Iterator<Item = (u64, &Open)> {
        self.open.iter().map(|(id, open)| (*id, open))
    }

    /// Those that are kept under a key.
    pub(super) fn kept(&self, key: &str) -> impl Iterator<Item = (u64, &Open)> {
        let ids = self.kept.get(key).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.open.get(id)?)))
    }

    /// Every one that is kept.
    pub(super) fn all_kept(&self) -> impl Iterator<Item = (u64, &Open)> {
        let ids = self.kept.values().flatten();
        ids.filter_map(|id| Some((*id, self.open.get(id)?)))
    }

    /// Whether an adjustment was booked.
    pub(super) fn knows_adjustment(&self, tenant: &TenantId, id: &str) -> bool {
        self.adjusted.contains(&adjustment_key(tenant, id))
    }

    /// Applies a record.
    ///
    /// # Errors
    /// It does not follow from those before it, and nothing was changed.
    pub(super) fn apply(&mut self, record: Record<'_>) -> Result<(), Damage> {
        match record {
            Record::Reserve(opening) if self.whole && opening.id == self.next => {
                self.next += 1;
                self.insert(opening);
            }
            Record::Open(opening) if !self.whole => self.insert(opening),
            Record::Line(line) if !self.whole => self.insert_line(line)?,
            Record::Adjusted { id } if !self.whole => {
                self.adjusted.insert(id.into());
            }
            Record::Whole { next } if !self.whole => {
                self.next = next;
                self.whole = true;
            }
            Record::Grow { id, amount } => self.grow(id, amount)?,
            Record::Settle { id, cost, .. } => self.settle(id, cost)?,
            Record::Keep { id, kept } => self.keep(id, kept.into_owned())?,
            Record::Adjust(adjustment) => self.adjust(&adjustment)?,
            Record::Forget {
                tenant,
                scope,
                before,
            } => self.lines.forget(&tenant, scope, before),
            Record::Reserve(_)
            | Record::Open(_)
            | Record::Line(_)
            | Record::Adjusted { .. }
            | Record::Whole { .. } => return Err(Damage),
        }
        Ok(())
    }

    fn insert(&mut self, opening: Opening<'_>) {
        let Opening {
            id,
            process,
            request_id,
            at,
            spender,
            amount,
            for_good,
        } = opening;
        let places = CeilingScope::ALL.map(|scope| {
            let value = spender.value(scope);
            let place = self.lines.ensure(&spender.tenant, scope, value);
            if let Some(line) = self.lines.get_mut(place) {
                line.holds += 1;
                line.reserved += i128::from(amount.nanos());
                line.for_good |= for_good & bit(scope) != 0;
            }
            place
        });
        let open = Open {
            process,
            request_id: request_id.into(),
            at,
            spender,
            amount,
            places,
            kept: None,
        };
        self.open.insert(id, open);
    }

    fn insert_line(&mut self, line: WholeLine<'_>) -> Result<(), Damage> {
        let WholeLine {
            tenant,
            scope,
            value,
            for_good,
            history,
        } = line;
        if self.lines.find(&tenant, scope, &value).is_some() {
            return Err(Damage);
        }
        self.lines.insert(Line {
            tenant,
            value: value.into(),
            scope,
            for_good,
            holds: 0,
            reserved: 0,
            history: history.into_owned(),
        });
        Ok(())
    }

    fn grow(&mut self, id: u64, amount: NanoUsd) -> Result<(), Damage> {
        let open = self.open.get_mut(&id).ok_or(Damage)?;
        let more = i128::from(amount.nanos()) - i128::from(open.amount.nanos());
        open.amount = amount;
        for place in open.places {
            if let Some(line) = self.lines.get_mut(place) {
                line.reserved += more;
            }
        }
        Ok(())
    }

    fn settle(&mut self, id: u64, cost: NanoUsd) -> Result<(), Damage> {
        let open = self.open.remove(&id).ok_or(Damage)?;
        let minute = Minute::of(open.at);
        for place in open.places {
            if let Some(line) = self.lines.get_mut(place) {
                line.holds -= 1;
                line.reserved -= i128::from(open.amount.nanos());
                if !cost.is_zero() {
                    line.history.add(minute, i128::from(cost.nanos()));
                }
            }
            self.lines.forget_blank(place);
        }
        if let Some(kept) = open.kept {
            self.forget_kept(id, &kept.key);
        }
        Ok(())
    }

    fn keep(&mut self, id: u64, kept: Kept) -> Result<(), Damage> {
        let open = self.open.get_mut(&id).ok_or(Damage)?;
        let key = Arc::clone(&kept.key);
        let before = open.kept.replace(Box::new(kept));
        if let Some(before) = before {
            self.forget_kept(id, &before.key);
        }
        self.kept.entry(key).or_default().insert(id);
        Ok(())
    }

    fn forget_kept(&mut self, id: u64, key: &str) {
        if let Some(ids) = self.kept.get_mut(key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.kept.remove(key);
            }
        }
    }

    fn adjust(&mut self, adjustment: &Adjustment) -> Result<(), Damage> {
        let key = adjustment_key(&adjustment.tenant, &adjustment.id);
        if !self.adjusted.insert(key) {
            return Err(Damage);
        }
        let (minute, amount) = (Minute::of(adjustment.at), i128::from(adjustment.amount));
        let Adjustment {
            tenant,
            scope,
            value,
            ..
        } = adjustment;
        let place = self.lines.ensure(tenant, *scope, value);
        if let Some(line) = self.lines.get_mut(place) {
            line.history.add(minute, amount);
        }
        // What is on anybody's line is the tenant's too, so that its line is what it is charged.
        if *scope != CeilingScope::Tenant {
            let place = self.lines.ensure(tenant, CeilingScope::Tenant, "");
            if let Some(line) = self.lines.get_mut(place) {
                line.history.add(minute, amount);
            }
        }
        Ok(())
    }

    /// Gives the records that a generation begins with.
    pub(super) fn head(&self, mut give: impl FnMut(&Record<'_>)) {
        for line in self.lines.iter() {
            give(&Record::Line(WholeLine {
                tenant: line.tenant.clone(),
                scope: line.scope,
                value: Cow::Borrowed(&line.value),
                for_good: line.for_good,
                history: Cow::Borrowed(&line.history),
            }));
        }
        for id in &self.adjusted {
            give(&Record::Adjusted {
                id: Cow::Borrowed(id),
            });
        }
        for (id, open) in self.all_open() {
            // What is for good stands with the line.
            give(&Record::Open(Opening {
                id,
                process: open.process,
                request_id: Cow::Borrowed(&open.request_id),
                at: open.at,
                spender: open.spender.clone(),
                amount: open.amount,
                for_good: 0,
            }));
            if let Some(kept) = &open.kept {
                let kept = Cow::Borrowed(kept.as_ref());
                give(&Record::Keep { id, kept });
            }
        }
        give(&Record::Whole { next: self.next });
    }
}

/// Tenants of one shard may choose the same id. INVARIANT: generations hold it in this form.
fn adjustment_key(tenant: &TenantId, id: &str) -> Box<str> {
    format!("{tenant}/{id}").into()
}

/// The bit of a scope among those in which a line is kept for good.
pub(super) const fn bit(scope: CeilingScope) -> u8 {
    1 << scope as u8
}

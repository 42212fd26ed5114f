//! The ledger: money is reserved before a backend is asked, and settled after.
//!
//! Its truth is a journal that every step is appended to before it is answered; what is in memory
//! is what the journal's records come to. A step is taken under the lock of a shard, and the
//! journal's own against other processes: apply what others appended, check, append, apply. So spent
//! and reserved never pass a ceiling, however many threads and processes there are, and a process
//! that is killed loses nothing that it answered.
//!
//! | a reservation is | by | then |
//! |---|---|---|
//! | open | [`Ledger::reserve`]: every ceiling has room | its amount counts in every window |
//! | settled | its cost is known, or it is dropped | its cost counts from when the request came |
//! | released | nothing can have been spent | nothing counts |
//! | kept | the work goes on after the answer | it waits for its cost, whichever process lives |
//! | recovered | its process died | after a grace, settled at its amount |
//!
//! What is spent is kept for each value of each scope, whether or not a ceiling is on it: one that
//! is added or changed by a reload applies to what is already spent. A charge counts from when its
//! request came. Lines on which nothing happened for 33 days are forgotten, but for the tenant's own
//! and those under a ceiling without end. A tenant may have [`LedgerSettings::lines_per_tenant`].
//!
//! Nothing here waits for a disk. A thread makes what was appended outlive a loss of power every
//! [`LedgerSettings::sync`]; while it can't, nothing more is reserved.

mod book;
mod charge;
mod check;
mod codec;
mod history;
mod journal;
mod keeper;
mod lines;
mod memory;
mod record;
mod reservation;
mod room;
mod shard;
mod starts;
mod statement;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use charge::{Adjustment, Charge, ChargeFacts, How, Kept, KeptReservation};
pub use check::{Crossing, Exhausted, LineStanding};
pub use codec::Damage;
pub use journal::{Archive, Follow, Head, Journal, Processes, SyncTask, Synced};
pub use keeper::Recovered;
pub use memory::{Alone, MemoryJournal};
pub use reservation::Reservation;
pub use room::Full;
pub use shard::Settled;

use keeper::{Keeper, Pulse, Steady};
use room::Room;
use shard::{Ending, Shard};
use statement::Statement;

use super::ceiling::{Ceiling, CeilingScope, Spender};
use super::sync::{Mutex, MutexGuard};
use crate::clock::{SharedClock, Timestamp};
use crate::decision::StateUnavailable;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// How many shards there are. INVARIANT: where a tenant's journal is follows from it.
pub const SHARDS: usize = 16;

/// How the ledger is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// How often what was appended is made to outlive a loss of power: at most this much is lost.
    pub sync: Duration,
    /// How long after a process died its reservations are settled.
    pub crash_grace: Duration,
    /// How long journals are kept for statements after they ended.
    pub retention: Duration,
    /// Bytes after which a shard's journal goes on in another file.
    pub generation_bytes: u64,
    /// How many users, agents, routes and sessions of a tenant are told apart.
    pub lines_per_tenant: usize,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            sync: Duration::from_millis(100),
            crash_grace: Duration::from_secs(30),
            retention: Duration::from_secs(400 * 86_400),
            generation_bytes: 16 << 20,
            lines_per_tenant: 100_000,
        }
    }
}

/// A request that is to be paid for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its id.
    pub request_id: &'a str,
    /// When it came.
    pub at: Timestamp,
    /// Who spends.
    pub spender: &'a Spender,
    /// What applies to it: all of them or none is reserved under.
    pub ceilings: &'a [Ceiling],
    /// The most it can cost.
    pub amount: NanoUsd,
}

/// Nothing was reserved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// A ceiling has no room.
    #[error(transparent)]
    Exceeded(#[from] Exhausted),
    /// The tenant has too many lines.
    #[error(transparent)]
    Full(#[from] Full),
    /// The ledger can't be used.
    #[error(transparent)]
    Unavailable(#[from] StateUnavailable),
}

/// The ledger. Calls touch memory and the page cache, and return within some milliseconds.
pub struct Ledger {
    shards: Box<[Mutex<Shard>]>,
    processes: Box<dyn Processes>,
    process: u64,
    clock: SharedClock,
    settings: LedgerSettings,
    pulse: Pulse,
    keeper: Mutex<Keeper>,
    recovered: Mutex<Vec<Recovered>>,
    crossings: Mutex<Vec<Crossing>>,
    closed: AtomicBool,
}

impl fmt::Debug for Ledger {
    /// Not what is in it: that is other people's, and much.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ledger")
            .field("process", &self.process)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger on journals, one for each shard in turn. Without [`Ledger::keep_running`] somebody
    /// has to call [`Ledger::tick`].
    ///
    /// # Errors
    /// A journal can't be read or begun.
    pub fn new(
        journals: Vec<Box<dyn Journal>>,
        processes: Box<dyn Processes>,
        settings: LedgerSettings,
        clock: SharedClock,
    ) -> Result<Arc<Self>, StateUnavailable> {
        if journals.len() != SHARDS {
            return Err(StateUnavailable::Failed);
        }
        let steady = Steady::new(clock.now());
        let mut shards = Vec::with_capacity(SHARDS);
        for journal in journals {
            let room = Room::new(settings.lines_per_tenant, steady);
            let mut shard = Shard::new(journal, room);
            shard.open()?;
            shards.push(Mutex::new(shard));
        }
        Ok(Arc::new(Self {
            shards: shards.into(),
            process: processes.own(),
            processes,
            keeper: Mutex::new(Keeper::new(steady)),
            clock,
            settings,
            pulse: Pulse::new(),
            recovered: Mutex::default(),
            crossings: Mutex::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// A ledger that is forgotten with the process.
    ///
    /// # Panics
    /// Never: memory can always be written.
    pub fn in_memory(clock: SharedClock) -> Arc<Self> {
        let journal = || -> Box<dyn Journal> { Box::<MemoryJournal>::default() };
        let journals = std::iter::repeat_with(journal).take(SHARDS).collect();
        #[expect(
            clippy::expect_used,
            reason = "an empty journal in memory is not damaged"
        )]
        let ledger = Self::new(journals, Box::new(Alone), LedgerSettings::default(), clock)
            .expect("memory is there");
        ledger
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        // A step that panicked left the book as it was: records are applied after they are written,
        // and what it did not let go the next step takes over.
        #[expect(
            clippy::indexing_slicing,
            reason = "numbers are made by `shard_of` and `parts_of`"
        )]
        self.shards[number % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything may be reserved.
    fn ready(&self) -> Result<(), StateUnavailable> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(StateUnavailable::Closed);
        }
        self.pulse.check()
    }

    /// Sets money aside under every ceiling, or under none.
    ///
    /// # Errors
    /// See [`ReserveError`].
    pub fn reserve(self: &Arc<Self>, request: &Request<'_>) -> Result<Reservation, ReserveError> {
        self.ready()?;
        let number = shard_of(&request.spender.tenant);
        let mut shard = self.shard(number);
        let (id, remaining) = shard.step(|shard| shard.reserve(self.process, request))?;
        drop(shard);
        Ok(Reservation {
            ledger: Arc::clone(self),
            shard: number,
            number: id,
            amount: request.amount,
            remaining,
            ceilings: request.ceilings.into(),
            open: true,
        })
    }

    /// Whether [`Ledger::reserve`] would reserve, and how the lines that it would be on stand under
    /// the ceilings. Nothing is set aside.
    ///
    /// # Errors
    /// The ledger can't be used.
    pub fn weigh(
        &self,
        request: &Request<'_>,
    ) -> Result<(Vec<LineStanding>, Result<(), ReserveError>), StateUnavailable> {
        self.ready()?;
        let mut shard = self.shard(shard_of(&request.spender.tenant));
        shard.step(|shard| Ok(shard.weigh(request)))
    }

    /// How the lines of one spender stand under the ceilings, used or not.
    ///
    /// # Errors
    /// The ledger can't be used.
    pub fn standing_on(
        &self,
        spender: &Spender,
        ceilings: &[Ceiling],
        at: Timestamp,
    ) -> Result<Vec<LineStanding>, StateUnavailable> {
        self.ready()?;
        let mut shard = self.shard(shard_of(&spender.tenant));
        shard.step(|shard| Ok(shard.standing_on(spender, ceilings, at)))
    }

    /// Reservations that outlive their requests, under a key.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn kept(&self, key: &str) -> Result<Vec<KeptReservation>, StateUnavailable> {
        self.collect(|number, shard, found| {
            let kept = shard.book.kept(key);
            found.extend(kept.filter_map(|(id, open)| open.as_kept(public_id(number, id))));
        })
    }

    /// Every reservation that outlives its request.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn all_kept(&self) -> Result<Vec<KeptReservation>, StateUnavailable> {
        self.collect(|number, shard, found| {
            let kept = shard.book.all_kept();
            found.extend(kept.filter_map(|(id, open)| open.as_kept(public_id(number, id))));
        })
    }

    /// Those of them whose deadline is past.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn overdue(&self, now: Timestamp) -> Result<Vec<KeptReservation>, StateUnavailable> {
        let mut kept = self.all_kept()?;
        kept.retain(|it| it.kept.deadline <= now);
        Ok(kept)
    }

    fn collect<T>(
        &self,
        mut from: impl FnMut(usize, &Shard, &mut Vec<T>),
    ) -> Result<Vec<T>, StateUnavailable> {
        let mut found = Vec::new();
        for number in 0..SHARDS {
            self.shard(number).step(|shard| {
                from(number, shard, &mut found);
                Ok::<(), StateUnavailable>(())
            })?;
        }
        Ok(found)
    }

    /// Ends a kept reservation, once among all processes: `None` if it is not open any more.
    ///
    /// # Errors
    /// It can't be written; it stays open.
    pub fn settle_kept(
        &self,
        id: u64,
        cost: NanoUsd,
        how: How,
        facts: ChargeFacts,
        ceilings: &[Ceiling],
    ) -> Result<Option<Settled>, StateUnavailable> {
        let (shard, number) = parts_of(id);
        let ending = Ending {
            id: number,
            cost,
            how,
            facts,
            at: self.clock.now(),
        };
        self.shard(shard).step(|shard| {
            let kept = shard.book.open(number).is_some_and(|it| it.kept.is_some());
            match kept {
                true => shard.settle(&ending, ceilings),
                false => Ok(None),
            }
        })
    }

    /// Books by hand; `false` if an adjustment with this id was booked for the tenant before.
    ///
    /// # Errors
    /// It can't be written.
    pub fn adjust(&self, adjustment: &Adjustment) -> Result<bool, StateUnavailable> {
        self.ready()?;
        self.shard(shard_of(&adjustment.tenant))
            .step(|shard| shard.adjust(adjustment))
    }

    /// How a tenant's lines stand under ceilings: its own under each, others where something
    /// counts. While the journal can't be read, as they stood when it last was.
    pub fn standing(
        &self,
        tenant: &TenantId,
        ceilings: &[Ceiling],
        now: Timestamp,
    ) -> Vec<LineStanding> {
        let mut shard = self.shard(shard_of(tenant));
        if let Err(error) = shard.step(|_| Ok::<(), StateUnavailable>(())) {
            tracing::debug!(%error, "the standing is that of the last step");
        }
        shard.standing(tenant, ceilings, now)
    }

    /// Every tenant that ever spent or reserved.
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants = Vec::new();
        for number in 0..SHARDS {
            let shard = self.shard(number);
            let own = shard.book.lines.iter();
            let own = own.filter(|line| line.scope == CeilingScope::Tenant);
            tenants.extend(own.map(|line| line.tenant.clone()));
        }
        tenants.sort_unstable();
        tenants
    }

    /// What a tenant was charged for requests that came from `from` until before `until`, in the
    /// order in which it was settled. Reads files: not for an async worker.
    ///
    /// # Errors
    /// A journal can't be read.
    pub fn charges(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        until: Timestamp,
        visit: &mut dyn FnMut(Charge),
    ) -> io::Result<()> {
        let archive = self.shard(shard_of(tenant)).journal().archive();
        archive.replay(from, &mut Statement::new(Some(tenant), from..until, visit))
    }

    /// What anybody was charged that was settled since, and perhaps some from before. Reads files:
    /// not for an async worker.
    ///
    /// # Errors
    /// A journal can't be read.
    pub fn every_charge(&self, since: Timestamp, visit: &mut dyn FnMut(Charge)) -> io::Result<()> {
        let always = Timestamp::from_micros(i64::MIN)..Timestamp::from_micros(i64::MAX);
        for number in 0..SHARDS {
            let archive = self.shard(number).journal().archive();
            archive.replay(since, &mut Statement::new(None, always.clone(), visit))?;
        }
        Ok(())
    }

    /// Shares of ceilings that were passed when nobody was there to be told: by reservations that
    /// were dropped. Since it was last asked.
    pub fn crossings(&self) -> Vec<Crossing> {
        let mut crossings = self
            .crossings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *crossings)
    }

    fn remember_crossings(&self, more: Vec<Crossing>) {
        if !more.is_empty() {
            let mut crossings = self
                .crossings
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            crossings.extend(more);
        }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// It can't.
    pub fn probe(&self) -> Result<(), StateUnavailable> {
        self.ready()?;
        self.shard(0).step(|_| Ok(()))
    }
}

/// Where a tenant's lines are (FNV-1a). INVARIANT: the same in every version.
fn shard_of(tenant: &TenantId) -> usize {
    let hash = tenant
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    ((hash >> 32) ^ hash) as usize % SHARDS
}

/// A number among those of all shards.
const fn public_id(shard: usize, number: u64) -> u64 {
    number * SHARDS as u64 + shard as u64
}

const fn parts_of(id: u64) -> (usize, u64) {
    ((id % SHARDS as u64) as usize, id / SHARDS as u64)
}

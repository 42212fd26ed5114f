//! One shard: the lines of some tenants, and the journal they are written in.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::Request;
use super::ReserveError;
use super::book::{Book, bit};
use super::charge::{ChargeFacts, How};
use super::check::{Check, Crossing};
use super::codec::Damage;
use super::history::Minute;
use super::journal::{Follow, Journal};
use super::record::{Opening, Record};
use super::room::Room;
use super::starts::Starts;
use crate::budget::ceiling::{Ceiling, CeilingScope, Spender, Window};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::money::NanoUsd;

/// For how long after a wait in vain nobody waits for the journal again: those who queued up behind
/// it are refused at once, so that none waits much longer than one wait is.
pub(super) const IMPATIENCE: Duration = Duration::from_millis(100);

/// How long another process is waited for when a journal is opened.
const OPENING: Duration = Duration::from_secs(5);

/// The end of a reservation that could not be written yet.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) id: u64,
    pub(super) cost: NanoUsd,
    pub(super) how: How,
    pub(super) facts: ChargeFacts,
    pub(super) at: Timestamp,
}

/// What a settlement left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The least that is left under the ceilings; `None` without any, and while the settlement
    /// could not be written.
    pub remaining: Option<NanoUsd>,
    /// The shares of ceilings that were passed by it.
    pub crossed: Vec<Crossing>,
}

/// A shard.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) book: Book,
    journal: Box<dyn Journal>,
    starts: Starts,
    room: Room,
    /// Ends that wait for the journal. Until they are written their money counts as reserved.
    waiting: Vec<Ending>,
    refused: Option<Instant>,
    buffer: Vec<u8>,
}

impl Follow for Book {
    fn restart(&mut self) {
        *self = Self::default();
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.apply(Record::read(bytes)?)
    }
}

impl Shard {
    pub(super) fn new(journal: Box<dyn Journal>, room: Room) -> Self {
        Self {
            book: Book::default(),
            journal,
            starts: Starts::default(),
            room,
            waiting: Vec::new(),
            refused: None,
            buffer: Vec::new(),
        }
    }

    /// The journal, for what is done beside the book.
    pub(super) fn journal(&mut self) -> &mut dyn Journal {
        &mut *self.journal
    }

    /// Takes a step: under the journal's lock, with everything applied that stands in it.
    pub(super) fn step<T, E: From<StateUnavailable>>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let patient = self.refused.is_none_or(|at| at.elapsed() > IMPATIENCE);
        if let Err(error) = self.journal.begin(patient, &mut self.book) {
            if patient {
                self.refused = Some(Instant::now());
            }
            return Err(error.into());
        }
        self.refused = None;
        let outcome = match self.write_waiting() {
            Ok(()) => step(self),
            Err(error) => Err(error.into()),
        };
        self.journal.end();
        outcome
    }

    /// The first thing that is done with a journal.
    pub(super) fn open(&mut self) -> Result<(), StateUnavailable> {
        self.journal.preload(&mut self.book);
        let since = Instant::now();
        loop {
            let opened = self.step(|shard| {
                let empty = !shard.book.is_whole();
                if empty {
                    shard.book = Book::empty();
                }
                match empty || shard.journal.wants_renewal() {
                    true => shard.renew(),
                    false => Ok(()),
                }
            });
            match opened {
                Err(StateUnavailable::Busy) if since.elapsed() < OPENING => {
                    std::thread::sleep(IMPATIENCE);
                }
                opened => return opened,
            }
        }
    }

    /// Begins another generation of the journal.
    pub(super) fn renew(&mut self) -> Result<(), StateUnavailable> {
        let (book, buffer) = (&self.book, &mut self.buffer);
        self.journal.renew(&mut |give| {
            book.head(|record| {
                buffer.clear();
                record.write(buffer);
                give(buffer);
            });
        })
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), StateUnavailable> {
        self.buffer.clear();
        record.write(&mut self.buffer);
        self.journal.append(&self.buffer)?;
        self.book
            .apply(record)
            .map_err(|Damage| StateUnavailable::Failed)
    }

    fn check(&mut self, at: Timestamp) -> Check<'_> {
        Check {
            book: &self.book,
            starts: &mut self.starts,
            at,
        }
    }

    /// Reserves, or says why not. Answers the number and what is left.
    pub(super) fn reserve(
        &mut self,
        process: u64,
        request: &Request<'_>,
    ) -> Result<(u64, Option<NanoUsd>), ReserveError> {
        let places = self.book.lines.places(request.spender);
        let place_of = |scope: CeilingScope| places.get(scope as usize).copied().flatten();
        let more = i128::from(request.amount.nanos());
        let mut check = self.check(request.at);
        let left = check.fits(request.ceilings, place_of, more)?;
        let missing = places.iter().filter(|place| place.is_none()).count();
        let going = self
            .room
            .of(&self.book, &mut self.starts, request, missing)?;
        for (scope, before) in going {
            let tenant = request.spender.tenant.clone();
            self.write(Record::Forget {
                tenant,
                scope,
                before,
            })?;
        }
        let for_good = request
            .ceilings
            .iter()
            .filter(|ceiling| ceiling.window == Window::Total)
            .fold(0, |bits, ceiling| bits | bit(ceiling.scope));
        let id = self.book.next();
        self.write(Record::Reserve(Opening {
            id,
            process,
            request_id: Cow::Borrowed(request.request_id),
            at: request.at,
            spender: request.spender.clone(),
            amount: request.amount,
            for_good,
        }))?;
        Ok((id, left))
    }

    /// How the lines of a request stand, and whether it fits.
    pub(super) fn weigh(
        &mut self,
        request: &Request<'_>,
    ) -> (Vec<super::LineStanding>, Result<(), ReserveError>) {
        let places = self.book.lines.places(request.spender);
        let place_of = |scope: CeilingScope| places.get(scope as usize).copied().flatten();
        let more = i128::from(request.amount.nanos());
        let mut check = self.check(request.at);
        let fits = check.fits(request.ceilings, place_of, more);
        let lines = check.standing_on(request.ceilings, request.spender, place_of);
        let missing = places.iter().filter(|place| place.is_none()).count();
        let (book, starts) = (&self.book, &mut self.starts);
        let room = self.room.asked(book, starts, request, missing);
        let fits = fits.map_err(ReserveError::from);
        (lines, fits.and(room.map_err(ReserveError::from)))
    }

    /// How the lines of one spender stand, used or not.
    pub(super) fn standing_on(
        &mut self,
        spender: &Spender,
        ceilings: &[Ceiling],
        at: Timestamp,
    ) -> Vec<super::LineStanding> {
        let places = self.book.lines.places(spender);
        let place_of = |scope: CeilingScope| places.get(scope as usize).copied().flatten();
        self.check(at).standing_on(ceilings, spender, place_of)
    }

    /// Reserves more for a request under way; `force` counts it whether or not it fits.
    pub(super) fn grow(
        &mut self,
        id: u64,
        amount: NanoUsd,
        ceilings: &[Ceiling],
        force: bool,
        at: Timestamp,
    ) -> Result<Option<NanoUsd>, ReserveError> {
        let open = self.book.open(id).ok_or(StateUnavailable::Failed)?;
        let places = open.places;
        let place_of = |scope: CeilingScope| places.get(scope as usize).copied();
        let more = i128::from(amount.nanos()) - i128::from(open.amount.nanos());
        if more <= 0 {
            return Ok(self.check(at).left(ceilings, place_of));
        }
        let mut check = self.check(at);
        let left = match check.fits(ceilings, place_of, more) {
            Ok(left) => left,
            Err(_no_room) if force => Some(NanoUsd::ZERO),
            Err(exhausted) => return Err(exhausted.into()),
        };
        self.write(Record::Grow { id, amount })?;
        Ok(left)
    }

    /// Ends a reservation if it is open, under the ceilings it is told by.
    pub(super) fn settle(
        &mut self,
        ending: &Ending,
        ceilings: &[Ceiling],
    ) -> Result<Option<Settled>, StateUnavailable> {
        let Some(open) = self.book.open(ending.id) else {
            return Ok(None);
        };
        let (places, booked) = (open.places, Minute::of(open.at));
        self.write_ending(ending)?;
        let place_of = |scope: CeilingScope| places.get(scope as usize).copied();
        let mut check = self.check(ending.at);
        Ok(Some(Settled {
            remaining: check.left(ceilings, place_of),
            crossed: check.crossings(ceilings, place_of, booked, ending.cost),
        }))
    }

    fn write_ending(&mut self, ending: &Ending) -> Result<(), StateUnavailable> {
        self.write(Record::Settle {
            id: ending.id,
            cost: ending.cost,
            how: ending.how,
            at: ending.at,
            facts: Cow::Borrowed(&ending.facts),
        })
    }

    /// Remembers an end for when the journal can be written again.
    pub(super) fn wait(&mut self, ending: Ending) {
        self.waiting.push(ending);
    }

    /// Whether ends wait to be written.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn write_waiting(&mut self) -> Result<(), StateUnavailable> {
        while let Some(ending) = self.waiting.pop() {
            if self.book.open(ending.id).is_none() {
                continue;
            }
            if let Err(error) = self.write_ending(&ending) {
                self.waiting.push(ending);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets a reservation outlive its request.
    pub(super) fn keep(&mut self, id: u64, kept: super::Kept) -> Result<(), StateUnavailable> {
        if self.book.open(id).is_none() {
            return Err(StateUnavailable::Failed);
        }
        let kept = Cow::Owned(kept);
        self.write(Record::Keep { id, kept })
    }

    /// Books by hand; `false` if that was done already.
    pub(super) fn adjust(
        &mut self,
        adjustment: &super::Adjustment,
    ) -> Result<bool, StateUnavailable> {
        if self
            .book
            .knows_adjustment(&adjustment.tenant, &adjustment.id)
        {
            return Ok(false);
        }
        self.write(Record::Adjust(Cow::Borrowed(adjustment)))?;
        Ok(true)
    }

    /// How a tenant's lines stand.
    pub(super) fn standing(
        &mut self,
        tenant: &crate::tenant::TenantId,
        ceilings: &[Ceiling],
        now: Timestamp,
    ) -> Vec<super::LineStanding> {
        self.check(now).standing(tenant, ceilings)
    }
}

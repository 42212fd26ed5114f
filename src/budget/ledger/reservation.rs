//! Money that is set aside for one request.

use std::sync::Arc;

use super::charge::{ChargeFacts, How, Kept};
use super::shard::{Ending, Settled};
use super::{Ledger, ReserveError};
use crate::budget::ceiling::Ceiling;
use crate::decision::StateUnavailable;
use crate::money::NanoUsd;

/// Money that is set aside. It ends once: by [`Reservation::settle`], [`Reservation::release`],
/// [`Reservation::keep`], or, where nobody says anything, by being dropped, which settles it at the
/// reserved amount.
#[derive(Debug)]
#[must_use = "dropping a reservation spends all of it"]
pub struct Reservation {
    pub(super) ledger: Arc<Ledger>,
    pub(super) shard: usize,
    /// Its number in the shard.
    pub(super) number: u64,
    pub(super) amount: NanoUsd,
    pub(super) remaining: Option<NanoUsd>,
    pub(super) ceilings: Box<[Ceiling]>,
    pub(super) open: bool,
}

impl Reservation {
    /// Its number in the ledger.
    pub const fn id(&self) -> u64 {
        super::public_id(self.shard, self.number)
    }

    /// How much is reserved.
    pub const fn amount(&self) -> NanoUsd {
        self.amount
    }

    /// The least that was left under its ceilings when it was made or grown; `None` without any.
    pub const fn remaining(&self) -> Option<NanoUsd> {
        self.remaining
    }

    /// Reserves up to `amount` in all, under the ceilings of this moment; less than is reserved
    /// changes nothing. With `force` it counts whether or not there is room.
    ///
    /// # Errors
    /// There is no room, or it can't be written. What was reserved before stays so.
    pub fn grow_to(
        &mut self,
        amount: NanoUsd,
        ceilings: &[Ceiling],
        force: bool,
    ) -> Result<(), ReserveError> {
        if amount <= self.amount {
            return Ok(());
        }
        if !force {
            self.ledger.ready()?;
        }
        let at = self.ledger.clock.now();
        let number = self.number;
        let mut shard = self.ledger.shard(self.shard);
        let left = shard.step(|shard| shard.grow(number, amount, ceilings, force, at))?;
        drop(shard);
        (self.amount, self.remaining) = (amount, left);
        Ok(())
    }

    /// Books what it cost, and gives the rest back. Where the journal can't be written the money
    /// stays reserved and is booked as soon as it can.
    pub fn settle(mut self, cost: NanoUsd, facts: ChargeFacts) -> Settled {
        self.end(cost, How::Settled, facts)
    }

    /// Gives everything back: nothing can have been spent.
    pub fn release(mut self) {
        self.end(NanoUsd::ZERO, How::Released, ChargeFacts::default());
    }

    /// Lets it outlive its request, and this process. Answers its number.
    ///
    /// # Errors
    /// It can't be written. The reservation was settled at its amount.
    pub fn keep(mut self, kept: Kept) -> Result<u64, StateUnavailable> {
        let number = self.number;
        let mut shard = self.ledger.shard(self.shard);
        shard.step(|shard| shard.keep(number, kept))?;
        drop(shard);
        self.open = false;
        Ok(self.id())
    }

    fn end(&mut self, cost: NanoUsd, how: How, facts: ChargeFacts) -> Settled {
        self.open = false;
        let ending = Ending {
            id: self.number,
            cost,
            how,
            facts,
            at: self.ledger.clock.now(),
        };
        let mut shard = self.ledger.shard(self.shard);
        match shard.step(|shard| shard.settle(&ending, &self.ceilings)) {
            Ok(Some(settled)) => settled,
            Ok(None) => {
                let id = self.id();
                tracing::error!(
                    reservation = id,
                    "a reservation was ended by another process"
                );
                Settled::default()
            }
            Err(error) => {
                tracing::warn!(%error, "a settlement waits for the ledger's journal");
                shard.wait(ending);
                Settled::default()
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            let settled = self.end(self.amount, How::Settled, ChargeFacts::default());
            self.ledger.remember_crossings(settled.crossed);
        }
    }
}

//! What is written down about money that moved.

use std::sync::Arc;

use super::codec::{Damage, Reader, Writer};
use crate::budget::ceiling::{CeilingScope, Spender};
use crate::clock::Timestamp;
use crate::money::NanoUsd;
use crate::tenant::TenantId;

/// What a charge was for. Absent is not zero: `None` means that nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChargeFacts {
    /// The model that answered.
    pub model: Option<Arc<str>>,
    /// By which prices it was reckoned.
    pub price_revision: Option<Arc<str>>,
    /// Input tokens that no cache served or took.
    pub input: Option<u64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to a cache, for however long.
    pub cache_write: Option<u64>,
    /// Output tokens, those of reasoning among them.
    pub output: Option<u64>,
    /// Of `output`, tokens of reasoning.
    pub reasoning: Option<u64>,
}

impl ChargeFacts {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        // Most charges say nothing, or nearly: then it is one byte.
        if *self == Self::default() {
            return to.byte(0);
        }
        to.byte(1);
        to.optional_text(self.model.as_deref());
        to.optional_text(self.price_revision.as_deref());
        for count in [
            self.input,
            self.cache_read,
            self.cache_write,
            self.output,
            self.reasoning,
        ] {
            to.optional(count);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Damage> {
        match from.byte()? {
            0 => Ok(Self::default()),
            1 => Ok(Self {
                model: from.optional_text()?.map(Arc::from),
                price_revision: from.optional_text()?.map(Arc::from),
                input: from.optional()?,
                cache_read: from.optional()?,
                cache_write: from.optional()?,
                output: from.optional()?,
                reasoning: from.optional()?,
            }),
            _ => Err(Damage),
        }
    }
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// At what it cost, or at the reserved amount where nobody knows.
    Settled,
    /// At nothing: no money can have been spent.
    Released,
    /// At the reserved amount, because the process that reserved it died.
    Recovered,
    /// At the reserved amount, because nobody said in time what it cost.
    Expired,
}

impl How {
    /// The word in statements and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Recovered => "recovered",
            Self::Expired => "expired",
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Settled => 0,
            Self::Released => 1,
            Self::Recovered => 2,
            Self::Expired => 3,
        }
    }

    pub(super) fn of_code(code: u8) -> Result<Self, Damage> {
        [
            Self::Settled,
            Self::Released,
            Self::Recovered,
            Self::Expired,
        ]
        .into_iter()
        .find(|how| how.code() == code)
        .ok_or(Damage)
    }
}

/// Money that an operator books by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Whose.
    pub tenant: TenantId,
    /// On which line.
    pub scope: CeilingScope,
    /// The line's value; empty for the tenant's own.
    pub value: Arc<str>,
    /// Nano-USD: above zero is spent, below is given back.
    pub amount: i64,
    /// When it counts as spent.
    pub at: Timestamp,
    /// Who did it.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// Its own name: the same adjustment is booked once, however often it is sent.
    pub id: Arc<str>,
}

/// A reservation that outlives its request, because the work goes on after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the work is known by. Several reservations may share it.
    pub key: Arc<str>,
    /// When nobody waits for its cost any longer.
    pub deadline: Timestamp,
    /// What it takes to ask for the cost, in the words of whoever does.
    pub detail: Arc<[u8]>,
}

/// A kept reservation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReservation {
    /// Its number.
    pub id: u64,
    /// The request it was made for.
    pub request_id: Arc<str>,
    /// When that request came.
    pub at: Timestamp,
    /// Who spends.
    pub spender: Spender,
    /// How much is reserved.
    pub amount: NanoUsd,
    /// What was said when it was kept.
    pub kept: Kept,
}

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    /// A request.
    Request {
        /// When it came; the window that holds this moment holds the cost.
        at: Timestamp,
        /// Its id.
        request_id: Arc<str>,
        /// Who spent.
        spender: Spender,
        /// How much.
        cost: NanoUsd,
        /// For what.
        facts: ChargeFacts,
        /// How that came to be.
        how: How,
        /// When it was settled.
        settled_at: Timestamp,
    },
    /// An operator's hand.
    Adjusted(Adjustment),
}

impl Charge {
    /// When it counts as spent.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Request { at, .. } => *at,
            Self::Adjusted(adjustment) => adjustment.at,
        }
    }
}

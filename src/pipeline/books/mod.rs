//! The books of money: the ledger, which holds the ceilings, and the audit log, which says what
//! happened. They are written one after the other, so a crash can leave one behind the other.
//!
//! [`reconcile`] tells the audit log what only the ledger knows; [`compare`] says whether both add up
//! to the same; [`adjust`] writes into both.

mod adjust;
mod compare;
mod reconcile;

use crate::audit::AdjustmentFacts;
use crate::budget::ledger::{Adjustment, Charge};
use crate::clock::Timestamp;
use crate::money::SignedUsd;

pub use adjust::{AdjustError, Adjusted, adjust};
pub use compare::{CompareError, Comparison, Difference, Period, compare};
pub use reconcile::{ReconcileError, Reconciler};

/// Any time at all.
const ALWAYS: (Timestamp, Timestamp) = (
    Timestamp::from_micros(i64::MIN),
    Timestamp::from_micros(i64::MAX),
);

/// How long a record may be on its way to the audit log after its cost was settled, in seconds: a
/// flush interval, and a disk that is slow for a while.
const ON_ITS_WAY: i64 = 15;

/// What names a line in both books.
fn key(tenant: &str, kind: Kind, id: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in [tenant, kind.as_str(), id] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    for (slot, byte) in bytes.iter_mut().zip(hasher.finalize().as_bytes()) {
        *slot = *byte;
    }
    u128::from_le_bytes(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Adjustment,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Adjustment => "adjustment",
        }
    }
}

/// A line of the ledger, as both books name it.
struct LedgerLine<'charge> {
    tenant: &'charge str,
    kind: Kind,
    id: &'charge str,
    cost: SignedUsd,
    /// When it was written.
    settled_at: Timestamp,
}

impl LedgerLine<'_> {
    fn of(charge: &Charge) -> LedgerLine<'_> {
        match charge {
            Charge::Request {
                request_id,
                spender,
                cost,
                settled_at,
                ..
            } => LedgerLine {
                tenant: spender.tenant.as_str(),
                kind: Kind::Request,
                id: request_id,
                cost: SignedUsd::from(*cost),
                settled_at: *settled_at,
            },
            Charge::Adjusted(adjustment) => LedgerLine {
                tenant: adjustment.tenant.as_str(),
                kind: Kind::Adjustment,
                id: &adjustment.id,
                cost: SignedUsd::from_nanos(adjustment.amount),
                settled_at: adjustment.at,
            },
        }
    }

    fn key(&self) -> u128 {
        key(self.tenant, self.kind, self.id)
    }
}

/// The adjustment as the audit log has it; `cost_usd` is its amount as text.
fn facts_of<'a>(adjustment: &'a Adjustment, cost_usd: &'a str) -> AdjustmentFacts<'a> {
    AdjustmentFacts {
        id: &adjustment.id,
        tenant: adjustment.tenant.as_str(),
        scope: adjustment.scope.as_str(),
        value: &adjustment.value,
        cost_usd,
        at: adjustment.at,
        by: &adjustment.by,
        reason: &adjustment.reason,
    }
}

#[cfg(test)]
mod tests;

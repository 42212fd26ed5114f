//! One bound on the memory that buffered bodies of all requests take together.
//!
//! A limit per request says nothing about a thousand requests at once. Every byte that is held back
//! before a decision is accounted here first. Nothing ever waits for memory: a request that holds
//! part of its body and waits for the rest would deadlock with another that does the same, so a
//! request that does not fit is refused (`overloaded`) and what it held is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The shared budget, in bytes.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    capacity: u64,
    used: AtomicU64,
}

impl MemoryBudget {
    /// A budget of `capacity` bytes.
    pub(crate) fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            used: AtomicU64::new(0),
        })
    }

    /// An empty holding, to grow as bytes arrive.
    pub(crate) fn holding(self: &Arc<Self>) -> Holding {
        Holding {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Bytes held at present.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// Bytes taken from the budget; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Holding {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl Holding {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// They do not fit; the holding stays as it was.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        let taken = self
            .budget
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes)
                    .filter(|sum| *sum <= self.budget.capacity)
            });
        match taken {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(BudgetExhausted),
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The bodies held at present leave no room for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for buffered bodies is in use")]
pub(crate) struct BudgetExhausted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_over_all_holdings_never_passes_the_capacity() {
        let budget = MemoryBudget::new(10);
        let mut first = budget.holding();
        let mut second = budget.holding();
        assert_eq!(first.grow(6), Ok(()));
        assert_eq!(second.grow(5), Err(BudgetExhausted));
        assert_eq!(second.grow(4), Ok(()));
        assert_eq!(budget.used(), 10);
        drop(first);
        assert_eq!(second.grow(6), Ok(()), "what was dropped is free again");
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_holding_too_large_for_any_budget_does_not_wrap_around() {
        let budget = MemoryBudget::new(10);
        let mut holding = budget.holding();
        assert_eq!(holding.grow(1), Ok(()));
        assert_eq!(holding.grow(u64::MAX), Err(BudgetExhausted));
        assert_eq!(budget.used(), 1);
    }
}

//! What the lines of a statement add up to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::ledger::Charge;
use crate::money::SignedUsd;

/// A part of the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Lines.
    pub lines: u64,
    /// What they add up to.
    pub cost: SignedUsd,
}

/// Sums over lines. Each of the three tables adds up to the requests' part of the total: an
/// adjustment has no model and no route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: Share,
    /// Adjustments.
    pub adjustments: Share,
    /// Requests by model; empty where none is known.
    pub by_model: BTreeMap<Arc<str>, Share>,
    /// Requests by route.
    pub by_route: BTreeMap<Arc<str>, Share>,
    /// Requests by user.
    pub by_user: BTreeMap<Arc<str>, Share>,
}

impl Totals {
    /// Adds a line.
    pub fn add(&mut self, charge: &Charge) {
        match charge {
            Charge::Request {
                spender,
                cost,
                facts,
                ..
            } => {
                let cost = SignedUsd::from(*cost);
                let model = facts.model.clone().unwrap_or_default();
                self.requests.add(cost);
                self.by_model.entry(model).or_default().add(cost);
                let route = Arc::clone(&spender.route);
                self.by_route.entry(route).or_default().add(cost);
                let user = Arc::clone(&spender.user);
                self.by_user.entry(user).or_default().add(cost);
            }
            Charge::Adjusted(adjustment) => {
                self.adjustments
                    .add(SignedUsd::from_nanos(adjustment.amount));
            }
        }
    }

    /// How many lines.
    pub fn lines(&self) -> u64 {
        self.requests.lines + self.adjustments.lines
    }

    /// What all lines add up to.
    pub fn cost(&self) -> SignedUsd {
        let mut sum = self.requests.cost;
        sum += self.adjustments.cost;
        sum
    }
}

impl Share {
    fn add(&mut self, cost: SignedUsd) {
        self.lines += 1;
        self.cost += cost;
    }
}

//! What a route's requests cost: `cost` of a route, `[costs]`, and the ceilings of a tenant.

use std::sync::Arc;

use super::{Extractor, FollowPolicy, ReportsPolicy};
use crate::budget::Ceiling;
use crate::inspect::usage::{Pointers, UsageFormat};
use crate::money::NanoUsd;

/// How the cost of a request is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostSource {
    /// The answer says in a provider's words what was used; the price list says what that costs.
    Usage(UsageFormat),
    /// The answer states it in places of its own: an amount, counts of tokens that the price list
    /// puts a price to, or both. The amount goes before the counts.
    Stated(Arc<Pointers>),
    /// Always the same.
    Fixed(NanoUsd),
}

/// `cost` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostPolicy {
    /// How the cost is known.
    pub source: CostSource,
    /// What is held where the request itself bounds nothing.
    pub reserve: Option<NanoUsd>,
    /// Where the request names its model.
    pub model: Option<Extractor>,
    /// Where it names the session that its cost adds up over; the first resource of the request
    /// otherwise.
    pub session: Option<Extractor>,
    /// Where it names the agent; the actor of its token otherwise.
    pub agent: Option<Extractor>,
    /// A stream ends where it has used up what was reserved and no more is to be had.
    pub cut_off: bool,
    /// The work goes on behind the answer, and its cost is known later.
    pub follow: Option<FollowPolicy>,
    /// The answer tells of work that another request began; the request itself costs nothing.
    pub reports: Option<ReportsPolicy>,
}

impl CostPolicy {
    /// Whether a request of the route costs something itself. One that tells of what another began
    /// does not.
    pub fn charges(&self) -> bool {
        self.reports.is_none()
    }

    /// Whether what an answer says decides what its request costs.
    pub fn is_metered(&self) -> bool {
        match self.source {
            CostSource::Usage(_) | CostSource::Stated(_) => true,
            CostSource::Fixed(_) => false,
        }
    }

    /// Where a request says what it asks for, and on whose line it is spent.
    pub fn places(&self) -> impl Iterator<Item = &Extractor> {
        let places = [&self.model, &self.session, &self.agent];
        places.into_iter().flatten()
    }

    /// Whether the request body has to be read before the decision.
    pub fn reads_request_body(&self) -> bool {
        let bounds = matches!(self.source, CostSource::Usage(_)) && self.charges();
        bounds || self.places().any(Extractor::reads_body)
    }
}

/// `[costs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostSettings {
    /// Status of a refusal for want of money: 429 or 402.
    pub exhausted_status: u16,
    /// What is held for a request that nothing bounds, on routes that say none.
    pub reserve: Option<NanoUsd>,
}

impl Default for CostSettings {
    fn default() -> Self {
        Self {
            exhausted_status: 429,
            reserve: None,
        }
    }
}

/// The ceilings that one tenant spends under.
pub type Ceilings = Arc<[Ceiling]>;

//! What a route's requests cost: `cost` of a route, `[costs]`, and the ceilings of a tenant.

use std::sync::Arc;

use super::Extractor;
use crate::budget::Ceiling;
use crate::inspect::usage::UsageFormat;
use crate::money::NanoUsd;

/// How the cost of a request is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostSource {
    /// The answer says in a provider's words what was used; the price list says what that costs.
    Usage(UsageFormat),
    /// The answer says it in places of its own.
    Stated(Box<StatedCost>),
    /// Always the same.
    Fixed(NanoUsd),
}

/// Where an answer states its cost: an amount in USD, counts of tokens, or both. The amount goes
/// before the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatedCost {
    /// The amount: `body:`, `header:` or `event:`.
    pub usd: Option<Extractor>,
    /// The counts, priced by the price list.
    pub tokens: Option<StatedTokens>,
}

/// Where an answer counts tokens. The classes are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatedTokens {
    /// Input that no cache served or took.
    pub input: Option<Extractor>,
    /// Output, with that of reasoning unless `reasoning` has a place of its own.
    pub output: Option<Extractor>,
    /// Input read from a cache.
    pub cache_read: Option<Extractor>,
    /// Input written to a cache.
    pub cache_write: Option<Extractor>,
    /// Output of reasoning, beside `output`.
    pub reasoning: Option<Extractor>,
    /// The model that answered.
    pub model: Option<Extractor>,
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
}

impl CostPolicy {
    /// Whether the request body has to be read before the decision.
    pub fn reads_request_body(&self) -> bool {
        let places = [&self.model, &self.session, &self.agent];
        matches!(self.source, CostSource::Usage(_))
            || places.into_iter().flatten().any(Extractor::reads_body)
    }
}

/// What becomes of a model without a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpriced {
    /// `price_unknown`.
    #[default]
    Deny,
    /// It costs the default price.
    DefaultPrice,
}

/// `[costs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostSettings {
    /// What becomes of a model without a price.
    pub unpriced: Unpriced,
    /// Status of a refusal for want of money: 429 or 402.
    pub exhausted_status: u16,
    /// What is held for a request that nothing bounds, on routes that say none.
    pub reserve: Option<NanoUsd>,
}

impl Default for CostSettings {
    fn default() -> Self {
        Self {
            unpriced: Unpriced::Deny,
            exhausted_status: 429,
            reserve: None,
        }
    }
}

/// The ceilings that one tenant spends under.
pub type Ceilings = Arc<[Ceiling]>;

//! What a model's tokens cost: [`PriceTable`] finds the [`Price`] of a model, the price says what
//! a call cost and what it may cost at most.
//!
//! Everything is whole: a rate is nano-USD for a million tokens, a cost is the sum of counts by
//! rates, rounded up once. A class of tokens without a rate of its own is never free: it falls to a
//! rate that can't be too low. Nothing is guessed about a model that nobody listed.

mod card;
mod litellm;
mod price;
mod rate;
mod rates;
mod suspicion;
mod table;
mod text;

pub use card::{CardFault, StatedCard, StatedTier};
pub use litellm::{ImportError, Imported, SkipReason, Skipped, import};
pub use price::{Bound, Price, PriceFault, StatedPrice, StatedServiceTier, is_usual_tier};
pub use rate::{Factor, FactorError, Rate};
pub use rates::{RateClass, StatedRates};
pub use suspicion::{Suspicion, suspicions};
pub use table::{Clash, ListedPrice, PriceTable, clashes};

/// The service tiers that a price may have rates or a factor for, as answers name them.
pub const SERVICE_TIERS: [&str; 7] = [
    "priority",
    "flex",
    "batch",
    "scale",
    "reserved",
    "provisioned",
    "fast",
];

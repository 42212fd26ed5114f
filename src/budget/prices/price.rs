//! What a call of one model costs, and the most it may cost.

use std::sync::Arc;

use super::card::{Card, CardFault};
use super::rates::Rates;
use super::{Factor, StatedCard};
use crate::inspect::usage::Usage;
use crate::money::NanoUsd;

/// Tokens a rate is for.
const RATED_TOKENS: u128 = 1_000_000;

/// What one search costs where searches were made and the price has no word on them: as much as the
/// dearest that a provider asks.
const SEARCH: NanoUsd = NanoUsd::from_nanos(50_000_000);

/// Names under which providers serve at the rates themselves.
const STANDARD: [&str; 5] = ["", "auto", "default", "standard", "standard_only"];

/// Whether a service tier of this name is none: its requests cost the rates themselves.
pub fn is_usual_tier(name: &str) -> bool {
    STANDARD
        .into_iter()
        .any(|usual| name.eq_ignore_ascii_case(usual))
}

/// A price as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedPrice {
    /// Its rates.
    pub card: StatedCard,
    /// What other service tiers cost, by name.
    pub service_tiers: Vec<(Arc<str>, StatedServiceTier)>,
    /// For every request, beside its tokens.
    pub per_request: Option<NanoUsd>,
    /// For every search of the provider.
    pub per_search: Option<NanoUsd>,
    /// Most input tokens that the model takes.
    pub context: Option<u64>,
    /// Most output tokens that the model gives.
    pub max_output: Option<u64>,
}

/// What a service tier costs, as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedServiceTier {
    /// So many times the rates.
    Factor(Factor),
    /// Rates of its own.
    Card(StatedCard),
}

impl StatedPrice {
    /// A price of rates alone.
    pub const fn of(card: StatedCard) -> Self {
        Self {
            card,
            service_tiers: Vec::new(),
            per_request: None,
            per_search: None,
            context: None,
            max_output: None,
        }
    }
}

/// Why a price can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceFault {
    /// See there.
    #[error(transparent)]
    Card(#[from] CardFault),
    /// A tier for requests longer than the model takes.
    #[error("no request is above {above} tokens, because `context` is {context}")]
    Unreachable {
        /// Of the tier.
        above: u64,
        /// Of the model.
        context: u64,
    },
}

/// The price of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    card: Card,
    service_tiers: Vec<(Arc<str>, ServiceTier)>,
    per_request: NanoUsd,
    per_search: NanoUsd,
    /// Most input tokens that the model takes in one piece.
    pub context: Option<u64>,
    /// Most output tokens that the model gives in one piece.
    pub max_output: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ServiceTier {
    Factor(Factor),
    Card(Card),
}

/// How much a call may use at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Input tokens of every class together.
    pub input_tokens: u64,
    /// Output tokens of every class together.
    pub output_tokens: u64,
    /// Searches.
    pub searches: u64,
    /// Audio may be among the input.
    pub audio_input: bool,
    /// Audio may be among the output.
    pub audio_output: bool,
    /// The input may be written to a cache that keeps it an hour.
    pub cache_write_1h: bool,
    /// The service tier that is asked for.
    pub service_tier: Option<Arc<str>>,
}

impl Price {
    /// The price as it holds.
    ///
    /// # Errors
    /// See [`PriceFault`].
    pub fn of(stated: &StatedPrice) -> Result<Self, PriceFault> {
        let card = Card::of(&stated.card)?;
        let mut service_tiers = Vec::new();
        for (name, tier) in &stated.service_tiers {
            let tier = match tier {
                StatedServiceTier::Factor(factor) => ServiceTier::Factor(*factor),
                StatedServiceTier::Card(own) => {
                    ServiceTier::Card(Card::of(own)?.with_lengths_of(&card))
                }
            };
            service_tiers.push((Arc::clone(name), tier));
        }
        if let (Some(above), Some(context)) = (card.longest(), stated.context)
            && above >= context
        {
            return Err(PriceFault::Unreachable { above, context });
        }
        Ok(Self {
            card,
            service_tiers,
            per_request: stated.per_request.unwrap_or(NanoUsd::ZERO),
            per_search: stated.per_search.unwrap_or(SEARCH),
            context: stated.context,
            max_output: stated.max_output,
        })
    }

    /// What a call cost that used this, rounded up once to a nano-dollar. What nobody counted is
    /// not in it: whether a count is whole is for whoever read it to say.
    pub fn cost(&self, usage: &Usage) -> NanoUsd {
        let count = |tokens: Option<u64>| tokens.unwrap_or(0);
        let input_classes = [
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_1h,
            usage.audio_input,
        ];
        let input_tokens = input_classes
            .into_iter()
            .map(count)
            .fold(0, u64::saturating_add);
        let reasoning = count(usage.reasoning);
        // More reasoning than output contradicts itself: both counts can't be meant, the larger is paid.
        let plain = count(usage.output).saturating_sub(reasoning);
        let tokens = |rates: &Rates| {
            total([
                (count(usage.input), rates.input),
                (count(usage.cache_read), rates.cache_read),
                (count(usage.cache_write), rates.cache_write),
                (count(usage.cache_write_1h), rates.cache_write_1h),
                (count(usage.audio_input), rates.audio_input),
                (plain, rates.output),
                (reasoning, rates.reasoning),
                (count(usage.audio_output), rates.audio_output),
            ])
        };
        self.served(usage.service_tier.as_deref(), input_tokens, tokens)
            .plus(self.fees(count(usage.searches)))
    }

    /// The most a call can cost that stays within the bound. A tier that costs less than the rates
    /// themselves lowers nothing: a provider may serve without it after all.
    pub fn upper_bound(&self, bound: &Bound) -> NanoUsd {
        let tokens = |rates: &Rates| {
            let mut input = rates.input.max(rates.cache_read).max(rates.cache_write);
            if bound.cache_write_1h {
                input = input.max(rates.cache_write_1h);
            }
            if bound.audio_input {
                input = input.max(rates.audio_input);
            }
            let mut output = rates.output.max(rates.reasoning);
            if bound.audio_output {
                output = output.max(rates.audio_output);
            }
            total([(bound.input_tokens, input), (bound.output_tokens, output)])
        };
        let standard = self.served(None, bound.input_tokens, tokens);
        let asked = self.served(bound.service_tier.as_deref(), bound.input_tokens, tokens);
        standard.max(asked).plus(self.fees(bound.searches))
    }

    /// Whether output costs nothing at any length or tier, as that of embeddings.
    pub fn output_is_free(&self) -> bool {
        let output = |rates: &Rates| total([(1_000_000, rates.output.max(rates.reasoning))]);
        let dearest = self.served(Some("another than any"), u64::MAX, output);
        dearest.is_zero()
    }

    /// What tokens cost in a service tier. A tier the price has no word on costs what the dearest
    /// does.
    fn served(
        &self,
        tier: Option<&str>,
        input_tokens: u64,
        tokens: impl Fn(&Rates) -> u128,
    ) -> NanoUsd {
        let standard = || rounded_up(tokens(self.card.at(input_tokens)), Factor::ONE);
        let within = |tier: &ServiceTier| match tier {
            ServiceTier::Factor(factor) => rounded_up(tokens(self.card.at(input_tokens)), *factor),
            ServiceTier::Card(card) => rounded_up(tokens(card.at(input_tokens)), Factor::ONE),
        };
        let asked = tier.unwrap_or_default();
        let named = |name: &str| asked.eq_ignore_ascii_case(name);
        if let Some((_, tier)) = self.service_tiers.iter().find(|(name, _)| named(name)) {
            return within(tier);
        }
        if is_usual_tier(asked) {
            return standard();
        }
        let tiers = self.service_tiers.iter();
        tiers
            .map(|(_, tier)| within(tier))
            .fold(standard(), NanoUsd::max)
    }

    /// What is paid by the call and by the search. No service tier changes it.
    fn fees(&self, searches: u64) -> NanoUsd {
        let searches = u128::from(self.per_search.nanos()).saturating_mul(u128::from(searches));
        self.per_request.plus(NanoUsd::from_wide(searches))
    }
}

/// Counts by rates: nano-USD, times [`RATED_TOKENS`].
fn total<const CLASSES: usize>(counts: [(u64, super::Rate); CLASSES]) -> u128 {
    counts
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate.nanos()))
        .fold(0, u128::saturating_add)
}

/// The only place where a cost is rounded.
fn rounded_up(total: u128, factor: Factor) -> NanoUsd {
    let factor = u128::from(factor.millionths());
    let unit = RATED_TOKENS * u128::from(Factor::ONE.millionths());
    NanoUsd::from_wide(total.saturating_mul(factor).div_ceil(unit))
}

#[cfg(test)]
mod tests;

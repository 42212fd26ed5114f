//! Rates by length of context.

use super::rates::Rates;
use super::{RateClass, StatedRates};

/// Rates and what they are above lengths of context, as stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedCard {
    /// The rates of a request no tier is for.
    pub rates: StatedRates,
    /// The others, by rising length.
    pub tiers: Vec<StatedTier>,
}

impl StatedCard {
    /// A card without tiers.
    pub const fn flat(rates: StatedRates) -> Self {
        Self {
            rates,
            tiers: Vec::new(),
        }
    }
}

/// The rates of a whole request with much input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedTier {
    /// They hold for more input tokens than this, those of caches among them.
    pub above: u64,
    /// The rates.
    pub rates: StatedRates,
}

/// Why a card can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    /// Two tiers in the wrong order, or at one length.
    #[error("the tiers stand in rising order of `above`, and each has its own")]
    Order,
    /// A tier that costs less.
    #[error(
        "above {above} tokens `{}` costs less than below: an upper bound could be passed by asking for less",
        class.key()
    )]
    Cheaper {
        /// Of which tier.
        above: u64,
        /// Of what.
        class: RateClass,
    },
}

/// Rates by length of context, as they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    base: Rates,
    tiers: Vec<(u64, Rates)>,
}

impl Card {
    /// Fills what was not stated. A class that a tier leaves out costs what a price that leaves it
    /// out would have it cost, and no less than below the tier.
    pub(super) fn of(stated: &StatedCard) -> Result<Self, CardFault> {
        let base = Rates::of(&stated.rates);
        let mut tiers: Vec<(u64, Rates)> = Vec::new();
        let mut below = &stated.rates;
        for tier in &stated.tiers {
            let (last, rates) = tiers.last().copied().unwrap_or((0, base));
            if tier.above <= last {
                return Err(CardFault::Order);
            }
            let cheaper = RateClass::ALL.into_iter().find(|class| {
                match (tier.rates.of(*class), below.of(*class)) {
                    (Some(above), Some(below)) => above < below,
                    (Some(_), None) | (None, _) => false,
                }
            });
            if let Some(class) = cheaper {
                return Err(CardFault::Cheaper {
                    above: tier.above,
                    class,
                });
            }
            tiers.push((tier.above, Rates::of(&tier.rates).dearer(rates)));
            below = &tier.rates;
        }
        Ok(Self { base, tiers })
    }

    /// The rates of a request with so many input tokens.
    pub(super) fn at(&self, input_tokens: u64) -> &Rates {
        let mut tiers = self.tiers.iter().rev();
        tiers
            .find(|(above, _)| input_tokens > *above)
            .map_or(&self.base, |(_, rates)| rates)
    }

    /// The same with the lengths of another card: where this one says nothing of its own about a
    /// length, what costs more there holds.
    pub(super) fn with_lengths_of(mut self, other: &Self) -> Self {
        for (above, rates) in &other.tiers {
            if !self.tiers.iter().any(|(own, _)| own == above) {
                let own = *self.at(above.saturating_add(1));
                self.tiers.push((*above, own.dearer(*rates)));
                self.tiers.sort_by_key(|(above, _)| *above);
            }
        }
        let mut below = self.base;
        for (_, rates) in &mut self.tiers {
            *rates = rates.dearer(below);
            below = *rates;
        }
        self
    }

    /// The length of the longest tier.
    pub(super) fn longest(&self) -> Option<u64> {
        self.tiers.last().map(|(above, _)| *above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::prices::Rate;

    fn rates(input: &str, output: &str) -> StatedRates {
        StatedRates::new(input.parse().unwrap(), output.parse().unwrap())
    }

    fn card(tiers: &[(u64, &str, &str)]) -> Result<Card, CardFault> {
        Card::of(&StatedCard {
            rates: rates("3.00", "15.00"),
            tiers: tiers
                .iter()
                .map(|(above, input, output)| StatedTier {
                    above: *above,
                    rates: rates(input, output),
                })
                .collect(),
        })
    }

    #[test]
    fn a_tier_holds_above_its_length_and_not_at_it() {
        let card = card(&[(200_000, "6.00", "22.50"), (500_000, "9.00", "30.00")]).unwrap();
        let input = |tokens: u64| card.at(tokens).input.to_string();
        assert_eq!(input(0), "3.00");
        assert_eq!(input(200_000), "3.00");
        assert_eq!(input(200_001), "6.00");
        assert_eq!(input(500_000), "6.00");
        assert_eq!(input(u64::MAX), "9.00");
    }

    #[test]
    fn a_tier_out_of_order_or_cheaper_is_refused() {
        assert_eq!(card(&[(0, "6", "22")]), Err(CardFault::Order));
        assert_eq!(
            card(&[(2, "6", "22"), (2, "7", "23")]),
            Err(CardFault::Order)
        );
        assert_eq!(
            card(&[(2, "2.99", "22")]),
            Err(CardFault::Cheaper {
                above: 2,
                class: RateClass::Input
            })
        );
        assert_eq!(
            card(&[(2, "6", "22"), (3, "6", "21.99")]),
            Err(CardFault::Cheaper {
                above: 3,
                class: RateClass::Output
            })
        );
        assert!(card(&[(2, "3.00", "15.00")]).is_ok());
    }

    #[test]
    fn what_a_tier_leaves_out_costs_no_less_than_below() {
        let mut base = rates("3.00", "15.00");
        base.reasoning = "40.00".parse().ok();
        base.cache_read = "0.30".parse().ok();
        let card = Card::of(&StatedCard {
            rates: base,
            tiers: vec![StatedTier {
                above: 10,
                rates: rates("6.00", "22.50"),
            }],
        })
        .unwrap();
        assert_eq!(card.at(11).reasoning.to_string(), "40.00");
        assert_eq!(card.at(11).cache_read.to_string(), "6.00");
        assert_eq!(card.at(10).cache_read.to_string(), "0.30");
    }

    #[test]
    fn joined_lengths_cost_no_less_than_shorter_ones() {
        let base = card(&[(10, "60.00", "225.00")]).unwrap();
        let own = card(&[(20, "6.00", "22.50")]).unwrap();
        let joined = own.with_lengths_of(&base);
        assert_eq!(joined.at(11).input, "60.00".parse::<Rate>().unwrap());
        assert_eq!(joined.at(21).input, "60.00".parse::<Rate>().unwrap());
    }

    #[test]
    fn a_card_without_a_word_on_a_length_takes_the_dearer_rates_there() {
        let base = card(&[(10, "6.00", "22.50")]).unwrap();
        let cheap = Card::of(&StatedCard::flat(rates("1.50", "99.00"))).unwrap();
        let joined = cheap.with_lengths_of(&base);
        assert_eq!(joined.at(10).input, "1.50".parse::<Rate>().unwrap());
        assert_eq!(joined.at(11).input, "6.00".parse::<Rate>().unwrap());
        assert_eq!(joined.at(11).output, "99.00".parse::<Rate>().unwrap());
    }
}

//! Prices that are a thousand times off: written for one token, for a thousand, or in cents.

use super::{Price, Rate, RateClass, StatedCard, StatedPrice, StatedServiceTier};
use crate::inspect::usage::Usage;
use crate::money::NanoUsd;

/// No model is known to cost less for a million tokens and something all the same.
const CHEAPEST: u64 = 10_000_000;
/// Or more.
const DEAREST: u64 = 1_000 * USD;
/// No search of a provider is known to cost more.
const DEAREST_SEARCH: u64 = USD;
/// No fee for a request.
const DEAREST_REQUEST: u64 = 10 * USD;
/// Output is known to cost up to 120 times what input does, where it is images.
const DEAREST_OUTPUT: u64 = 300;
/// Audio is known to cost up to forty times what text does.
const DEAREST_OTHER: u64 = 100;
/// Service tiers are known to cost up to six times the rates, and no less than half.
const DEAREST_TIER: u64 = 20;
/// From here on two prices of one model differ by their unit.
const ANOTHER_UNIT: u64 = 300;
const USD: u64 = 1_000_000_000;

/// A price that is probably written in another unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The key it stands under.
    pub key: &'static str,
    /// What is odd, and what was probably meant.
    pub message: String,
}

/// What of a price is probably written in another unit. `known` is what another table says of the
/// same model.
pub fn suspicions(price: &StatedPrice, known: Option<&Price>) -> Vec<Suspicion> {
    let mut found = Vec::new();
    of_card(&price.card, &mut found);
    for (name, tier) in &price.service_tiers {
        if let StatedServiceTier::Card(card) = tier {
            of_card(card, &mut found);
            of_service_tier(name, card, &price.card, &mut found);
        }
    }
    if found.is_empty()
        && let Some(known) = known
    {
        against(&price.card, known, &mut found);
    }
    for (key, fee, dearest) in [
        ("per_request", price.per_request, DEAREST_REQUEST),
        ("per_search", price.per_search, DEAREST_SEARCH),
    ] {
        if let Some(fee) = fee.filter(|fee| fee.nanos() > dearest) {
            let meant = NanoUsd::from_nanos(fee.nanos().div_ceil(1_000));
            found.push(Suspicion {
                key,
                message: format!(
                    "\"{fee}\" is the price of one: for a thousand of them at \"{fee}\", write \"{meant}\""
                ),
            });
        }
    }
    found
}

fn of_card(card: &StatedCard, found: &mut Vec<Suspicion>) {
    let tiers = card.tiers.iter().map(|tier| &tier.rates);
    for rates in std::iter::once(&card.rates).chain(tiers) {
        for class in RateClass::ALL {
            let Some(rate) = rates.of(class).filter(|rate| *rate != Rate::ZERO) else {
                continue;
            };
            let input = rates.input.nanos();
            let message = match class {
                RateClass::Input => absolute(rate),
                RateClass::Output => absolute(rate).or_else(|| {
                    (input > 0 && rate.nanos() / DEAREST_OUTPUT > input)
                        .then(|| beside(rate, rates.input))
                }),
                RateClass::CacheRead | RateClass::CacheWrite | RateClass::CacheWriteHour => {
                    relative(rate, rates.input)
                }
                RateClass::Reasoning => relative(rate, rates.output),
                RateClass::AudioInput | RateClass::AudioOutput => {
                    relative(rate, rates.input.max(rates.output))
                }
            };
            let key = class.key();
            found.extend(message.map(|message| Suspicion { key, message }));
        }
    }
}

fn of_service_tier(
    name: &str,
    card: &StatedCard,
    standard: &StatedCard,
    found: &mut Vec<Suspicion>,
) {
    for class in [RateClass::Input, RateClass::Output] {
        let (Some(rate), Some(beside)) = (card.rates.of(class), standard.rates.of(class)) else {
            continue;
        };
        let far = rate.nanos() / DEAREST_TIER > beside.nanos()
            || beside.nanos() / DEAREST_TIER > rate.nanos();
        if far && rate != Rate::ZERO && beside != Rate::ZERO {
            found.push(Suspicion {
                key: class.key(),
                message: format!(
                    "in service tier `{name}` \"{rate}\" is far from the \"{beside}\" outside of it"
                ),
            });
        }
    }
}

/// Against what any model costs.
fn absolute(rate: Rate) -> Option<String> {
    let nanos = rate.nanos();
    if nanos > DEAREST {
        let meant = Rate::from_nanos(nanos.div_ceil(1_000));
        return Some(format!(
            "\"{rate}\" USD for a million tokens is more than any model costs: \"{meant}\" was probably meant"
        ));
    }
    if nanos >= CHEAPEST {
        return None;
    }
    let times = |factor: u64| Rate::from_nanos(nanos.saturating_mul(factor));
    let (unit, meant) = if nanos < CHEAPEST / 100 {
        ("one token", times(1_000_000))
    } else {
        ("a thousand tokens", times(1_000))
    };
    Some(format!(
        "\"{rate}\" USD for a million tokens is less than any model costs: if it is the price of {unit}, write \"{meant}\""
    ))
}

/// Against another rate of the same price.
fn relative(rate: Rate, other: Rate) -> Option<String> {
    let off = other != Rate::ZERO
        && (rate.nanos() / DEAREST_OTHER > other.nanos()
            || other.nanos() / ANOTHER_UNIT > rate.nanos());
    off.then(|| beside(rate, other))
}

fn beside(rate: Rate, other: Rate) -> String {
    format!(
        "\"{rate}\" stands beside \"{other}\": they are probably in different units; all are USD for a million tokens"
    )
}

/// Against what is known of the model.
fn against(card: &StatedCard, known: &Price, found: &mut Vec<Suspicion>) {
    let million = |usage: Usage| known.cost(&usage).less(known.cost(&Usage::default()));
    let input = Usage {
        input: Some(1_000_000),
        ..Usage::default()
    };
    let output = Usage {
        output: Some(1_000_000),
        ..Usage::default()
    };
    for (class, rate, known) in [
        (RateClass::Input, card.rates.input, million(input)),
        (RateClass::Output, card.rates.output, million(output)),
    ] {
        let (rate, known) = (rate.nanos(), known.nanos());
        if rate == 0 || known == 0 {
            continue;
        }
        let off = rate / ANOTHER_UNIT >= known || known / ANOTHER_UNIT >= rate;
        if off {
            found.push(Suspicion {
                key: class.key(),
                message: format!(
                    "\"{}\" USD for a million tokens is far from the \"{}\" that is known of this model",
                    Rate::from_nanos(rate),
                    NanoUsd::from_nanos(known),
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::prices::StatedRates;

    fn price(input: &str, output: &str) -> StatedPrice {
        let rates = StatedRates::new(input.parse().unwrap(), output.parse().unwrap());
        StatedPrice::of(StatedCard::flat(rates))
    }

    fn keys(price: &StatedPrice, known: Option<&StatedPrice>) -> Vec<&'static str> {
        let known = known.map(|known| Price::of(known).unwrap());
        suspicions(price, known.as_ref())
            .iter()
            .map(|suspicion| suspicion.key)
            .collect()
    }

    #[test]
    fn what_models_really_cost_is_not_suspected() {
        for (input, output) in [
            ("2.50", "10.00"),
            ("150.00", "600.00"),
            ("0.01", "0.01"),
            ("0.05", "0.40"),
            ("0.02", "0"),
            ("0", "0"),
        ] {
            assert!(
                keys(&price(input, output), None).is_empty(),
                "{input} {output}"
            );
        }
        let mut audio = price("2.50", "10.00");
        audio.card.rates.audio_input = "40.00".parse().ok();
        audio.card.rates.cache_read = "0.0036".parse().ok();
        audio.card.rates.input = "0.435".parse().unwrap();
        assert!(keys(&audio, None).is_empty());
    }

    #[test]
    fn a_rate_for_one_token_or_a_thousand_is_named_with_what_was_meant() {
        let message = |input: &str| {
            let found = suspicions(&price(input, "10.00"), None);
            assert_eq!(found.first().unwrap().key, "input");
            found.into_iter().next().unwrap().message
        };
        let token = message("0.0000025");
        assert!(
            token.contains("price of one token, write \"2.50\""),
            "{token}"
        );
        let thousand = message("0.0025");
        assert!(
            thousand.contains("price of a thousand tokens, write \"2.50\""),
            "{thousand}"
        );
        let thousandth = message("2500");
        assert!(
            thousandth.contains("\"2.50\" was probably meant"),
            "{thousandth}"
        );
    }

    #[test]
    fn rates_in_different_units_are_named() {
        assert_eq!(keys(&price("0.03", "30.00"), None), ["output"]);
        let with = |class, rate: &str| {
            let mut price = price("3.00", "15.00");
            price.card.rates.state(class, rate.parse().unwrap());
            keys(&price, None)
        };
        assert_eq!(with(RateClass::CacheRead, "0.0003"), ["cache_read"]);
        assert_eq!(with(RateClass::CacheWrite, "3750"), ["cache_write"]);
        assert_eq!(with(RateClass::AudioOutput, "0.00008"), ["audio_output"]);
        assert_eq!(with(RateClass::Reasoning, "0.015"), ["reasoning"]);
        assert_eq!(with(RateClass::CacheRead, "0.30"), [""; 0]);
    }

    #[test]
    fn a_price_far_from_the_known_one_is_named() {
        let known = price("30.00", "60.00");
        assert_eq!(
            keys(&price("0.03", "0.06"), Some(&known)),
            ["input", "output"]
        );
        assert_eq!(keys(&price("15.00", "30.00"), Some(&known)), [""; 0]);
        assert_eq!(
            keys(&price("0", "0"), Some(&known)),
            [""; 0],
            "free is said plainly"
        );
    }

    #[test]
    fn a_fee_for_a_thousand_is_named() {
        let mut fees = price("3.00", "15.00");
        fees.per_search = "10.00".parse().ok();
        fees.per_request = "25.00".parse().ok();
        let found = suspicions(&fees, None);
        let [request, search] = found.as_slice() else {
            panic!("both fees: {found:?}");
        };
        assert_eq!((request.key, search.key), ("per_request", "per_search"));
        assert!(
            search.message.ends_with("write \"0.01\""),
            "{}",
            search.message
        );
        fees.per_search = "0.05".parse().ok();
        fees.per_request = "1.00".parse().ok();
        assert!(suspicions(&fees, None).is_empty());
    }

    #[test]
    fn tiers_are_looked_at_as_well() {
        let mut tiers = price("3.00", "15.00");
        let odd = StatedRates::new("6000".parse().unwrap(), "22.50".parse().unwrap());
        tiers.card.tiers.push(crate::budget::prices::StatedTier {
            above: 200_000,
            rates: odd.clone(),
        });
        assert_eq!(keys(&tiers, None), ["input"]);
        let mut service = price("3.00", "15.00");
        let card = StatedServiceTier::Card(StatedCard::flat(odd));
        service.service_tiers = vec![("priority".into(), card)];
        assert_eq!(keys(&service, None), ["input", "input"]);
        let slip = StatedRates::new("75.00".parse().unwrap(), "15.00".parse().unwrap());
        let card = StatedServiceTier::Card(StatedCard::flat(slip));
        service.service_tiers = vec![("priority".into(), card)];
        assert_eq!(keys(&service, None), ["input"]);
        let fast = StatedRates::new("18.00".parse().unwrap(), "7.50".parse().unwrap());
        let card = StatedServiceTier::Card(StatedCard::flat(fast));
        service.service_tiers = vec![("fast".into(), card)];
        assert_eq!(keys(&service, None), [""; 0]);
    }
}

use proptest::prelude::*;

use super::*;
use crate::budget::prices::{Rate, RateClass, StatedRates, StatedTier};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

/// The price of claude-sonnet-4-5, as it stands in public tables.
fn sonnet() -> StatedPrice {
    let rates = |texts: [&str; 5]| {
        let [input, output, read, write, hour] = texts.map(rate);
        let mut rates = StatedRates::new(input, output);
        rates.cache_read = Some(read);
        rates.cache_write = Some(write);
        rates.cache_write_1h = Some(hour);
        rates
    };
    let mut price = StatedPrice::of(StatedCard {
        rates: rates(["3.00", "15.00", "0.30", "3.75", "6.00"]),
        tiers: vec![StatedTier {
            above: 200_000,
            rates: rates(["6.00", "22.50", "0.60", "7.50", "12.00"]),
        }],
    });
    price.per_search = Some(usd("0.01"));
    price
}

/// The price of gpt-5.5, with rates of their own for two tiers and a factor for a third.
fn gpt() -> StatedPrice {
    let rates = |texts: [&str; 3]| {
        let [input, output, read] = texts.map(rate);
        let mut rates = StatedRates::new(input, output);
        rates.cache_read = Some(read);
        rates
    };
    let flat = |texts| StatedServiceTier::Card(StatedCard::flat(rates(texts)));
    let mut price = StatedPrice::of(StatedCard {
        rates: rates(["5.00", "30.00", "0.50"]),
        tiers: vec![StatedTier {
            above: 272_000,
            rates: rates(["10.00", "45.00", "1.00"]),
        }],
    });
    price.service_tiers = vec![
        ("priority".into(), flat(["10.00", "60.00", "1.00"])),
        ("flex".into(), flat(["2.50", "15.00", "0.25"])),
        (
            "batch".into(),
            StatedServiceTier::Factor("0.5".parse().unwrap()),
        ),
    ];
    price
}

fn held(stated: &StatedPrice) -> Price {
    Price::of(stated).unwrap()
}

fn used(input: u64, output: u64) -> Usage {
    Usage {
        input: Some(input),
        output: Some(output),
        ..Usage::default()
    }
}

fn in_tier(usage: Usage, tier: &str) -> Usage {
    Usage {
        service_tier: Some(tier.into()),
        ..usage
    }
}

#[test]
fn a_cost_is_the_sum_over_the_classes_by_hand() {
    let usage = Usage {
        input: Some(1_000),
        cache_read: Some(20_000),
        cache_write: Some(3_000),
        cache_write_1h: Some(500),
        output: Some(700),
        reasoning: Some(300),
        searches: Some(2),
        ..Usage::default()
    };
    // 0.003 + 0.006 + 0.01125 + 0.003 + 0.0105 + 2 x 0.01
    assert_eq!(held(&sonnet()).cost(&usage), usd("0.05375"));
}

#[test]
fn a_long_request_pays_the_rates_of_its_length_for_all_of_it() {
    let price = held(&sonnet());
    let usage = |read: u64| Usage {
        cache_read: Some(read),
        ..used(100_000, 1_000)
    };
    assert_eq!(price.cost(&usage(100_000)), usd("0.345"));
    // 0.6 + 100_001 x 0.0000006 + 0.0225
    assert_eq!(price.cost(&usage(100_001)), usd("0.6825006"));
}

#[test]
fn a_cost_is_rounded_up_once() {
    let mut rates = StatedRates::new(rate("0.000001"), rate("0.000001"));
    rates.cache_read = Some(rate("0.000001"));
    let price = held(&StatedPrice::of(StatedCard::flat(rates)));
    let usage = Usage {
        cache_read: Some(1),
        ..used(1, 1)
    };
    assert_eq!(
        price.cost(&usage).nanos(),
        1,
        "three thousandths are one, not three"
    );
    assert_eq!(price.cost(&used(0, 0)).nanos(), 0);
    assert_eq!(price.cost(&used(1_000, 1)).nanos(), 2);
}

#[test]
fn a_service_tier_costs_its_own_rates_or_its_factor() {
    let price = held(&gpt());
    let cost = |tier: &str| price.cost(&in_tier(used(1_000_000 / 4, 1_000), tier));
    assert_eq!(cost("default"), usd("1.28"));
    assert_eq!(cost(""), usd("1.28"));
    assert_eq!(cost("priority"), usd("2.56"));
    assert_eq!(cost("Priority"), usd("2.56"));
    assert_eq!(cost("flex"), usd("0.64"));
    assert_eq!(cost("batch"), usd("0.64"));
}

#[test]
fn an_unknown_service_tier_costs_what_the_dearest_does() {
    let price = held(&gpt());
    let cost = |tier: &str| price.cost(&in_tier(used(1_000, 1_000), tier));
    assert_eq!(cost("turbo"), cost("priority"));
    let mut discounts = gpt();
    discounts.service_tiers.remove(0);
    let price = held(&discounts);
    let cost = |tier: &str| price.cost(&in_tier(used(1_000, 1_000), tier));
    assert_eq!(cost("turbo"), cost("default"), "no discount is guessed");
}

#[test]
fn a_cheaper_tier_that_is_asked_for_lowers_no_bound() {
    let price = held(&gpt());
    let bound = |tier: Option<&str>| {
        price.upper_bound(&Bound {
            input_tokens: 1_000,
            output_tokens: 1_000,
            service_tier: tier.map(Into::into),
            ..Bound::default()
        })
    };
    assert_eq!(bound(Some("flex")), bound(None));
    assert!(bound(Some("priority")) > bound(None));
    assert_eq!(bound(Some("turbo")), bound(Some("priority")));
}

#[test]
fn a_tier_silent_on_a_length_gives_no_discount_there() {
    let price = held(&gpt());
    let cost = |tier: &str| price.cost(&in_tier(used(300_000, 0), tier));
    assert_eq!(cost("flex"), usd("3.00"));
    assert_eq!(cost("batch"), usd("1.50"), "a factor holds at every length");
}

#[test]
fn searches_without_a_rate_are_not_free() {
    let price = held(&gpt());
    let usage = Usage {
        searches: Some(2),
        ..used(0, 0)
    };
    assert_eq!(price.cost(&usage), usd("0.10"));
    let mut free = gpt();
    free.per_search = Some(NanoUsd::ZERO);
    assert_eq!(held(&free).cost(&usage), NanoUsd::ZERO);
}

#[test]
fn a_fee_is_paid_for_every_request_whatever_its_tier() {
    let mut stated = gpt();
    stated.per_request = Some(usd("0.005"));
    let price = held(&stated);
    assert_eq!(price.cost(&Usage::default()), usd("0.005"));
    assert_eq!(price.cost(&in_tier(Usage::default(), "flex")), usd("0.005"));
    assert_eq!(price.upper_bound(&Bound::default()), usd("0.005"));
}

#[test]
fn counts_beyond_all_money_cost_the_most_there_is() {
    let price = held(&gpt());
    let usage = Usage {
        audio_input: Some(u64::MAX),
        audio_output: Some(u64::MAX),
        cache_read: Some(u64::MAX),
        searches: Some(u64::MAX),
        ..used(u64::MAX, u64::MAX)
    };
    assert_eq!(price.cost(&usage), NanoUsd::MAX);
    assert_eq!(price.cost(&in_tier(usage, "turbo")), NanoUsd::MAX);
}

#[test]
fn more_reasoning_than_output_is_paid_as_reasoning() {
    let mut stated = gpt();
    stated.card.rates.reasoning = Some(rate("40.00"));
    let usage = Usage {
        reasoning: Some(1_000),
        ..used(0, 10)
    };
    assert_eq!(held(&stated).cost(&usage), usd("0.04"));
}

#[test]
fn a_tier_no_request_can_reach_is_refused() {
    let mut stated = sonnet();
    stated.context = Some(200_000);
    assert_eq!(
        Price::of(&stated),
        Err(PriceFault::Unreachable {
            above: 200_000,
            context: 200_000
        })
    );
    stated.context = Some(200_001);
    assert!(Price::of(&stated).is_ok());
}

#[test]
fn only_output_that_is_never_paid_is_free() {
    let free = |output: &str| {
        StatedPrice::of(StatedCard::flat(StatedRates::new(
            rate("0.15"),
            rate(output),
        )))
    };
    assert!(held(&free("0")).output_is_free());
    assert!(!held(&free("0.000000001")).output_is_free());
    let mut priority = free("0");
    let dear = StatedCard::flat(StatedRates::new(rate("1"), rate("1")));
    priority.service_tiers = vec![("priority".into(), StatedServiceTier::Card(dear))];
    assert!(!held(&priority).output_is_free());
    let mut reasoning = free("0");
    reasoning.card.rates.reasoning = Some(rate("1"));
    assert!(!held(&reasoning).output_is_free());
}

fn any_rates() -> impl Strategy<Value = StatedRates> {
    let some = || prop::option::of((0..200_000_000_000_u64).prop_map(Rate::from_nanos));
    let rate = || (0..200_000_000_000_u64).prop_map(Rate::from_nanos);
    (
        rate(),
        rate(),
        [some(), some(), some(), some(), some(), some()],
    )
        .prop_map(|(input, output, others)| {
            let mut rates = StatedRates::new(input, output);
            for (class, other) in RateClass::ALL.into_iter().skip(2).zip(others) {
                if let Some(other) = other {
                    rates.state(class, other);
                }
            }
            rates
        })
}

/// Rates that are so much dearer, class by class.
fn raised(rates: &StatedRates, by: u64) -> StatedRates {
    let mut raised = rates.clone();
    for class in RateClass::ALL {
        if let Some(rate) = rates.of(class) {
            raised.state(class, Rate::from_nanos(rate.nanos() + by));
        }
    }
    raised
}

fn any_card() -> impl Strategy<Value = StatedCard> {
    (
        any_rates(),
        prop::collection::vec((1..500_u64, 0..10_000_000_000_u64), 0..3),
    )
        .prop_map(|(rates, steps)| {
            let mut tiers: Vec<StatedTier> = Vec::new();
            for (length, by) in steps {
                let (above, below) = tiers
                    .last()
                    .map_or((0, &rates), |tier| (tier.above, &tier.rates));
                let rates = raised(below, by);
                let above = above + length;
                tiers.push(StatedTier { above, rates });
            }
            StatedCard { rates, tiers }
        })
}

fn any_price() -> impl Strategy<Value = Price> {
    let fee = || prop::option::of((0..1_000_000_000_u64).prop_map(NanoUsd::from_nanos));
    let factor = (1..4_000_000_u32).prop_map(|it| {
        let text = format!("{}.{:06}", it / 1_000_000, it % 1_000_000);
        StatedServiceTier::Factor(text.parse().unwrap())
    });
    (any_card(), any_card(), factor, fee(), fee()).prop_map(
        |(card, flex, priority, per_request, per_search)| {
            let mut price = StatedPrice::of(card);
            price.per_request = per_request;
            price.per_search = per_search;
            price.service_tiers = vec![
                ("flex".into(), StatedServiceTier::Card(flex)),
                ("priority".into(), priority),
            ];
            Price::of(&price).unwrap()
        },
    )
}

/// Disjoint counts: input, read, write, hour, audio in, plain output, reasoning, audio out, searches.
type Counts = [u64; 9];

fn usage_of(counts: Counts, tier: &str) -> Usage {
    let [
        input,
        read,
        write,
        hour,
        audio_in,
        plain,
        reasoning,
        audio_out,
        searches,
    ] = counts;
    Usage {
        input: Some(input),
        cache_read: Some(read),
        cache_write: Some(write),
        cache_write_1h: Some(hour),
        audio_input: Some(audio_in),
        output: Some(plain + reasoning),
        reasoning: Some(reasoning),
        audio_output: Some(audio_out),
        searches: Some(searches),
        service_tier: Some(tier.into()),
        ..Usage::default()
    }
}

fn any_tier() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "default", "flex", "priority", "unheard-of"])
}

proptest! {
    #[test]
    fn a_cost_never_falls_when_more_is_used(
        price in any_price(), counts in any::<[u16; 9]>(), class in 0..9_usize, more in any::<u16>(),
        tier in any_tier()
    ) {
        let counts = counts.map(u64::from);
        let mut larger = counts;
        larger[class] += u64::from(more);
        prop_assert!(price.cost(&usage_of(counts, tier)) <= price.cost(&usage_of(larger, tier)));
    }

    #[test]
    fn no_use_within_a_bound_costs_more_than_the_bound(
        price in any_price(), counts in prop::array::uniform9(0..400_u64), spare in any::<[u8; 3]>(),
        tier in any_tier(), unserved in any::<bool>()
    ) {
        let [input, read, write, hour, audio_in, plain, reasoning, audio_out, searches] = counts;
        let [more_input, more_output, more_searches] = spare.map(u64::from);
        let bound = Bound {
            input_tokens: input + read + write + hour + audio_in + more_input,
            output_tokens: plain + reasoning + audio_out + more_output,
            searches: searches + more_searches,
            audio_input: audio_in > 0,
            audio_output: audio_out > 0,
            cache_write_1h: hour > 0,
            service_tier: Some(tier.into()),
        };
        let served = if unserved { "default" } else { tier };
        prop_assert!(price.cost(&usage_of(counts, served)) <= price.upper_bound(&bound));
    }

    #[test]
    fn a_cost_is_what_exact_fractions_give(
        price in any_price(), counts in any::<[u16; 9]>()
    ) {
        let counts = counts.map(u64::from);
        let [input, read, write, hour, audio_in, plain, reasoning, audio_out, searches] = counts;
        let rates = price.card.at(input + read + write + hour + audio_in);
        let sum: u128 = [
            (input, rates.input), (read, rates.cache_read), (write, rates.cache_write),
            (hour, rates.cache_write_1h), (audio_in, rates.audio_input), (plain, rates.output),
            (reasoning, rates.reasoning), (audio_out, rates.audio_output),
        ]
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate.nanos()))
        .sum();
        let cost = price.cost(&usage_of(counts, "default"));
        let fees = price.per_request.nanos() + price.per_search.nanos() * searches;
        let tokens = u128::from(cost.nanos() - fees) * 1_000_000;
        prop_assert!(tokens >= sum && tokens < sum + 1_000_000);
    }
}

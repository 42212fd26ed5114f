//! Prices that are off, and not so far off that they are refused.
//!
//! What is three hundred times off is an error (`checked = true` says that it is meant); these lints
//! look at what lies between that and a price that moved.

use std::sync::LazyLock;

use super::{Findings, Lint, Spot, Subject};
use crate::budget::prices::{PriceTable, Rate};
use crate::inspect::usage::Usage;
use crate::policy::built_in_prices;

/// From here on a price did not just move.
const FAR: u64 = 10;

/// How far above the middle of its neighbours a price may be.
const ABOVE_NEIGHBOURS: u64 = 100;

/// Fewer prices have no middle worth the name.
const NEIGHBOURS: usize = 3;

pub(super) static PRICE_UNLIKE_KNOWN: Lint = Lint {
    name: "price-unlike-known",
    what: "a price ten times above or below the one that is built in for the model",
    why: "a slipped point books a tenth or ten times of what a request costs, and ceilings hold at the \
          wrong moment",
    remedy: "look at the provider's page; `checked = true` says that the price is meant",
    look: unlike_known,
};

pub(super) static PRICE_UNLIKE_NEIGHBOURS: Lint = Lint {
    name: "price-unlike-neighbours",
    what: "an input price a hundred times above the middle of the others in the files",
    why: "it is probably written in cents or for a thousand tokens: one request uses a ceiling up",
    remedy: "prices are USD for a million tokens; `checked = true` says that the price is meant",
    look: unlike_neighbours,
};

pub(super) static OUTPUT_CHEAPER_THAN_INPUT: Lint = Lint {
    name: "output-cheaper-than-input",
    what: "a price whose output costs less than its input",
    why: "no provider is known to price so; the two are probably swapped, and output is what costs most",
    remedy: "swap `input` and `output`; `checked = true` says that the price is meant",
    look: output_cheaper,
};

/// A price of the files that nobody vouches for.
struct Stated<'s> {
    spot: Spot<'s>,
    model: &'s str,
    input: Rate,
    output: Rate,
}

fn stated<'s>(subject: &'s Subject<'_>) -> Vec<Stated<'s>> {
    let entries = subject.places.entries("prices");
    let unchecked = entries.filter(|spot| !spot.flag("checked"));
    unchecked
        .filter_map(|spot| {
            Some(Stated {
                model: spot.text("model")?,
                input: spot.text("input")?.parse().ok()?,
                output: spot.text("output")?.parse().ok()?,
                spot,
            })
        })
        .collect()
}

fn built_in() -> &'static PriceTable {
    static TABLE: LazyLock<PriceTable> =
        LazyLock::new(|| PriceTable::new(&[], built_in_prices(), None));
    &TABLE
}

fn unlike_known(subject: &Subject<'_>, findings: &mut Findings) {
    for price in stated(subject) {
        let Some(known) = built_in().listed(price.model) else {
            continue;
        };
        let million = |usage: Usage| known.cost(&usage).less(known.cost(&Usage::default()));
        let input = million(Usage {
            input: Some(1_000_000),
            ..Usage::default()
        });
        let output = million(Usage {
            output: Some(1_000_000),
            ..Usage::default()
        });
        for (key, rate, known) in [
            ("input", price.input, input),
            ("output", price.output, output),
        ] {
            let (own, known) = (rate.nanos(), known.nanos());
            if own > 0 && known > 0 && (own / FAR >= known || known / FAR >= own) {
                let message = format!(
                    "\"{rate}\" USD for a million tokens, where \"{}\" is known of this model",
                    Rate::from_nanos(known)
                );
                findings.add(Some(price.spot.clone().key(key)), message);
            }
        }
    }
}

fn unlike_neighbours(subject: &Subject<'_>, findings: &mut Findings) {
    let prices = stated(subject);
    let mut inputs: Vec<_> = prices.iter().map(|price| price.input.nanos()).collect();
    inputs.retain(|nanos| *nanos > 0);
    inputs.sort_unstable();
    let Some(middle) = inputs.get(inputs.len() / 2).copied() else {
        return;
    };
    if inputs.len() < NEIGHBOURS {
        return;
    }
    for price in &prices {
        if price.input.nanos() / ABOVE_NEIGHBOURS >= middle {
            let message = format!(
                "\"{}\" USD for a million tokens, where the middle of the other prices is \"{}\"",
                price.input,
                Rate::from_nanos(middle)
            );
            findings.add(Some(price.spot.clone().key("input")), message);
        }
    }
}

fn output_cheaper(subject: &Subject<'_>, findings: &mut Findings) {
    for price in stated(subject) {
        // An embedding has no output.
        if price.output != Rate::ZERO && price.output < price.input {
            let message = format!(
                "output at \"{}\" is cheaper than input at \"{}\"",
                price.output, price.input
            );
            findings.add(Some(price.spot.key("output")), message);
        }
    }
}

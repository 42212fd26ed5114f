//! `[[prices]]`, and what `[costs]` says of prices.
//!
//! The prices that are built in are a file like any other, read by the same reader.

use std::sync::{Arc, LazyLock};

use toml::de::DeTable;

use super::reader::Fields;
use super::sections::{Parsed, Sections};
use super::{keys, values};
use crate::budget::prices::{
    Factor, ListedPrice, Price, PriceTable, Rate, RateClass, SERVICE_TIERS, StatedCard,
    StatedPrice, StatedRates, StatedServiceTier, StatedTier, suspicions,
};
use crate::inspect::Glob;
use crate::money::NanoUsd;
use crate::policy::problem::{Located, ProblemKind, Report, SourceText};

/// The file of the prices that are built in.
const BUILT_IN: &str = include_str!("../../../policies/prices/common.toml");

/// Longest context and output that can be stated, in tokens.
pub(super) const MAX_TOKENS: u64 = 1 << 40;

/// One entry.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PriceEntry {
    /// The model, and its aliases.
    pub(in crate::policy) models: Vec<Located<Glob>>,
    /// What was read; `None` where something is wrong.
    pub(in crate::policy) price: Option<(StatedPrice, Arc<Price>)>,
}

/// What `[costs]` says of prices.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PriceSettings {
    /// Whether the prices that are built in hold.
    pub(in crate::policy) built_in: bool,
    /// The price of what has none.
    pub(in crate::policy) default: Option<(StatedPrice, Arc<Price>)>,
}

/// Reads one entry.
pub(super) fn price(fields: &Fields<'_>) -> PriceEntry {
    read(fields, Some(built_in()))
}

fn read(fields: &Fields<'_>, known: Option<&PriceTable>) -> PriceEntry {
    fields.require("model");
    let model = fields.parsed("model", values::glob);
    let known = model
        .as_ref()
        .and_then(|model| known?.listed(model.value.as_str()));
    let price = stated(fields, known);
    let mut models: Vec<_> = model.into_iter().collect();
    models.extend(fields.all_parsed("aliases", values::glob));
    PriceEntry { models, price }
}

/// Reads what `[costs]` says. `default_price` without anything that uses it would be believed to
/// hold, and `unpriced` without it would be empty words.
pub(super) fn settings(costs: Option<&Fields<'_>>) -> PriceSettings {
    let Some(costs) = costs else {
        return PriceSettings {
            built_in: true,
            default: None,
        };
    };
    let table = costs.table("default_price");
    let default = table.as_ref().and_then(|fields| stated(fields, None));
    let wanted = costs
        .text("unpriced")
        .is_some_and(|unpriced| unpriced.value == "default_price");
    if wanted {
        costs.require("default_price");
    } else if let Some(table) = &table {
        costs.report().add(
            table.place(),
            ProblemKind::NeverMatches,
            "no model gets this price: `unpriced = \"default_price\"` is missing",
        );
    }
    PriceSettings {
        built_in: costs.flag("built_in_prices", true),
        default,
    }
}

/// The keys of a price beside its names.
fn stated(fields: &Fields<'_>, known: Option<&Price>) -> Option<(StatedPrice, Arc<Price>)> {
    let card = card(fields);
    let mut sound = true;
    let mut service_tiers = Vec::new();
    if let Some(tiers) = fields.table("service_tiers") {
        for name in SERVICE_TIERS.into_iter().filter(|name| tiers.has(name)) {
            let tier = if tiers.is_table(name) {
                let own = tiers.table(name);
                own.and_then(|own| self::card(&own))
                    .map(StatedServiceTier::Card)
            } else {
                let factor = tiers.parsed(name, str::parse::<Factor>);
                factor.map(|factor| StatedServiceTier::Factor(factor.value))
            };
            sound &= tier.is_some();
            service_tiers.extend(tier.map(|tier| (name.into(), tier)));
        }
    }
    let mut amount = |key| {
        let amount = fields.parsed(key, str::parse::<NanoUsd>);
        sound &= amount.is_some() || !fields.has(key);
        amount.map(|amount| amount.value)
    };
    let per_request = amount("per_request");
    let per_search = amount("per_search");
    let context = fields.integer("context", 1..=MAX_TOKENS);
    let max_output = fields.integer("max_output", 0..=MAX_TOKENS);
    let checked = fields.flag("checked", false);
    let stated = StatedPrice {
        card: card.filter(|_| sound)?,
        service_tiers,
        per_request,
        per_search,
        context,
        max_output,
    };
    let price = match Price::of(&stated) {
        Ok(price) => Arc::new(price),
        Err(fault) => {
            let report = fields.report();
            report.add(fields.place(), ProblemKind::Conflict, fault.to_string());
            return None;
        }
    };
    if !checked {
        for odd in suspicions(&stated, known) {
            let mut place = fields.place().clone();
            place.key = odd.key;
            if let Some(found) = fields.text(odd.key) {
                place.offset = found.place.offset;
            }
            let message = format!("{}; `checked = true` if it is meant", odd.message);
            fields.report().add(&place, ProblemKind::BadValue, message);
        }
    }
    Some((stated, price))
}

/// Rates, and those of long requests.
fn card(fields: &Fields<'_>) -> Option<StatedCard> {
    let base = rates(fields);
    let mut tiers = Vec::new();
    let mut sound = true;
    for tier in fields.tables("tiers") {
        tier.require("above");
        let above = tier.integer("above", 1..=MAX_TOKENS);
        let tier = rates(&tier);
        sound &= above.is_some() && tier.is_some();
        if let (Some(above), Some(rates)) = (above, tier) {
            tiers.push(StatedTier { above, rates });
        }
    }
    Some(StatedCard {
        rates: base.filter(|_| sound)?,
        tiers,
    })
}

fn rates(fields: &Fields<'_>) -> Option<StatedRates> {
    fields.require("input");
    fields.require("output");
    let mut sound = true;
    let read = RateClass::ALL.map(|class| {
        let rate = fields.parsed(class.key(), str::parse::<Rate>);
        sound &= rate.is_some() || !fields.has(class.key());
        rate.map(|rate| (class, rate.value))
    });
    let of = |wanted: RateClass| {
        let mut read = read.iter().flatten();
        read.find(|(class, _)| *class == wanted)
            .map(|(_, rate)| *rate)
    };
    let mut rates = StatedRates::new(of(RateClass::Input)?, of(RateClass::Output)?);
    for (class, rate) in read.iter().flatten() {
        rates.state(*class, *rate);
    }
    sound.then_some(rates)
}

/// The prices that are built in: dated, of common models, in the order of their file.
pub fn built_in_prices() -> &'static [ListedPrice] {
    static PRICES: LazyLock<Vec<ListedPrice>> = LazyLock::new(|| {
        // What can't be read is not there, and what has no price is refused. A test reads it all.
        let report = Report::default();
        read_built_in(&report)
    });
    &PRICES
}

/// The same as a table.
fn built_in() -> &'static PriceTable {
    static TABLE: LazyLock<PriceTable> =
        LazyLock::new(|| PriceTable::new(&[], built_in_prices(), None));
    &TABLE
}

fn read_built_in(report: &Report) -> Vec<ListedPrice> {
    let source = Arc::new(SourceText {
        path: "built-in prices".to_owned(),
        text: BUILT_IN.to_owned(),
    });
    let (table, _) = DeTable::parse_recoverable(&source.text);
    let parsed = [Parsed {
        source: &source,
        table,
    }];
    let sections = Sections::new(report, &keys::POLICY, &parsed);
    let entries = sections.entries("prices", "model");
    entries
        .iter()
        .filter_map(|fields| listed(&read(fields, None)))
        .collect()
}

/// The entry as the table takes it.
pub(in crate::policy) fn listed(entry: &PriceEntry) -> Option<ListedPrice> {
    let (stated, price) = entry.price.clone()?;
    let models = entry.models.iter().map(|model| model.value.clone());
    Some(ListedPrice {
        models: models.collect(),
        stated,
        price,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::prices::clashes;

    #[test]
    fn every_price_that_is_built_in_is_sound_and_has_its_own_names() {
        let report = Report::default();
        let prices = read_built_in(&report);
        assert_eq!(report.into_problems(), []);
        assert!(prices.len() > 60, "{}", prices.len());
        let names: Vec<&Glob> = prices.iter().flat_map(|price| &price.models).collect();
        assert_eq!(clashes(&names), []);
        for price in &prices {
            let limits = (price.stated.context, price.stated.max_output);
            assert!(
                limits.0.is_some() && limits.1.is_some(),
                "what bounds {:?}?",
                price.models
            );
        }
    }
}

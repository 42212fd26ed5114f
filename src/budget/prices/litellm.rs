//! Prices out of the table that LiteLLM keeps, `model_prices_and_context_window.json`: USD for one
//! token, written as floating-point numbers. They are read by their digits.
//!
//! That table is kept by many hands. What in it could make something free that is not, or is
//! probably a slip, is left out and named, so that somebody decides.

use std::collections::BTreeMap;

use super::{
    CardFault, Price, PriceFault, Rate, RateClass, StatedCard, StatedPrice, StatedRates,
    StatedServiceTier, StatedTier, suspicions,
};
use crate::inspect::json::{JsonFault, Limits, Value};
use crate::money::{AmountError, NanoUsd};

mod field;

use field::{Field, Meaning};

/// The entry that explains the table.
const EXPLANATION: &str = "sample_spec";

/// Longest name of a model.
const MAX_NAME: usize = 512;

/// What was read of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Models and their prices, in the order of the table.
    pub prices: Vec<(String, StatedPrice)>,
    /// Entries that were left out.
    pub skipped: Vec<Skipped>,
    /// Fields with prices that have no place here, and how many entries have them.
    pub left_out: BTreeMap<String, usize>,
}

/// An entry that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its model.
    pub model: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why an entry was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// Something else than an object.
    #[error("the entry is no object")]
    NoObject,
    /// A name that a policy can't have, or that would be a pattern there.
    #[error("a policy can't name a model so: a name has no blank, control character or `*`")]
    Name,
    /// Paid by the image, the second or not at all.
    #[error("no price for tokens of input and output (mode `{0}`)")]
    NotByTokens(String),
    /// Nothing is asked for tokens of a model that gives text.
    #[error(
        "`{0}` is 0, which in such tables often means that nobody knows; if it is free, state \"0\" yourself"
    )]
    Free(&'static str),
    /// A value that is no amount.
    #[error("`{field}` can't be read: {error}")]
    Amount {
        /// Of which field.
        field: String,
        /// Why not.
        error: AmountError,
    },
    /// Rates that can't hold together.
    #[error(transparent)]
    Fault(PriceFault),
    /// Probably a slip.
    #[error("`{key}`: {message}; state it yourself with `checked = true` if it is right")]
    Suspicious {
        /// Of our key.
        key: &'static str,
        /// What is odd.
        message: String,
    },
}

/// A file is no such table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not JSON, or ambiguous.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// JSON of another kind.
    #[error("an object from names of models to their prices is needed")]
    NoTable,
}

/// Reads a table.
///
/// # Errors
/// See [`ImportError`]. What is wrong with one entry leaves out that entry only.
pub fn import(document: &[u8]) -> Result<Imported, ImportError> {
    let table = Value::parse(document, &Limits::default())?;
    if !table.is_object() {
        return Err(ImportError::NoTable);
    }
    let mut imported = Imported::default();
    for (model, entry) in table.members() {
        if model == EXPLANATION {
            continue;
        }
        match read(&model, entry, &mut imported.left_out) {
            Ok(price) => imported.prices.push((model.into_owned(), price)),
            Err(reason) => imported.skipped.push(Skipped {
                model: model.into_owned(),
                reason,
            }),
        }
    }
    Ok(imported)
}

fn read(
    model: &str,
    entry: Value<'_>,
    left_out: &mut BTreeMap<String, usize>,
) -> Result<StatedPrice, SkipReason> {
    let odd = |letter: char| letter == '*' || letter.is_control() || letter.is_whitespace();
    if model.is_empty() || model.len() > MAX_NAME || model.contains(odd) {
        return Err(SkipReason::Name);
    }
    if !entry.is_object() {
        return Err(SkipReason::NoObject);
    }
    let fields = Fields::of(entry, left_out)?;
    let card = fields.card("", None)?;
    let mut price = StatedPrice::of(card);
    for (suffix, name) in field::SERVICE_TIERS {
        if fields.rates.iter().any(|found| found.service == suffix) {
            let card = fields.card(suffix, Some(&price.card.rates))?;
            let tier = StatedServiceTier::Card(card);
            price.service_tiers.push((name.into(), tier));
        }
    }
    price.per_request = fields.per_request;
    price.per_search = fields.per_search;
    price.context = fields.context;
    price.max_output = match fields.gives_text() {
        true => fields.max_output,
        false => Some(0),
    };
    match Price::of(&price) {
        // A length beyond the stated context says that the context is longer for some callers.
        Err(PriceFault::Unreachable { .. }) => price.context = None,
        Err(fault @ PriceFault::Card(CardFault::Order | CardFault::Cheaper { .. })) => {
            return Err(SkipReason::Fault(fault));
        }
        Ok(_) => {}
    }
    match suspicions(&price, None).into_iter().next() {
        Some(odd) => Err(SkipReason::Suspicious {
            key: odd.key,
            message: odd.message,
        }),
        None => Ok(price),
    }
}

/// What an entry says.
#[derive(Default)]
struct Fields {
    mode: String,
    rates: Vec<FoundRate>,
    per_request: Option<NanoUsd>,
    per_search: Option<NanoUsd>,
    context: Option<u64>,
    max_output: Option<u64>,
}

struct FoundRate {
    meaning: Meaning,
    above: Option<u64>,
    /// The suffix of its service tier.
    service: &'static str,
    rate: Rate,
}

impl Fields {
    fn of(entry: Value<'_>, left_out: &mut BTreeMap<String, usize>) -> Result<Self, SkipReason> {
        let mut fields = Self::default();
        for (name, value) in entry.members() {
            if value.raw() == "null" {
                continue;
            }
            let unread = |error| SkipReason::Amount {
                field: name.to_string(),
                error,
            };
            match Field::of(&name) {
                Some(Field::Rate {
                    meaning,
                    above,
                    service,
                }) => fields.rates.push(FoundRate {
                    meaning,
                    above,
                    service,
                    rate: Rate::of_stranger_per_token(value.raw()).map_err(unread)?,
                }),
                Some(Field::PerRequest) => {
                    let fee = NanoUsd::of_stranger(value.raw()).map_err(unread)?;
                    fields.per_request = Some(fee).filter(|fee| !fee.is_zero());
                }
                Some(Field::PerSearch) => {
                    // By how much context a search gives: what is used is not told in answers.
                    let fees = value
                        .members()
                        .map(|(_, fee)| NanoUsd::of_stranger(fee.raw()))
                        .collect::<Result<Vec<_>, _>>()
                        .map_err(unread)?;
                    fields.per_search = fees.into_iter().max().filter(|fee| !fee.is_zero());
                }
                Some(Field::Context) => fields.context = count(value),
                Some(Field::MaxOutput) => fields.max_output = count(value),
                Some(Field::Mode) => {
                    fields.mode = value.text().unwrap_or_default().into_owned();
                }
                None if field::is_about_money(&name)
                    && Rate::of_stranger_per_token(value.raw()) != Ok(Rate::ZERO) =>
                {
                    *left_out.entry(name.into_owned()).or_default() += 1;
                }
                None => {}
            }
        }
        Ok(fields)
    }

    /// Whether what the model gives is paid by tokens of output.
    fn gives_text(&self) -> bool {
        !matches!(self.mode.as_str(), "embedding" | "rerank" | "moderation")
    }

    fn not_by_tokens(&self) -> SkipReason {
        SkipReason::NotByTokens(match self.mode.as_str() {
            "" => "none".to_owned(),
            mode => mode.to_owned(),
        })
    }

    /// The rates of a service tier, over those of the card that it does not repeat.
    fn card(
        &self,
        service: &'static str,
        standard: Option<&StatedRates>,
    ) -> Result<StatedCard, SkipReason> {
        let mut lengths: Vec<u64> = self
            .rates
            .iter()
            .filter(|found| found.service == service)
            .filter_map(|found| found.above)
            .collect();
        lengths.sort_unstable();
        lengths.dedup();
        let rates = self.rates(service, None, standard)?;
        let mut card = StatedCard::flat(rates);
        for above in lengths {
            let below = card.tiers.last().map_or(&card.rates, |tier| &tier.rates);
            let rates = self.rates(service, Some(above), Some(below))?;
            card.tiers.push(StatedTier { above, rates });
        }
        Ok(card)
    }

    /// The rates of one length in one service tier. Input and output that are not repeated there are
    /// those of `otherwise`.
    fn rates(
        &self,
        service: &'static str,
        above: Option<u64>,
        otherwise: Option<&StatedRates>,
    ) -> Result<StatedRates, SkipReason> {
        let here = || {
            let rates = self.rates.iter();
            rates.filter(move |found| found.service == service && found.above == above)
        };
        let stated = |class| {
            here()
                .find(|found| found.meaning == Meaning::Class(class))
                .map(|found| found.rate)
        };
        let dearest_of = |class| {
            here()
                .filter(|found| found.meaning == Meaning::AtLeast(class))
                .map(|found| found.rate)
                .max()
        };
        let raised = |class| {
            self.rates
                .iter()
                .any(|found| found.meaning == Meaning::AtLeast(class))
        };
        let needed = |class, free_by: bool| {
            let rate = stated(class).max(dearest_of(class));
            let otherwise = otherwise.and_then(|rates| rates.of(class));
            // Without a word here on the tokens that raised it elsewhere, no discount is theirs.
            let raised = raised(class) && dearest_of(class).is_none();
            let rate = if raised { rate.max(otherwise) } else { rate };
            match rate.or(otherwise) {
                Some(rate) if rate == Rate::ZERO && !free_by => Err(SkipReason::Free(class.key())),
                Some(rate) => Ok(rate),
                None if free_by => Ok(Rate::ZERO),
                None => Err(self.not_by_tokens()),
            }
        };
        let input = needed(
            RateClass::Input,
            !self.gives_text() && self.per_request.is_some(),
        )?;
        let output = needed(RateClass::Output, !self.gives_text())?;
        let mut rates = StatedRates::new(input, output);
        for class in RateClass::ALL {
            if matches!(class, RateClass::Input | RateClass::Output) {
                continue;
            }
            // A zero is no promise that caches, reasoning or audio are free.
            let rate = stated(class).filter(|rate| *rate != Rate::ZERO);
            // Nobody takes less for writing to a cache than for reading without, nor for an hour than
            // for minutes: a table that says so has taken one rate for another.
            let least_written = match class {
                RateClass::CacheWrite => Some(input),
                RateClass::CacheWriteHour => rates.cache_write.max(Some(input)),
                _ => None,
            };
            let rate = rate.filter(|rate| least_written.is_none_or(|least| *rate >= least));
            match (rate, dearest_of(class)) {
                (Some(rate), least) => rates.state(class, least.map_or(rate, |it| it.max(rate))),
                (None, Some(least)) => rates.state(class, least.max(input)),
                (None, None) => {}
            }
        }
        Ok(rates)
    }
}

/// A count, however it is written; `None` where it is none.
fn count(value: Value<'_>) -> Option<u64> {
    let text = value.text();
    let text = text.as_deref().unwrap_or(value.raw());
    text.parse().ok()
}

#[cfg(test)]
mod tests;

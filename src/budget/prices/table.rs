//! Which price a model has.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Price, StatedPrice};
use crate::inspect::Glob;

/// Stands in digests before the price that is for every model without one of its own.
const DEFAULT: &str = "[default]";

/// A price and the models it is for.
#[derive(Clone, Debug)]
pub struct ListedPrice {
    /// Its model and aliases: names, or patterns where they have a star.
    pub models: Vec<Glob>,
    /// As it was stated.
    pub stated: StatedPrice,
    /// As it holds.
    pub price: Arc<Price>,
}

/// The prices of one policy. Names stand for themselves: no prefix is taken off, no date, no case
/// is folded. A price that is not meant for a model is worse than none.
pub struct PriceTable {
    own: Listing,
    built_in: Listing,
    default: Option<Arc<Price>>,
    revision: Arc<str>,
}

impl PriceTable {
    /// A table in which `own` prices are looked up before those built in, and `default` holds for
    /// what neither lists. No two names may be in each other's way: see [`clashes`].
    pub fn new(
        own: &[ListedPrice],
        built_in: &[ListedPrice],
        default: Option<(&StatedPrice, Arc<Price>)>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        for listed in own.iter().chain(built_in) {
            for model in &listed.models {
                hasher.update(model.as_str().as_bytes());
                hasher.update(b"\n");
            }
            hasher.update(listed.stated.to_string().as_bytes());
            hasher.update(b"\n");
        }
        if let Some((stated, _)) = &default {
            hasher.update(format!("{DEFAULT}\n{stated}\n").as_bytes());
        }
        let digest = hasher.finalize().to_hex();
        let revision = digest.chars().take(16).collect::<String>();
        Self {
            own: Listing::of(own),
            built_in: Listing::of(built_in),
            default: default.map(|(_, price)| price),
            revision: revision.into(),
        }
    }

    /// The price that holds for a model: its own, or the default one where there is such. `None`
    /// means that what it costs can't be said, which is not nothing.
    pub fn find(&self, model: &str) -> Option<&Price> {
        self.listed(model).or(self.default.as_deref())
    }

    /// The price of an answer: that of the model that gave it, where it says so, or of the one that
    /// was asked for. What an operator says of either goes before what is built in: else a price
    /// of one's own for `gpt-4o` would not hold for the dated name that answers give it.
    pub fn of_answer(&self, asked: Option<&str>, answered: Option<&str>) -> Option<&Price> {
        let names = || answered.into_iter().chain(asked);
        let own = names().find_map(|model| self.own.find(model));
        own.or_else(|| names().find_map(|model| self.built_in.find(model)))
            .or(self.default.as_deref())
    }

    /// The price that is listed for a model.
    pub fn listed(&self, model: &str) -> Option<&Price> {
        self.own.find(model).or_else(|| self.built_in.find(model))
    }

    /// Every name or pattern that is listed, with its price.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Price)> {
        [&self.own, &self.built_in].into_iter().flat_map(|listing| {
            let exact = listing.exact.iter();
            let exact = exact.map(|(name, price)| (&**name, &**price));
            let patterns = listing.patterns.iter();
            exact.chain(patterns.map(|(name, price)| (name.as_str(), &**price)))
        })
    }

    /// The price of what has no model or none that is listed.
    pub fn default_price(&self) -> Option<&Price> {
        self.default.as_deref()
    }

    /// Which prices these are: a digest of all of them, 16 hexadecimal digits.
    pub fn revision(&self) -> Arc<str> {
        Arc::clone(&self.revision)
    }
}

impl fmt::Debug for PriceTable {
    /// Hundreds of prices say less than which ones they are.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |listing: &Listing| listing.exact.len() + listing.patterns.len();
        formatter
            .debug_struct("PriceTable")
            .field("revision", &self.revision)
            .field("own", &names(&self.own))
            .field("built_in", &names(&self.built_in))
            .finish_non_exhaustive()
    }
}

/// Prices of one source.
struct Listing {
    exact: HashMap<Arc<str>, Arc<Price>>,
    /// The longest first.
    patterns: Vec<(Glob, Arc<Price>)>,
}

impl Listing {
    fn of(prices: &[ListedPrice]) -> Self {
        let mut exact = HashMap::new();
        let mut patterns = Vec::new();
        for listed in prices {
            for model in &listed.models {
                if is_pattern(model) {
                    patterns.push((model.clone(), Arc::clone(&listed.price)));
                } else {
                    exact.insert(model.as_str().into(), Arc::clone(&listed.price));
                }
            }
        }
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(letters(pattern)));
        Self { exact, patterns }
    }

    fn find(&self, model: &str) -> Option<&Price> {
        let exact = self.exact.get(model);
        let listed = exact.or_else(|| {
            let mut patterns = self.patterns.iter();
            patterns
                .find(|(pattern, _)| pattern.matches(model))
                .map(|(_, price)| price)
        });
        listed.map(Arc::as_ref)
    }
}

/// Why two names can't stand in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// They are the same.
    Same,
    /// Some model fits both patterns, and neither is longer.
    Tie,
}

/// The pairs of names that leave open which price holds, as places in `names`, the later first.
pub fn clashes(names: &[&Glob]) -> Vec<(usize, usize, Clash)> {
    let mut found = Vec::new();
    let mut exact: HashMap<&str, usize> = HashMap::new();
    let mut patterns: Vec<(usize, &Glob)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = exact.get(name.as_str()) {
            found.push((at, *first, Clash::Same));
            continue;
        }
        exact.insert(name.as_str(), at);
        if is_pattern(name) {
            let tied = patterns.iter().filter(|(_, other)| {
                letters(other) == letters(name) && overlap(other.as_str(), name.as_str())
            });
            found.extend(tied.map(|(first, _)| (at, *first, Clash::Tie)));
            patterns.push((at, name));
        }
    }
    found
}

fn is_pattern(name: &Glob) -> bool {
    name.as_str().contains('*')
}

/// How much of a pattern is said.
fn letters(pattern: &Glob) -> usize {
    pattern
        .as_str()
        .bytes()
        .filter(|byte| *byte != b'*')
        .count()
}

/// Whether some name fits both patterns: places in both that can be reached together, letter by
/// letter.
fn overlap(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let is_star = |pattern: &[u8], at: usize| pattern.get(at) == Some(&b'*');
    // Which places in `right` are reached with the place in `left` of the round.
    let mut reached = vec![false; right.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for at in 0..=left.len() {
        // A star in `right` may stand for nothing, or take the letters of `left` one by one.
        for place in 0..right.len() {
            if is_star(right, place)
                && reached.get(place) == Some(&true)
                && let Some(after) = reached.get_mut(place + 1)
            {
                *after = true;
            }
        }
        if at == left.len() {
            break;
        }
        let mut next = vec![false; right.len() + 1];
        for place in (0..=right.len()).filter(|place| reached.get(*place) == Some(&true)) {
            let mut reach = |place: usize| {
                if let Some(reached) = next.get_mut(place) {
                    *reached = true;
                }
            };
            if is_star(left, at) {
                // It stands for nothing more, or for every letter that `right` has from here on.
                (place..=right.len()).for_each(&mut reach);
            } else if is_star(right, place) {
                reach(place);
            } else if left.get(at) == right.get(place) {
                reach(place + 1);
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::budget::prices::{StatedCard, StatedRates};
    use crate::inspect::usage::Usage;

    fn listed(models: &[&str], input: &str) -> ListedPrice {
        let rates = StatedRates::new(input.parse().unwrap(), input.parse().unwrap());
        let stated = StatedPrice::of(StatedCard::flat(rates));
        ListedPrice {
            models: models.iter().map(|text| Glob::new(text)).collect(),
            price: Arc::new(Price::of(&stated).unwrap()),
            stated,
        }
    }

    /// What a million input tokens cost.
    fn million(price: Option<&Price>) -> Option<String> {
        let usage = Usage {
            input: Some(1_000_000),
            ..Usage::default()
        };
        Some(price?.cost(&usage).to_string())
    }

    #[test]
    fn a_name_is_found_as_it_is_written_and_in_no_other_way() {
        let table = PriceTable::new(&[listed(&["gpt-4o", "azure/gpt-4o"], "2.50")], &[], None);
        for model in ["gpt-4o", "azure/gpt-4o"] {
            assert_eq!(
                million(table.find(model)).as_deref(),
                Some("2.50"),
                "{model}"
            );
        }
        for model in [
            "",
            "GPT-4o",
            "gpt-4",
            "gpt-4o-mini",
            "openai/gpt-4o",
            "gpt-4o-2024-08-06",
            " gpt-4o",
        ] {
            assert_eq!(million(table.find(model)), None, "{model:?}");
        }
    }

    #[test]
    fn a_name_beats_patterns_and_the_longest_pattern_the_others() {
        let own = [
            listed(&["*"], "1.00"),
            listed(&["claude-*"], "2.00"),
            listed(&["claude-*-4-*"], "3.00"),
            listed(&["claude-opus-4-5"], "4.00"),
        ];
        let table = PriceTable::new(&own, &[], None);
        let price = |model: &str| million(table.find(model)).unwrap();
        assert_eq!(price("gpt-4o"), "1.00");
        assert_eq!(price("claude-2"), "2.00");
        assert_eq!(price("claude-opus-4-1"), "3.00");
        assert_eq!(price("claude-opus-4-5"), "4.00");
    }

    #[test]
    fn an_own_pattern_comes_before_a_name_that_is_built_in() {
        let built_in = [listed(&["gpt-4o"], "2.50"), listed(&["o3"], "2.00")];
        let table = PriceTable::new(&[listed(&["gpt-*"], "9.00")], &built_in, None);
        assert_eq!(million(table.find("gpt-4o")).as_deref(), Some("9.00"));
        assert_eq!(million(table.find("o3")).as_deref(), Some("2.00"));
    }

    #[test]
    fn only_a_default_price_is_for_models_nobody_listed() {
        let default = listed(&[], "10.00");
        let stated = Some((&default.stated, Arc::clone(&default.price)));
        let table = PriceTable::new(&[listed(&["gpt-4o"], "2.50")], &[], stated);
        assert_eq!(million(table.find("unheard-of")).as_deref(), Some("10.00"));
        assert_eq!(million(table.find("gpt-4o")).as_deref(), Some("2.50"));
        assert_eq!(million(table.listed("unheard-of")), None);
        assert!(PriceTable::new(&[], &[], None).find("unheard-of").is_none());
    }

    #[test]
    fn an_answer_is_paid_at_its_own_price_unless_the_operator_has_one_for_what_was_asked() {
        let built_in = [listed(&["large"], "2.50"), listed(&["large-2026"], "2.00")];
        let price = |own: &[ListedPrice], asked, answered| {
            let table = PriceTable::new(own, &built_in, None);
            million(table.of_answer(asked, answered))
        };
        let (asked, answered) = (Some("large"), Some("large-2026"));
        assert_eq!(price(&[], asked, answered).as_deref(), Some("2.00"));
        assert_eq!(price(&[], asked, None).as_deref(), Some("2.50"));
        assert_eq!(
            price(&[], asked, Some("unheard-of")).as_deref(),
            Some("2.50")
        );
        assert_eq!(price(&[], None, Some("unheard-of")), None);
        let own = [listed(&["large"], "9.00")];
        assert_eq!(price(&own, asked, answered).as_deref(), Some("9.00"));
        let both = [listed(&["large"], "9.00"), listed(&["*-2026"], "8.00")];
        assert_eq!(price(&both, asked, answered).as_deref(), Some("8.00"));
    }

    #[test]
    fn every_change_of_a_price_is_another_revision() {
        let revision = |prices: &[ListedPrice]| PriceTable::new(prices, &[], None).revision();
        let first = revision(&[listed(&["a"], "1.00")]);
        assert_eq!(first.len(), 16);
        assert_eq!(first, revision(&[listed(&["a"], "1.0")]));
        assert_ne!(first, revision(&[listed(&["a"], "1.01")]));
        assert_ne!(first, revision(&[listed(&["b"], "1.00")]));
        assert_ne!(first, revision(&[listed(&["a", "b"], "1.00")]));
        let default = listed(&[], "1.00");
        let stated = Some((&default.stated, Arc::clone(&default.price)));
        let with_default = PriceTable::new(&[listed(&["a"], "1.00")], &[], stated);
        assert_ne!(first, with_default.revision());
    }

    #[test]
    fn names_that_leave_open_which_price_holds_are_told() {
        let told = |names: &[&str]| {
            let globs: Vec<Glob> = names.iter().map(|name| Glob::new(name)).collect();
            clashes(&globs.iter().collect::<Vec<_>>())
        };
        assert_eq!(told(&["a", "b", "a"]), [(2, 0, Clash::Same)]);
        assert_eq!(told(&["a*", "b", "a*"]), [(2, 0, Clash::Same)]);
        assert_eq!(told(&["gpt-*", "*-mini"]), []);
        assert_eq!(told(&["gpt-*", "*-gpt"]), [(1, 0, Clash::Tie)]);
        assert_eq!(told(&["gpt-*", "abc-*"]), [], "no model fits both");
        assert_eq!(told(&["gpt-*", "gpt-4o"]), [], "a name beats a pattern");
    }

    proptest! {
        #[test]
        fn patterns_overlap_exactly_when_some_name_fits_both(
            left in "[ab*]{0,4}", right in "[ab*]{0,4}"
        ) {
            // Names of two letters and up to eight of them hold a witness for such short patterns.
            let fits = |name: &str| Glob::new(&left).matches(name) && Glob::new(&right).matches(name);
            let some = (0..=8_u32).any(|length| {
                (0..1_u32 << length).any(|bits| {
                    let name: String = (0..length)
                        .map(|at| if bits >> at & 1 == 1 { 'a' } else { 'b' })
                        .collect();
                    fits(&name)
                })
            });
            prop_assert_eq!(overlap(&left, &right), some);
        }
    }
}

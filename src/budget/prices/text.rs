//! Prices as they stand in files.

use std::fmt;

use super::{RateClass, StatedCard, StatedPrice, StatedRates, StatedServiceTier};

impl StatedPrice {
    /// The entry of a policy file.
    pub fn to_entry(&self, model: &str, aliases: &[&str]) -> String {
        let mut entry = format!("[[prices]]\nmodel = {}\n", quoted(model));
        if !aliases.is_empty() {
            let aliases: Vec<String> = aliases.iter().map(|alias| quoted(alias)).collect();
            entry.push_str(&format!("aliases = [{}]\n", aliases.join(", ")));
        }
        entry + &self.to_string()
    }
}

impl fmt::Display for StatedPrice {
    /// The keys of an entry beside its names, one a line. Equal prices have one text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pair in pairs(&self.card.rates) {
            writeln!(formatter, "{pair}")?;
        }
        for (key, fee) in [
            ("per_request", self.per_request),
            ("per_search", self.per_search),
        ] {
            if let Some(fee) = fee {
                writeln!(formatter, "{key} = \"{fee}\"")?;
            }
        }
        if !self.card.tiers.is_empty() {
            writeln!(formatter, "tiers = [")?;
            for tier in tiers(&self.card) {
                writeln!(formatter, "    {tier},")?;
            }
            writeln!(formatter, "]")?;
        }
        for (name, tier) in &self.service_tiers {
            match tier {
                StatedServiceTier::Factor(factor) => {
                    writeln!(formatter, "service_tiers.{name} = \"{factor}\"")?;
                }
                StatedServiceTier::Card(card) => {
                    let mut inside = pairs(&card.rates);
                    if !card.tiers.is_empty() {
                        inside.push(format!("tiers = [{}]", tiers(card).join(", ")));
                    }
                    writeln!(
                        formatter,
                        "service_tiers.{name} = {{ {} }}",
                        inside.join(", ")
                    )?;
                }
            }
        }
        for (key, most) in [("context", self.context), ("max_output", self.max_output)] {
            if let Some(most) = most {
                writeln!(formatter, "{key} = {most}")?;
            }
        }
        Ok(())
    }
}

fn pairs(rates: &StatedRates) -> Vec<String> {
    let stated = RateClass::ALL.into_iter();
    stated
        .filter_map(|class| Some(format!("{} = \"{}\"", class.key(), rates.of(class)?)))
        .collect()
}

fn tiers(card: &StatedCard) -> Vec<String> {
    let tiers = card.tiers.iter();
    tiers
        .map(|tier| {
            let pairs = pairs(&tier.rates).join(", ");
            format!("{{ above = {}, {pairs} }}", tier.above)
        })
        .collect()
}

/// A basic string of TOML. Names come from files of strangers: nothing in one ends it early.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_text_early() {
        for name in ["a\"b", "a\\", "\u{7}\u{85}\n", "vendor/model:free", "é"] {
            let line = format!("model = {}", quoted(name));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["model"].as_str(), Some(name), "{line}");
        }
    }
}

//! What the fields of an entry mean.

use super::RateClass;

/// Suffixes of service tiers, and what answers call them.
pub(super) const SERVICE_TIERS: [(&str, &str); 3] = [
    ("_priority", "priority"),
    ("_flex", "flex"),
    ("_batches", "batch"),
];

/// A field that has a place in our prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// USD for one token.
    Rate {
        meaning: Meaning,
        /// For requests with more input tokens.
        above: Option<u64>,
        /// The suffix of the service tier; empty for none.
        service: &'static str,
    },
    /// USD for a request.
    PerRequest,
    /// USD for a search, by the size of what it finds.
    PerSearch,
    /// Most input tokens.
    Context,
    /// Most output tokens.
    MaxOutput,
    /// What the model is for.
    Mode,
}

/// What a rate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The rate of a class.
    Class(RateClass),
    /// The rate of tokens that answers do not tell from others of this class: the class costs no less.
    AtLeast(RateClass),
}

impl Field {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "mode" => return Some(Self::Mode),
            "max_input_tokens" => return Some(Self::Context),
            "max_output_tokens" => return Some(Self::MaxOutput),
            "search_context_cost_per_query" => return Some(Self::PerSearch),
            "input_cost_per_query" | "input_cost_per_request" => return Some(Self::PerRequest),
            _ => {}
        }
        let mut rest = name;
        let mut service = "";
        for (suffix, _) in SERVICE_TIERS {
            if let Some(before) = rest.strip_suffix(suffix) {
                rest = before;
                service = suffix;
            }
        }
        let mut above = None;
        if let Some((before, length)) = rest.rsplit_once("_above_")
            && let Some(thousands) = length.strip_suffix("k_tokens")
        {
            above = Some(thousands.parse::<u64>().ok()?.checked_mul(1_000)?);
            rest = before;
        }
        Some(Self::Rate {
            meaning: meaning(rest)?,
            above,
            service,
        })
    }
}

fn meaning(name: &str) -> Option<Meaning> {
    use Meaning::{AtLeast, Class};
    Some(match name {
        "input_cost_per_token" => Class(RateClass::Input),
        "output_cost_per_token" => Class(RateClass::Output),
        "cache_read_input_token_cost" => Class(RateClass::CacheRead),
        "cache_creation_input_token_cost" => Class(RateClass::CacheWrite),
        "cache_creation_input_token_cost_above_1hr" => Class(RateClass::CacheWriteHour),
        "output_cost_per_reasoning_token" => Class(RateClass::Reasoning),
        "input_cost_per_audio_token" => Class(RateClass::AudioInput),
        "output_cost_per_audio_token" => Class(RateClass::AudioOutput),
        "input_cost_per_image_token" | "input_cost_per_video_token" => AtLeast(RateClass::Input),
        "output_cost_per_image_token" | "output_cost_per_video_token" => AtLeast(RateClass::Output),
        "input_cost_per_token_cache_hit" | "cache_read_input_audio_token_cost" => {
            AtLeast(RateClass::CacheRead)
        }
        "cache_creation_input_audio_token_cost" => AtLeast(RateClass::CacheWrite),
        _ => return None,
    })
}

/// Whether a field that has no place is one that somebody may miss.
pub(super) fn is_about_money(name: &str) -> bool {
    name == "provider_specific_entry"
        || ["cost", "price", "uplift"]
            .into_iter()
            .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_taken_off_until_the_class_is_left() {
        let read = |name| match Field::of(name) {
            Some(Field::Rate {
                meaning: Meaning::Class(class),
                above,
                service,
            }) => Some((class.key(), above, service)),
            Some(_) | None => None,
        };
        for (name, expected) in [
            ("input_cost_per_token", ("input", None, "")),
            (
                "output_cost_per_token_above_272k_tokens",
                ("output", Some(272_000), ""),
            ),
            (
                "cache_creation_input_token_cost_above_1hr",
                ("cache_write_1h", None, ""),
            ),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                ("cache_write_1h", Some(200_000), ""),
            ),
            (
                "cache_read_input_token_cost_above_200k_tokens_priority",
                ("cache_read", Some(200_000), "_priority"),
            ),
            (
                "output_cost_per_token_batches",
                ("output", None, "_batches"),
            ),
            (
                "input_cost_per_audio_token_flex",
                ("audio_input", None, "_flex"),
            ),
        ] {
            assert_eq!(read(name), Some(expected), "{name}");
        }
        for name in [
            "input_cost_per_token_above_xk_tokens",
            "input_cost_per_token_turbo",
            "input_cost_per_second",
            "supports_service_tier",
        ] {
            assert_eq!(Field::of(name), None, "{name}");
        }
    }
}

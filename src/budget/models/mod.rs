//! Which models a tenant may use, and what its requests say where they say nothing.
//!
//! A [`ModelPolicy`] comes from the policy files; a tenant's administrator can narrow it at run time
//! ([`settings`]), never widen it. [`apply`] holds it against a request: every place of the body
//! that names a model has to be allowed, and what the request leaves out (the model, the cap of the
//! output, the temperature) is written into it, byte for byte the same elsewhere.
//!
//! A cap above the tenant's is refused, not lowered: an answer that is cut off where its caller did
//! not ask for it can't be told from one that is complete by whoever reads it later.

mod api;
mod apply;
mod named;
pub mod settings;
mod temperature;

use std::sync::Arc;

pub use api::ModelApi;
pub use apply::{Applied, ModelAt, ModelDenied, ModelRequest, RequestBody, apply};
pub(super) use named::{caps_named, folded};
pub use temperature::{Temperature, TemperatureError};

use crate::inspect::Glob;

/// What holds for the models of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPolicy {
    /// Lists each of which has to cover a model by any of its patterns. None at all: every model.
    pub allow: Vec<Arc<[Glob]>>,
    /// The model of a request that names none.
    pub default: Option<Arc<str>>,
    /// The temperature of a request that says none.
    pub default_temperature: Option<Temperature>,
    /// Most output tokens of one answer; what a request without a cap is given.
    pub max_output_tokens: Option<u64>,
}

impl ModelPolicy {
    /// Whether the model may be used. Names are compared byte for byte.
    pub fn allows(&self, model: &str) -> bool {
        self.allow
            .iter()
            .all(|list| list.iter().any(|pattern| pattern.matches(model)))
    }

    /// Whether there are models that may not be used.
    pub fn is_restricted(&self) -> bool {
        !self.allow.is_empty()
    }

    /// This policy where `other` says nothing.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let of = if self.allow.is_empty() { other } else { self };
        Self {
            allow: of.allow.clone(),
            default: self.default.clone().or_else(|| other.default.clone()),
            default_temperature: self
                .default_temperature
                .clone()
                .or_else(|| other.default_temperature.clone()),
            max_output_tokens: self.max_output_tokens.or(other.max_output_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> Arc<[Glob]> {
        patterns.iter().map(|text| Glob::new(text)).collect()
    }

    #[test]
    fn any_pattern_of_a_list_allows_and_every_list_has_to() {
        let one = ModelPolicy {
            allow: vec![list(&["gpt-4o", "claude-*"])],
            ..ModelPolicy::default()
        };
        let two = ModelPolicy {
            allow: vec![list(&["gpt-4o", "claude-*"]), list(&["claude-3*", "o3"])],
            ..ModelPolicy::default()
        };
        for (model, by_one, by_two) in [
            ("gpt-4o", true, false),
            ("gpt-4o-mini", false, false),
            ("claude-3-opus", true, true),
            ("claude-2", true, false),
            ("o3", false, false),
            ("", false, false),
            ("GPT-4o", false, false),
        ] {
            assert_eq!(one.allows(model), by_one, "{model}");
            assert_eq!(two.allows(model), by_two, "{model}");
            assert!(ModelPolicy::default().allows(model), "{model}");
        }
    }

    #[test]
    fn a_tenant_that_says_part_of_it_has_the_defaults_for_the_rest() {
        let defaults = ModelPolicy {
            allow: vec![list(&["a"])],
            default: Some("a".into()),
            default_temperature: "0.5".parse().ok(),
            max_output_tokens: Some(10),
        };
        let own = ModelPolicy {
            allow: vec![list(&["b"])],
            max_output_tokens: Some(99),
            ..ModelPolicy::default()
        };
        let merged = own.or(&defaults);
        assert_eq!(merged.allow, own.allow, "the lists do not add up");
        assert_eq!(merged.default.as_deref(), Some("a"));
        assert_eq!(merged.default_temperature, defaults.default_temperature);
        assert_eq!(merged.max_output_tokens, Some(99));
        assert_eq!(ModelPolicy::default().or(&defaults), defaults);
    }
}

//! What a tenant's administrator chose at run time among the models that the policy files let the
//! tenant have.
//!
//! The files are the ceiling: [`LlmSettings::check`] refuses what goes beyond them when it is
//! chosen, and [`LlmSettings::narrow`] holds both against every request, so that a choice that was
//! made under wider files widens nothing. Choices are kept in the state, so that they outlive the
//! process, and in memory ([`TenantSettings`]), so that requests never wait for them.

mod document;
mod patch;
mod store;
mod tenants;

use std::sync::Arc;

pub use document::document;
pub use patch::LlmPatch;
pub use store::{Chosen, LlmSettingsStore, News, Seen};
pub use tenants::{ChangeError, TenantSettings};

use super::{ModelPolicy, Temperature};
use crate::inspect::Glob;
use crate::inspect::json::JsonFault;

/// Most patterns of one list.
const MAX_PATTERNS: usize = 256;

/// Longest pattern or name, in bytes.
const MAX_TEXT: usize = 512;

/// Largest cap that can be set, in tokens.
pub const MAX_OUTPUT_TOKENS: u64 = 100_000_000;

/// A tenant's own choice. What is absent is as the policy files have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LlmSettings {
    /// Patterns, any of which has to cover a model.
    pub allow: Option<Arc<[Glob]>>,
    /// The model of a request that names none.
    pub default: Option<Arc<str>>,
    /// The temperature of a request that says none.
    pub default_temperature: Option<Temperature>,
    /// Most output tokens of one answer.
    pub max_output_tokens: Option<u64>,
}

/// Why settings are refused. Each names the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The document can't be read in one way only.
    #[error("the body: {0}")]
    Json(#[from] JsonFault),
    /// The document is no object.
    #[error(
        "the body has to be a JSON object with any of `allow`, `default`, `default_temperature`, `max_output_tokens`"
    )]
    NotAnObject,
    /// There is no such setting.
    #[error("`{0}` is none of `allow`, `default`, `default_temperature`, `max_output_tokens`")]
    UnknownKey(String),
    /// A value of another kind than the key's.
    #[error("`{key}` has to be {wanted}, or null for what the policy files say")]
    WrongValue {
        /// The key.
        key: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// A pattern that goes beyond the files.
    #[error("`allow`: `{0}` is not within what the policy files allow the tenant")]
    PatternBeyondFiles(String),
    /// A default that may not be used.
    #[error("`default`: `{0}` is not among the models that the tenant may use")]
    DefaultNotAllowed(String),
    /// The files' default may not be used any more, and no other is named.
    #[error(
        "`default`: `{0}` of the policy files is not within `allow`; name another one together with it"
    )]
    FilesDefaultNotAllowed(String),
    /// A cap above the files'.
    #[error("`max_output_tokens`: the policy files allow the tenant {0} at most")]
    CapBeyondFiles(u64),
}

impl LlmSettings {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The keys that were chosen.
    pub fn keys(&self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut note = |chosen: bool, key| {
            if chosen {
                keys.push(key);
            }
        };
        note(self.allow.is_some(), "allow");
        note(self.default.is_some(), "default");
        note(self.default_temperature.is_some(), "default_temperature");
        note(self.max_output_tokens.is_some(), "max_output_tokens");
        keys
    }

    /// Whether the tenant may choose this, as the policy files stand.
    ///
    /// # Errors
    /// The first key that goes beyond them.
    pub fn check(&self, files: &ModelPolicy) -> Result<(), SettingsError> {
        let within = |pattern: &Glob| {
            let mut lists = files.allow.iter();
            lists.all(|list| list.iter().any(|wider| wider.contains(pattern)))
        };
        if let Some(pattern) = self
            .allow
            .iter()
            .flat_map(|it| it.iter())
            .find(|it| !within(it))
        {
            let pattern = pattern.as_str().to_owned();
            return Err(SettingsError::PatternBeyondFiles(pattern));
        }
        let narrowed = ModelPolicy {
            allow: self.lists(files),
            ..ModelPolicy::default()
        };
        let refused = |model: &&Arc<str>| !narrowed.allows(model);
        if let Some(model) = self.default.as_ref().filter(refused) {
            return Err(SettingsError::DefaultNotAllowed(model.to_string()));
        }
        let inherited = files.default.as_ref().filter(|_| self.default.is_none());
        if let Some(model) = inherited.filter(refused) {
            return Err(SettingsError::FilesDefaultNotAllowed(model.to_string()));
        }
        match (self.max_output_tokens, files.max_output_tokens) {
            (Some(own), Some(most)) if own > most => Err(SettingsError::CapBeyondFiles(most)),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// The policy that holds: the files', narrowed by this.
    #[must_use]
    pub fn narrow(&self, files: &ModelPolicy) -> ModelPolicy {
        let mut policy = ModelPolicy {
            allow: self.lists(files),
            default: None,
            default_temperature: self
                .default_temperature
                .clone()
                .or_else(|| files.default_temperature.clone()),
            max_output_tokens: match (self.max_output_tokens, files.max_output_tokens) {
                (Some(own), Some(most)) => Some(own.min(most)),
                (own, most) => own.or(most),
            },
        };
        // The files may have changed since it was chosen: a default that may not be used is none.
        let defaults = [&self.default, &files.default];
        let mut defaults = defaults.into_iter().flatten();
        policy.default = defaults.find(|model| policy.allows(model)).cloned();
        policy
    }

    fn lists(&self, files: &ModelPolicy) -> Vec<Arc<[Glob]>> {
        files.allow.iter().chain(&self.allow).cloned().collect()
    }

    /// Settings that let nothing through: what stands in for those that can't be read.
    fn closed() -> Self {
        Self {
            allow: Some(Arc::from([])),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> Option<Arc<[Glob]>> {
        Some(patterns.iter().map(|text| Glob::new(text)).collect())
    }

    fn files() -> ModelPolicy {
        ModelPolicy {
            allow: list(&["gpt-4o", "claude-*"]).into_iter().collect(),
            default: Some("gpt-4o".into()),
            default_temperature: "0.7".parse().ok(),
            max_output_tokens: Some(8192),
        }
    }

    fn allowing(patterns: &[&str], default: Option<&str>) -> LlmSettings {
        LlmSettings {
            allow: list(patterns),
            default: default.map(Into::into),
            ..LlmSettings::default()
        }
    }

    #[test]
    fn a_choice_within_the_files_is_taken_and_one_beyond_them_is_not() {
        for (chosen, expected) in [
            (allowing(&["gpt-4o"], None), Ok(())),
            (allowing(&["claude-3*"], Some("claude-3-opus")), Ok(())),
            (allowing(&["claude-*", "gpt-4o"], None), Ok(())),
            (
                allowing(&["gpt-4o", "gpt-4*"], None),
                Err(SettingsError::PatternBeyondFiles("gpt-4*".to_owned())),
            ),
            (
                allowing(&["*"], None),
                Err(SettingsError::PatternBeyondFiles("*".to_owned())),
            ),
            (
                allowing(&["claude-3*"], None),
                Err(SettingsError::FilesDefaultNotAllowed("gpt-4o".to_owned())),
            ),
            (
                allowing(&["claude-3*"], Some("claude-4")),
                Err(SettingsError::DefaultNotAllowed("claude-4".to_owned())),
            ),
            (
                LlmSettings {
                    default: Some("o1".into()),
                    ..LlmSettings::default()
                },
                Err(SettingsError::DefaultNotAllowed("o1".to_owned())),
            ),
            (
                LlmSettings {
                    max_output_tokens: Some(8192),
                    ..LlmSettings::default()
                },
                Ok(()),
            ),
            (
                LlmSettings {
                    max_output_tokens: Some(8193),
                    ..LlmSettings::default()
                },
                Err(SettingsError::CapBeyondFiles(8192)),
            ),
        ] {
            assert_eq!(chosen.check(&files()), expected, "{chosen:?}");
        }
    }

    #[test]
    fn where_the_files_say_nothing_a_tenant_may_choose_anything() {
        let chosen = LlmSettings {
            allow: list(&["*"]),
            default: Some("x".into()),
            default_temperature: "2".parse().ok(),
            max_output_tokens: Some(MAX_OUTPUT_TOKENS),
        };
        assert_eq!(chosen.check(&ModelPolicy::default()), Ok(()));
    }

    #[test]
    fn what_was_chosen_under_wider_files_widens_nothing() {
        let chosen = LlmSettings {
            allow: list(&["o1", "gpt-4o"]),
            default: Some("o1".into()),
            default_temperature: None,
            max_output_tokens: Some(99_999),
        };
        let held = chosen.narrow(&files());
        assert!(!held.allows("o1"), "the files do not have it");
        assert!(!held.allows("claude-3"), "the tenant does not have it");
        assert!(held.allows("gpt-4o"));
        assert_eq!(held.default.as_deref(), Some("gpt-4o"));
        assert_eq!(held.max_output_tokens, Some(8192));
        assert_eq!(held.default_temperature, files().default_temperature);
    }

    #[test]
    fn a_choice_takes_the_place_of_what_the_files_say() {
        let chosen = LlmSettings {
            allow: list(&["claude-*"]),
            default: Some("claude-3".into()),
            default_temperature: "0".parse().ok(),
            max_output_tokens: Some(10),
        };
        let held = chosen.narrow(&files());
        assert_eq!(held.default.as_deref(), Some("claude-3"));
        assert_eq!(held.default_temperature.unwrap().as_str(), "0");
        assert_eq!(held.max_output_tokens, Some(10));
        assert_eq!(LlmSettings::default().narrow(&files()), files());
    }

    #[test]
    fn settings_that_cannot_be_read_let_nothing_through() {
        let held = LlmSettings::closed().narrow(&ModelPolicy::default());
        assert!(!held.allows("gpt-4o"));
        assert_eq!(held.default, None);
    }
}

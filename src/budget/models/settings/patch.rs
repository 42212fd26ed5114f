//! Changing settings by a JSON merge patch (RFC 7396).

use std::sync::Arc;

use super::super::apply::is_name;
use super::super::{Temperature, TemperatureError};
use super::{LlmSettings, MAX_OUTPUT_TOKENS, MAX_PATTERNS, MAX_TEXT, SettingsError};
use crate::inspect::Glob;
use crate::inspect::json::{Limits, Value};

/// What a patch does to one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum To<T> {
    /// It stays.
    #[default]
    Same,
    /// `null`: what the files say.
    Files,
    /// This.
    Value(T),
}

impl<T: Clone> To<T> {
    fn over(&self, before: Option<&T>) -> Option<T> {
        match self {
            Self::Same => before.cloned(),
            Self::Files => None,
            Self::Value(value) => Some(value.clone()),
        }
    }
}

/// A change of settings, read and sound by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LlmPatch {
    allow: To<Arc<[Glob]>>,
    default: To<Arc<str>>,
    default_temperature: To<Temperature>,
    max_output_tokens: To<u64>,
}

impl LlmPatch {
    /// Reads a patch. Every key that is there is read, and every key has to be one there is: a
    /// misspelt one would be taken for done.
    ///
    /// # Errors
    /// The first key that is not sound. A patch that is no object would, by RFC 7396, take the place
    /// of all settings, and is refused.
    pub fn parse(body: &[u8]) -> Result<Self, SettingsError> {
        let limits = Limits {
            depth: 8,
            ..Limits::default()
        };
        let document = Value::parse(body, &limits)?;
        if !document.is_object() {
            return Err(SettingsError::NotAnObject);
        }
        let mut patch = Self::default();
        for (key, value) in document.members() {
            match &*key {
                "allow" => patch.allow = to(value, patterns)?,
                "default" => patch.default = to(value, model)?,
                "default_temperature" => patch.default_temperature = to(value, temperature)?,
                "max_output_tokens" => patch.max_output_tokens = to(value, tokens)?,
                unknown => {
                    let told = unknown.chars().take(MAX_TEXT).collect();
                    return Err(SettingsError::UnknownKey(told));
                }
            }
        }
        Ok(patch)
    }

    /// The keys that it names.
    pub fn keys(&self) -> Vec<&'static str> {
        let named = [
            ("allow", self.allow != To::Same),
            ("default", self.default != To::Same),
            ("default_temperature", self.default_temperature != To::Same),
            ("max_output_tokens", self.max_output_tokens != To::Same),
        ];
        let named = named.into_iter().filter(|(_, is)| *is);
        named.map(|(key, _)| key).collect()
    }

    /// The settings after the patch.
    #[must_use]
    pub fn over(&self, before: &LlmSettings) -> LlmSettings {
        LlmSettings {
            allow: self.allow.over(before.allow.as_ref()),
            default: self.default.over(before.default.as_ref()),
            default_temperature: self
                .default_temperature
                .over(before.default_temperature.as_ref()),
            max_output_tokens: self
                .max_output_tokens
                .over(before.max_output_tokens.as_ref()),
        }
    }
}

impl LlmSettings {
    /// Settings out of the text that [`LlmSettings::to_text`] made.
    ///
    /// # Errors
    /// As [`LlmPatch::parse`].
    pub fn from_text(text: &str) -> Result<Self, SettingsError> {
        Ok(LlmPatch::parse(text.as_bytes())?.over(&Self::default()))
    }

    /// The settings as a JSON object with the keys that were chosen.
    pub fn to_text(&self) -> String {
        let mut members = Vec::new();
        if let Some(allow) = &self.allow {
            members.push(format!("\"allow\":{}", patterns_json(allow)));
        }
        if let Some(default) = &self.default {
            members.push(format!("\"default\":{}", quoted(default)));
        }
        if let Some(temperature) = &self.default_temperature {
            members.push(format!("\"default_temperature\":{temperature}"));
        }
        if let Some(tokens) = self.max_output_tokens {
            members.push(format!("\"max_output_tokens\":{tokens}"));
        }
        format!("{{{}}}", members.join(","))
    }
}

pub(super) fn patterns_json(patterns: &[Glob]) -> String {
    let patterns: Vec<_> = patterns.iter().map(|it| quoted(it.as_str())).collect();
    format!("[{}]", patterns.join(","))
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn to<T>(
    value: Value<'_>,
    read: impl Fn(Value<'_>) -> Result<T, SettingsError>,
) -> Result<To<T>, SettingsError> {
    match value.raw() {
        "null" => Ok(To::Files),
        _ => read(value).map(To::Value),
    }
}

fn patterns(value: Value<'_>) -> Result<Arc<[Glob]>, SettingsError> {
    let refused = || SettingsError::WrongValue {
        key: "allow",
        wanted: "a list of 1 to 256 names of models, `*` for any run of characters",
    };
    let pattern = |element: Value<'_>| {
        let text = element.text().filter(|text| is_short_name(text));
        text.map(|text| Glob::new(&text)).ok_or_else(refused)
    };
    let patterns: Arc<[Glob]> = value.elements().map(pattern).collect::<Result<_, _>>()?;
    if value.is_array() && (1..=MAX_PATTERNS).contains(&patterns.len()) {
        Ok(patterns)
    } else {
        Err(refused())
    }
}

fn model(value: Value<'_>) -> Result<Arc<str>, SettingsError> {
    let text = value.text().filter(|text| is_short_name(text));
    text.map(|text| Arc::from(&*text))
        .ok_or(SettingsError::WrongValue {
            key: "default",
            wanted: "the name of a model",
        })
}

fn temperature(value: Value<'_>) -> Result<Temperature, SettingsError> {
    let number = value.is_number().then(|| value.raw().parse());
    number
        .unwrap_or(Err(TemperatureError))
        .map_err(|TemperatureError| SettingsError::WrongValue {
            key: "default_temperature",
            wanted: "a number from 0 to 2 in plain digits, such as 0.7",
        })
}

fn tokens(value: Value<'_>) -> Result<u64, SettingsError> {
    let plain = value.raw().bytes().all(|byte| byte.is_ascii_digit());
    let tokens = value.raw().parse().ok().filter(|_| plain);
    tokens
        .filter(|tokens| (1..=MAX_OUTPUT_TOKENS).contains(tokens))
        .ok_or(SettingsError::WrongValue {
            key: "max_output_tokens",
            wanted: "a whole number from 1 to 100000000",
        })
}

fn is_short_name(text: &str) -> bool {
    text.len() <= MAX_TEXT && is_name(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"{"allow":["gpt-4o","claude-*"],"default":"gpt-\"4o","default_temperature":0.70,"max_output_tokens":8192}"#;

    #[test]
    fn settings_survive_their_text() {
        let settings = LlmSettings::from_text(ALL).unwrap();
        assert_eq!(settings.to_text(), ALL);
        assert_eq!(LlmSettings::default().to_text(), "{}");
        assert_eq!(
            LlmSettings::from_text("{}").unwrap(),
            LlmSettings::default()
        );
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_goes_back_to_the_files() {
        let before = LlmSettings::from_text(ALL).unwrap();
        for (patch, after) in [
            ("{}", ALL.to_owned()),
            (
                r#"{"max_output_tokens":1,"allow":null}"#,
                r#"{"default":"gpt-\"4o","default_temperature":0.70,"max_output_tokens":1}"#
                    .to_owned(),
            ),
            (
                r#"{"allow":null,"default":null,"default_temperature":null,"max_output_tokens":null}"#,
                "{}".to_owned(),
            ),
        ] {
            let patch = LlmPatch::parse(patch.as_bytes()).unwrap();
            assert_eq!(patch.over(&before).to_text(), after);
        }
    }

    #[test]
    fn a_patch_that_is_not_sound_is_refused_with_its_key() {
        for (patch, key) in [
            (r#"{"alow":["x"]}"#, "`alow`"),
            (r#"{"Allow":["x"]}"#, "`Allow`"),
            (r#"{"allow":[]}"#, "`allow`"),
            (r#"{"allow":"x"}"#, "`allow`"),
            (r#"{"allow":{"0":"x"}}"#, "`allow`"),
            (r#"{"allow":["x",7]}"#, "`allow`"),
            (r#"{"allow":[""]}"#, "`allow`"),
            (r#"{"allow":["a b"]}"#, "`allow`"),
            (r#"{"default":7}"#, "`default`"),
            (r#"{"default":" x"}"#, "`default`"),
            (r#"{"default_temperature":2.1}"#, "`default_temperature`"),
            (r#"{"default_temperature":"0.7"}"#, "`default_temperature`"),
            (r#"{"default_temperature":1e0}"#, "`default_temperature`"),
            (r#"{"max_output_tokens":0}"#, "`max_output_tokens`"),
            (r#"{"max_output_tokens":-1}"#, "`max_output_tokens`"),
            (r#"{"max_output_tokens":1.0}"#, "`max_output_tokens`"),
            (r#"{"max_output_tokens":100000001}"#, "`max_output_tokens`"),
            (r#"{"max_output_tokens":[1]}"#, "`max_output_tokens`"),
            (r#"{"default":"a","default":"b"}"#, "repeats"),
            ("[]", "object"),
            ("null", "object"),
            ("", "well-formed"),
            ("{", "well-formed"),
        ] {
            let refused = LlmPatch::parse(patch.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(key), "{patch}: {refused}");
        }
        let many = vec!["\"x\""; MAX_PATTERNS + 1].join(",");
        assert!(LlmPatch::parse(format!("{{\"allow\":[{many}]}}").as_bytes()).is_err());
    }
}

//! Every place of a request's body that names a model, or caps its output.
//!
//! Requests name models in more places than one: lists of fallbacks, tools that draw or transcribe,
//! the requests inside a batch. So the whole body is looked through, by names of members in every
//! spelling, and only what is content is passed over: what people and tools say, schemas, metadata.

use crate::inspect::json::Value;

/// Members that name models.
const MODEL_NAMES: [&str; 13] = [
    "model",
    "models",
    "modelid",
    "modelids",
    "modelname",
    "modelarn",
    "basemodel",
    "fallback",
    "fallbacks",
    "fallbackmodel",
    "fallbackmodels",
    "contextwindowfallbacks",
    "contentpolicyfallbacks",
];

/// Members that map one model to another.
const MAP_NAMES: [&str; 2] = ["contextwindowfallbackdict", "contentpolicyfallbackdict"];

/// Members that cap the output, of any API and of those servers that read more than one.
const CAP_NAMES: [&str; 8] = [
    "maxtokens",
    "maxcompletiontokens",
    "maxoutputtokens",
    "maxtokenstosample",
    "maxgenlen",
    "maxnewtokens",
    "maxtokencount",
    "numpredict",
];

/// Members that hold content.
const CONTENT_NAMES: [&str; 26] = [
    "arguments",
    "content",
    "contents",
    "definition",
    "documents",
    "examples",
    "functiondeclarations",
    "guidedjson",
    "input",
    "inputexamples",
    "inputschema",
    "instances",
    "instructions",
    "jsonschema",
    "messages",
    "metadata",
    "outputconfig",
    "parameters",
    "prediction",
    "prompt",
    "responseformat",
    "responseschema",
    "schema",
    "system",
    "systeminstruction",
    "variables",
];

/// What a body says of models and caps.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The models, as they are written.
    pub(super) models: Vec<String>,
    /// Something in place of a model that is no text.
    pub(super) unclear: bool,
    /// Names and values of caps, as they are written.
    pub(super) caps: Vec<(String, String)>,
}

impl Named {
    /// Looks through a body.
    pub(super) fn of(body: Value<'_>) -> Self {
        let mut named = Self::default();
        named.look(body);
        named
    }

    fn look(&mut self, value: Value<'_>) {
        for element in value.elements() {
            self.look(element);
        }
        for (name, value) in value.members() {
            let folded = folded(&name);
            let is = |names: &[&str]| names.contains(&folded.as_str());
            if is(&MODEL_NAMES) {
                self.model(value);
            } else if is(&MAP_NAMES) {
                value.members().for_each(|(_, inside)| self.model(inside));
            } else if is(&CAP_NAMES) {
                if value.raw() != "null" {
                    self.caps.push((name.into_owned(), value.raw().to_owned()));
                }
            } else if !is(&CONTENT_NAMES) || (folded == "input" && value.is_object()) {
                // Content is a text or a list there; of a session it is what there is to be heard.
                self.look(value);
            }
        }
    }

    /// What stands where a model is named: a text, texts in lists of any depth, or an object that
    /// names it inside or maps one model to others.
    fn model(&mut self, value: Value<'_>) {
        if let Some(text) = value.text() {
            self.models.push(text.into_owned());
        } else if value.is_array() {
            value.elements().for_each(|element| self.model(element));
        } else if value.is_object() {
            let lists = value.members().filter(|(_, inside)| inside.is_array());
            for (_, list) in lists.filter(|(name, _)| !is_known(name)) {
                self.model(list);
            }
            self.look(value);
        } else if value.is_number() {
            // Some servers take a number for the text of its digits.
            self.unclear = true;
        }
    }
}

/// Names and values of the caps that a body states, in every place and spelling.
pub(in crate::budget) fn caps_named(body: Value<'_>) -> Vec<(String, String)> {
    Named::of(body).caps
}

/// Whether a member of this name is read as something by itself.
fn is_known(name: &str) -> bool {
    let folded = folded(name);
    MODEL_NAMES.contains(&folded.as_str()) || CONTENT_NAMES.contains(&folded.as_str())
}

/// A name as decoders fold it that take more than one spelling: Protocol Buffers' JSON mapping reads
/// `maxOutputTokens` and `max_output_tokens` alike, others take any case.
pub(in crate::budget) fn folded(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::json::Limits;

    fn named(body: &str) -> Named {
        Named::of(Value::parse(body.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn a_model_is_found_wherever_a_request_can_name_one() {
        for (body, models) in [
            (r#"{"model":"a"}"#, vec!["a"]),
            (r#"{"mod\u0065l":"a"}"#, vec!["a"]),
            (r#"{"Model":"a"}"#, vec!["a"]),
            (r#"{"modelId":"a"}"#, vec!["a"]),
            (r#"{"model":"a","models":["b","c"]}"#, vec!["a", "b", "c"]),
            (
                r#"{"tools":[{"type":"image_generation","model":"a"}]}"#,
                vec!["a"],
            ),
            (
                r#"{"fallbacks":["a",{"model":"b","messages":[{"content":"x"}]}]}"#,
                vec!["a", "b"],
            ),
            (r#"{"fallbacks":[{"a":["b","c"]}]}"#, vec!["b", "c"]),
            (
                r#"{"requests":[{"params":{"model":"a"}},{"params":{"model":"b"}}]}"#,
                vec!["a", "b"],
            ),
            (
                r#"{"session":{"audio":{"input":{"transcription":{"model":"a"}}}}}"#,
                vec!["a"],
            ),
            (r#"{"extra_body":{"models":["a"]}}"#, vec!["a"]),
            (r#"{"context_window_fallback_dict":{"a":"b"}}"#, vec!["b"]),
            (r#"{"model":null,"fallback":true}"#, vec![]),
            ("{}", vec![]),
            ("[]", vec![]),
        ] {
            let found = named(body);
            assert_eq!(found.models, models, "{body}");
            assert!(!found.unclear, "{body}");
        }
        for body in [r#"{"model":7}"#, r#"{"models":[1.5]}"#] {
            assert!(named(body).unclear, "{body}");
        }
    }

    #[test]
    fn what_people_and_tools_say_names_no_model() {
        for body in [
            r#"{"messages":[{"role":"user","content":[{"type":"tool_use","input":{"model":"x"}}]}]}"#,
            r#"{"contents":[{"parts":[{"functionCall":{"args":{"model":"x"}}}]}]}"#,
            r#"{"input":[{"type":"function_call","arguments":"{\"model\":\"x\"}"}]}"#,
            r#"{"tools":[{"function":{"parameters":{"properties":{"model":{"default":"x"}}}}}]}"#,
            r#"{"tools":[{"input_schema":{"default":{"model":"x","max_tokens":9}}}]}"#,
            r#"{"metadata":{"model":"x"}}"#,
            r#"{"response_format":{"json_schema":{"schema":{"const":{"model":"x"}}}}}"#,
        ] {
            let found = named(body);
            assert!(
                found.models.is_empty() && found.caps.is_empty(),
                "{body}: {found:?}"
            );
        }
    }

    #[test]
    fn caps_are_found_in_every_spelling() {
        for (body, caps) in [
            (r#"{"max_tokens":5}"#, vec![("max_tokens", "5")]),
            (r#"{"MaxTokens":5}"#, vec![("MaxTokens", "5")]),
            (
                r#"{"generation_config":{"max_output_tokens":5}}"#,
                vec![("max_output_tokens", "5")],
            ),
            (
                r#"{"inferenceConfig":{"maxTokens":5},"additionalModelRequestFields":{"max_tokens":"6"}}"#,
                vec![("maxTokens", "5"), ("max_tokens", "\"6\"")],
            ),
            (
                r#"{"options":{"num_predict":-1}}"#,
                vec![("num_predict", "-1")],
            ),
            (r#"{"max_tokens":null}"#, vec![]),
        ] {
            let found: Vec<_> = named(body).caps;
            let expected: Vec<_> = caps
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(found, expected, "{body}");
        }
    }
}

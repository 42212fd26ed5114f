//! Which API a request speaks, as far as the model policy has to know it.

use crate::inspect::json::Value;
use crate::inspect::usage::UsageFormat;

/// An API of models: where it keeps the cap of the output, the temperature and the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelApi {
    /// OpenAI's chat completions, and what speaks like it.
    Chat,
    /// OpenAI's completions of a prompt.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`; the model stands in the path.
    GenerateContent,
    /// Bedrock's Converse; the model stands in the path.
    Converse,
    /// Anything else, embeddings and batches among it: models are held against the list and nothing
    /// is written.
    Other,
}

impl ModelApi {
    /// The API of a request: by the end of its path, and where that says nothing by its body.
    ///
    /// `path` is without query; `body` is the value of a JSON body.
    pub fn of(format: UsageFormat, path: &str, body: Option<Value<'_>>) -> Self {
        let path = path.trim_end_matches('/');
        let ends = |ending: &str| path.ends_with(ending);
        let has = |name: &str| {
            let members = body.into_iter().flat_map(Value::members);
            members.into_iter().any(|(found, _)| found == name)
        };
        let open_ai = matches!(format, UsageFormat::OpenAi | UsageFormat::Auto);
        let anthropic = matches!(format, UsageFormat::Anthropic | UsageFormat::Auto);
        let gemini = matches!(format, UsageFormat::Gemini | UsageFormat::Auto);
        let bedrock = matches!(format, UsageFormat::Bedrock | UsageFormat::Auto);
        if open_ai && ends("/chat/completions") {
            Self::Chat
        } else if open_ai && ends("/completions") {
            Self::Completions
        } else if open_ai && ends("/responses") {
            Self::Responses
        } else if anthropic && ends("/messages") {
            Self::Messages
        } else if gemini && (ends(":generateContent") || ends(":streamGenerateContent")) {
            Self::GenerateContent
        } else if bedrock && (ends("/converse") || ends("/converse-stream")) {
            Self::Converse
        } else if bedrock && has("anthropic_version") && has("messages") {
            // InvokeModel takes what the model's own API takes.
            Self::Messages
        } else if open_ai && has("messages") {
            Self::Chat
        } else {
            Self::Other
        }
    }

    /// Whether a request that names no model can be given one.
    pub(super) fn takes_model(self) -> bool {
        match self {
            Self::Chat | Self::Completions | Self::Responses | Self::Messages => true,
            Self::GenerateContent | Self::Converse | Self::Other => false,
        }
    }

    /// The object that holds cap and temperature, in every spelling the API reads; the first is the
    /// one that is written. Empty is the body itself.
    pub(super) fn settings_in(self) -> &'static [&'static str] {
        match self {
            Self::GenerateContent => &["generationConfig", "generation_config"],
            Self::Converse => &["inferenceConfig"],
            Self::Chat | Self::Completions | Self::Responses | Self::Messages | Self::Other => &[],
        }
    }

    /// The names under which the API reads a cap of the output.
    pub(super) fn cap_names(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["max_completion_tokens", "max_tokens"],
            Self::Completions | Self::Messages => &["max_tokens"],
            Self::Responses => &["max_output_tokens"],
            Self::GenerateContent => &["maxOutputTokens", "max_output_tokens"],
            Self::Converse => &["maxTokens"],
            Self::Other => &[],
        }
    }

    /// The name under which a cap is written.
    ///
    /// Of OpenAI's two, `max_tokens` is what every server that speaks like it reads; one that does not
    /// know `max_completion_tokens` would pass over it in silence and answer without a bound. OpenAI's
    /// own reasoning models refuse `max_tokens`, so these get the other.
    pub(super) fn cap_name(self, model: Option<&str>) -> Option<&'static str> {
        match self {
            Self::Chat if model.is_some_and(is_open_ai_reasoning) => Some("max_completion_tokens"),
            Self::Chat | Self::Completions | Self::Messages => Some("max_tokens"),
            Self::Responses => Some("max_output_tokens"),
            Self::GenerateContent => Some("maxOutputTokens"),
            Self::Converse => Some("maxTokens"),
            Self::Other => None,
        }
    }

    /// A model's name as lists have it: Gemini says `models/x` for `x`, and `x:verb` in paths.
    pub(super) fn plain_name(self, format: Option<UsageFormat>, name: &str) -> &str {
        if format != Some(UsageFormat::Gemini) && self != Self::GenerateContent {
            return name;
        }
        let name = name.strip_prefix("models/").unwrap_or(name);
        name.split(':').next().unwrap_or(name)
    }

    /// Whether a temperature can be written for this model.
    pub(super) fn takes_temperature(self, model: Option<&str>) -> bool {
        self != Self::Other && !model.is_some_and(is_open_ai_reasoning)
    }
}

/// Whether a model is of a family of OpenAI that reasons: `o1` and its kin, `gpt-5` and later, also
/// behind the name of a provider or of a fine-tuning. They take neither `max_tokens` nor a temperature.
fn is_open_ai_reasoning(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let number_behind = |stem: &str| {
        let rest = name.strip_prefix(stem)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(..digits)?.parse::<u32>().ok()
    };
    number_behind("o").is_some() || number_behind("gpt-").is_some_and(|version| version >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::json::Limits;

    #[test]
    fn the_api_follows_from_format_path_and_body() {
        let chat = r#"{"messages":[]}"#;
        let claude = r#"{"anthropic_version":"bedrock-2023-05-31","messages":[]}"#;
        for (format, path, body, api) in [
            (
                UsageFormat::OpenAi,
                "/v1/chat/completions",
                "{}",
                ModelApi::Chat,
            ),
            (
                UsageFormat::OpenAi,
                "/v1/chat/completions/",
                "{}",
                ModelApi::Chat,
            ),
            (
                UsageFormat::OpenAi,
                "/openai/deployments/x/chat/completions",
                "{}",
                ModelApi::Chat,
            ),
            (
                UsageFormat::OpenAi,
                "/v1/completions",
                "{}",
                ModelApi::Completions,
            ),
            (
                UsageFormat::OpenAi,
                "/v1/responses",
                "{}",
                ModelApi::Responses,
            ),
            (
                UsageFormat::OpenAi,
                "/v1/embeddings",
                r#"{"input":"x"}"#,
                ModelApi::Other,
            ),
            (UsageFormat::OpenAi, "/v1/batches", "{}", ModelApi::Other),
            (UsageFormat::OpenAi, "/llm", chat, ModelApi::Chat),
            (UsageFormat::OpenAi, "/v1/messages", "{}", ModelApi::Other),
            (
                UsageFormat::Anthropic,
                "/v1/messages",
                chat,
                ModelApi::Messages,
            ),
            (
                UsageFormat::Anthropic,
                "/v1/messages/count_tokens",
                chat,
                ModelApi::Other,
            ),
            (
                UsageFormat::Anthropic,
                "/v1/messages/batches",
                "{}",
                ModelApi::Other,
            ),
            (UsageFormat::Auto, "/v1/messages", chat, ModelApi::Messages),
            (UsageFormat::Auto, "/ask", chat, ModelApi::Chat),
            (UsageFormat::Auto, "/ask", "{}", ModelApi::Other),
            (
                UsageFormat::Gemini,
                "/v1beta/models/gemini-2.5-pro:generateContent",
                "{}",
                ModelApi::GenerateContent,
            ),
            (
                UsageFormat::Auto,
                "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
                "{}",
                ModelApi::GenerateContent,
            ),
            (
                UsageFormat::Gemini,
                "/v1beta/models/x:countTokens",
                "{}",
                ModelApi::Other,
            ),
            (
                UsageFormat::Bedrock,
                "/model/amazon.nova-pro-v1:0/converse",
                "{}",
                ModelApi::Converse,
            ),
            (
                UsageFormat::Bedrock,
                "/model/x/converse-stream",
                "{}",
                ModelApi::Converse,
            ),
            (
                UsageFormat::Bedrock,
                "/model/anthropic.x/invoke",
                claude,
                ModelApi::Messages,
            ),
            (
                UsageFormat::Bedrock,
                "/model/meta.x/invoke",
                r#"{"prompt":"x"}"#,
                ModelApi::Other,
            ),
        ] {
            let value = Value::parse(body.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(
                ModelApi::of(format, path, Some(value)),
                api,
                "{format:?} {path}"
            );
        }
        assert_eq!(
            ModelApi::of(UsageFormat::OpenAi, "/x", None),
            ModelApi::Other
        );
    }

    #[test]
    fn the_families_that_reason_are_told_by_their_names() {
        for model in [
            "o1",
            "o3-mini",
            "o4-mini-2025-04-16",
            "gpt-5",
            "gpt-5.2-mini",
            "gpt-10",
            "openai/o3",
            "ft:gpt-5:acme",
            "openrouter/openai/gpt-5",
        ] {
            assert!(is_open_ai_reasoning(model), "{model}");
        }
        for model in [
            "gpt-4o",
            "gpt-4.1",
            "gpt-3.5-turbo",
            "gpt-oss-120b",
            "olmo-2",
            "o",
            "claude-opus-4-5",
            "mistral-large",
            "chatgpt-5",
            "xo1",
            "",
        ] {
            assert!(!is_open_ai_reasoning(model), "{model}");
        }
    }
}

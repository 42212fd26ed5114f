//! The output a request caps, by the interface it is written for.

use super::{EstimateFault, MAX_CHOICES, MAX_TOKENS, count, is_null};
use crate::budget::models::{caps_named, folded};
use crate::inspect::json::{JsonFault, Value};
use crate::inspect::usage::UsageFormat;

/// What choices are counted by, as names are folded.
const CHOICES: [&str; 4] = ["n", "bestof", "candidatecount", "numreturnsequences"];

const TOKENS: &str = "a whole number of tokens, up to 100000000";

/// Where the caps of an interface stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// OpenAI's: chat, responses, completions, by what the body has.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's.
    Gemini,
    /// Bedrock's Converse, and what models there take themselves.
    Bedrock,
}

impl Shape {
    /// The interface a body is written for. Where the route leaves it open, only what stands beside
    /// the model tells: a path with the model is Gemini's or Bedrock's.
    pub(super) fn of(
        format: UsageFormat,
        request: Value<'_>,
        model_in_path: bool,
    ) -> Result<Self, JsonFault> {
        let has = |name| Ok(request.member(name)?.is_some());
        Ok(match format {
            UsageFormat::OpenAi => Self::OpenAi,
            UsageFormat::Anthropic => Self::Anthropic,
            UsageFormat::Gemini => Self::Gemini,
            UsageFormat::Bedrock => Self::Bedrock,
            UsageFormat::Auto if has("model")? || !model_in_path => Self::OpenAi,
            UsageFormat::Auto if has("contents")? => Self::Gemini,
            UsageFormat::Auto if has("messages")? => Self::Bedrock,
            UsageFormat::Auto => Self::OpenAi,
        })
    }

    /// Most output tokens of one choice; `None` where the request leaves it to others. Zero does so
    /// as well: some servers take it for no cap.
    pub(super) fn output_cap(self, request: Value<'_>) -> Result<Option<u64>, EstimateFault> {
        let tokens = |object, name| count(object, name, MAX_TOKENS, TOKENS);
        let cap = match self {
            Self::OpenAi => openai(request)?,
            Self::Anthropic => anthropic(request)?,
            Self::Gemini => {
                let config = either(request, "generationConfig", "generation_config")?;
                let cap = |name| config.map_or(Ok(None), |config| tokens(config, name));
                cap("maxOutputTokens")?.max(cap("max_output_tokens")?)
            }
            Self::Bedrock => bedrock(request)?,
        };
        match cap.filter(|cap| *cap > 0) {
            Some(cap) => Ok(Some(cap.max(most_anywhere(request)?))),
            None => Ok(None),
        }
    }
}

/// The largest cap that stands anywhere in the request, in any spelling: servers before a provider read
/// what others pass over (`extra_body`, names in another case), and some let it go before the cap.
fn most_anywhere(request: Value<'_>) -> Result<u64, EstimateFault> {
    let mut most = 0;
    for (_, value) in caps_named(request) {
        let tokens = value.parse::<u64>().ok();
        let tokens = tokens.filter(|tokens| *tokens <= MAX_TOKENS);
        most = most.max(tokens.ok_or(EstimateFault::Value {
            at: "max_tokens",
            wanted: TOKENS,
        })?);
    }
    Ok(most)
}

/// OpenAI reads `max_tokens` and `max_completion_tokens` beside `messages`, `max_output_tokens`
/// beside `input`, `max_tokens` beside `prompt`. A body that could be of two interfaces is capped
/// only where it is capped for both.
fn openai(request: Value<'_>) -> Result<Option<u64>, EstimateFault> {
    let tokens = |name| count(request, name, MAX_TOKENS, TOKENS);
    let has = |name| Ok::<_, JsonFault>(request.member(name)?.is_some_and(|it| !is_null(it)));
    let chat = tokens("max_completion_tokens")?.max(tokens("max_tokens")?);
    let chat = with_thinking(request, chat)?;
    let responses = tokens("max_output_tokens")?;
    let completions = tokens("max_tokens")?;
    let stored = request.member("prompt")?.is_some_and(Value::is_object);
    let interfaces = [
        (has("messages")?, chat),
        (has("input")? || stored, responses),
        (has("prompt")? && !stored, completions),
    ];
    let mut caps = interfaces
        .into_iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, cap)| cap)
        .peekable();
    if caps.peek().is_none() {
        // A body with no input of its own could be of either.
        return Ok(chat.and(responses).and(chat.max(responses)));
    }
    Ok(caps.try_fold(0, |most: u64, cap| Some(most.max(cap?))))
}

fn anthropic(request: Value<'_>) -> Result<Option<u64>, EstimateFault> {
    let cap = count(request, "max_tokens", MAX_TOKENS, TOKENS)?;
    with_thinking(request, cap)
}

/// A cap of Anthropic's, or its budget for thinking, which may be above it where tools are called in
/// between.
fn with_thinking(request: Value<'_>, cap: Option<u64>) -> Result<Option<u64>, EstimateFault> {
    let thinking = match request.member("thinking")? {
        Some(thinking) => count(thinking, "budget_tokens", MAX_TOKENS, TOKENS)?,
        None => None,
    };
    Ok(cap.map(|cap| cap.max(thinking.unwrap_or(0))))
}

/// Converse has one place for all models, and one for what a model takes beside it; bodies of
/// `InvokeModel` are the models' own.
fn bedrock(request: Value<'_>) -> Result<Option<u64>, EstimateFault> {
    let tokens = |object, name| count(object, name, MAX_TOKENS, TOKENS);
    if request.member("anthropic_version")?.is_some() {
        return anthropic(request);
    }
    let beside = match request.member("additionalModelRequestFields")? {
        Some(fields) => most_under(fields)?,
        None => None,
    };
    let cap = if let Some(config) = request.member("inferenceConfig")? {
        tokens(config, "maxTokens")?.max(tokens(config, "max_new_tokens")?)
    } else if let Some(config) = request.member("textGenerationConfig")? {
        tokens(config, "maxTokenCount")?
    } else {
        let gen_len = tokens(request, "max_gen_len")?;
        gen_len.max(tokens(request, "max_tokens")?)
    };
    Ok(cap.map(|cap| cap.max(beside.unwrap_or(0))))
}

/// The largest count of tokens that a model's own fields state, under whatever name.
fn most_under(fields: Value<'_>) -> Result<Option<u64>, EstimateFault> {
    let mut most = None;
    for (name, value) in fields.members() {
        if value.is_object() {
            most = most.max(most_under(value)?);
        } else if name.to_ascii_lowercase().contains("token") && value.is_number() {
            let digits = value.raw().parse::<u64>().ok();
            let Some(tokens) = digits.filter(|tokens| *tokens <= MAX_TOKENS) else {
                return Err(EstimateFault::Value {
                    at: "additionalModelRequestFields",
                    wanted: TOKENS,
                });
            };
            most = most.max(Some(tokens));
        }
    }
    Ok(most)
}

/// How many answers one prompt asks for.
pub(super) fn choices(request: Value<'_>) -> Result<u64, EstimateFault> {
    let config = either(request, "generationConfig", "generation_config")?;
    let wanted = "a whole number of choices from 1, up to 1024";
    let mut most = 1;
    for (object, name) in [
        (Some(request), "n"),
        (Some(request), "best_of"),
        (config, "candidateCount"),
        (config, "candidate_count"),
    ] {
        let Some(object) = object else { continue };
        match count(object, name, MAX_CHOICES, wanted)? {
            Some(0) => return Err(EstimateFault::Value { at: name, wanted }),
            Some(choices) => most = most.max(choices),
            None => {}
        }
    }
    let beside = request.members();
    let beside = beside.filter(|(name, _)| folded(name) == "extrabody");
    let beside = beside.flat_map(|(_, inside)| inside.members());
    for (name, value) in request.members().chain(beside) {
        let counts = CHOICES.contains(&folded(&name).as_str());
        if !counts || is_null(value) {
            continue;
        }
        let choices = value.raw().parse::<u64>().ok();
        let choices = choices.filter(|choices| *choices <= MAX_CHOICES);
        most = most.max(choices.ok_or(EstimateFault::Value { at: "n", wanted })?);
    }
    Ok(most)
}

/// The member under either name: protocol buffers are read under both.
fn either<'body>(
    request: Value<'body>,
    camel: &str,
    snake: &str,
) -> Result<Option<Value<'body>>, EstimateFault> {
    match (request.member(camel)?, request.member(snake)?) {
        (Some(_), Some(_)) => Err(EstimateFault::Value {
            at: "generationConfig",
            wanted: "there once, not under two names",
        }),
        (found, None) | (None, found) => Ok(found),
    }
}

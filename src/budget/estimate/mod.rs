//! How much a request may use at most, read from the request alone.
//!
//! **Input.** A byte-level tokenizer makes no more tokens of a text than it has bytes, so the body's
//! length bounds its text, with room for what providers put around messages and tools. Pictures
//! and files cost tokens that no byte shows: each counts as much as a large one does. What the
//! request only points to (an earlier answer, a stored prompt, a provider's own tools) is bounded by
//! the model's context.
//!
//! **Output.** The cap the request states, for every choice it asks for. A cap counts only under the
//! name that the called interface reads: a small number elsewhere bounds nothing. What a provider
//! would refuse or read in its own way (a text, a fraction, a negative number) is refused here.

mod bounding;
mod cap;
mod parts;

use std::borrow::Cow;
use std::sync::Arc;

pub use bounding::Unbounded;
use parts::Parts;

use crate::budget::prices::is_usual_tier;
use crate::decision::{Denial, DenialCode};
use crate::inspect::json::{JsonFault, Limits, Value};
use crate::inspect::usage::UsageFormat;

/// Tokens that a provider puts around what it is sent, at most.
const FRAME: u64 = 64;
/// The same for the instructions that come with tools.
const TOOLS_FRAME: u64 = 2_048;
/// Most tokens that a request may ask for, and most choices.
const MAX_TOKENS: u64 = 100_000_000;
const MAX_CHOICES: u64 = 1_024;
/// Searches of a request that may search and does not say how often.
const SEARCHES: u64 = 10;

/// What a request may use at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBound {
    /// The model it names.
    pub model: Option<String>,
    /// Input tokens, as far as the body shows.
    pub input_tokens: u64,
    /// The input is more than the body: up to the model's context.
    pub whole_context: bool,
    /// Texts that are worked on one by one, each within the model's context.
    pub prompts: u64,
    /// Output tokens of one choice, where the request caps them.
    pub output_cap: Option<u64>,
    /// Choices, over all prompts.
    pub choices: u64,
    /// Searches that a provider may make on the way.
    pub searches: u64,
    /// Audio may be among the input.
    pub audio_input: bool,
    /// Audio may be among the output.
    pub audio_output: bool,
    /// A cache may keep the input for an hour.
    pub cache_write_1h: bool,
    /// The service tier it asks for.
    pub service_tier: Option<Arc<str>>,
    /// The answer comes as a stream.
    pub streams: bool,
    /// The stream is asked to tell what was used.
    pub asks_usage: bool,
    /// The work goes on after the answer.
    pub background: bool,
}

/// Reads how much a request may use. `path_model` is the model that the route takes from elsewhere
/// than the body; where there is one it holds. An empty body asks for nothing that it could show: it
/// is bounded by the model's context.
///
/// # Errors
/// See [`EstimateFault`]: the caller can mend each.
pub fn bound_of_request(
    format: UsageFormat,
    body: &[u8],
    path_model: Option<&str>,
) -> Result<RequestBound, EstimateFault> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if body.trim_ascii().is_empty() {
        return Ok(RequestBound {
            whole_context: true,
            ..RequestBound::of_text(length, path_model.map(str::to_owned))
        });
    }
    let request = Value::parse(body, &Limits::default())?;
    if !request.is_object() {
        return Err(EstimateFault::NoObject);
    }
    let model = match path_model {
        Some(model) => Some(model.to_owned()),
        None => text(request, "model")?.map(Cow::into_owned),
    };
    let parts = Parts::of(body)?;
    let shape = cap::Shape::of(format, request, path_model.is_some())?;
    let prompts = prompts(request)?;
    let choices = cap::choices(request)?.saturating_mul(prompts);
    let stream_options = request.member("stream_options")?;
    let asks_usage = match stream_options {
        Some(options) if !is_null(options) => flag(options, "include_usage")?,
        Some(_) | None => false,
    };
    let mut bound = RequestBound {
        whole_context: parts.whole_context || points_elsewhere(request)?,
        prompts,
        output_cap: shape.output_cap(request)?,
        choices,
        searches: parts.searches(SEARCHES),
        audio_input: parts.audio_input,
        audio_output: parts.audio_output,
        cache_write_1h: parts.cache_write_1h,
        service_tier: service_tier(request)?,
        streams: flag(request, "stream")?,
        asks_usage,
        background: flag(request, "background")?,
        ..RequestBound::of_text(length, model)
    };
    bound.input_tokens = bound
        .input_tokens
        .saturating_sub(parts.image_bytes)
        .saturating_add(parts.allowance);
    if parts.has_tools {
        bound.input_tokens = bound.input_tokens.saturating_add(TOOLS_FRAME);
    }
    Ok(bound)
}

impl RequestBound {
    fn of_text(bytes: u64, model: Option<String>) -> Self {
        Self {
            model,
            input_tokens: bytes.saturating_add(FRAME),
            whole_context: false,
            prompts: 1,
            output_cap: None,
            choices: 1,
            searches: 0,
            audio_input: false,
            audio_output: false,
            cache_write_1h: false,
            service_tier: None,
            streams: false,
            asks_usage: false,
            background: false,
        }
    }
}

/// Nothing can be said about a request, because of something in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstimateFault {
    /// See there.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// JSON of another kind.
    #[error("the body is no JSON object")]
    NoObject,
    /// A value of another type, or out of range.
    #[error("`{at}` has to be {wanted}")]
    Value {
        /// Where.
        at: &'static str,
        /// What would do.
        wanted: &'static str,
    },
}

impl From<EstimateFault> for Denial {
    fn from(fault: EstimateFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}

/// How many texts are worked on one by one: the elements of a list that are texts, or lists of tokens.
fn prompts(request: Value<'_>) -> Result<u64, JsonFault> {
    let mut most = 1;
    for name in ["prompt", "input", "texts", "inputs"] {
        let Some(list) = request.member(name)? else {
            continue;
        };
        let texts = list
            .elements()
            .filter(|element| element.is_array() || element.text().is_some())
            .count();
        most = most.max(u64::try_from(texts).unwrap_or(u64::MAX));
    }
    // Batches of Gemini, each a request of its own.
    if let Some(requests) = request.member("requests")? {
        most = most.max(u64::try_from(requests.elements().count()).unwrap_or(u64::MAX));
    }
    Ok(most)
}

/// Whether the request has input that is kept elsewhere.
fn points_elsewhere(request: Value<'_>) -> Result<bool, JsonFault> {
    for name in [
        "previous_response_id",
        "conversation",
        "assistant_id",
        "thread_id",
        "cachedContent",
        "cached_content",
        "container",
        "promptVariables",
        "input_file_id",
    ] {
        if request.member(name)?.is_some_and(|value| !is_null(value)) {
            return Ok(true);
        }
    }
    // A stored prompt is an object; the prompt of completions is a text or a list.
    Ok(request.member("prompt")?.is_some_and(Value::is_object))
}

/// The tier that is asked for, under whatever name. Several at once are one that no price knows, and so
/// cost what the dearest does; the usual ones lower nothing beside another.
fn service_tier(request: Value<'_>) -> Result<Option<Arc<str>>, EstimateFault> {
    let snake = text(request, "service_tier")?;
    let camel = request.member("serviceTier")?;
    // Bedrock has an object around it.
    let camel = match camel {
        Some(tier) if tier.is_object() => text(tier, "type")?,
        _ => text(request, "serviceTier")?,
    };
    let named = [snake, camel, text(request, "speed")?];
    let (usual, mut special): (Vec<_>, Vec<_>) = named
        .into_iter()
        .flatten()
        .partition(|tier| is_usual_tier(tier));
    special.dedup();
    Ok(match special.as_slice() {
        [] => usual.first().map(|tier| tier.as_ref().into()),
        several => Some(several.join(" and ").into()),
    })
}

fn is_null(value: Value<'_>) -> bool {
    value.raw() == "null"
}

/// A text under a name; `null` is absent.
fn text<'body>(
    object: Value<'body>,
    name: &'static str,
) -> Result<Option<Cow<'body, str>>, EstimateFault> {
    match object.member(name)? {
        Some(value) if !is_null(value) => value.text().map(Some).ok_or(EstimateFault::Value {
            at: name,
            wanted: "a text",
        }),
        Some(_) | None => Ok(None),
    }
}

/// Yes or no under a name; absent and `null` are no.
fn flag(object: Value<'_>, name: &'static str) -> Result<bool, EstimateFault> {
    match object.member(name)?.map(Value::raw) {
        Some("true") => Ok(true),
        Some("false" | "null") | None => Ok(false),
        Some(_) => Err(EstimateFault::Value {
            at: name,
            wanted: "true or false",
        }),
    }
}

/// A count under a name; `null` is absent.
fn count(
    object: Value<'_>,
    name: &'static str,
    most: u64,
    wanted: &'static str,
) -> Result<Option<u64>, EstimateFault> {
    let Some(value) = object.member(name)?.filter(|value| !is_null(*value)) else {
        return Ok(None);
    };
    // `1.0`, `1e3` and `"5"` are read as different counts, or as none: only digits are one.
    let count = value.raw().parse::<u64>().ok();
    match count.filter(|count| *count <= most) {
        Some(count) => Ok(Some(count)),
        None => Err(EstimateFault::Value { at: name, wanted }),
    }
}

#[cfg(test)]
mod tests;

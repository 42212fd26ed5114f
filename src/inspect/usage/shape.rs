//! In whose words a document speaks.

use std::borrow::Cow;

use super::UsageFormat;
use super::document::{Node, Unreadable};
use super::tally::Tally;
use super::{anthropic, bedrock, gemini, openai};

/// What a document is of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of it.
    Whole,
    /// An event, frame or element of it.
    Part,
}

/// The members that any of the formats asks for, found in one pass.
pub(super) struct Top<'text> {
    pub(super) kind: Option<Cow<'text, str>>,
    pub(super) error: Option<Node<'text>>,
    pub(super) usage: Option<Node<'text>>,
    pub(super) model: Option<Node<'text>>,
    pub(super) service_tier: Option<Node<'text>>,
    pub(super) choices: Option<Node<'text>>,
    pub(super) output: Option<Node<'text>>,
    pub(super) response: Option<Node<'text>>,
    pub(super) message: Option<Node<'text>>,
    pub(super) usage_metadata: Option<Node<'text>>,
    pub(super) model_version: Option<Node<'text>>,
    pub(super) candidates: Option<Node<'text>>,
    pub(super) prompt_feedback: Option<Node<'text>>,
    pub(super) converse_tier: Option<Node<'text>>,
    pub(super) metrics: Option<Node<'text>>,
}

impl<'text> Top<'text> {
    fn of(document: Node<'text>) -> Result<Self, Unreadable> {
        let [
            kind,
            error,
            usage,
            model,
            service_tier,
            choices,
            output,
            response,
            message,
            usage_metadata,
            model_version,
            candidates,
            prompt_feedback,
            converse_tier,
            metrics,
        ] = document.pick([
            "type",
            "error",
            "usage",
            "model",
            "service_tier",
            "choices",
            "output",
            "response",
            "message",
            "usageMetadata",
            "modelVersion",
            "candidates",
            "promptFeedback",
            "serviceTier",
            "amazon-bedrock-invocationMetrics",
        ])?;
        Ok(Self {
            kind: kind.and_then(Node::text),
            error,
            usage,
            model,
            service_tier,
            choices,
            output,
            response,
            message,
            usage_metadata,
            model_version,
            candidates,
            prompt_feedback,
            converse_tier,
            metrics,
        })
    }
}

enum Shape {
    OpenAi,
    Anthropic,
    Gemini,
    Converse,
}

/// Reads one document of an answer.
///
/// # Errors
/// It is no JSON text, or what it says of usage is none.
pub(super) fn read(
    format: UsageFormat,
    scope: Scope,
    document: &[u8],
    tally: &mut Tally,
) -> Result<(), Unreadable> {
    let top = Top::of(Node::of(document)?)?;
    match shape(format, &top)? {
        Shape::OpenAi => openai::read(&top, scope, tally)?,
        Shape::Anthropic => anthropic::read(&top, scope, tally)?,
        Shape::Gemini => gemini::read(&top, scope, tally)?,
        Shape::Converse => bedrock::read(&top, tally)?,
    }
    if let Some(metrics) = top.metrics {
        bedrock::read_metrics(metrics, tally)?;
    }
    let failed = top.error.is_some() || top.kind.as_deref() == Some("error");
    if failed && scope == Scope::Part {
        tally.fail();
    }
    Ok(())
}

fn shape(format: UsageFormat, top: &Top<'_>) -> Result<Shape, Unreadable> {
    match format {
        UsageFormat::OpenAi => return Ok(Shape::OpenAi),
        UsageFormat::Anthropic => return Ok(Shape::Anthropic),
        UsageFormat::Gemini => return Ok(Shape::Gemini),
        // `InvokeModel` speaks the words of its model.
        UsageFormat::Auto | UsageFormat::Bedrock => {}
    }
    if top.usage_metadata.is_some() || top.candidates.is_some() {
        return Ok(Shape::Gemini);
    }
    if matches!(
        top.kind.as_deref(),
        Some("message" | "message_start" | "message_delta" | "message_stop")
    ) {
        return Ok(Shape::Anthropic);
    }
    if let Some(usage) = top.usage {
        let [input, output] = usage.pick(["inputTokens", "outputTokens"])?;
        if input.is_some() || output.is_some() {
            return Ok(Shape::Converse);
        }
    }
    Ok(Shape::OpenAi)
}

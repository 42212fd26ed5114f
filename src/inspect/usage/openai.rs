//! OpenAI's words, and those of everybody who speaks like it.
//!
//! Chat and legacy completions say `usage{prompt_tokens, completion_tokens}`; in a stream the last
//! event has it with no choices, and `[DONE]` ends the stream. Some servers repeat it in each event,
//! counted from the beginning: the last one counts, they are not added up. Responses, embeddings,
//! images and transcriptions say `usage{input_tokens, output_tokens}`, in a stream inside the
//! `response` of the event that ends it.
//!
//! Cached input is part of the input, and reasoning part of the output. Servers that leave reasoning
//! out of the output (xAI, Gemini behind OpenAI's words) have it in the total: the total decides.

use super::Usage;
use super::document::{Node, Unreadable, count_of};
use super::shape::{Scope, Top};
use super::tally::Tally;

/// The events that end a stream and carry the usage of all of it.
const ENDS: [&str; 7] = [
    "response.completed",
    "response.incomplete",
    "response.failed",
    "transcript.text.done",
    "speech.audio.done",
    "image_generation.completed",
    "image_edit.completed",
];

/// Reads one document.
pub(super) fn read(top: &Top<'_>, scope: Scope, tally: &mut Tally) -> Result<(), Unreadable> {
    let inner = top.response.filter(|response| response.is_object());
    let [usage, model, tier, output] = match inner {
        Some(response) => response.pick(["usage", "model", "service_tier", "output"])?,
        None => [top.usage, top.model, top.service_tier, top.output],
    };
    tally.name_model(model);
    if let Some(usage) = usage {
        tally.say(counts(usage)?);
        tally.name_tier(tier);
        tally.usage.searches = tally.usage.searches.max(searches(output)?);
        if top.choices.is_some_and(Node::is_empty_array) {
            tally.close();
        }
    }
    let ends = scope == Scope::Whole || ENDS.contains(&top.kind.as_deref().unwrap_or_default());
    if ends && usage.is_some() {
        tally.end();
    }
    Ok(())
}

fn counts(usage: Node<'_>) -> Result<Usage, Unreadable> {
    let [prompt, completion, total, input, output] = usage.pick([
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
    ])?;
    let [
        of_prompt,
        of_input,
        of_input_too,
        of_completion,
        of_output,
        hits,
        cached_beside,
    ] = usage.pick([
        "prompt_tokens_details",
        "input_tokens_details",
        "input_token_details",
        "completion_tokens_details",
        "output_tokens_details",
        // DeepSeek and Moonshot say what a cache served beside the input, not within details.
        "prompt_cache_hit_tokens",
        "cached_tokens",
    ])?;
    let [mut input, mut output, total] = [
        count_of(prompt.or(input))?,
        count_of(completion.or(output))?,
        count_of(total)?,
    ];
    let [mut cached, mut written, mut heard] = [None; 3];
    if let Some(details) = of_prompt.or(of_input).or(of_input_too) {
        let picked = details.pick([
            "cached_tokens",
            "cache_write_tokens",
            "cache_creation_tokens",
            "audio_tokens",
        ])?;
        let [read, write, creation, audio] = picked;
        cached = count_of(read)?;
        written = count_of(write.or(creation))?;
        heard = count_of(audio)?;
    }
    let cached = cached.or(count_of(hits)?).or(count_of(cached_beside)?);
    let [mut reasoning, mut spoken] = [None; 2];
    if let Some(details) = of_completion.or(of_output) {
        let [thought, audio] = details.pick(["reasoning_tokens", "audio_tokens"])?;
        reasoning = count_of(thought)?;
        spoken = count_of(audio)?;
    }
    if let (Some(thought), Some(said)) = (reasoning, output) {
        output = Some(if thought > said { said + thought } else { said });
    }
    if let Some(total) = total {
        input = input.or(output.map(|output| total.saturating_sub(output)));
        output = input.map(|input| total.saturating_sub(input).max(output.unwrap_or(0)));
    }
    let apart = |of: Option<u64>| of.unwrap_or(0);
    Ok(Usage {
        input: input.map(|all| {
            all.saturating_sub(apart(cached))
                .saturating_sub(apart(written))
                .saturating_sub(apart(heard))
        }),
        cache_read: cached,
        cache_write: written,
        audio_input: heard,
        output: output.map(|all| all.saturating_sub(apart(spoken))),
        reasoning,
        audio_output: spoken,
        cost: cost(usage)?,
        ..Usage::default()
    })
}

/// What OpenRouter and Perplexity say a call cost. Where the caller's own key at the provider paid,
/// OpenRouter's cost is its fee, and what the provider took stands beside it.
fn cost(usage: Node<'_>) -> Result<Option<crate::money::NanoUsd>, Unreadable> {
    let [cost, own_key, details] = usage.pick(["cost", "is_byok", "cost_details"])?;
    let cost = match cost {
        Some(cost) if cost.is_object() => {
            let [total] = cost.pick(["total_cost"])?;
            total
        }
        cost => cost,
    };
    let cost = cost.map(Node::amount).transpose()?;
    if !own_key.is_some_and(Node::is_true) {
        return Ok(cost);
    }
    let upstream = match details {
        Some(details) => {
            let [upstream] = details.pick(["upstream_inference_cost"])?;
            upstream.map(Node::amount).transpose()?
        }
        None => None,
    };
    // Half of it is not what it cost.
    Ok(cost.zip(upstream).map(|(fee, paid)| fee.plus(paid)))
}

/// How many searches the provider made for a response.
fn searches(output: Option<Node<'_>>) -> Result<Option<u64>, Unreadable> {
    let Some(output) = output else {
        return Ok(None);
    };
    let mut searches = 0;
    for item in output.elements()? {
        let [kind] = item.pick(["type"])?;
        searches += u64::from(kind.and_then(Node::text).as_deref() == Some("web_search_call"));
    }
    Ok((searches > 0).then_some(searches))
}

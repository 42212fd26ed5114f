//! Gemini's `generateContent`, as one document, as events, or as an array of documents.
//!
//! `usageMetadata` is counted from the beginning in every chunk: the last one counts. Cached input is
//! part of the prompt. Thoughts and what tools brought in are parts of nothing: they stand beside the
//! candidates and the prompt, and the total is the sum of all four.

use super::Usage;
use super::document::{Node, Unreadable, count_of};
use super::shape::{Scope, Top};
use super::tally::Tally;

/// Reads one document.
pub(super) fn read(top: &Top<'_>, scope: Scope, tally: &mut Tally) -> Result<(), Unreadable> {
    tally.name_model(top.model_version);
    let candidates = Candidates::of(top)?;
    if let Some(usage) = top.usage_metadata {
        let mut usage = counts(usage, tally)?;
        usage.searches = candidates.searches;
        tally.say(usage);
        match scope {
            Scope::Whole => tally.end(),
            Scope::Part if candidates.finished => tally.close(),
            Scope::Part => {}
        }
    }
    Ok(())
}

fn counts(usage: Node<'_>, tally: &mut Tally) -> Result<Usage, Unreadable> {
    let [
        prompt,
        cached,
        candidates,
        thoughts,
        tools,
        total,
        of_prompt,
        of_cache,
        of_candidates,
        tier,
    ] = usage.pick([
        "promptTokenCount",
        "cachedContentTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
        "promptTokensDetails",
        "cacheTokensDetails",
        "candidatesTokensDetails",
        "serviceTier",
    ])?;
    tally.name_tier(tier);
    let [prompt, cached, thoughts, tools] = [
        count_of(prompt)?,
        count_of(cached)?,
        count_of(thoughts)?,
        count_of(tools)?,
    ];
    let of = |part: Option<u64>| part.unwrap_or(0);
    let heard = audio(of_prompt)?.map(|all| (all, audio(of_cache)));
    let heard = match heard {
        Some((all, cached)) => Some(all.saturating_sub(of(cached?))),
        None => None,
    };
    let spoken = audio(of_candidates)?;
    let input = prompt.map(|prompt| prompt + of(tools));
    let mut output = match (count_of(candidates)?, thoughts) {
        (None, None) => None,
        (said, thought) => Some(of(said) + of(thought)),
    };
    if let (Some(total), Some(input)) = (count_of(total)?, input) {
        output = Some(total.saturating_sub(input).max(of(output)));
    }
    Ok(Usage {
        input: input.map(|all| all.saturating_sub(of(cached)).saturating_sub(of(heard))),
        cache_read: cached,
        audio_input: heard,
        output: output.map(|all| all.saturating_sub(of(spoken))),
        reasoning: thoughts,
        audio_output: spoken,
        ..Usage::default()
    })
}

/// The tokens of audio among those of each modality.
fn audio(details: Option<Node<'_>>) -> Result<Option<u64>, Unreadable> {
    let Some(details) = details else {
        return Ok(None);
    };
    let mut heard = None;
    for modality in details.elements()? {
        let [kind, count] = modality.pick(["modality", "tokenCount"])?;
        if kind.and_then(Node::text).as_deref() == Some("AUDIO") {
            heard = Some(heard.unwrap_or(0) + count_of(count)?.unwrap_or(0));
        }
    }
    Ok(heard)
}

/// What candidates say beside their text.
struct Candidates {
    /// One says why it ended, or the prompt was turned away.
    finished: bool,
    /// The searches that an answer is grounded on.
    searches: Option<u64>,
}

impl Candidates {
    fn of(top: &Top<'_>) -> Result<Self, Unreadable> {
        let (mut finished, mut searches) = (false, 0);
        if let Some(feedback) = top.prompt_feedback {
            let [reason] = feedback.pick(["blockReason"])?;
            finished = reason.is_some();
        }
        for candidate in top.candidates.map_or(Ok(Vec::new()), Node::elements)? {
            let [reason, grounding] = candidate.pick(["finishReason", "groundingMetadata"])?;
            finished |= reason.is_some();
            if let Some(grounding) = grounding {
                let [queries] = grounding.pick(["webSearchQueries"])?;
                let queries = queries.map_or(Ok(Vec::new()), Node::elements)?;
                searches += queries.len() as u64;
            }
        }
        Ok(Self {
            finished,
            searches: (searches > 0).then_some(searches),
        })
    }
}

//! Anthropic's messages.
//!
//! The input excludes what caches served and took. A stream says its usage twice: `message_start`
//! has the input and one token of output that only holds a place, and `message_delta` the output from
//! the beginning on, and what changed of the rest. Nothing shrinks, so the larger of two counts is
//! the later one, whatever zeros a compatible server repeats. `message_stop` ends it.

use super::Usage;
use super::document::{Node, Unreadable, count_of};
use super::shape::{Scope, Top};
use super::tally::Tally;

/// Reads one document.
pub(super) fn read(top: &Top<'_>, scope: Scope, tally: &mut Tally) -> Result<(), Unreadable> {
    if let Some(message) = top.message {
        let [model, usage] = message.pick(["model", "usage"])?;
        tally.name_model(model);
        take(usage, tally)?;
    }
    tally.name_model(top.model);
    let output_said = take(top.usage, tally)?;
    match top.kind.as_deref() {
        Some("message_delta") if output_said => tally.count_output(),
        Some("message_stop") if tally.output_is_counted() => tally.end(),
        Some("message") if scope == Scope::Whole && top.usage.is_some() => tally.end(),
        _ => {}
    }
    Ok(())
}

/// Takes one usage; whether it said the output.
fn take(usage: Option<Node<'_>>, tally: &mut Tally) -> Result<bool, Unreadable> {
    let Some(usage) = usage else {
        return Ok(false);
    };
    let [input, written, read, apart, output, tools, tier, speed] = usage.pick([
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "output_tokens",
        "server_tool_use",
        "service_tier",
        "speed",
    ])?;
    let [mut short, mut long, mut searches] = [None; 3];
    if let Some(apart) = apart {
        let [five_minutes, hour] =
            apart.pick(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"])?;
        short = count_of(five_minutes)?;
        long = count_of(hour)?;
    }
    if let Some(tools) = tools {
        let [web] = tools.pick(["web_search_requests"])?;
        searches = count_of(web)?;
    }
    let output = count_of(output)?;
    let so_far = &tally.usage;
    let long = so_far.cache_write_1h.max(long);
    // What is not said to be kept for an hour is kept for five minutes.
    let rest = count_of(written)?.map(|all| all.saturating_sub(long.unwrap_or(0)));
    let usage = Usage {
        input: so_far.input.max(count_of(input)?),
        cache_read: so_far.cache_read.max(count_of(read)?),
        cache_write: so_far.cache_write.max(short).max(rest),
        cache_write_1h: long,
        output: so_far.output.max(output),
        searches,
        ..Usage::default()
    };
    tally.say(usage);
    tally.name_tier(tier);
    // Fast answers are paid as a tier of their own; at the usual speed the tier counts.
    tally.name_tier(speed.filter(|speed| speed.text().as_deref() != Some("standard")));
    Ok(output.is_some())
}

//! Bedrock: Converse in words of its own, and `InvokeModel` in those of the model.
//!
//! The input excludes what caches served and took. A Converse stream ends with a `metadata` frame that
//! has the usage; that of `InvokeModel` with metrics inside the last chunk; an answer of `InvokeModel`
//! that is no stream has the counts in its fields.

use http::HeaderMap;

use super::Usage;
use super::document::{Node, Unreadable, count, count_of};
use super::shape::Top;
use super::tally::Tally;

/// Reads one document of Converse.
pub(super) fn read(top: &Top<'_>, tally: &mut Tally) -> Result<(), Unreadable> {
    let Some(usage) = top.usage else {
        return Ok(());
    };
    let [input, output, read, written, details] = usage.pick([
        "inputTokens",
        "outputTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheDetails",
    ])?;
    let mut hour = None;
    for detail in details.map_or(Ok(Vec::new()), Node::elements)? {
        let [kept, tokens] = detail.pick(["ttl", "inputTokens"])?;
        if kept.and_then(Node::text).as_deref() == Some("1h") {
            hour = Some(hour.unwrap_or(0) + count_of(tokens)?.unwrap_or(0));
        }
    }
    tally.say(Usage {
        input: count_of(input)?,
        cache_read: count_of(read)?,
        cache_write: count_of(written)?.map(|all| all.saturating_sub(hour.unwrap_or(0))),
        cache_write_1h: hour,
        output: count_of(output)?,
        ..Usage::default()
    });
    if let Some(tier) = top.converse_tier {
        let [kind] = tier.pick(["type"])?;
        tally.name_tier(kind);
    }
    tally.end();
    Ok(())
}

/// Reads what the last chunk of an `InvokeModel` stream says beside the model's own words, which go
/// first where they name their caches.
pub(super) fn read_metrics(metrics: Node<'_>, tally: &mut Tally) -> Result<(), Unreadable> {
    let [input, output, read, written] = metrics.pick([
        "inputTokenCount",
        "outputTokenCount",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount",
    ])?;
    if !tally.is_known() || !tally.output_is_counted() {
        let before = &tally.usage;
        let usage = Usage {
            input: count_of(input)?.or(before.input),
            cache_read: count_of(read)?.or(before.cache_read),
            cache_write: count_of(written)?.or(before.cache_write),
            cache_write_1h: before.cache_write_1h,
            output: count_of(output)?.or(before.output),
            ..Usage::default()
        };
        tally.say(usage);
    }
    tally.end();
    Ok(())
}

/// Reads the fields of an `InvokeModel` answer, where it has them.
pub(super) fn read_fields(headers: &HeaderMap, tally: &mut Tally) -> Result<(), Unreadable> {
    let field = |name: &str| -> Result<Option<u64>, Unreadable> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => count(value.to_str().map_err(|_| Unreadable)?).map(Some),
            (Some(_), Some(_)) => Err(Unreadable),
        }
    };
    let input = field("x-amzn-bedrock-input-token-count")?;
    let output = field("x-amzn-bedrock-output-token-count")?;
    if input.is_some() && output.is_some() {
        tally.say(Usage {
            input,
            cache_read: field("x-amzn-bedrock-cache-read-input-token-count")?,
            cache_write: field("x-amzn-bedrock-cache-write-input-token-count")?,
            output,
            ..Usage::default()
        });
        tally.settle_by_head();
    }
    Ok(())
}

//! Anthropic's messages.

use super::*;

const START: &str = r#"{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":40,"ephemeral_1h_input_tokens":60},"output_tokens":1,"service_tier":"standard"}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
const THOUGHT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hmm"}}"#;
const TOOL: &str = r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn delta(usage: &str) -> String {
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{usage}}}"#
    )
}

fn stream(last: &[&str]) -> String {
    [START, r#"{"type":"ping"}"#, THOUGHT, TEXT, TOOL]
        .iter()
        .chain(last)
        .map(|data| {
            let kind = data.split('"').nth(3).unwrap();
            format!("event: {kind}\ndata: {data}\n\n")
        })
        .collect()
}

fn expected(output: u64) -> Usage {
    Usage {
        input: Some(25),
        cache_read: Some(2000),
        cache_write: Some(40),
        cache_write_1h: Some(60),
        output: Some(output),
        model: Some("claude-sonnet-4-5-20250929".into()),
        ..Usage::default()
    }
}

#[test]
fn a_stream_takes_the_output_of_its_delta_and_ends_at_its_stop() {
    let delta = delta(r#"{"output_tokens":15}"#);
    let whole = stream(&[&delta, STOP]);
    let reading = cut(UsageFormat::Anthropic, EVENTS, &whole);
    assert!(reading.complete);
    assert_eq!(reading.usage, expected(15));
    assert_eq!(reading, read(UsageFormat::Anthropic, EVENTS, &whole));
    assert!(!cut(UsageFormat::Anthropic, EVENTS, &stream(&[&delta])).complete);
}

#[test]
fn the_place_held_at_the_start_is_no_output() {
    let reading = cut(UsageFormat::Anthropic, EVENTS, &stream(&[]));
    assert!(!reading.complete);
    assert_eq!(reading.usage, expected(1));
    assert_eq!(reading.output_bytes, 3 + 5 + 14);
    assert_eq!(reading.running_output(), 22);
    assert!(!read(UsageFormat::Anthropic, EVENTS, &stream(&[STOP])).complete);
    let empty = delta("{}");
    assert!(!read(UsageFormat::Anthropic, EVENTS, &stream(&[&empty, STOP])).complete);
}

#[test]
fn usage_that_a_delta_repeats_is_not_added_and_its_zeros_take_nothing_away() {
    let repeated = delta(
        r#"{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":2000,"output_tokens":7}"#,
    );
    let zeros = delta(
        r#"{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":15,"server_tool_use":{"web_search_requests":2}}"#,
    );
    let reading = read(
        UsageFormat::Anthropic,
        EVENTS,
        &stream(&[&repeated, &zeros, STOP]),
    );
    assert!(reading.complete);
    let searches = Some(2);
    assert_eq!(
        reading.usage,
        Usage {
            searches,
            ..expected(15)
        }
    );
}

#[test]
fn an_answer_is_read_whole() {
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-5","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_creation_input_tokens":6,"cache_read_input_tokens":0,"output_tokens":3,"server_tool_use":{"web_search_requests":1},"service_tier":"priority"}}"#;
    let reading = read(UsageFormat::Anthropic, JSON, body);
    assert!(reading.complete);
    assert_eq!(
        reading.usage,
        Usage {
            input: Some(10),
            cache_read: Some(0),
            cache_write: Some(6),
            output: Some(3),
            searches: Some(1),
            service_tier: Some("priority".into()),
            model: Some("claude-opus-4-5".into()),
            ..Usage::default()
        }
    );
}

#[test]
fn a_fast_answer_is_of_a_tier_of_its_own() {
    let tier = |speed: &str| {
        let body = format!(
            r#"{{"id":"msg_1","type":"message","model":"claude-opus-4-8","content":[],"usage":{{"input_tokens":10,"output_tokens":3,"service_tier":"priority"{speed}}}}}"#
        );
        read(UsageFormat::Anthropic, JSON, &body).usage.service_tier
    };
    assert_eq!(tier(r#","speed":"fast""#).as_deref(), Some("fast"));
    for usual in [r#","speed":"standard""#, r#","speed":null"#, ""] {
        assert_eq!(tier(usual).as_deref(), Some("priority"), "{usual}");
    }
}

#[test]
fn an_error_in_the_stream_is_no_end() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let delta = delta(r#"{"output_tokens":15}"#);
    let reading = read(UsageFormat::Anthropic, EVENTS, &stream(&[error]));
    assert_eq!(reading.fault, Some(MeterFault::Failed));
    let reading = read(
        UsageFormat::Anthropic,
        EVENTS,
        &stream(&[error, &delta, STOP]),
    );
    assert!(!reading.complete);
}

#[test]
fn absurd_input_at_the_start_is_not_cured_by_the_output() {
    let delta = delta(r#"{"output_tokens":15}"#);
    let absurd = stream(&[&delta, STOP]).replace("\"input_tokens\":25", "\"input_tokens\":-25");
    let reading = read(UsageFormat::Anthropic, EVENTS, &absurd);
    assert!(!reading.complete);
    assert_eq!(reading.fault, Some(MeterFault::Unreadable));
}

//! OpenAI's Responses, and others that speak like them.

use super::*;

const USAGE: &str = r#"{"input_tokens":328,"input_tokens_details":{"cached_tokens":128},"output_tokens":52,"output_tokens_details":{"reasoning_tokens":32},"total_tokens":380}"#;

fn response(status: &str, usage: &str) -> String {
    format!(
        r#"{{"id":"resp_67","object":"response","created_at":1741476777,"status":"{status}","error":null,"incomplete_details":null,"model":"gpt-5-mini-2025-08-07","output":[{{"type":"web_search_call","id":"ws_1","status":"completed"}},{{"type":"message","id":"msg_1","content":[{{"type":"output_text","text":"Hi there","annotations":[]}}]}}],"parallel_tool_calls":true,"service_tier":"flex","usage":{usage},"metadata":{{}}}}"#
    )
}

fn event(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":1,{rest}}}\n\n")
}

fn stream(last: &str) -> String {
    [
        event(
            "response.created",
            &format!("\"response\":{}", response("in_progress", "null")),
        ),
        event(
            "response.output_text.delta",
            r#""item_id":"msg_1","output_index":0,"delta":"Hi ""#,
        ),
        event(
            "response.output_text.delta",
            r#""item_id":"msg_1","output_index":0,"delta":"there""#,
        ),
        event(
            "response.function_call_arguments.delta",
            r#""delta":"{\"a\"""#,
        ),
        event(
            "response.output_text.done",
            r#""item_id":"msg_1","text":"Hi there""#,
        ),
    ]
    .concat()
        + last
}

fn expected() -> Usage {
    Usage {
        input: Some(200),
        cache_read: Some(128),
        output: Some(52),
        reasoning: Some(32),
        searches: Some(1),
        service_tier: Some("flex".into()),
        model: Some("gpt-5-mini-2025-08-07".into()),
        ..Usage::default()
    }
}

#[test]
fn an_answer_is_read_whole() {
    let reading = read(UsageFormat::OpenAi, JSON, &response("completed", USAGE));
    assert!(reading.complete);
    assert_eq!(reading.usage, expected());
}

#[test]
fn a_stream_is_complete_at_each_event_that_ends_it() {
    for kind in ["completed", "incomplete", "failed"] {
        let last = event(
            &format!("response.{kind}"),
            &format!("\"response\":{}", response(kind, USAGE)),
        );
        let body = stream(&last);
        let reading = cut(UsageFormat::OpenAi, EVENTS, &body);
        assert!(reading.complete, "{kind}: nothing follows");
        assert_eq!(reading.usage, expected(), "{kind}");
        assert_eq!(reading, read(UsageFormat::OpenAi, EVENTS, &body));
        assert_eq!(
            reading.output_bytes,
            8 + 6,
            "the text is said twice and counted once"
        );
    }
}

#[test]
fn a_stream_that_ends_without_usage_or_not_at_all_is_incomplete() {
    let unsaid = event(
        "response.failed",
        &format!("\"response\":{}", response("failed", "null")),
    );
    for last in [
        "",
        &unsaid,
        "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\"}\n\n",
    ] {
        let reading = read(UsageFormat::OpenAi, EVENTS, &stream(last));
        assert!(!reading.complete, "{last}");
        assert_eq!(reading.output_bytes, 14);
        assert_eq!(
            reading.usage.model.as_deref(),
            Some("gpt-5-mini-2025-08-07")
        );
    }
}

#[test]
fn what_runs_in_the_background_has_no_usage_yet() {
    let reading = read(UsageFormat::OpenAi, JSON, &response("queued", "null"));
    assert!(!reading.complete);
    assert_eq!(reading.fault, None);
}

#[test]
fn a_transcription_is_metered_by_tokens_and_not_by_seconds() {
    let tokens = r#"{"type":"transcript.text.done","text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59}}"#;
    let reading = read(UsageFormat::OpenAi, EVENTS, &events(&[tokens]));
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(4));
    assert_eq!(reading.usage.audio_input, Some(10));
    let seconds = r#"{"text":"hello","usage":{"type":"duration","seconds":3}}"#;
    assert!(!read(UsageFormat::OpenAi, JSON, seconds).complete);
}

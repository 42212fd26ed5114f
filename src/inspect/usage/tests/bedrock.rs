//! Bedrock: Converse, `InvokeModel`, and their binary streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::inspect::event_stream::tests::message;

const BINARY: &str = "application/vnd.amazon.eventstream";
const USAGE: &str = r#"{"inputTokens":30,"outputTokens":628,"totalTokens":1758,"cacheReadInputTokens":1000,"cacheWriteInputTokens":100,"cacheDetails":[{"ttl":"5m","inputTokens":70},{"ttl":"1h","inputTokens":30}]}"#;

fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    message(&headers, payload.as_bytes())
}

fn chunk(inner: &str) -> Vec<u8> {
    let bytes = STANDARD.encode(inner);
    event("chunk", &format!(r#"{{"bytes":"{bytes}","p":"abcdef"}}"#))
}

fn binary(frames: &[Vec<u8>]) -> Reading {
    let body = frames.concat();
    let mut readings = [UsageFormat::Bedrock, UsageFormat::Auto].map(|format| {
        let mut meter = meter(format, BINARY, false);
        assert_eq!(through(&mut meter, body.chunks(13)), body);
        meter.reading()
    });
    assert_eq!(readings[0], readings[1]);
    std::mem::take(&mut readings[0])
}

fn converse(last: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut frames = vec![
        event("messageStart", r#"{"p":"abc","role":"assistant"}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abcd"}"#,
        ),
        event("messageStop", r#"{"p":"a","stopReason":"end_turn"}"#),
    ];
    frames.extend_from_slice(last);
    frames
}

fn expected() -> Usage {
    Usage {
        input: Some(30),
        cache_read: Some(1000),
        cache_write: Some(70),
        cache_write_1h: Some(30),
        output: Some(628),
        ..Usage::default()
    }
}

#[test]
fn converse_says_its_usage_in_a_document_and_in_the_last_frame() {
    let body = format!(
        r#"{{"metrics":{{"latencyMs":1275}},"output":{{"message":{{"content":[{{"text":"Hi"}}],"role":"assistant"}}}},"stopReason":"end_turn","usage":{USAGE}}}"#
    );
    let reading = read(UsageFormat::Bedrock, JSON, &body);
    assert!(reading.complete);
    assert_eq!(reading.usage, expected());

    let metadata = format!(
        r#"{{"metrics":{{"latencyMs":1}},"p":"ab","serviceTier":{{"type":"priority"}},"usage":{USAGE}}}"#
    );
    let reading = binary(&converse(&[event("metadata", &metadata)]));
    assert!(reading.complete);
    let service_tier = Some("priority".into());
    assert_eq!(
        reading.usage,
        Usage {
            service_tier,
            ..expected()
        }
    );
    assert_eq!(reading.output_bytes, 5);
}

#[test]
fn a_binary_stream_that_breaks_off_or_fails_is_incomplete() {
    assert!(!binary(&converse(&[])).complete);
    let exception = message(
        &[
            (":exception-type", "throttlingException"),
            (":message-type", "exception"),
        ],
        br#"{"message":"Too many"}"#,
    );
    let reading = binary(&converse(&[exception]));
    assert_eq!(reading.fault, Some(MeterFault::Failed));
    let mut metadata = event("metadata", &format!(r#"{{"usage":{USAGE}}}"#));
    metadata[40] ^= 1;
    let reading = binary(&converse(&[metadata]));
    assert!(!reading.complete, "a frame whose sum is wrong says nothing");
    assert_eq!(reading.fault, Some(MeterFault::Unreadable));
}

#[test]
fn a_model_that_is_invoked_speaks_its_own_words_inside_the_frames() {
    let reading = binary(&[
        chunk(
            r#"{"type":"message_start","message":{"model":"claude-haiku-4-5","usage":{"input_tokens":11,"cache_read_input_tokens":5,"output_tokens":1}}}"#,
        ),
        chunk(
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        ),
        chunk(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
        ),
        chunk(
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":11,"outputTokenCount":9,"invocationLatency":1,"firstByteLatency":1}}"#,
        ),
    ]);
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(11));
    assert_eq!(reading.usage.cache_read, Some(5));
    assert_eq!(reading.usage.output, Some(9));
    assert_eq!(reading.output_bytes, 2);
    assert_eq!(reading.usage.model.as_deref(), Some("claude-haiku-4-5"));
}

#[test]
fn a_model_that_says_nothing_is_metered_by_what_bedrock_says() {
    let text = chunk(r#"{"generation":"Hello","prompt_token_count":null,"stop_reason":null}"#);
    let last = chunk(
        r#"{"generation":"","stop_reason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":17,"outputTokenCount":5}}"#,
    );
    let reading = binary(&[text.clone(), last]);
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(17));
    assert_eq!(reading.usage.output, Some(5));
    assert_eq!(reading.output_bytes, 5);
    assert!(!binary(&[text]).complete);
}

#[test]
fn fields_of_the_head_say_the_usage_unless_the_body_knows_better() {
    let invoked = |fields: &[(&str, &str)], body: &str| {
        let mut fields = fields.to_vec();
        fields.push(("content-type", JSON));
        let mut meter = Meter::new(MeterSettings {
            format: UsageFormat::Bedrock,
            status: StatusCode::OK,
            headers: &headers(&fields),
            hide_usage_chunk: false,
        });
        through(&mut meter, body.as_bytes().chunks(20));
        meter.reading()
    };
    let counts = [
        ("X-Amzn-Bedrock-Input-Token-Count", "12"),
        ("X-Amzn-Bedrock-Output-Token-Count", "34"),
    ];
    let titan = r#"{"inputTextTokenCount":12,"results":[{"tokenCount":34,"outputText":"x"}]}"#;
    let reading = invoked(&counts, titan);
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(12));
    assert_eq!(reading.usage.output, Some(34));
    assert!(invoked(&counts, "no JSON at all").complete);
    assert!(!invoked(&counts[..1], titan).complete);
    let absurd = [counts[0], (counts[1].0, "-3")];
    assert_eq!(invoked(&absurd, titan).fault, Some(MeterFault::Unreadable));
    let twice = [counts[0], counts[1], counts[1]];
    assert!(!invoked(&twice, titan).complete);
    let claude = r#"{"type":"message","model":"claude","usage":{"input_tokens":12,"cache_read_input_tokens":7,"output_tokens":34}}"#;
    assert_eq!(invoked(&counts, claude).usage.cache_read, Some(7));
}

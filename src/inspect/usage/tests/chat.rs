//! OpenAI's chat and legacy completions, embeddings, and what speaks like them.

use super::*;

const ANSWER: &str = r#"{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
  "object": "chat.completion",
  "created": 1741569952,
  "model": "gpt-4.1-2025-04-14",
  "choices": [{"index": 0, "message": {"role": "assistant", "content": "Say \"usage\": {\"prompt_tokens\": 1}", "refusal": null, "annotations": []}, "logprobs": null, "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 40, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
  "service_tier": "priority",
  "system_fingerprint": "fp_44709d6fcb"
}"#;

fn chunk(delta: &str, rest: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_1","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]{rest}}}"#
    )
}

const LAST: &str = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_1","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}"#;

fn stream(last: &[&str]) -> String {
    let mut data = vec![
        chunk(
            r#"{"role":"assistant","content":"","refusal":null}"#,
            r#","usage":null"#,
        ),
        chunk(r#"{"content":"Hello"}"#, r#","usage":null"#),
        chunk(
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\""}}]}"#,
            r#","usage":null"#,
        ),
    ];
    data.extend(last.iter().map(|&last| last.to_owned()));
    events(&data.iter().map(String::as_str).collect::<Vec<_>>())
}

fn usage(text: &str) -> Reading {
    let body = format!(r#"{{"object":"chat.completion","usage":{text}}}"#);
    read(UsageFormat::OpenAi, JSON, &body)
}

#[test]
fn classes_of_an_answer_are_taken_apart() {
    let reading = read(UsageFormat::OpenAi, JSON, ANSWER);
    assert!(reading.complete);
    assert_eq!(
        reading.usage,
        Usage {
            input: Some(80),
            cache_read: Some(1920),
            audio_input: Some(6),
            output: Some(260),
            reasoning: Some(128),
            audio_output: Some(40),
            service_tier: Some("priority".into()),
            model: Some("gpt-4.1-2025-04-14".into()),
            ..Usage::default()
        }
    );
}

#[test]
fn a_stream_is_complete_at_its_done_and_not_before() {
    let whole = read(UsageFormat::OpenAi, EVENTS, &stream(&[LAST, "[DONE]"]));
    assert!(whole.complete);
    assert_eq!(whole.usage.input, Some(19));
    assert_eq!(whole.usage.output, Some(10));
    assert_eq!(whole.usage.service_tier, None, "the usual one");
    assert_eq!(whole.output_bytes, 5 + 6);

    let before_done = cut(UsageFormat::OpenAi, EVENTS, &stream(&[LAST]));
    assert!(!before_done.complete);
    assert_eq!(before_done.usage.output, Some(10));

    let before_usage = cut(UsageFormat::OpenAi, EVENTS, &stream(&[]));
    assert!(!before_usage.complete);
    assert_eq!(before_usage.usage.output, None);
    assert_eq!(before_usage.usage.model.as_deref(), Some("gpt-4o-mini"));
    assert_eq!(before_usage.running_output(), 11);
}

#[test]
fn a_stream_without_usage_is_not_complete() {
    let reading = read(UsageFormat::OpenAi, EVENTS, &stream(&["[DONE]"]));
    assert!(!reading.complete);
    assert_eq!(
        reading.fault, None,
        "nothing was wrong but that nobody said"
    );
}

#[test]
fn a_stream_without_its_done_is_complete_where_the_body_ends_behind_the_usage() {
    assert!(read(UsageFormat::OpenAi, EVENTS, &stream(&[LAST])).complete);
    let unterminated = stream(&[LAST]) + "data: [DONE]";
    assert!(read(UsageFormat::OpenAi, EVENTS, &unterminated).complete);
}

#[test]
fn usage_that_is_repeated_is_not_added_up() {
    let said = |output: u64| {
        let usage = format!(
            r#","usage":{{"prompt_tokens":7,"completion_tokens":{output},"total_tokens":{}}}"#,
            7 + output
        );
        chunk(r#"{"content":"x"}"#, &usage)
    };
    let said = [said(1), said(2), said(3)];
    let mut data: Vec<&str> = said.iter().map(String::as_str).collect();
    let cut = cut(UsageFormat::OpenAi, EVENTS, &events(&data));
    assert!(!cut.complete);
    data.push("[DONE]");
    let reading = read(UsageFormat::OpenAi, EVENTS, &events(&data));
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(7));
    assert_eq!(reading.usage.output, Some(3));
}

#[test]
fn null_zero_and_absent_are_kept_apart() {
    let nothing = usage(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#);
    assert!(nothing.complete);
    assert_eq!(nothing.usage.input, Some(0));
    assert_eq!(nothing.usage.cache_read, None);
    for unsaid in [
        "null",
        "{}",
        r#"{"prompt_tokens":null,"completion_tokens":null}"#,
        "[]",
    ] {
        let reading = usage(unsaid);
        assert!(!reading.complete, "{unsaid}");
        assert_eq!(reading.usage.input, None, "{unsaid}");
    }
    assert!(
        !usage(r#"{"prompt_tokens":4}"#).complete,
        "nobody said the output"
    );
}

#[test]
fn absurd_usage_is_unreadable_and_never_nothing() {
    for (absurd, sane) in [
        (
            r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
            r#"{"prompt_tokens":1,"completion_tokens":1}"#,
        ),
        (
            r#"{"prompt_tokens":1.5,"completion_tokens":1}"#,
            r#"{"prompt_tokens":15,"completion_tokens":1}"#,
        ),
        (
            r#"{"prompt_tokens":"9","completion_tokens":1}"#,
            r#"{"prompt_tokens":9,"completion_tokens":1}"#,
        ),
        (
            r#"{"prompt_tokens":9007199254740993,"completion_tokens":1}"#,
            r#"{"prompt_tokens":9007199254740992,"completion_tokens":1}"#,
        ),
        (
            r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens":0}"#,
            r#"{"prompt_tokens":1,"completion_tokens":1,"x":0}"#,
        ),
        (
            r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1e3}}"#,
            r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}"#,
        ),
    ] {
        let reading = usage(absurd);
        assert!(!reading.complete, "{absurd}");
        assert_eq!(reading.fault, Some(MeterFault::Unreadable), "{absurd}");
        assert!(usage(sane).complete, "{sane}");
    }
}

#[test]
fn more_cached_than_there_was_leaves_nothing_below_zero() {
    let reading = usage(
        r#"{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":9},"completion_tokens_details":{"audio_tokens":3}}"#,
    );
    assert_eq!(reading.usage.input, Some(0));
    assert_eq!(reading.usage.cache_read, Some(9));
    assert_eq!(reading.usage.output, Some(0));
}

#[test]
fn reasoning_that_a_server_leaves_out_of_the_output_is_in_the_total() {
    let of_total = usage(
        r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
    );
    assert_eq!(of_total.usage.output, Some(103));
    let untold = usage(r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135}"#);
    assert_eq!(untold.usage.output, Some(103));
    let without_total = usage(
        r#"{"prompt_tokens":32,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":94}}"#,
    );
    assert_eq!(without_total.usage.output, Some(103));
    let within = usage(
        r#"{"prompt_tokens":32,"completion_tokens":100,"total_tokens":132,"completion_tokens_details":{"reasoning_tokens":94}}"#,
    );
    assert_eq!(within.usage.output, Some(100));
}

#[test]
fn caches_are_found_where_compatible_servers_say_them() {
    let deepseek = usage(
        r#"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
    );
    assert_eq!(deepseek.usage.input, Some(36));
    assert_eq!(deepseek.usage.cache_read, Some(64));
    let moonshot = usage(
        r#"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"cached_tokens":10}"#,
    );
    assert_eq!(moonshot.usage.cache_read, Some(10));
    let written = usage(
        r#"{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":30}}"#,
    );
    assert_eq!(written.usage.input, Some(60));
    assert_eq!(written.usage.cache_write, Some(30));
}

#[test]
fn what_a_router_says_a_call_cost_is_read_to_the_last_digit() {
    let cost = |text: &str| {
        let usage = format!(r#"{{"prompt_tokens":1,"completion_tokens":1,{text}}}"#);
        super::chat::usage(&usage)
            .usage
            .cost
            .map(crate::money::NanoUsd::nanos)
    };
    assert_eq!(cost(r#""cost":0.00014"#), Some(140_000));
    assert_eq!(cost(r#""cost":1.4e-7"#), Some(140));
    assert_eq!(cost(r#""cost":0"#), Some(0));
    assert_eq!(cost(r#""cost":null"#), None);
    assert_eq!(cost(r#""cost":{"total_cost":0.006}"#), Some(6_000_000));
    assert_eq!(
        cost(r#""cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.02}"#),
        Some(21_000_000)
    );
    assert_eq!(
        cost(r#""cost":0.001,"is_byok":false,"cost_details":{"upstream_inference_cost":0.02}"#),
        Some(1_000_000)
    );
    let absurd = usage(r#"{"prompt_tokens":1,"completion_tokens":1,"cost":-1}"#);
    assert!(!absurd.complete);
}

#[test]
fn embeddings_have_no_output() {
    let body = r#"{"object":"list","data":[{"object":"embedding","embedding":[0.1,-2e-3],"index":0}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let reading = read(UsageFormat::OpenAi, JSON, body);
    assert!(reading.complete);
    assert_eq!(reading.usage.input, Some(8));
    assert_eq!(reading.usage.output, Some(0));
}

#[test]
fn legacy_completions_are_metered() {
    let chunk = r#"{"id":"cmpl-7","object":"text_completion","created":1,"choices":[{"text":"abc","index":0,"logprobs":null,"finish_reason":"stop"}],"model":"gpt-3.5-turbo-instruct","usage":null}"#;
    let last = r#"{"id":"cmpl-7","object":"text_completion","choices":[],"model":"gpt-3.5-turbo-instruct","usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}"#;
    let reading = read(
        UsageFormat::OpenAi,
        EVENTS,
        &events(&[chunk, last, "[DONE]"]),
    );
    assert!(reading.complete);
    assert_eq!(reading.output_bytes, 3);
    assert_eq!(reading.usage.input, Some(5));
}

#[test]
fn an_error_in_the_stream_keeps_it_incomplete_unless_the_usage_was_final() {
    let error =
        r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#;
    let before = read(
        UsageFormat::OpenAi,
        EVENTS,
        &stream(&[error, LAST, "[DONE]"]),
    );
    assert!(!before.complete);
    assert_eq!(before.fault, Some(MeterFault::Failed));
    let named =
        stream(&[]) + "event: error\ndata: {\"message\":\"overloaded\"}\n\ndata: [DONE]\n\n";
    assert_eq!(
        read(UsageFormat::OpenAi, EVENTS, &named).fault,
        Some(MeterFault::Failed)
    );
    let after = read(
        UsageFormat::OpenAi,
        EVENTS,
        &stream(&[LAST, "[DONE]", error]),
    );
    assert!(after.complete);
    let none = stream(&[]) + &events(&[&chunk("{}", r#","error":null"#), LAST, "[DONE]"]);
    assert!(read(UsageFormat::OpenAi, EVENTS, &none).complete);
}

#[test]
fn what_azure_says_of_its_filters_first_is_no_end() {
    let filters = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#;
    let body = events(&[filters]) + &stream(&[LAST, "[DONE]"]);
    let reading = read(UsageFormat::OpenAi, EVENTS, &body);
    assert!(reading.complete);
    assert_eq!(reading.usage.model.as_deref(), Some("gpt-4o-mini"));
}

#[test]
fn events_that_are_called_json_are_events() {
    let body = stream(&[LAST, "[DONE]"]);
    assert!(read(UsageFormat::OpenAi, JSON, &body).complete);
    assert!(
        read(
            UsageFormat::OpenAi,
            JSON,
            &format!("\n\n: waiting\n\n{body}")
        )
        .complete
    );
}

#[test]
fn an_answer_that_breaks_off_is_incomplete() {
    let half = ANSWER.strip_suffix('}').unwrap();
    assert!(!read(UsageFormat::OpenAi, JSON, half).complete, "no JSON");
    assert!(
        !cut(UsageFormat::OpenAi, JSON, ANSWER).complete,
        "the end was not seen"
    );
}

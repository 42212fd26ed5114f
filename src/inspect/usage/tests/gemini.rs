//! Gemini, in each of the ways it streams.

use super::*;

fn chunk(text: &str, finish: &str, usage: &str) -> String {
    format!(
        "{{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{text}\"}}],\"role\": \"model\"}}{finish},\"index\": 0}}],\r\n\"usageMetadata\": {usage},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"r1\"}}"
    )
}

const FIRST: &str = r#"{"promptTokenCount":100,"totalTokenCount":140,"cachedContentTokenCount":60,"promptTokensDetails":[{"modality":"TEXT","tokenCount":90},{"modality":"AUDIO","tokenCount":10}],"thoughtsTokenCount":40}"#;
const LAST: &str = r#"{"promptTokenCount":100,"candidatesTokenCount":21,"totalTokenCount":168,"cachedContentTokenCount":60,"promptTokensDetails":[{"modality":"TEXT","tokenCount":90},{"modality":"AUDIO","tokenCount":10}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":56},{"modality":"AUDIO","tokenCount":4}],"toolUsePromptTokenCount":7,"thoughtsTokenCount":40}"#;

fn chunks() -> [String; 2] {
    [
        chunk("Hello", "", FIRST),
        chunk(" there", ",\"finishReason\": \"STOP\"", LAST),
    ]
}

fn as_events() -> String {
    let data = chunks().map(|chunk| chunk.replace("\r\n", ""));
    events(&[&data[0], &data[1]]).replace('\n', "\r\n")
}

fn as_array() -> String {
    format!("[{}\n]\n", chunks().join(",\r\n"))
}

fn expected() -> Usage {
    Usage {
        input: Some(107 - 60 - 6),
        cache_read: Some(60),
        audio_input: Some(6),
        output: Some(61),
        reasoning: Some(40),
        model: Some("gemini-2.5-flash".into()),
        ..Usage::default()
    }
}

#[test]
fn thoughts_are_beside_the_candidates_and_the_last_chunk_counts() {
    for (kind, body) in [(EVENTS, as_events()), (JSON, as_array())] {
        let reading = read(UsageFormat::Gemini, kind, &body);
        assert!(reading.complete, "{kind}");
        assert_eq!(reading.usage, expected(), "{kind}");
        assert_eq!(reading.output_bytes, 11, "{kind}");
    }
    let reading = read(UsageFormat::Gemini, JSON, &chunks()[1]);
    assert!(reading.complete);
    assert_eq!(reading.usage, expected());
}

#[test]
fn a_stream_is_complete_behind_its_finish_and_the_end_of_the_body() {
    let events = as_events();
    assert!(!cut(UsageFormat::Gemini, EVENTS, &events).complete);
    let first = events.split_inclusive("\r\n\r\n").next().unwrap();
    let reading = read(UsageFormat::Gemini, EVENTS, first);
    assert!(!reading.complete, "no candidate has finished");
    assert_eq!(reading.usage.output, Some(40));
}

#[test]
fn an_array_is_read_as_it_grows_and_incomplete_without_its_end() {
    let array = as_array();
    let first = array.split_inclusive("},\r\n").next().unwrap();
    let reading = cut(UsageFormat::Gemini, JSON, first);
    assert_eq!(reading.usage.reasoning, Some(40));
    let unended = array.trim_end().strip_suffix(']').unwrap();
    assert!(!read(UsageFormat::Gemini, JSON, unended).complete);
}

#[test]
fn a_prompt_that_was_turned_away_has_no_output() {
    let body = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4},"modelVersion":"gemini-2.5-pro"}"#;
    let reading = read(UsageFormat::Gemini, JSON, body);
    assert!(reading.complete);
    assert_eq!(reading.usage.output, Some(0));
    assert!(read(UsageFormat::Gemini, EVENTS, &events(&[body])).complete);
}

#[test]
fn searches_that_ground_an_answer_are_counted() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1,"totalTokenCount":5}}"#;
    assert_eq!(
        read(UsageFormat::Gemini, JSON, body).usage.searches,
        Some(2)
    );
}

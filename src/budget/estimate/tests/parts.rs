//! What stands beside text in a body.

use super::*;

#[test]
fn a_picture_counts_as_a_large_one_and_not_by_its_bytes() {
    let data = "A".repeat(500_000);
    let part = |part: String| format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
    for body in [
        part(format!(
            r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}"#
        )),
        part(format!(
            r#"{{"type":"input_image","image_url":"data:image/png;base64,{data}"}}"#
        )),
        part(format!(
            r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}"#
        )),
        part(format!(r#"{{"inlineData":{{"mimeType":"image/png","data":"{data}"}}}}"#)),
        part(format!(r#"{{"image":{{"format":"png","source":{{"bytes":"{data}"}}}}}}"#)),
        part(r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}"#.into()),
        part(r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#.into()),
        part(r#"{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://e/a"}}]}"#.into()),
        part(r#"{"Type":"x","IMAGE_URL":"https://example.com/a.png"}"#.into()),
    ] {
        let tokens = openai(&body).input_tokens;
        let shown: String = body.chars().take(120).collect();
        assert!(tokens > 40_000, "{tokens} {shown}");
        assert!(tokens < 41_000, "{tokens} {shown}");
    }
    let two = r#"{"image_url":{"url":"https://a"}},{"image_url":{"url":"https://b"}}"#;
    assert!(openai(&part(two.into())).input_tokens > 80_000);
    let hidden = format!(r#"{{"type":"image","messages":[{{"type":"image","content":[{two}]}}]}}"#);
    assert!(
        openai(&hidden).input_tokens > 80_000,
        "no word hides what a message holds"
    );
}

#[test]
fn text_called_a_picture_is_counted_all_the_same() {
    let text = "word ".repeat(100_000);
    for body in [
        format!(
            r#"{{"messages":[{{"content":[{{"type":"tool_use","input":{{"type":"image","data":"{text}"}}}}]}}]}}"#
        ),
        format!(
            r#"{{"contents":[{{"parts":[{{"functionCall":{{"args":{{"image_url":"{text}"}}}}}}]}}]}}"#
        ),
        format!(r#"{{"messages":[{{"content":[{{"type":"text","text":"data:{text}"}}]}}]}}"#),
        format!(r#"{{"messages":[{{"content":[{{"type":"image_url","text":"{text}"}}]}}]}}"#),
    ] {
        assert!(openai(&body).input_tokens >= 500_000);
    }
}

#[test]
fn a_document_may_fill_the_context_and_plain_text_does_not() {
    let part = |part: &str| format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
    for file in [
        r#"{"type":"document","source":{"type":"url","url":"https://e/a.pdf"}}"#,
        r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}"#,
        r#"{"type":"input_file","file_id":"f"}"#,
        r#"{"type":"file","file":{"file_id":"f"}}"#,
        r#"{"fileData":{"mimeType":"video/mp4","fileUri":"https://e"}}"#,
        r#"{"inlineData":{"mimeType":"application/pdf","data":"JVBE"}}"#,
        r#"{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://a"}}}}"#,
    ] {
        assert!(openai(&part(file)).input_tokens > FILE_TOKENS, "{file}");
    }
    for text in [
        r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}"#,
        r#"{"inlineData":{"mimeType":"text/csv","data":"YQ=="}}"#,
        r#"{"type":"text","text":"a document"}"#,
    ] {
        assert!(openai(&part(text)).input_tokens < 1_000, "{text}");
    }
}

/// As much as the longest context holds.
const FILE_TOKENS: u64 = 1_048_576;

#[test]
fn audio_is_known_where_it_may_be() {
    for (body, input, output) in [
        (
            r#"{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}}]}]}"#,
            true,
            false,
        ),
        (
            r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"Audio/mp3","data":"x"}}]}]}"#,
            true,
            false,
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"u"}}]}]}"#,
            true,
            false,
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"fileUri":"u"}}]}]}"#,
            true,
            false,
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"u"}}]}]}"#,
            false,
            false,
        ),
        (
            r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#,
            true,
            false,
        ),
        (
            r#"{"messages":[],"modalities":["text","audio"],"audio":{"voice":"a"}}"#,
            false,
            true,
        ),
        (
            r#"{"contents":[],"generationConfig":{"responseModalities":["AUDIO"]}}"#,
            false,
            true,
        ),
        (
            r#"{"contents":[],"generationConfig":{"responseModalities":["\u0041UDIO"]}}"#,
            false,
            true,
        ),
        (
            r#"{"messages":[{"content":"audio"}],"modalities":["text"]}"#,
            false,
            false,
        ),
    ] {
        let bound = openai(body);
        assert_eq!(
            (bound.audio_input, bound.audio_output),
            (input, output),
            "{body}"
        );
    }
}

#[test]
fn what_is_read_elsewhere_is_bounded_by_the_context() {
    for body in [
        r#"{"input":"x","previous_response_id":"r"}"#,
        r#"{"input":"x","conversation":{"id":"c"}}"#,
        r#"{"prompt":{"id":"p"}}"#,
        r#"{"input":"x","tools":[{"type":"file_search","vector_store_ids":["v"]}]}"#,
        r#"{"input":"x","tools":[{"type":"mcp","server_url":"https://e"}]}"#,
        r#"{"messages":[],"mcp_servers":[{"url":"https://e"}]}"#,
        r#"{"contents":[],"tools":[{"codeExecution":{}}]}"#,
        r#"{"contents":[],"cachedContent":"c"}"#,
        r#"{"messages":[],"web_search_options":{"search_context_size":"low"}}"#,
        "",
    ] {
        assert!(openai(body).whole_context, "{body}");
    }
    for body in [
        r#"{"input":"x","previous_response_id":null,"tools":[]}"#,
        r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"web_search"}}}}}]}"#,
        r#"{"messages":[],"tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}},{"type":"bash_20250124","name":"bash"}]}"#,
        r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}]}"#,
        r#"{"prompt":"x"}"#,
    ] {
        assert!(!openai(body).whole_context, "{body}");
    }
}

#[test]
fn what_is_too_deep_to_look_into_may_be_anything() {
    let nested = |depth: usize| {
        let open = "{\"a\":".repeat(depth);
        format!("{{\"messages\":{open}1{}}}", "}".repeat(depth))
    };
    assert!(!openai(&nested(23)).whole_context);
    assert!(openai(&nested(26)).whole_context);
    assert_eq!(
        read(UsageFormat::OpenAi, &nested(200)),
        Err(EstimateFault::Json(JsonFault::TooDeep))
    );
}

#[test]
fn searches_are_as_many_as_are_stated_or_as_may_be() {
    for (body, searches) in [
        (
            r#"{"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]}"#,
            3,
        ),
        (
            r#"{"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
            SEARCHES,
        ),
        (r#"{"contents":[],"tools":[{"googleSearch":{}}]}"#, SEARCHES),
        (
            r#"{"messages":[],"web_search_options":{"user_location":null}}"#,
            SEARCHES,
        ),
        (
            r#"{"input":"x","tools":[{"type":"web_search","max_uses":2},{"type":"web_search_preview"}]}"#,
            2 + SEARCHES,
        ),
        (r#"{"messages":[],"tools":[{"type":"function"}]}"#, 0),
    ] {
        assert_eq!(openai(body).searches, searches, "{body}");
    }
}

#[test]
fn a_cache_of_an_hour_is_known_by_its_lifetime() {
    let body = |ttl: &str| {
        format!(
            r#"{{"messages":[{{"content":[{{"type":"text","text":"x","cache_control":{{"type":"ephemeral"{ttl}}}}}]}}]}}"#
        )
    };
    assert!(openai(&body(r#","ttl":"1h""#)).cache_write_1h);
    assert!(openai(&body(r#","ttl":"1\u0068""#)).cache_write_1h);
    assert!(!openai(&body(r#","ttl":"5m""#)).cache_write_1h);
    assert!(!openai(&body("")).cache_write_1h);
}

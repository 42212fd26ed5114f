use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::budget::prices::{Price, StatedCard, StatedPrice, StatedRates};

mod parts;

fn read(format: UsageFormat, body: &str) -> Result<RequestBound, EstimateFault> {
    bound_of_request(format, body.as_bytes(), None)
}

fn openai(body: &str) -> RequestBound {
    read(UsageFormat::OpenAi, body).unwrap()
}

fn length(body: &str) -> u64 {
    u64::try_from(body.len()).unwrap()
}

#[test]
fn a_chat_is_bounded_by_its_bytes_and_its_cap() {
    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":100,
        "n":3,"stream":true,"stream_options":{"include_usage":true},"service_tier":"flex"}"#;
    assert_eq!(
        openai(body),
        RequestBound {
            model: Some("gpt-4o".into()),
            input_tokens: length(body) + FRAME,
            whole_context: false,
            prompts: 1,
            output_cap: Some(100),
            choices: 3,
            searches: 0,
            audio_input: false,
            audio_output: false,
            cache_write_1h: false,
            service_tier: Some("flex".into()),
            streams: true,
            asks_usage: true,
            background: false,
        }
    );
}

#[test]
fn a_cap_counts_under_the_name_its_interface_reads() {
    let chat = |rest: &str| format!(r#"{{"messages":[{{"role":"user","content":"x"}}]{rest}}}"#);
    for (format, body, cap) in [
        (UsageFormat::OpenAi, chat(r#","max_tokens":7"#), Some(7)),
        (
            UsageFormat::OpenAi,
            chat(r#","max_completion_tokens":7"#),
            Some(7),
        ),
        (
            UsageFormat::OpenAi,
            chat(r#","max_completion_tokens":7,"max_tokens":9"#),
            Some(9),
        ),
        (UsageFormat::OpenAi, chat(r#","max_output_tokens":7"#), None),
        (
            UsageFormat::OpenAi,
            r#"{"input":"x","max_output_tokens":7}"#.into(),
            Some(7),
        ),
        (
            UsageFormat::OpenAi,
            r#"{"input":"x","max_tokens":7}"#.into(),
            None,
        ),
        (
            UsageFormat::OpenAi,
            chat(r#","input":"x","max_output_tokens":7"#),
            None,
        ),
        (
            UsageFormat::OpenAi,
            chat(r#","input":"x","max_output_tokens":7,"max_tokens":8"#),
            Some(8),
        ),
        (
            UsageFormat::OpenAi,
            r#"{"prompt":"x","max_tokens":7}"#.into(),
            Some(7),
        ),
        (
            UsageFormat::OpenAi,
            r#"{"prompt":{"id":"p"},"max_output_tokens":7}"#.into(),
            Some(7),
        ),
        (UsageFormat::OpenAi, r#"{"max_tokens":7}"#.into(), None),
        (UsageFormat::Anthropic, chat(r#","max_tokens":7"#), Some(7)),
        (
            UsageFormat::Anthropic,
            chat(r#","max_tokens":7,"thinking":{"type":"enabled","budget_tokens":50}"#),
            Some(50),
        ),
        (
            UsageFormat::Anthropic,
            chat(r#","max_completion_tokens":7"#),
            None,
        ),
        (
            UsageFormat::Gemini,
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":7}}"#.into(),
            Some(7),
        ),
        (
            UsageFormat::Gemini,
            r#"{"contents":[],"generation_config":{"max_output_tokens":7}}"#.into(),
            Some(7),
        ),
        (
            UsageFormat::Gemini,
            r#"{"contents":[],"maxOutputTokens":7}"#.into(),
            None,
        ),
        (
            UsageFormat::Bedrock,
            chat(r#","inferenceConfig":{"maxTokens":7}"#),
            Some(7),
        ),
        (
            UsageFormat::Bedrock,
            chat(
                r#","inferenceConfig":{"maxTokens":7},
                "additionalModelRequestFields":{"thinking":{"budget_tokens":90}}"#,
            ),
            Some(90),
        ),
        (
            UsageFormat::Bedrock,
            chat(r#","anthropic_version":"x","max_tokens":7,"inferenceConfig":{"maxTokens":1}"#),
            Some(7),
        ),
        (
            UsageFormat::Bedrock,
            r#"{"prompt":"x","max_gen_len":7}"#.into(),
            Some(7),
        ),
        (UsageFormat::Auto, chat(r#","max_tokens":7"#), Some(7)),
        (
            UsageFormat::Auto,
            chat(r#","inferenceConfig":{"maxTokens":7}"#),
            None,
        ),
        (UsageFormat::OpenAi, chat(r#","max_tokens":null"#), None),
        (UsageFormat::OpenAi, chat(r#","max_tokens":0"#), None),
    ] {
        assert_eq!(
            read(format, &body).unwrap().output_cap,
            cap,
            "{format:?} {body}"
        );
    }
}

#[test]
fn a_model_in_the_path_holds_and_tells_the_interface() {
    let gemini = br#"{"contents":[],"generationConfig":{"maxOutputTokens":7,"candidateCount":2}}"#;
    let bound = bound_of_request(UsageFormat::Auto, gemini, Some("gemini-2.5-pro")).unwrap();
    assert_eq!(bound.model.as_deref(), Some("gemini-2.5-pro"));
    assert_eq!((bound.output_cap, bound.choices), (Some(7), 2));
    let converse = br#"{"messages":[],"inferenceConfig":{"maxTokens":7}}"#;
    let bound = bound_of_request(UsageFormat::Auto, converse, Some("anthropic.claude")).unwrap();
    assert_eq!(bound.output_cap, Some(7));
    let named = br#"{"model":"cheap","messages":[]}"#;
    let bound = bound_of_request(UsageFormat::OpenAi, named, Some("dear")).unwrap();
    assert_eq!(bound.model.as_deref(), Some("dear"));
}

#[test]
fn every_choice_of_every_prompt_is_counted() {
    for (body, prompts, choices) in [
        (r#"{"prompt":"a","n":2,"best_of":5}"#, 1, 5),
        (r#"{"prompt":["a","b"],"n":2}"#, 2, 4),
        (r#"{"prompt":[1,2,3]}"#, 1, 1),
        (r#"{"prompt":[[1,2],[3]]}"#, 2, 2),
        (r#"{"input":["a","b","c"]}"#, 3, 3),
        (
            r#"{"input":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}"#,
            1,
            1,
        ),
        (r#"{"texts":["a","b"]}"#, 2, 2),
        (r#"{"requests":[{},{},{}]}"#, 3, 3),
        (r#"{"input":"a","n":null}"#, 1, 1),
    ] {
        let bound = openai(body);
        assert_eq!((bound.prompts, bound.choices), (prompts, choices), "{body}");
    }
}

#[test]
fn a_count_that_readers_take_differently_is_refused() {
    for number in [
        "-1",
        "1.5",
        "1.0",
        "1e3",
        "\"5\"",
        "true",
        "[5]",
        "100000001",
        "99999999999999999999",
    ] {
        let body = format!(r#"{{"messages":[],"max_tokens":{number}}}"#);
        assert_eq!(
            read(UsageFormat::OpenAi, &body),
            Err(EstimateFault::Value {
                at: "max_tokens",
                wanted: "a whole number of tokens, up to 100000000"
            }),
            "{number}"
        );
    }
    for body in [
        r#"{"n":0}"#,
        r#"{"n":1025}"#,
        r#"{"n":"2"}"#,
        r#"{"generationConfig":{"candidateCount":-1}}"#,
        r#"{"generationConfig":{},"generation_config":{}}"#,
        r#"{"model":5}"#,
        r#"{"stream":"yes"}"#,
        r#"{"background":1}"#,
        r#"{"service_tier":1}"#,
    ] {
        let read = read(UsageFormat::Gemini, body);
        assert!(
            matches!(read, Err(EstimateFault::Value { .. })),
            "{body}: {read:?}"
        );
    }
    for body in ["[]", "\"x\"", "1"] {
        assert_eq!(
            read(UsageFormat::Auto, body),
            Err(EstimateFault::NoObject),
            "{body}"
        );
    }
    for (body, fault) in [
        (r#"{"n":1,"n":2}"#, JsonFault::DuplicateName),
        (r#"{"messages":[],"MAX_TOKENS":2}"#, JsonFault::NameCase),
        ("{", JsonFault::Syntax),
    ] {
        assert_eq!(
            read(UsageFormat::OpenAi, body),
            Err(EstimateFault::Json(fault)),
            "{body}"
        );
    }
}

fn price(context: Option<u64>, max_output: Option<u64>, output: &str) -> Price {
    let rates = StatedRates::new("1.00".parse().unwrap(), output.parse().unwrap());
    let mut stated = StatedPrice::of(StatedCard::flat(rates));
    stated.context = context;
    stated.max_output = max_output;
    Price::of(&stated).unwrap()
}

#[test]
fn a_bound_takes_the_nearest_cap_there_is() {
    let body = r#"{"messages":[],"max_tokens":100,"n":2}"#;
    let stated = openai(body);
    let silent = openai(r#"{"messages":[],"n":2}"#);
    let model = price(None, Some(500), "1.00");
    let output = |bound: &RequestBound, price: &Price, tenant| {
        bound
            .of_price(price, tenant)
            .map(|bound| bound.output_tokens)
    };
    assert_eq!(output(&stated, &model, Some(300)), Ok(200));
    assert_eq!(output(&silent, &model, Some(300)), Ok(600));
    assert_eq!(output(&silent, &model, None), Ok(1_000));
    let unknown = price(None, None, "1.00");
    assert_eq!(output(&silent, &unknown, None), Err(Unbounded::Output));
    assert_eq!(output(&silent, &price(None, None, "0"), None), Ok(0));
}

#[test]
fn input_is_never_more_than_the_model_takes() {
    let long = openai(&format!(
        r#"{{"messages":[{{"content":"{}"}}]}}"#,
        "x".repeat(10_000)
    ));
    let input = |bound: &RequestBound, context| {
        let price = price(context, Some(1), "1.00");
        bound.of_price(&price, None).map(|bound| bound.input_tokens)
    };
    assert_eq!(input(&long, Some(4_000)), Ok(4_000));
    assert_eq!(input(&long, None), Ok(long.input_tokens));
    let batch = openai(&format!(r#"{{"input":["{0}","{0}"]}}"#, "x".repeat(10_000)));
    assert_eq!(
        input(&batch, Some(4_000)),
        Ok(8_000),
        "each text has its own context"
    );
    let earlier = openai(r#"{"input":"x","previous_response_id":"r"}"#);
    assert_eq!(input(&earlier, Some(4_000)), Ok(4_000));
    assert_eq!(input(&earlier, None), Err(Unbounded::Input));
}

#[test]
fn a_fault_is_the_callers_to_mend() {
    let fault = read(UsageFormat::OpenAi, r#"{"n":"2"}"#).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "`n` has to be a whole number of choices from 1, up to 1024"
    );
}

proptest! {
    #[test]
    fn text_never_counts_less_than_its_bytes(
        texts in prop::collection::vec("\\PC{0,40}", 1..5), cap in 1..10_000_u64
    ) {
        let messages: Vec<_> = texts
            .iter()
            .map(|text| serde_json::json!({ "role": "user", "content": [{ "type": "text", "text": text }] }))
            .collect();
        let body = serde_json::json!({ "messages": messages, "max_tokens": cap }).to_string();
        let bound = openai(&body);
        let bytes: usize = texts.iter().map(String::len).sum();
        prop_assert!(bound.input_tokens >= u64::try_from(bytes).unwrap());
        prop_assert_eq!(bound.output_cap, Some(cap));
    }

    #[test]
    fn any_body_is_bounded_or_refused_in_any_format(
        body in "[{}\\[\\]\":,a-z_0-9 ]{0,60}", format in prop::sample::select(vec![
            UsageFormat::Auto, UsageFormat::OpenAi, UsageFormat::Anthropic, UsageFormat::Gemini,
            UsageFormat::Bedrock,
        ])
    ) {
        let read = bound_of_request(format, body.as_bytes(), Some("m"));
        if let Ok(bound) = read {
            prop_assert!(bound.input_tokens >= FRAME);
            prop_assert_eq!(bound.model, Some("m".to_owned()));
        }
    }
}

#[test]
fn a_tier_is_read_in_each_providers_words() {
    for (body, tier) in [
        (r#"{"service_tier":"priority"}"#, Some("priority")),
        (r#"{"serviceTier":{"type":"flex"}}"#, Some("flex")),
        (r#"{"serviceTier":"flex"}"#, Some("flex")),
        (r#"{"speed":"fast"}"#, Some("fast")),
        (r#"{"service_tier":"auto","speed":"fast"}"#, Some("fast")),
        (
            r#"{"service_tier":"flex","serviceTier":"priority"}"#,
            Some("flex and priority"),
        ),
        (r#"{"service_tier":"auto"}"#, Some("auto")),
        (r#"{"service_tier":null}"#, None),
        ("{}", None),
    ] {
        assert_eq!(openai(body).service_tier, tier.map(Arc::from), "{body}");
    }
}

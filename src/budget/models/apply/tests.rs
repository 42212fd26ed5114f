use std::sync::Arc;

use super::*;
use crate::inspect::Glob;

fn list(patterns: &[&str]) -> Arc<[Glob]> {
    patterns.iter().map(|text| Glob::new(text)).collect()
}

/// A list, a default, a temperature and a cap.
fn policy() -> ModelPolicy {
    ModelPolicy {
        allow: vec![list(&["gpt-4o", "o3*", "claude-*", "gemini-*", "amazon.*"])],
        default: Some("gpt-4o".into()),
        default_temperature: "0.70".parse().ok(),
        max_output_tokens: Some(8192),
    }
}

fn only_list() -> ModelPolicy {
    ModelPolicy {
        allow: policy().allow,
        ..ModelPolicy::default()
    }
}

fn applied(
    policy: &ModelPolicy,
    format: UsageFormat,
    path: &str,
    body: &str,
) -> Result<String, ModelDenied> {
    let request = ModelRequest {
        format: Some(format),
        path,
        model: None,
        body: RequestBody::Json(body.as_bytes()),
    };
    let applied = apply(policy, &request)?;
    Ok(applied.body.map_or_else(
        || body.to_owned(),
        |changed| String::from_utf8(changed.to_vec()).unwrap(),
    ))
}

fn chat(policy: &ModelPolicy, body: &str) -> Result<String, ModelDenied> {
    applied(policy, UsageFormat::OpenAi, "/v1/chat/completions", body)
}

fn not_allowed(model: &str) -> ModelDenied {
    ModelDenied::NotAllowed(model.to_owned())
}

#[test]
fn what_a_request_leaves_out_is_written_and_every_other_byte_stays() {
    use UsageFormat::{Anthropic, Bedrock, Gemini, OpenAi};
    for (format, path, before, after) in [
        (
            OpenAi,
            "/v1/chat/completions",
            r#"{ "messages": [{"role":"user","content":"h\u0069"}] }"#,
            r#"{ "messages": [{"role":"user","content":"h\u0069"}],"model":"gpt-4o","max_tokens":8192,"temperature":0.70 }"#,
        ),
        (
            OpenAi,
            "/v1/chat/completions",
            r#"{"model":"o3","messages":[]}"#,
            r#"{"model":"o3","messages":[],"max_completion_tokens":8192}"#,
        ),
        (
            OpenAi,
            "/v1/chat/completions",
            r#"{"model":null,"messages":[],"max_completion_tokens":16,"temperature":0}"#,
            r#"{"model":"gpt-4o","messages":[],"max_completion_tokens":16,"temperature":0}"#,
        ),
        (
            OpenAi,
            "/v1/completions",
            r#"{"model":"gpt-4o","prompt":"x","max_tokens":null}"#,
            r#"{"model":"gpt-4o","prompt":"x","max_tokens":8192,"temperature":0.70}"#,
        ),
        (
            OpenAi,
            "/v1/responses",
            r#"{"input":"x","top_p":0.9}"#,
            r#"{"input":"x","top_p":0.9,"model":"gpt-4o","max_output_tokens":8192}"#,
        ),
        (
            OpenAi,
            "/v1/embeddings",
            r#"{"model":"gpt-4o","input":"x"}"#,
            r#"{"model":"gpt-4o","input":"x"}"#,
        ),
        (
            Anthropic,
            "/v1/messages",
            r#"{"model":"claude-opus-4-5","messages":[]}"#,
            r#"{"model":"claude-opus-4-5","messages":[],"max_tokens":8192,"temperature":0.70}"#,
        ),
        (
            Anthropic,
            "/v1/messages",
            r#"{"model":"claude-opus-4-5","max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":2048},"messages":[]}"#,
            r#"{"model":"claude-opus-4-5","max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":2048},"messages":[]}"#,
        ),
        (
            Gemini,
            "/v1beta/models/gemini-2.5-pro:generateContent",
            r#"{"model":"models/gemini-2.5-pro","contents":[]}"#,
            r#"{"model":"models/gemini-2.5-pro","contents":[],"generationConfig":{"maxOutputTokens":8192,"temperature":0.70}}"#,
        ),
        (
            Gemini,
            "/v1beta/models/gemini-2.5-pro:generateContent",
            r#"{"model":"gemini-x","generation_config":{"max_output_tokens":5}}"#,
            r#"{"model":"gemini-x","generation_config":{"max_output_tokens":5,"temperature":0.70}}"#,
        ),
    ] {
        assert_eq!(applied(&policy(), format, path, before).unwrap(), after);
    }
    let request = ModelRequest {
        format: Some(Bedrock),
        path: "/model/amazon.nova-pro-v1:0/converse",
        model: Some(ModelAt::Given(&["amazon.nova-pro-v1:0".to_owned()])),
        body: RequestBody::Json(br#"{"messages":[],"inferenceConfig":{"topP":0.5}}"#),
    };
    let applied = apply(&policy(), &request).unwrap();
    assert_eq!(
        applied.body.unwrap(),
        r#"{"messages":[],"inferenceConfig":{"topP":0.5,"maxTokens":8192}}"#
    );
    assert_eq!(applied.models, ["amazon.nova-pro-v1:0"]);
}

#[test]
fn without_a_policy_a_request_is_as_it_came() {
    let none = ModelPolicy::default();
    for body in [
        r#"{"model":"anything at all","max_tokens":999999999,"models":["x"]}"#,
        "{}",
        "[1]",
    ] {
        assert_eq!(chat(&none, body).unwrap(), body);
    }
}

#[test]
fn a_listed_model_passes_and_another_does_not_wherever_it_stands() {
    for (passes, refused) in [
        (r#"{"model":"gpt-4o"}"#, r#"{"model":"gpt-4o-mini"}"#),
        (r#"{"model":"claude-x"}"#, r#"{"model":"x-claude-x"}"#),
        (
            r#"{"model":"gpt-4o","models":["o3"]}"#,
            r#"{"model":"gpt-4o","models":["o3","o1"]}"#,
        ),
        (
            r#"{"model":"gpt-4o","tools":[{"type":"image_generation","model":"o3-image"}]}"#,
            r#"{"model":"gpt-4o","tools":[{"type":"image_generation","model":"gpt-image-1"}]}"#,
        ),
        (
            r#"{"model":"gpt-4o","fallbacks":[{"model":"o3"}]}"#,
            r#"{"model":"gpt-4o","fallbacks":[{"model":"o1"}]}"#,
        ),
        (
            r#"{"requests":[{"params":{"model":"claude-x"}}]}"#,
            r#"{"requests":[{"params":{"model":"claude-x"}},{"params":{"model":"o1"}}]}"#,
        ),
        (r#"{"mod\u0065l":"gpt-4o"}"#, r#"{"mod\u0065l":"GPT-4o"}"#),
    ] {
        assert_eq!(chat(&only_list(), passes).unwrap(), passes);
        let denied = chat(&only_list(), refused).unwrap_err();
        assert!(
            matches!(denied, ModelDenied::NotAllowed(_)),
            "{refused}: {denied}"
        );
        assert!(denied.is_forbidden());
    }
}

#[test]
fn a_model_in_the_path_is_held_against_the_list_and_no_default_takes_its_place() {
    let request = |path: &'static str, given: &'static [String], body| ModelRequest {
        format: Some(UsageFormat::Gemini),
        path,
        model: Some(ModelAt::Given(given)),
        body,
    };
    let allowed: &'static [String] = Box::leak(Box::new(["gemini-pro:generateContent".to_owned()]));
    let other: &'static [String] = Box::leak(Box::new(["palm-2:generateContent".to_owned()]));
    let path = "/v1beta/models/gemini-pro:generateContent";
    let passed = apply(
        &only_list(),
        &request(path, allowed, RequestBody::Json(b"{}")),
    )
    .unwrap();
    assert_eq!(passed.models, ["gemini-pro"]);
    assert_eq!(passed.body, None);
    for body in [
        RequestBody::Json(b"{}"),
        RequestBody::Empty,
        RequestBody::Other,
    ] {
        let denied = apply(&only_list(), &request(path, other, body)).unwrap_err();
        assert_eq!(denied, not_allowed("palm-2"));
    }
    let two = RequestBody::Json(br#"{"model":"models/palm-2"}"#);
    let denied = apply(&only_list(), &request(path, allowed, two)).unwrap_err();
    assert_eq!(
        denied,
        not_allowed("palm-2"),
        "the body names another than the path"
    );
}

#[test]
fn who_may_not_use_every_model_has_to_name_one() {
    assert_eq!(chat(&only_list(), "{}"), Err(ModelDenied::NotNamed));
    assert_eq!(
        chat(&only_list(), r#"{"model":null}"#),
        Err(ModelDenied::NotNamed)
    );
    assert!(
        chat(&policy(), "{}").unwrap().contains("gpt-4o"),
        "unless there is a default"
    );
    let batches = applied(
        &policy(),
        UsageFormat::OpenAi,
        "/v1/batches",
        r#"{"input_file_id":"f"}"#,
    );
    assert_eq!(
        batches,
        Err(ModelDenied::NotNamed),
        "a default is for what the gate can read"
    );
    let form = ModelRequest {
        format: Some(UsageFormat::OpenAi),
        path: "/v1/audio/transcriptions",
        model: None,
        body: RequestBody::Other,
    };
    assert_eq!(apply(&only_list(), &form), Err(ModelDenied::NotNamed));
    assert!(apply(&ModelPolicy::default(), &form).is_ok());
}

#[test]
fn a_default_that_the_lists_no_longer_have_lets_nothing_through() {
    let stale = ModelPolicy {
        default: Some("o1".into()),
        ..policy()
    };
    assert_eq!(chat(&stale, "{}"), Err(not_allowed("o1")));
}

#[test]
fn a_cap_up_to_the_tenants_passes_and_one_above_is_refused_in_every_spelling() {
    for (name, inside) in [
        ("max_tokens", None),
        ("max_completion_tokens", None),
        ("MAX_TOKENS_", Some("x")),
        ("num_predict", Some("options")),
    ] {
        let body = |cap: &str| match inside {
            None => format!(r#"{{"model":"o3","{name}":{cap},"temperature":1}}"#),
            Some(inside) => format!(
                r#"{{"model":"o3","max_tokens":1,"temperature":1,"{inside}":{{"{name}":{cap}}}}}"#
            ),
        };
        assert_eq!(chat(&policy(), &body("8192")).unwrap(), body("8192"));
        let denied = chat(&policy(), &body("8193")).unwrap_err();
        assert_eq!(
            denied,
            ModelDenied::TooMuchOutput {
                name: name.to_owned(),
                asked: 8193,
                most: 8192
            }
        );
        for unclear in [
            "-1",
            "8192.0",
            "1e2",
            "\"16\"",
            "[1]",
            "99999999999999999999",
        ] {
            let denied = chat(&policy(), &body(unclear)).unwrap_err();
            assert_eq!(
                denied,
                ModelDenied::UnclearCap(name.to_owned()),
                "{unclear}"
            );
            assert!(!denied.is_forbidden());
        }
    }
}

#[test]
fn what_readers_take_differently_is_refused() {
    for body in [
        r#"{"model":"gpt-4o","model":"o1"}"#,
        r#"{"Model":"gpt-4o"}"#,
        r#"{"model":["gpt-4o"]}"#,
        r#"{"model":7}"#,
        r#"{"model":""}"#,
        r#"{"model":" gpt-4o"}"#,
        r#"{"model":"claude-\n"}"#,
        "{",
        "",
    ] {
        let denied = chat(&policy(), body).unwrap_err();
        assert!(!denied.is_forbidden(), "{body}: {denied}");
    }
    let two = r#"{"generationConfig":{},"generation_config":{}}"#;
    let path = "/v1beta/models/gemini-pro:generateContent";
    assert!(applied(&policy(), UsageFormat::Gemini, path, two).is_err());
}

#[test]
fn an_agent_is_read_at_the_place_that_its_route_names() {
    let pointer = ["agent".to_owned(), "llm".to_owned()];
    let agent = |body: &'static str| ModelRequest {
        format: None,
        path: "/tasks",
        model: Some(ModelAt::Body(&pointer)),
        body: RequestBody::Json(body.as_bytes()),
    };
    let passed = apply(
        &policy(),
        &agent(r#"{"agent":{"llm":"o3"},"model":"whatever","max_tokens":9999999}"#),
    );
    assert_eq!(
        passed.unwrap(),
        Applied {
            body: None,
            models: vec!["o3".to_owned()]
        }
    );
    assert_eq!(
        apply(&policy(), &agent(r#"{"agent":{"llm":"o1"}}"#)),
        Err(not_allowed("o1"))
    );
    for (before, after) in [
        (r#"{"task":1}"#, r#"{"task":1,"agent":{"llm":"gpt-4o"}}"#),
        (r#"{"agent":{"llm":null}}"#, r#"{"agent":{"llm":"gpt-4o"}}"#),
    ] {
        let applied = apply(&policy(), &agent(before)).unwrap();
        assert_eq!(applied.body.unwrap(), after);
        assert_eq!(applied.models, ["gpt-4o"]);
    }
    let empty = ModelRequest {
        body: RequestBody::Empty,
        ..agent("")
    };
    assert_eq!(apply(&only_list(), &empty), Err(ModelDenied::NotNamed));
}

#[test]
fn a_refusal_repeats_only_so_much_of_a_name() {
    let body = format!(r#"{{"model":"{}"}}"#, "x".repeat(1_000));
    let denied = chat(&only_list(), &body).unwrap_err();
    assert!(denied.to_string().len() < 200, "{denied}");
}

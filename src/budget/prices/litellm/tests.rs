use super::*;

fn imported(entries: &str) -> Imported {
    import(entries.as_bytes()).unwrap()
}

/// The text of the only price.
fn price(entry: &str) -> String {
    let imported = imported(&format!("{{\"m\": {entry}}}"));
    assert_eq!(imported.skipped, []);
    let [(model, price)] = imported.prices.as_slice() else {
        panic!("one price");
    };
    assert_eq!(model, "m");
    price.to_string()
}

/// Why the only entry is skipped.
fn reason(entry: &str) -> SkipReason {
    let imported = imported(&format!("{{\"m\": {entry}}}"));
    assert_eq!(imported.prices, []);
    let [skipped] = imported.skipped.as_slice() else {
        panic!("one entry");
    };
    skipped.reason.clone()
}

#[test]
fn every_field_finds_its_place() {
    let text = price(
        r#"{
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3E-7, "cache_creation_input_token_cost": 0.00000375,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
        "output_cost_per_reasoning_token": 2e-5,
        "input_cost_per_audio_token": 4e-5, "output_cost_per_audio_token": 8e-5,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "output_cost_per_token_above_200k_tokens": 2.25e-05,
        "cache_read_input_token_cost_above_200k_tokens": 6e-07,
        "input_cost_per_token_priority": 6e-06, "output_cost_per_token_priority": 3e-05,
        "input_cost_per_token_above_200k_tokens_priority": 1.2e-05,
        "output_cost_per_token_above_200k_tokens_priority": 4.5e-05,
        "input_cost_per_token_flex": 1.5e-06, "output_cost_per_token_batches": 7.5e-06,
        "search_context_cost_per_query":
            {"search_context_size_low": 0.03, "search_context_size_high": 0.05},
        "input_cost_per_query": 0.001,
        "max_input_tokens": 1000000, "max_output_tokens": "64000", "mode": "chat"
        }"#,
    );
    insta::assert_snapshot!(text, @r#"
    input = "3.00"
    output = "15.00"
    cache_read = "0.30"
    cache_write = "3.75"
    cache_write_1h = "6.00"
    reasoning = "20.00"
    audio_input = "40.00"
    audio_output = "80.00"
    per_request = "0.001"
    per_search = "0.05"
    tiers = [
        { above = 200000, input = "6.00", output = "22.50", cache_read = "0.60" },
    ]
    service_tiers.priority = { input = "6.00", output = "30.00", tiers = [{ above = 200000, input = "12.00", output = "45.00" }] }
    service_tiers.flex = { input = "1.50", output = "15.00" }
    service_tiers.batch = { input = "3.00", output = "7.50" }
    context = 1000000
    max_output = 64000
    "#);
}

#[test]
fn tokens_that_answers_do_not_tell_apart_cost_the_dearest_of_them() {
    let text = price(
        r#"{"input_cost_per_token": 5e-06, "input_cost_per_image_token": 1e-05,
            "cache_read_input_token_cost": 4e-7, "cache_read_input_audio_token_cost": 5e-7,
            "output_cost_per_image_token": 4e-05, "mode": "image_generation"}"#,
    );
    assert_eq!(
        text,
        "input = \"10.00\"\noutput = \"40.00\"\ncache_read = \"0.50\"\n"
    );
}

#[test]
fn an_embedding_gives_no_output_that_is_paid() {
    let text = price(r#"{"input_cost_per_token": 2e-08, "mode": "embedding"}"#);
    assert_eq!(
        text,
        "input = \"0.02\"\noutput = \"0.00\"\nmax_output = 0\n"
    );
}

#[test]
fn nothing_becomes_free_because_a_table_says_zero() {
    assert_eq!(
        reason(r#"{"input_cost_per_token": 0.0, "output_cost_per_token": 0, "mode": "chat"}"#),
        SkipReason::Free("input")
    );
    assert_eq!(
        reason(r#"{"input_cost_per_token": 1e-6, "output_cost_per_token": 0e-7, "mode": "chat"}"#),
        SkipReason::Free("output")
    );
    let text = price(
        r#"{"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
            "cache_read_input_token_cost": 0.0, "search_context_cost_per_query": {}}"#,
    );
    assert_eq!(text, "input = \"1.00\"\noutput = \"1.00\"\n");
}

#[test]
fn what_is_not_paid_by_tokens_is_named() {
    for (entry, mode) in [
        (
            r#"{"output_cost_per_image": 0.04, "mode": "image_generation"}"#,
            "image_generation",
        ),
        (
            r#"{"input_cost_per_second": 0.0001, "input_cost_per_token": 1e-6}"#,
            "none",
        ),
        (r#"{"input_cost_per_token": null, "mode": "chat"}"#, "chat"),
    ] {
        assert_eq!(
            reason(entry),
            SkipReason::NotByTokens(mode.into()),
            "{entry}"
        );
    }
}

#[test]
fn what_can_not_be_read_or_hold_is_left_out_with_its_reason() {
    assert_eq!(
        reason(r#"{"input_cost_per_token": "cheap", "output_cost_per_token": 1e-6}"#),
        SkipReason::Amount {
            field: "input_cost_per_token".into(),
            error: AmountError::NotDecimal
        }
    );
    assert_eq!(
        reason(r#"{"input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}"#),
        SkipReason::Amount {
            field: "input_cost_per_token".into(),
            error: AmountError::Negative
        }
    );
    assert!(matches!(
        reason(
            r#"{"input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6,
                "input_cost_per_token_above_128k_tokens": 1e-6}"#
        ),
        SkipReason::Fault(PriceFault::Card(CardFault::Cheaper { above: 128_000, .. }))
    ));
    assert!(matches!(
        reason(r#"{"input_cost_per_token": 2.5, "output_cost_per_token": 10.0}"#),
        SkipReason::Suspicious { key: "input", .. }
    ));
    assert_eq!(reason("7"), SkipReason::NoObject);
}

#[test]
fn a_name_that_would_be_a_pattern_is_left_out() {
    let both = imported(
        r#"{"sample_spec": {"input_cost_per_token": 1}, "a/*":
            {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}, "b c": {}}"#,
    );
    assert_eq!(both.prices, []);
    let reasons: Vec<_> = both.skipped.iter().map(|it| it.reason.clone()).collect();
    assert_eq!(reasons, [SkipReason::Name, SkipReason::Name]);
}

#[test]
fn a_cache_that_takes_less_than_its_input_is_a_slip() {
    let text = price(
        r#"{"input_cost_per_token": 1.5e-05, "output_cost_per_token": 7.5e-05,
            "cache_creation_input_token_cost": 1.875e-05,
            "cache_creation_input_token_cost_above_1hr": 6e-06,
            "input_cost_per_token_above_200k_tokens": 3e-05,
            "cache_creation_input_token_cost_above_200k_tokens": 2.5e-06}"#,
    );
    assert!(text.contains("cache_write = \"18.75\""), "{text}");
    assert!(!text.contains("cache_write_1h"), "{text}");
    assert!(!text.contains("\"2.50\""), "{text}");
}

#[test]
fn a_discount_without_a_word_on_pictures_is_not_theirs() {
    let text = price(
        r#"{"input_cost_per_token": 2e-06, "output_cost_per_token": 1.2e-05,
            "output_cost_per_image_token": 1.2e-04, "output_cost_per_token_batches": 6e-06}"#,
    );
    assert!(
        text.contains("batch = { input = \"2.00\", output = \"120.00\" }"),
        "{text}"
    );
}

#[test]
fn a_context_that_some_callers_exceed_is_no_bound() {
    let text = price(
        r#"{"input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5,
            "input_cost_per_token_above_200k_tokens": 6e-6, "max_input_tokens": 200000}"#,
    );
    assert!(!text.contains("context"), "{text}");
}

#[test]
fn fields_about_money_without_a_place_are_counted() {
    let entry = r#"{"input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5,
        "output_cost_per_second": 0.1, "input_cost_per_image": 0, "supports_vision": true}"#;
    let imported = imported(&format!("{{\"a\": {entry}, \"b\": {entry}}}"));
    let counted: Vec<_> = imported.left_out.into_iter().collect();
    assert_eq!(counted, [("output_cost_per_second".to_owned(), 2)]);
}

#[test]
fn what_is_no_table_is_refused() {
    assert_eq!(import(b"[]"), Err(ImportError::NoTable));
    assert_eq!(
        import(b"{\"a\":{},\"a\":{}}"),
        Err(ImportError::Json(JsonFault::DuplicateName))
    );
    assert_eq!(import(b"{"), Err(ImportError::Json(JsonFault::Syntax)));
}

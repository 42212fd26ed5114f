//! Costs at places that the operator named.

use std::sync::Arc;

use super::*;
use crate::money::NanoUsd;

fn body(pointer: &str) -> Option<Place> {
    Some(Place::Body(tokens(pointer)))
}

fn event(pointer: &str) -> Option<Place> {
    Some(Place::Event(tokens(pointer)))
}

fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(str::to_owned).collect()
}

fn usd(place: Option<Place>) -> Arc<Pointers> {
    Arc::new(Pointers {
        usd: place,
        ..Pointers::default()
    })
}

fn said(pointers: &Arc<Pointers>, fields: &[(&str, &str)], text: &str) -> Reading {
    let mut meter = Meter::by_pointers(pointers, &headers(fields));
    assert_eq!(
        through(&mut meter, text.as_bytes().chunks(11)),
        text.as_bytes()
    );
    meter.reading()
}

fn document(pointers: &Arc<Pointers>, text: &str) -> Reading {
    said(pointers, &[("content-type", JSON)], text)
}

fn stream(pointers: &Arc<Pointers>, data: &[&str]) -> Reading {
    said(pointers, &[("content-type", EVENTS)], &events(data))
}

fn nanos(reading: &Reading) -> Option<u64> {
    reading.usage.cost.map(NanoUsd::nanos)
}

#[test]
fn an_amount_in_the_body_is_read_from_its_own_digits() {
    let pointers = usd(body("/cost/usd"));
    for (text, cost) in [
        ("0.1", 100_000_000),
        ("1e-3", 1_000_000),
        ("0.0123456789", 12_345_679),
        ("\"0.25\"", 250_000_000),
        ("0", 0),
    ] {
        let reading = document(&pointers, &format!("{{\"cost\":{{\"usd\":{text}}}}}"));
        assert!(reading.complete, "{text}");
        assert_eq!(nanos(&reading), Some(cost), "{text}");
    }
    for text in ["-1", "\"free\"", "true", "{}", "[1]", "\"\""] {
        let reading = document(&pointers, &format!("{{\"cost\":{{\"usd\":{text}}}}}"));
        assert!(!reading.complete, "{text}");
        assert_eq!(reading.fault, Some(MeterFault::Unreadable), "{text}");
    }
    for text in ["{\"cost\":{\"usd\":null}}", "{\"cost\":null}", "{}", "[]"] {
        let reading = document(&pointers, text);
        assert!(!reading.complete, "{text}");
        assert_eq!(reading.fault, None, "not known yet: {text}");
    }
}

#[test]
fn amounts_of_several_attempts_are_added() {
    let pointers = usd(body("/attempts/*/costUsd"));
    let text = r#"{"attempts":[{"costUsd":0.1},{"costUsd":null},{"costUsd":0.2}]}"#;
    assert_eq!(nanos(&document(&pointers, text)), Some(300_000_000));
    let elements = usd(body("/*/usd"));
    assert_eq!(
        nanos(&document(&elements, r#"[{"usd":1},{"usd":2}]"#)),
        Some(3_000_000_000)
    );
}

#[test]
fn the_last_event_that_says_it_counts() {
    let pointers = usd(event("/usage/cost"));
    let reading = stream(
        &pointers,
        &[
            r#"{"text":"a"}"#,
            r#"{"usage":{"cost":0.1}}"#,
            r#"{"usage":{"cost":0.3}}"#,
            r#"{"usage":{"cost":null}}"#,
        ],
    );
    assert!(reading.complete);
    assert_eq!(nanos(&reading), Some(300_000_000));
    assert!(!stream(&pointers, &[r#"{"text":"a"}"#]).complete);
    let by_number = usd(event("/0"));
    assert_eq!(nanos(&stream(&by_number, &["[0.5]"])), Some(500_000_000));
}

#[test]
fn an_amount_in_a_field_needs_no_body_and_two_are_none() {
    let pointers = usd(Some(Place::Header("x-cost-usd".parse().unwrap())));
    let reading = said(&pointers, &[("x-cost-usd", " 0.002 ")], "anything");
    assert!(reading.complete);
    assert_eq!(nanos(&reading), Some(2_000_000));
    for fields in [
        &[("x-cost-usd", "1"), ("x-cost-usd", "1")][..],
        &[("x-cost-usd", "one")],
        &[("other", "1")],
    ] {
        assert!(!said(&pointers, fields, "anything").complete, "{fields:?}");
    }
}

#[test]
fn counts_of_tokens_are_complete_with_input_and_output() {
    let pointers = Arc::new(Pointers {
        input: body("/tokens_used/input_tokens"),
        output: body("/tokens_used/output_tokens"),
        cache_read: body("/tokens_used/cache_read_input_tokens"),
        cache_write: body("/tokens_used/cache_creation_input_tokens"),
        reasoning: body("/tokens_used/reasoning_tokens"),
        model: body("/model"),
        ..Pointers::default()
    });
    let reading = document(
        &pointers,
        r#"{"model":"gpt-4o","tokens_used":{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":5,"reasoning_tokens":1}}"#,
    );
    assert!(reading.complete);
    assert_eq!(
        reading.usage,
        Usage {
            input: Some(3),
            output: Some(4),
            cache_read: Some(5),
            reasoning: Some(1),
            model: Some("gpt-4o".into()),
            ..Usage::default()
        }
    );
    assert!(!document(&pointers, r#"{"tokens_used":{"input_tokens":3}}"#).complete);
    let absurd = r#"{"tokens_used":{"input_tokens":3,"output_tokens":4.5}}"#;
    assert_eq!(
        document(&pointers, absurd).fault,
        Some(MeterFault::Unreadable)
    );
}

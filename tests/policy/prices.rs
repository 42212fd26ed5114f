//! Prices as operators write them.

use fabric_gate::budget::prices::{Bound, Price};
use fabric_gate::inspect::usage::Usage;

use super::*;

/// What a million tokens of input and one of output cost.
fn millions(price: &Price) -> (String, String) {
    let cost = |input: u64, output: u64| {
        let usage = Usage {
            input: Some(input),
            output: Some(output),
            ..Usage::default()
        };
        price.cost(&usage).to_string()
    };
    (cost(1_000_000, 0), cost(0, 1_000_000))
}

fn found(text: &str, model: &str) -> Option<(String, String)> {
    let snapshot = compiled(text).unwrap();
    snapshot.prices.find(model).map(millions)
}

fn pair(input: &str, output: &str) -> Option<(String, String)> {
    Some((input.to_owned(), output.to_owned()))
}

const EVERY_KEY: &str = r#"
[[prices]]
model = "house-large"
aliases = ["house/large", "house-large-*"]
input = "3.00"
output = "15.00"
cache_read = "0.30"
cache_write = "3.75"
cache_write_1h = "6.00"
reasoning = "20.00"
audio_input = "40.00"
audio_output = "80.00"
per_request = "0.001"
per_search = "0.01"
tiers = [{ above = 200000, input = "6.00", output = "22.50" }]
service_tiers = { batch = "0.5", priority = { input = "6.00", output = "30.00", tiers = [{ above = 200000, input = "12.00", output = "45.00" }] } }
context = 1000000
max_output = 64000
"#;

#[test]
fn every_key_of_a_price_holds() {
    let snapshot = compiled(EVERY_KEY).unwrap();
    for model in ["house-large", "house/large", "house-large-2026"] {
        assert!(snapshot.prices.find(model).is_some(), "{model}");
    }
    let price = snapshot.prices.find("house-large").unwrap();
    assert_eq!(
        (price.context, price.max_output),
        (Some(1_000_000), Some(64_000))
    );
    let million = |usage: Usage| price.cost(&usage).to_string();
    let class = |set: fn(&mut Usage)| {
        let mut usage = Usage::default();
        set(&mut usage);
        million(usage)
    };
    // A thousand of each, with the fee for the request.
    assert_eq!(class(|it| it.input = Some(1_000)), "0.004");
    assert_eq!(class(|it| it.output = Some(1_000)), "0.016");
    assert_eq!(class(|it| it.cache_read = Some(1_000)), "0.0013");
    assert_eq!(class(|it| it.cache_write = Some(1_000)), "0.00475");
    assert_eq!(class(|it| it.cache_write_1h = Some(1_000)), "0.007");
    assert_eq!(class(|it| it.reasoning = Some(1_000)), "0.021");
    assert_eq!(class(|it| it.audio_input = Some(1_000)), "0.041");
    assert_eq!(class(|it| it.audio_output = Some(1_000)), "0.081");
    assert_eq!(class(|it| it.searches = Some(2)), "0.021");
    assert_eq!(class(|it| it.input = Some(300_000)), "1.801");
    let tier = |tier: &str| {
        million(Usage {
            input: Some(300_000),
            service_tier: Some(tier.into()),
            ..Usage::default()
        })
    };
    assert_eq!(tier("batch"), "0.901");
    assert_eq!(tier("priority"), "3.601");
    let bound = Bound {
        input_tokens: 1_000_000,
        output_tokens: 64_000,
        ..Bound::default()
    };
    assert_eq!(price.upper_bound(&bound).to_string(), "8.941");
}

#[test]
fn own_prices_go_before_those_that_are_built_in_which_can_be_left_out() {
    let own = "[[prices]]\nmodel = \"gpt-4o\"\ninput = \"2.00\"\noutput = \"9.00\"\n";
    assert_eq!(found("\n", "gpt-4o"), pair("2.50", "10.00"));
    assert_eq!(found(own, "gpt-4o"), pair("2.00", "9.00"));
    assert_eq!(found(own, "gpt-4o-2024-08-06"), pair("2.50", "10.00"));
    let without = format!("{own}[costs]\nbuilt_in_prices = false\n");
    assert_eq!(found(&without, "gpt-4o"), pair("2.00", "9.00"));
    assert_eq!(found(&without, "gpt-4o-2024-08-06"), None);
}

#[test]
fn a_model_nobody_knows_has_a_price_only_where_a_default_is_stated() {
    let default = "[costs]\nunpriced = \"default_price\"\n\
                   default_price = { input = \"10.00\", output = \"30.00\" }\n";
    assert_eq!(found("\n", "unheard-of"), None);
    assert_eq!(found(default, "unheard-of"), pair("10.00", "30.00"));
    assert_eq!(found(default, "gpt-4o"), pair("2.50", "10.00"));
}

#[test]
fn a_default_that_holds_for_nothing_or_is_missing_is_refused() {
    assert_eq!(
        refused("[costs]\nunpriced = \"default_price\"\n"),
        [(
            ProblemKind::Missing,
            "policies/p.toml:1:1: error: [costs]: the key `default_price` is missing".to_owned()
        )]
    );
    let [(kind, line)] =
        &refused("[costs]\ndefault_price = { input = \"1.00\", output = \"2.00\" }\n")[..]
    else {
        panic!("one problem");
    };
    assert_eq!(*kind, ProblemKind::NeverMatches);
    assert!(line.contains("no model gets this price"), "{line}");
}

#[test]
fn a_mistake_in_a_price_is_named_by_its_place() {
    let entry = |rest: &str| format!("[[prices]]\nmodel = \"m\"\n{rest}\n");
    let sound = "input = \"1.00\"\noutput = \"2.00\"\n";
    for (text, kind, told) in [
        (
            entry("output = \"2.00\""),
            ProblemKind::Missing,
            "`input` is missing",
        ),
        (
            entry("input = \"1.00\""),
            ProblemKind::Missing,
            "`output` is missing",
        ),
        (
            entry("input = 1.5\noutput = \"2.00\""),
            ProblemKind::WrongType,
            "p.toml:3:9: error: [[prices]] \"m\" input: a text is needed",
        ),
        (
            entry("input = \"1e-6\"\noutput = \"2.00\""),
            ProblemKind::BadValue,
            "p.toml:3:9: error: [[prices]] \"m\" input: an amount is a decimal number",
        ),
        (
            entry(&format!("{sound}cache_raed = \"0.10\"")),
            ProblemKind::UnknownKey,
            "unknown key `cache_raed`, did you mean `cache_read`?",
        ),
        (
            entry(&format!("{sound}service_tiers = {{ prioritty = \"2.0\" }}")),
            ProblemKind::UnknownKey,
            "did you mean `priority`?",
        ),
        (
            entry(&format!("{sound}service_tiers = {{ flex = \"0\" }}")),
            ProblemKind::BadValue,
            "a factor is a decimal number above 0",
        ),
        (
            entry(&format!(
                "{sound}tiers = [{{ above = 10, input = \"0.50\", output = \"2.00\" }}]"
            )),
            ProblemKind::Conflict,
            "above 10 tokens `input` costs less than below",
        ),
        (
            entry(&format!(
                "{sound}context = 10\ntiers = [{{ above = 10, input = \"1.50\", output = \"2.00\" }}]"
            )),
            ProblemKind::Conflict,
            "no request is above 10 tokens, because `context` is 10",
        ),
        (
            format!("{}{}", entry(sound), entry(sound)),
            ProblemKind::Duplicate,
            "p.toml:7:9: error: [[prices]] \"m\" model: `m` has a price in policies/p.toml:2 already",
        ),
        (
            format!(
                "{}{}",
                entry(sound),
                entry(&format!("{sound}aliases = [\"a\", \"m\"]"))
                    .replace("model = \"m\"", "model = \"n\"")
            ),
            ProblemKind::Duplicate,
            "aliases: `m` has a price in policies/p.toml:2 already",
        ),
        (
            format!(
                "{}{}",
                entry(sound).replace("\"m\"", "\"house-*\""),
                entry(sound).replace("\"m\"", "\"*-large\"")
            ),
            ProblemKind::Conflict,
            "some models fit this pattern and `house-*` in policies/p.toml:2, and neither is longer",
        ),
    ] {
        let problems = refused(&text);
        let [(found, line)] = problems.as_slice() else {
            panic!("one problem of {text}: {problems:#?}");
        };
        assert_eq!((*found, line.contains(told)), (kind, true), "{line}");
    }
}

#[test]
fn a_price_a_thousand_times_off_is_named_unless_it_was_checked() {
    for (input, output, told) in [
        (
            "0.0000025",
            "0.00001",
            "if it is the price of one token, write \"2.50\"",
        ),
        (
            "0.0025",
            "0.01",
            "if it is the price of a thousand tokens, write \"2.50\"",
        ),
        ("2500", "10000", "\"2.50\" was probably meant"),
    ] {
        let entry =
            format!("[[prices]]\nmodel = \"m\"\ninput = \"{input}\"\noutput = \"{output}\"\n");
        let problems = refused(&entry);
        assert!(
            problems.iter().any(|(_, line)| line.contains(told)),
            "{problems:#?}"
        );
        assert!(
            problems
                .iter()
                .all(|(kind, _)| *kind == ProblemKind::BadValue)
        );
        assert!(compiled(&format!("{entry}checked = true\n")).is_ok());
    }
    // 0.03 USD is a price that some model has, and not this one.
    let entry = |input: &str| {
        format!("[[prices]]\nmodel = \"gpt-4\"\ninput = \"{input}\"\noutput = \"0.06\"\n")
    };
    let problems = refused(&entry("0.03"));
    assert!(
        problems[0]
            .1
            .contains("far from the \"30.00\" that is known"),
        "{problems:#?}"
    );
    assert!(compiled(&entry("0.03").replace("gpt-4", "small")).is_ok());
}

#[test]
fn a_changed_price_is_another_policy() {
    let revision = |text: &str| compiled(text).unwrap().prices.revision();
    assert_ne!(revision("\n"), revision(EVERY_KEY));
    assert_ne!(
        revision("\n"),
        revision("[costs]\nbuilt_in_prices = false\n")
    );
    assert_eq!(revision("\n"), revision("# nothing\n"));
}

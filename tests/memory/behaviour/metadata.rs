//! Conditions on the metadata.

use fabric_gate::memory::Comparison::{
    Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual,
};
use fabric_gate::memory::{Area, Comparison, Condition, Filter};
use serde_json::{Value, json};

use super::stage::*;

/// The entries, by name, that one condition lets through.
async fn passing(stage: &Stage, member: &[&str], comparison: Comparison, value: Value) -> String {
    let mut filter = Filter::all(Area::Memories);
    filter.conditions = vec![Condition {
        member: member.iter().map(ToString::to_string).collect(),
        comparison,
        value,
    }];
    stage.fitting(&own(&alice()), &filter).await.join(" ")
}

async fn remember(stage: &Stage, entries: &[(&str, Value)]) {
    for (name, metadata) in entries {
        let fields = with(name, |it| {
            it.metadata = metadata.as_object().unwrap().clone();
        });
        stage.make(&alice().own(), fields).await;
    }
}

pub(crate) async fn values_are_equal_as_json(stage: &Stage) {
    let entries = [
        ("absent", json!({"other": 1})),
        ("array", json!({"m": [1, "a"]})),
        ("empty", json!({"m": ""})),
        ("false", json!({"m": false})),
        ("float", json!({"m": 1.0})),
        ("null", json!({"m": null})),
        ("object", json!({"m": {"a": 1, "b": [2.0, null]}})),
        ("one", json!({"m": 1})),
        ("text", json!({"m": "1"})),
        ("true", json!({"m": true})),
        ("zero", json!({"m": 0})),
    ];
    remember(stage, &entries).await;
    let names: Vec<_> = entries.iter().map(|(name, _)| *name).collect();
    for (value, equal) in [
        (json!(1), "float one"),
        (json!(1.0), "float one"),
        (json!(1.5), ""),
        (json!("1"), "text"),
        (json!(null), "null"),
        (json!(true), "true"),
        (json!(false), "false"),
        (json!(0), "zero"),
        (json!(-0.0), "zero"),
        (json!(""), "empty"),
        (json!([1.0, "a"]), "array"),
        (json!(["a", 1]), ""),
        (json!([1]), ""),
        (json!({"b": [2, null], "a": 1.0}), "object"),
        (json!({"a": 1}), ""),
        (json!({"a": 1, "b": [2, null], "c": null}), ""),
        (json!({}), ""),
    ] {
        let passed = passing(stage, &["m"], Equal, value.clone()).await;
        assert_eq!(passed, equal, "equal to {value}");
        let among = |it: &&&str| !equal.split(' ').any(|name| name == **it);
        let others: Vec<_> = names.iter().filter(among).copied().collect();
        let others = others.join(" ");
        let passed = passing(stage, &["m"], NotEqual, value.clone()).await;
        assert_eq!(passed, others, "not equal to {value}");
    }
}

pub(crate) async fn an_order_is_between_two_numbers_or_two_texts(stage: &Stage) {
    let big = 9_007_199_254_740_993_u64;
    remember(
        stage,
        &[
            ("absent", json!({})),
            ("big", json!({"m": big})),
            ("bool", json!({"m": true})),
            ("half", json!({"m": 1.5})),
            ("huge", json!({"m": 1e300})),
            ("most", json!({"m": u64::MAX})),
            ("list", json!({"m": [5]})),
            ("minus", json!({"m": -3})),
            ("null", json!({"m": null})),
            ("one", json!({"m": 1})),
            ("tA", json!({"m": "A"})),
            ("ta", json!({"m": "a"})),
            ("taa", json!({"m": "aa"})),
            ("te", json!({"m": "\u{e9}"})),
            ("temoji", json!({"m": "\u{1F600}"})),
            ("tend", json!({"m": "\u{FFFD}"})),
            ("tnumber", json!({"m": "10"})),
        ],
    )
    .await;
    for (comparison, value, passed) in [
        (Greater, json!(1), "big half huge most"),
        (GreaterOrEqual, json!(1.0), "big half huge most one"),
        (Less, json!(1), "minus"),
        (LessOrEqual, json!(1), "minus one"),
        (Less, json!(1.6), "half minus one"),
        (Greater, json!(big - 1), "big huge most"),
        (Greater, json!(big), "huge most"),
        (LessOrEqual, json!(big), "big half minus one"),
        (Greater, json!(u64::MAX), "huge"),
        (GreaterOrEqual, json!(u64::MAX), "huge most"),
        (Less, json!(i64::MIN), ""),
        (Greater, json!("A"), "ta taa te temoji tend"),
        (Less, json!("a"), "tA tnumber"),
        (LessOrEqual, json!("a"), "tA ta tnumber"),
        (Greater, json!("\u{e9}"), "temoji tend"),
        (Greater, json!("\u{FFFD}"), "temoji"),
        (Less, json!("9"), "tnumber"),
        (GreaterOrEqual, json!(null), ""),
        (LessOrEqual, json!(null), ""),
        (GreaterOrEqual, json!(true), ""),
        (LessOrEqual, json!([5]), ""),
        (GreaterOrEqual, json!({}), ""),
    ] {
        let found = passing(stage, &["m"], comparison, value.clone()).await;
        let mut passed: Vec<_> = passed.split(' ').collect();
        passed.sort_unstable();
        assert_eq!(found, passed.join(" "), "{comparison:?} {value}");
    }
}

pub(crate) async fn a_member_is_found_by_its_names_whatever_they_hold(stage: &Stage) {
    let names = [
        "a.b",
        "a",
        "$",
        "$.a",
        "\"",
        "a\"b",
        "'",
        "a'b",
        "\\",
        "/",
        "a/b",
        "~1",
        "",
        " ",
        "0",
        "[0]",
        "#-1",
        "*",
        "a\nb",
        "\u{1F600}",
        "\u{e9}",
        "e\u{301}",
        "%",
        "{a,b}",
        "A",
        "null",
        "a\u{0}b",
    ];
    let names: Vec<_> = names.into_iter().filter(|it| !it.contains('\0')).collect();
    for name in &names {
        // Each holds its own name, beside another member that all have.
        remember(
            stage,
            &[(
                name,
                json!({*name: name, "common": {*name: {"deep": name}}}),
            )],
        )
        .await;
    }
    for name in &names {
        let found = passing(stage, &[name], Equal, json!(name)).await;
        assert_eq!(found, *name, "{name:?}");
        let path = ["common", name, "deep"];
        let found = passing(stage, &path, Equal, json!(name)).await;
        assert_eq!(found, *name, "{name:?}");
    }
}

pub(crate) async fn a_member_of_what_is_no_object_is_not_there(stage: &Stage) {
    remember(
        stage,
        &[
            ("list", json!({"a": [{"b": 1}, 1]})),
            ("nested", json!({"a": {"b": 1, "0": 1}})),
            ("null", json!({"a": null})),
            ("text", json!({"a": "{\"b\":1}"})),
        ],
    )
    .await;
    assert_eq!(passing(stage, &["a", "b"], Equal, json!(1)).await, "nested");
    assert_eq!(passing(stage, &["a", "0"], Equal, json!(1)).await, "nested");
    assert_eq!(passing(stage, &["a", "1"], Equal, json!(1)).await, "");
    assert_eq!(passing(stage, &["a", "0", "b"], Equal, json!(1)).await, "");
    assert_eq!(passing(stage, &["a", "b"], Equal, json!(null)).await, "");
    assert_eq!(
        passing(stage, &["a", "b"], NotEqual, json!(null)).await,
        "list nested null text"
    );
}

pub(crate) async fn all_conditions_have_to_hold(stage: &Stage) {
    remember(
        stage,
        &[
            ("both", json!({"a": 1, "b": 2})),
            ("first", json!({"a": 1})),
            ("second", json!({"b": 2})),
        ],
    )
    .await;
    let mut filter = Filter::all(Area::Memories);
    for (name, value) in [("a", 1), ("b", 2)] {
        filter.conditions.push(Condition {
            member: vec![name.to_owned()],
            comparison: Equal,
            value: json!(value),
        });
    }
    assert_eq!(stage.fitting(&own(&alice()), &filter).await, ["both"]);
    filter.conditions[1].comparison = NotEqual;
    assert_eq!(stage.fitting(&own(&alice()), &filter).await, ["first"]);
    assert_eq!(stage.fitting(&own(&bob()), &filter).await, [""; 0]);
}

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn tokens(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn find(document: &str, pointer: &str) -> Result<Vec<Scalar>, JsonFault> {
    pointer_values(document.as_bytes(), &tokens(pointer), &Limits::default())
}

fn text(value: &str) -> Scalar {
    Scalar::Text(value.to_owned())
}

#[test]
fn a_pointer_finds_what_stands_there() {
    let document =
        r#" {"a": {"b/c": ["x", {"t": "acme"}, 1.50e3]}, "n": null, "f": false, "": "e"} "#;
    for (pointer, expected) in [
        ("/a/b~1c/0", vec![text("x")]),
        ("/a/b~1c/1/t", vec![text("acme")]),
        ("/a/b~1c/2", vec![Scalar::Number("1.50e3".to_owned())]),
        ("/a/b~1c/3", vec![]),
        ("/a/b~1c/00", vec![]),
        ("/a/b~1c/-", vec![]),
        ("/a/b~1c", vec![Scalar::Container]),
        ("/a", vec![Scalar::Container]),
        ("/n", vec![Scalar::Null]),
        ("/n/x", vec![]),
        ("/f", vec![Scalar::Bool(false)]),
        ("/", vec![text("e")]),
        ("", vec![Scalar::Container]),
        ("/missing", vec![]),
    ] {
        assert_eq!(find(document, pointer), Ok(expected), "{pointer}");
    }
}

#[test]
fn a_star_is_every_element_of_an_array() {
    let document = r#"{"items": [{"t": "a"}, {"x": 1}, {"t": "b"}, [{"t": "c"}]], "*": "name"}"#;
    assert_eq!(find(document, "/items/*/t"), Ok(vec![text("a"), text("b")]));
    assert_eq!(find(document, "/items/*/*/t"), Ok(vec![text("c")]));
    assert_eq!(find(document, "/*/x"), Ok(vec![]), "a name like any other");
    assert_eq!(find(document, "/*"), Ok(vec![Scalar::Container]));
    assert_eq!(find(r#"{"a": "t"}"#, "/a/*"), Ok(vec![text("t")]));
    assert_eq!(find(r#"{"a": null, "b": []}"#, "/a/*"), Ok(vec![]));
}

#[test]
fn a_repeated_name_is_refused_in_every_spelling_and_at_every_depth() {
    for document in [
        r#"{"tenantId": "a", "tenantId": "b"}"#,
        r#"{"tenantId": "a", "tenant\u0049d": "a"}"#,
        r#"{"x": [{"y": 1, "\u0079": 2}]}"#,
        r#"{"a/b": 1, "a\/b": 2}"#,
    ] {
        assert_eq!(
            find(document, "/tenantId"),
            Err(JsonFault::DuplicateName),
            "{document}"
        );
    }
    let many = |last: &str| {
        let members = (0..40)
            .map(|index| format!("\"k{index}\": 0, "))
            .collect::<String>();
        format!("{{{members}\"{last}\": 0}}")
    };
    assert_eq!(find(&many("k40"), "/x"), Ok(vec![]));
    for repeated in ["k0", "k11", "k12", "k39"] {
        assert_eq!(
            find(&many(repeated), "/x"),
            Err(JsonFault::DuplicateName),
            "{repeated}"
        );
    }
    assert!(find(r#"{"a": {"x": 1}, "b": {"x": 1}}"#, "/a/x").is_ok());
}

#[test]
fn a_name_that_differs_in_case_is_refused_on_the_way_and_free_elsewhere() {
    for document in [
        r#"{"TENANTID": "b"}"#,
        r#"{"tenantId": "a", "tenantid": "b"}"#,
        "{\"\u{74}enant\\u0049D\": 1}",
    ] {
        assert_eq!(
            find(document, "/tenantId"),
            Err(JsonFault::NameCase),
            "{document}"
        );
    }
    assert_eq!(
        find("{\"to\u{212a}en\": 1}", "/token"),
        Err(JsonFault::NameCase)
    );
    assert_eq!(
        find(r#"{"meta": {"TENANTID": 1}, "tenantId": "a"}"#, "/tenantId"),
        Ok(vec![text("a")])
    );
}

#[test]
fn what_is_no_json_text_is_refused() {
    for document in [
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1}x",
        "{}{}",
        "tru",
        "truefalse",
        "nul",
        "NaN",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "--1",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\u{0}\"",
        "\u{feff}{}",
        "{}\u{a0}",
        "/**/{}",
    ] {
        assert_eq!(find(document, ""), Err(JsonFault::Syntax), "{document:?}");
        assert!(
            serde_json::from_str::<Value>(document).is_err(),
            "{document:?}"
        );
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xc0\xae\"", b"\"\xed\xa0\x80\""] {
        let found = pointer_values(bytes, &[], &Limits::default());
        assert_eq!(found, Err(JsonFault::NotUtf8));
    }
}

#[test]
fn limits_are_met_exactly() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(find(&nested(128), "").is_ok());
    assert_eq!(find(&nested(129), ""), Err(JsonFault::TooDeep));
    assert_eq!(find(&"[".repeat(1_000_000), ""), Err(JsonFault::TooDeep));
    let tight = Limits {
        depth: 4,
        open_members: 3,
        values: 2,
    };
    let judge = |document: &str| pointer_values(document.as_bytes(), &tokens("/*"), &tight);
    assert_eq!(judge("[1, 2]").map(|found| found.len()), Ok(2));
    assert_eq!(judge("[1, 2, 3]"), Err(JsonFault::TooMany));
    assert!(judge(r#"{"a": {"b": 1, "c": 1}}"#).is_ok());
    assert_eq!(
        judge(r#"{"a": {"b": 1, "c": 1, "d": 1}}"#),
        Err(JsonFault::TooMany)
    );
    assert!(
        judge(r#"[{"a": 1, "b": 1}, {"a": 1, "b": 1}]"#).is_ok(),
        "members of closed objects do not count"
    );
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\/\u{e9}\u{1f600}\n\u{1}]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-d\"\\\\\u{e9}]{0,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every pointer of a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let token = name.replace('~', "~0").replace('/', "~1");
                pointers(member, &format!("{at}/{token}"), all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn as_scalar(value: &Value) -> Scalar {
    match value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => Scalar::Number(number.to_string()),
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Scalar::Container,
    }
}

proptest! {
    #[test]
    fn a_pointer_finds_what_a_tree_would_say(value in document(), pretty in any::<bool>()) {
        let written = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        all.extend(["/a/x".to_owned(), "/0".to_owned(), "/a/0/b".to_owned()]);
        for pointer in all {
            let expected = value.pointer(&pointer).map(as_scalar).into_iter().collect::<Vec<_>>();
            prop_assert_eq!(find(&written, &pointer), Ok(expected), "{} in {}", pointer, written);
        }
    }

    #[test]
    fn what_is_accepted_is_json_and_what_is_json_is_accepted_or_ambiguous(
        text in "[\\[\\]{},:\"\\\\ua0-9eE.+\\- tfnrlsu]{0,14}"
    ) {
        let known = serde_json::from_str::<Value>(&text).is_ok();
        let ours = find(&text, "");
        prop_assert_eq!(
            ours.is_ok() || ours == Err(JsonFault::DuplicateName),
            known || ours == Err(JsonFault::DuplicateName) || is_out_of_range(&text),
            "{}", text
        );
    }

    #[test]
    fn whatever_comes_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = pointer_values(&bytes, &tokens("/a/0"), &Limits::default());
    }
}

/// serde_json refuses numbers that no `f64` holds; the grammar has no such limit.
fn is_out_of_range(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .is_err_and(|error| error.to_string().contains("out of range"))
}

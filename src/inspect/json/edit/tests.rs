use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn tokens(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// The document after `decide` changed what `pointer` leads to.
fn edited(
    document: &str,
    pointer: &str,
    decide: impl FnMut(Found<'_>) -> Result<Change, JsonFault>,
) -> Result<String, JsonFault> {
    let changed = edit(
        document.as_bytes(),
        &tokens(pointer),
        &Limits::default(),
        decide,
    )?;
    Ok(changed.map_or_else(
        || document.to_owned(),
        |bytes| String::from_utf8(bytes).unwrap(),
    ))
}

fn set(document: &str, pointer: &str) -> Result<String, JsonFault> {
    edited(document, pointer, |_| Ok(Change::Text("alice".to_owned())))
}

fn removed(document: &str, pointer: &str) -> Result<String, JsonFault> {
    edited(document, pointer, |_| Ok(Change::Remove))
}

#[test]
fn a_value_of_any_type_is_replaced_where_it_stands() {
    for (document, expected) in [
        (
            r#"{"a":1.0e+05,"u":"eve", "b":"\u0041"}"#,
            r#"{"a":1.0e+05,"u":"alice", "b":"\u0041"}"#,
        ),
        (r#"{ "u" : null }"#, r#"{ "u" : "alice" }"#),
        (r#"{"u":{"u":1}}"#, r#"{"u":"alice"}"#),
        (r#"{"u":[1, 2]}"#, r#"{"u":"alice"}"#),
        (r#"{"\u0075":"eve"}"#, r#"{"\u0075":"alice"}"#),
        (r#"{"u":"\u0061lice"}"#, r#"{"u":"\u0061lice"}"#),
    ] {
        assert_eq!(set(document, "/u").unwrap(), expected, "{document}");
    }
}

#[test]
fn an_absent_value_is_added_last_with_what_has_to_be_around_it() {
    for (document, pointer, expected) in [
        ("{}", "/u", r#"{"u":"alice"}"#),
        (" { } ", "/u", r#" {"u":"alice" } "#),
        ("{\"a\": 1\n}", "/u", "{\"a\": 1,\"u\":\"alice\"\n}"),
        (r#"{"a":{}}"#, "/a/b/c", r#"{"a":{"b":{"c":"alice"}}}"#),
        (r#"{"a":null}"#, "/a/b", r#"{"a":{"b":"alice"}}"#),
        ("{}", "/ns/0", r#"{"ns":["alice"]}"#),
        (r#"{"ns":[]}"#, "/ns/0", r#"{"ns":["alice"]}"#),
        (r#"{"ns":["x"]}"#, "/ns/1", r#"{"ns":["x","alice"]}"#),
        ("null", "/u", r#"{"u":"alice"}"#),
        (r#"{"a":1}"#, "/q\"~1", r#"{"a":1,"q\"/":"alice"}"#),
    ] {
        assert_eq!(
            set(document, pointer).unwrap(),
            expected,
            "{document} {pointer}"
        );
    }
}

#[test]
fn nothing_is_put_where_a_value_of_another_type_is_on_the_way() {
    for (document, pointer) in [
        (r#"{"a":1}"#, "/a/b"),
        (r#"{"a":"x"}"#, "/a/b"),
        (r#"{"a":[]}"#, "/a/b"),
        (r#"{"a":["x"]}"#, "/a/2"),
        (r#"{"a":{}}"#, "/a/*/b"),
        ("{}", "/a/3"),
        ("1", "/a"),
    ] {
        assert_eq!(
            set(document, pointer),
            Err(JsonFault::Misplaced),
            "{document} {pointer}"
        );
        assert_eq!(
            removed(document, pointer).unwrap(),
            document,
            "there is nothing to remove"
        );
    }
}

#[test]
fn a_star_is_every_element_and_makes_none_up() {
    let document = r#"{"m":[{"u":"x"},{},{"u":2}]}"#;
    let expected = r#"{"m":[{"u":"alice"},{"u":"alice"},{"u":"alice"}]}"#;
    assert_eq!(set(document, "/m/*/u").unwrap(), expected);
    for document in ["{}", r#"{"m":[]}"#, r#"{"m":null}"#] {
        assert_eq!(set(document, "/m/*/u").unwrap(), document);
    }
}

#[test]
fn what_goes_takes_one_comma_with_it() {
    for (document, pointer, expected) in [
        (r#"{"u":1}"#, "/u", "{}"),
        (r#"{ "u" : 1 }"#, "/u", "{  }"),
        (r#"{"u":1, "b":2}"#, "/u", r#"{"b":2}"#),
        (r#"{"a":1, "u":[{}] , "b":2}"#, "/u", r#"{"a":1 , "b":2}"#),
        (r#"{"a":1, "u":2 }"#, "/u", r#"{"a":1 }"#),
        ("[1, 2, 3]", "/0", "[2, 3]"),
        ("[1, 2, 3]", "/2", "[1, 2]"),
        ("[1, 2, 3]", "/*", "[]"),
        ("[ 1 ]", "/*", "[  ]"),
        (r#"[{"u":1},{"a":1,"u":2}]"#, "/*/u", r#"[{},{"a":1}]"#),
    ] {
        assert_eq!(
            removed(document, pointer).unwrap(),
            expected,
            "{document} {pointer}"
        );
    }
}

#[test]
fn some_of_many_go_wherever_they_stand() {
    for bits in 0_u32..64 {
        let elements: Vec<String> = (0..6)
            .map(|index| format!("\"{}\"", if bits >> index & 1 == 1 { "x" } else { "y" }))
            .collect();
        let document = format!("[ {} ]", elements.join(" , "));
        let left = edited(&document, "/*", |found| match found {
            Found::Text(text) if text == "x" => Ok(Change::Remove),
            _ => Ok(Change::Keep),
        });
        let kept = vec!["y"; 6 - bits.count_ones() as usize];
        let parsed: Vec<String> = serde_json::from_str(&left.unwrap()).unwrap();
        assert_eq!(parsed, kept, "{document}");
    }
}

#[test]
fn an_array_gets_a_first_element_and_one_is_made_where_none_is() {
    for (document, expected) in [
        (r#"{"ns":["a","b"]}"#, r#"{"ns":["p","a","b"]}"#),
        (r#"{"ns":[ ]}"#, r#"{"ns":["p" ]}"#),
        (r#"{"ns":null}"#, r#"{"ns":["p"]}"#),
        ("{}", r#"{"ns":["p"]}"#),
    ] {
        let changed = edited(document, "/ns", |found| match found {
            Found::Array | Found::Null | Found::Absent => Ok(Change::FirstElement("p".to_owned())),
            _ => Err(JsonFault::Misplaced),
        });
        assert_eq!(changed.unwrap(), expected, "{document}");
    }
}

#[test]
fn a_name_that_some_decoders_take_for_the_place_is_refused() {
    for (document, pointer, fault) in [
        (r#"{"u":1,"u":2}"#, "/u", JsonFault::DuplicateName),
        (r#"{"u":1,"\u0075":2}"#, "/u", JsonFault::DuplicateName),
        (r#"{"U":1}"#, "/u", JsonFault::NameCase),
        (r#"{"a":{"U":1}}"#, "/a/u", JsonFault::NameCase),
        (r#"{"A":{"u":1},"a":{}}"#, "/a/u", JsonFault::NameCase),
        (r#"{"b":{"x":1,"x":2}}"#, "/u", JsonFault::DuplicateName),
        (r#"{"u":1"#, "/u", JsonFault::Syntax),
        (r#"{"u":1} x"#, "/u", JsonFault::Syntax),
        ("", "/u", JsonFault::Syntax),
    ] {
        assert_eq!(set(document, pointer), Err(fault), "{document}");
        assert_eq!(removed(document, pointer), Err(fault), "{document}");
    }
}

#[test]
fn more_places_than_the_limit_are_refused() {
    let limits = Limits {
        values: 2,
        ..Limits::default()
    };
    let change = |_: Found<'_>| Ok::<_, JsonFault>(Change::Remove);
    assert!(edit(b"[1,2]", &tokens("/*"), &limits, change).is_ok());
    assert_eq!(
        edit(b"[1,2,3]", &tokens("/*"), &limits, change),
        Err(JsonFault::TooMany)
    );
}

#[test]
fn strings_of_an_answer_are_restored_and_names_are_not() {
    let back = |text: &str, first: bool| match text.strip_prefix("p.") {
        Some("") if first => Restored::Gone,
        Some(rest) => Restored::Text(rest.to_owned()),
        None => Restored::Same,
    };
    for (text, expected) in [
        (
            r#"{"p.k":"p.v","n":"\u0070.v","o":"xp.v"}"#,
            r#"{"p.k":"v","n":"v","o":"xp.v"}"#,
        ),
        (r#"["p.","a"]"#, r#"["a"]"#),
        (r#"[ "p." ]"#, r#"[  ]"#),
        (r#"["a","p."]"#, r#"["a",""]"#),
        (r#"[["p.","a"],["p.","b"]]"#, r#"[["a"],["b"]]"#),
        (r#"data: {"k":"p.v\"p.w"}"#, r#"data: {"k":"v\"p.w"}"#),
        (r#"{"broken":"p.v"#, r#"{"broken":"p.v"#),
    ] {
        let restored = restore(text.as_bytes(), back);
        let restored = restored.map_or_else(
            || text.to_owned(),
            |bytes| String::from_utf8(bytes).unwrap(),
        );
        assert_eq!(restored, expected, "{text}");
    }
}

/// The same change on a parsed document.
fn set_parsed(value: &mut Value, pointer: &[String]) -> Result<(), ()> {
    let Some((token, rest)) = pointer.split_first() else {
        *value = json!("alice");
        return Ok(());
    };
    if value.is_null() {
        if pointer.iter().any(|token| token == "*") {
            return Ok(());
        }
        *value = match array_index(token) {
            None => json!({}),
            Some(0) => json!([]),
            Some(_) => return Err(()),
        };
    }
    match value {
        Value::Object(members) if token != "*" => {
            if !members.contains_key(token) && rest.iter().any(|token| token == "*") {
                return Ok(());
            }
            set_parsed(members.entry(token).or_insert(Value::Null), rest)
        }
        Value::Array(elements) if token == "*" => elements
            .iter_mut()
            .try_for_each(|element| set_parsed(element, rest)),
        Value::Array(elements) => {
            let index = array_index(token).filter(|index| *index <= elements.len());
            let index = index.ok_or(())?;
            if index == elements.len() {
                if rest.iter().any(|token| token == "*") {
                    return Ok(());
                }
                elements.push(Value::Null);
            }
            set_parsed(&mut elements[index], rest)
        }
        _ => Err(()),
    }
}

fn remove_parsed(value: &mut Value, pointer: &[String]) {
    let Some((token, rest)) = pointer.split_first() else {
        return;
    };
    match value {
        Value::Object(members) if token != "*" => {
            if rest.is_empty() {
                members.remove(token);
            } else if let Some(member) = members.get_mut(token) {
                remove_parsed(member, rest);
            }
        }
        Value::Array(elements) if token == "*" => {
            if rest.is_empty() {
                elements.clear();
            }
            for element in elements {
                remove_parsed(element, rest);
            }
        }
        Value::Array(elements) => {
            if let Some(index) = array_index(token).filter(|index| *index < elements.len()) {
                if rest.is_empty() {
                    elements.remove(index);
                } else {
                    remove_parsed(&mut elements[index], rest);
                }
            }
        }
        _ => {}
    }
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\ \u{e9}]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn pointers() -> impl Strategy<Value = Vec<String>> {
    let token = prop_oneof![
        4 => "[abc]",
        1 => Just("*".to_owned()),
        1 => "[012]",
    ];
    proptest::collection::vec(token, 1..4)
}

/// The document with blanks and needless escapes wherever they may stand.
fn spelled(value: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string().replace("\"a", "\"\\u0061")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn setting_and_parsing_is_parsing_and_setting(
        value in documents(), pointer in pointers(), pretty in any::<bool>(),
    ) {
        let document = spelled(&value, pretty);
        let set: Result<_, JsonFault> = edit(
            document.as_bytes(), &pointer, &Limits::default(),
            |_| Ok(Change::Text("alice".to_owned())),
        );
        let mut expected = value.clone();
        match (set_parsed(&mut expected, &pointer), set) {
            (Err(()), set) => prop_assert_eq!(set, Err(JsonFault::Misplaced)),
            (Ok(()), Ok(None)) => prop_assert_eq!(expected, value),
            (Ok(()), Ok(Some(bytes))) => {
                let parsed: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(parsed, expected, "{} {:?}", document, pointer);
            }
            (Ok(()), Err(fault)) => prop_assert!(false, "{fault}: {document} {pointer:?}"),
        }
    }

    #[test]
    fn removing_and_parsing_is_parsing_and_removing(
        value in documents(), pointer in pointers(), pretty in any::<bool>(),
    ) {
        let document = spelled(&value, pretty);
        let removed: Result<_, JsonFault> = edit(
            document.as_bytes(), &pointer, &Limits::default(), |_| Ok(Change::Remove),
        );
        let removed = removed.unwrap().unwrap_or_else(|| document.clone().into_bytes());
        let mut expected = value;
        remove_parsed(&mut expected, &pointer);
        let parsed: Value = serde_json::from_slice(&removed).unwrap();
        prop_assert_eq!(parsed, expected, "{} {:?}", document, pointer);
    }

    #[test]
    fn bytes_beside_the_place_stay(
        mut value in documents(), pointer in pointers(), pretty in any::<bool>(),
    ) {
        if set_parsed(&mut value, &pointer).is_err() {
            return Ok(());
        }
        let marked = spelled(&value, pretty).replace("\\u0061lice", "alice");
        let replaced: Result<_, JsonFault> = edit(
            marked.as_bytes(), &pointer, &Limits::default(),
            |_| Ok(Change::Text("bob".to_owned())),
        );
        let replaced = replaced.unwrap().unwrap_or_else(|| marked.clone().into_bytes());
        prop_assert_eq!(String::from_utf8(replaced).unwrap(), marked.replace("alice", "bob"));
    }

    #[test]
    fn whatever_the_bytes_nothing_panics(bytes in "[\\[\\]{}\",:a\\\\ 0*-]{0,24}", pointer in pointers()) {
        let _: Result<_, JsonFault> = edit(
            bytes.as_bytes(), &pointer, &Limits::default(), |_| Ok(Change::Remove),
        );
        let _ = restore(bytes.as_bytes(), |_, _| Restored::Gone);
    }
}

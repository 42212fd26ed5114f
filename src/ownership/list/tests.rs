use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::events::Event;
use super::*;
use crate::inspect::sse::Decoder;

pub(super) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(str::to_owned).collect()
}

pub(super) fn shape(items: &str, id: &str) -> ListShape {
    ListShape {
        items: tokens(items),
        id: Some(tokens(id)),
        ..ListShape::default()
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

pub(super) fn read(shape: &ListShape, body: &str) -> Listing {
    Listing::of_json(shape, Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn fault(shape: &ListShape, body: &str) -> ListFault {
    Listing::of_json(shape, Bytes::copy_from_slice(body.as_bytes())).unwrap_err()
}

/// Keeps what is tenant `acme`'s: here, every id that begins with `a`, and every id above 100.
pub(super) fn keep(page: &Listing) -> Vec<bool> {
    page.standings(&acme())
        .map(|standing| match standing {
            Standing::Leaves => false,
            Standing::Stays => true,
            Standing::Owned(id) => {
                id.starts_with('a') || id.parse::<i64>().is_ok_and(|number| number > 100)
            }
        })
        .collect()
}

fn filtered(page: &Listing) -> String {
    let keep = keep(page);
    let kept = keep.iter().filter(|keep| **keep).count();
    let written = page.rewritten(&keep, Listing::total(kept, 55)).unwrap();
    String::from_utf8(written.unwrap_or_default().to_vec()).unwrap()
}

#[test]
fn what_is_not_the_callers_leaves_and_every_other_byte_stays() {
    for (before, after) in [
        (
            r#"{"tasks": [ {"id": "a1", "x": [1, {}]} , {"id":"b1"},  {"id":"a2"} ], "n": 1.0}"#,
            r#"{"tasks": [ {"id": "a1", "x": [1, {}]},  {"id":"a2"} ], "n": 1.0}"#,
        ),
        (
            r#"{"tasks": [{"id":"b1"}, {"id":"b2"}, {"id":"a1"}, {"id":"b3"}]}"#,
            r#"{"tasks": [{"id":"a1"}]}"#,
        ),
        (
            r#"{"tasks": [ {"id":"b1"} , {"id":"b2"} ]}"#,
            r#"{"tasks": []}"#,
        ),
        (
            r#"{"tasks": [ {"id":"a1"} ]}"#,
            r#"{"tasks": [ {"id":"a1"} ]}"#,
        ),
        (r#"{"tasks": [ ]}"#, r#"{"tasks": [ ]}"#),
        (r#"{"tasks": null}"#, r#"{"tasks": null}"#),
        (
            r#"{"tasks": [{"id": 101}, {"id": 7}, {"id": "101"}]}"#,
            r#"{"tasks": [{"id": 101}, {"id": "101"}]}"#,
        ),
    ] {
        assert_eq!(filtered(&read(&shape("/tasks", "/id"), before)), after);
    }
}

#[test]
fn an_item_that_does_not_say_for_certain_what_it_is_leaves() {
    for item in [
        "{}",
        r#"{"id": null}"#,
        r#"{"id": ["a"]}"#,
        r#"{"id": {"id": "a"}}"#,
        r#"{"id": true}"#,
        r#"{"id": ""}"#,
        r#"{"id": 101.5}"#,
        r#"{"id": 1e9}"#,
        r#"{"id": -7}"#,
        r#"{"id": "a", "id": "a"}"#,
        r#"{"id": "a", "\u0069d": "b"}"#,
        r#"{"id": "a", "ID": "b"}"#,
        r#"{"id": "a\ud800"}"#,
        r#"{"Id": "a"}"#,
        r#""a""#,
        "[]",
        "null",
        "101",
    ] {
        let body = format!(r#"[{item},{{"id":"a"}}]"#);
        assert_eq!(
            filtered(&read(&shape("", "/id"), &body)),
            r#"[{"id":"a"}]"#,
            "{item}"
        );
    }
    let twice_elsewhere = r#"[{"id":"a","x":1,"x":2}]"#;
    assert_eq!(
        filtered(&read(&shape("", "/id"), twice_elsewhere)),
        twice_elsewhere,
        "nothing is decided from x"
    );
}

#[test]
fn an_answer_whose_list_is_not_certain_is_refused() {
    let tasks = shape("/tasks", "/id");
    for (body, expected) in [
        ("{}", ListFault::NoList),
        (r#"{"data": {"tasks": []}}"#, ListFault::NoList),
        ("[]", ListFault::NoList),
        ("7", ListFault::NoList),
        (r#"{"tasks": {"b": 1}}"#, ListFault::NotAList),
        (r#"{"tasks": "b"}"#, ListFault::NotAList),
        (
            r#"{"tasks": [], "tasks": [{"id": "b"}]}"#,
            JsonFault::DuplicateName.into(),
        ),
        (
            r#"{"tasks": [], "Tasks": [{"id": "b"}]}"#,
            JsonFault::NameCase.into(),
        ),
        (r#"{"tasks": [{"id": "a"}]"#, JsonFault::Syntax.into()),
        (
            r#"{"tasks": [{"id": "a"} {"id": "b"}]}"#,
            JsonFault::Syntax.into(),
        ),
        (r#"{"tasks": [{"id": "a"},]}"#, JsonFault::Syntax.into()),
        (
            r#"{"tasks": []} {"tasks": [{"id": "b"}]}"#,
            JsonFault::Syntax.into(),
        ),
        ("", JsonFault::Syntax.into()),
        ("<html>", JsonFault::Syntax.into()),
    ] {
        assert_eq!(fault(&tasks, body), expected, "{body}");
    }
    let latin = Listing::of_json(&tasks, Bytes::from_static(b"{\"tasks\":[],\"x\":\"\xe9\"}"));
    assert_eq!(latin.unwrap_err(), JsonFault::NotUtf8.into());
    let long = format!("[{}0]", "0,".repeat(MAX_ITEMS));
    assert_eq!(fault(&shape("", ""), &long), ListFault::TooLong);
}

#[test]
fn lists_of_bare_ids_and_lists_within_lists_are_filtered() {
    assert_eq!(
        filtered(&read(
            &shape("", ""),
            r#"["a", "b", {"id": "a"}, 200, "a2"]"#
        )),
        r#"["a", 200, "a2"]"#
    );
    let nested = shape("/data/*/runs", "/id");
    assert_eq!(
        filtered(&read(
            &nested,
            r#"{"data":[{"runs":[{"id":"b"},{"id":"a"}]},{"n":1},{"runs":[{"id":"b"}]},{"runs":[{"id":"a"},{"id":"b"}]}]}"#
        )),
        r#"{"data":[{"runs":[{"id":"a"}]},{"n":1},{"runs":[]},{"runs":[{"id":"a"}]}]}"#
    );
    assert!(read(&nested, r#"{"data":[]}"#).is_empty());
    assert_eq!(fault(&nested, r#"{"data":{}}"#), ListFault::NoList);
    assert_eq!(
        filtered(&read(
            &shape("/t", "/meta/ids/1"),
            r#"{"t":[{"meta":{"ids":["b","a"]}},{"meta":{"ids":["a"]}}]}"#
        )),
        r#"{"t":[{"meta":{"ids":["b","a"]}}]}"#
    );
}

#[test]
fn an_item_of_another_tenant_leaves_whoever_owns_its_id() {
    let mut shape = shape("", "/id");
    shape.tenant = Some(tokens("/meta/tenant"));
    let body = r#"[{"id":"a1","meta":{"tenant":"globex"}},{"id":"a2","meta":{"tenant":"acme"}},{"id":"a3"},{"id":"b","meta":{"tenant":"acme"}}]"#;
    assert_eq!(
        filtered(&read(&shape, body)),
        r#"[{"id":"a2","meta":{"tenant":"acme"}}]"#
    );
    shape.id = None;
    assert_eq!(
        filtered(&read(&shape, body)),
        r#"[{"id":"a2","meta":{"tenant":"acme"}},{"id":"b","meta":{"tenant":"acme"}}]"#
    );
    shape.tenant = None;
    assert_eq!(filtered(&read(&shape, body)), "[]", "known by nothing");
}

#[test]
fn a_total_says_what_the_caller_owns_however_much_is_counted() {
    let mut shape = shape("/tasks", "/id");
    shape.totals = vec![tokens("/total"), tokens("/page/count")];
    let two = r#"[{"id":"a"},{"id":"b"}]"#;
    for (totals, after) in [
        (r#""total":2"#, r#""total":55"#),
        (r#""total":"2""#, r#""total":"55""#),
        (r#""total":70"#, r#""total":55"#),
        (
            r#""page":{"count":2,"x":2},"total":70"#,
            r#""page":{"count":55,"x":2},"total":55"#,
        ),
        (
            r#""page":{"count":2},"total":2"#,
            r#""page":{"count":55},"total":55"#,
        ),
        (r#""total":null"#, r#""total":null"#),
    ] {
        assert_eq!(
            filtered(&read(&shape, &format!(r#"{{{totals},"tasks":{two}}}"#))),
            format!(r#"{{{after},"tasks":[{{"id":"a"}}]}}"#)
        );
    }
    let page = read(&shape, &format!(r#"{{"total":[2],"tasks":{two}}}"#));
    assert_eq!(page.rewritten(&keep(&page), 1), Err(ListFault::NoNumber));
    assert_eq!((Listing::total(1, 55), Listing::total(3, 2)), (55, 3));
}

#[test]
fn cursors_name_items_that_stay() {
    let mut shape = shape("/data", "/id");
    shape.first = Some(tokens("/first_id"));
    shape.last = Some(tokens("/last_id"));
    shape.has_more = Some(tokens("/has_more"));
    let page = |first: &str, last: &str, ids: &[&str]| {
        let data: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        format!(
            r#"{{"first_id":{first},"data":[{}],"last_id":{last},"has_more":true}}"#,
            data.join(",")
        )
    };
    assert_eq!(
        filtered(&read(
            &shape,
            &page("\"b1\"", "\"b2\"", &["b1", "a1", "b3", "a2", "b2"])
        )),
        page("\"a1\"", "\"a2\"", &["a1", "a2"])
    );
    let emptied = read(&shape, &page("\"b1\"", "\"b2\"", &["b1", "b2"]));
    assert_eq!(filtered(&emptied), page("null", "null", &[]));
    assert_eq!(emptied.has_more(), Some(true));
    assert_eq!(emptied.last_id().as_deref(), Some("b2"));
}

#[test]
fn lines_leave_one_by_one() {
    let lines =
        |body: &str| Listing::of_lines(&shape("", "/id"), Bytes::copy_from_slice(body.as_bytes()));
    let body = "{\"id\":\"a1\"}\r\n\n{\"id\":\"b\"}\n {\"id\": \"a2\"}\n{\"id\":\"b\"}";
    assert_eq!(
        filtered(&lines(body).unwrap()),
        "{\"id\":\"a1\"}\r\n\n {\"id\": \"a2\"}\n"
    );
    for body in [
        "{\"id\":\"a\"}\n{\"id\":",
        "{\"id\":\"a\"}{\"id\":\"b\"}\n",
        "a",
    ] {
        assert_eq!(lines(body).unwrap_err(), JsonFault::Syntax.into(), "{body}");
    }
}

#[test]
fn events_are_lists_or_items_and_the_rest_is_told_apart() {
    let stream = concat!(
        ": ping\n\n",
        "id: 1\ndata: {\"id\":\"a\"}\n\n",
        "data: {\"id\":\"b\"}\n\n",
        "data: {\"tasks\":[{\"id\":\"b\"},\ndata: {\"id\":\"a\"}]}\n\n",
        "data: not json\n\n",
        "data: {\"who\":\"knows\"}\n\n",
        "data: [DONE]\n\n",
    );
    let mut decoder = Decoder::new(1000);
    decoder.push(stream.as_bytes());
    let mut out = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        match events::read(&shape("/tasks", "/id"), &frame) {
            Event::Passes => out.extend_from_slice(frame.bytes()),
            Event::Leaves => {}
            Event::Holds(page) => {
                if let Some(data) = page.rewritten(&keep(&page), 0).unwrap() {
                    out.extend_from_slice(&frame.with_data(&data));
                }
            }
        }
    }
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            ": ping\n\n",
            "id: 1\ndata: {\"id\":\"a\"}\n\n",
            "data: {\"tasks\":[{\"id\":\"a\"}]}\n\n",
            "data: [DONE]\n\n",
        )
    );
}

fn item() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        "[ab][0-9\"\\\\/\u{e9}\n]{0,4}".prop_map(Value::from),
        (50_u64..150).prop_map(Value::from),
    ];
    prop_oneof![
        8 => (id, any::<bool>()).prop_map(|(id, deep)| {
            if deep { json!({"x": {"id": "b"}, "id": id, "y": [[], {"z": "]}\","}]}) } else { json!({"id": id}) }
        }),
        1 => Just(json!({"no": "id"})),
        1 => Just(json!(["a"])),
    ]
}

fn stays(item: &Value) -> bool {
    match &item["id"] {
        Value::String(id) => id.starts_with('a'),
        Value::Number(id) => id.as_i64().is_some_and(|id| id > 100),
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_bytes_say_what_a_tree_would_say(
        items in proptest::collection::vec(item(), 0..12),
        pretty in any::<bool>(),
        more in 0_u64..3,
    ) {
        let total = items.len() as u64 + more;
        let body = json!({"a": [{"id": "b"}], "data": items, "total": total});
        let text = if pretty { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        let mut shape = shape("/data", "/id");
        shape.totals = vec![tokens("/total")];
        let kept: Vec<&Value> = items.iter().filter(|item| stays(item)).collect();
        let expected = json!({
            "a": [{"id": "b"}],
            "data": kept,
            "total": 55,
        });
        let written = filtered(&read(&shape, &text));
        prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
    }

    #[test]
    fn whoever_owns_nothing_gets_the_same_whatever_others_have(
        one in proptest::collection::vec("b[0-9]{1,3}", 0..8),
        other in proptest::collection::vec("b[0-9]{1,3}", 0..8),
    ) {
        let mut shape = shape("/data", "");
        shape.first = Some(tokens("/first"));
        shape.last = Some(tokens("/last"));
        let answer = |ids: &[String]| {
            let body = json!({"data": ids, "first": ids.first(), "last": ids.last()});
            filtered(&read(&shape, &body.to_string()))
        };
        prop_assert_eq!(answer(&one), answer(&other));
    }

    #[test]
    fn an_id_is_in_the_list_if_and_only_if_it_is_owned(
        ids in proptest::collection::hash_set("[a-c]{1,3}", 0..20),
        owned in proptest::collection::hash_set("[a-c]{1,3}", 0..20),
    ) {
        let body: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let page = read(&shape("", "/id"), &json!(body).to_string());
        let keep: Vec<bool> = page
            .standings(&acme())
            .map(|standing| matches!(standing, Standing::Owned(id) if owned.contains(id.as_ref())))
            .collect();
        let written = page.rewritten(&keep, 0).unwrap().unwrap();
        let listed: HashSet<String> = serde_json::from_slice::<Vec<Value>>(&written)
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(listed, ids.intersection(&owned).cloned().collect::<HashSet<_>>());
    }

    #[test]
    fn whatever_comes_nothing_panics(body in "[\\[\\]{}:,\"atid0-9 ]{0,40}") {
        for shape in [shape("", "/id"), shape("/a", ""), shape("/a/*/d", "/i")] {
            let _ = Listing::of_either(&shape, Bytes::copy_from_slice(body.as_bytes()));
            let _ = Listing::of_lines(&shape, Bytes::copy_from_slice(body.as_bytes()));
        }
    }
}

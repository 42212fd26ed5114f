use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::tests::{keep, read, shape, tokens};
use super::*;

fn openai(ids: &[&str], more: bool) -> Listing {
    let mut shape = shape("/data", "/id");
    shape.has_more = Some(tokens("/has_more"));
    let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    read(&shape, &json!({"data": data, "has_more": more}).to_string())
}

#[test]
fn an_emptied_page_is_followed_while_the_backend_has_more() {
    let mut follow = Follow::new(2);
    let foreign = openai(&["b1", "b2"], true);
    assert_eq!(follow.clone().next(&foreign, 1), Next::Answer);
    assert_eq!(
        follow.clone().next(&openai(&["b1"], false), 0),
        Next::Answer
    );
    assert_eq!(follow.clone().next(&openai(&[], true), 0), Next::GiveUp);
    assert_eq!(follow.next(&foreign, 0), Next::AskAfter("b2".to_owned()));
    assert_eq!(
        follow.clone().next(&foreign, 0),
        Next::GiveUp,
        "no further than before"
    );
    assert_eq!(
        follow.next(&openai(&["b3"], true), 0),
        Next::AskAfter("b3".to_owned())
    );
    assert_eq!(
        follow.next(&openai(&["b4"], true), 0),
        Next::GiveUp,
        "the bound"
    );
}

/// What a client gets that reads `all` by the caller's own offsets, page by page.
fn windows(all: &[String], limit: usize, backend_page: usize) -> Vec<String> {
    let mut read_ids = Vec::new();
    loop {
        let mut window = Window::new(read_ids.len() as u64, Some(limit), 1000, 1 << 20);
        let mut at = 0;
        let body = loop {
            let end = (at + backend_page).min(all.len());
            let page = read(
                &shape("/t", ""),
                &json!({"t": all[at.min(end)..end]}).to_string(),
            );
            match window.take(&page, &keep(&page), None) {
                Progress::AskAt(next) => at = usize::try_from(next).unwrap(),
                Progress::Complete { .. } => break window.answer(&page, 0).unwrap(),
                Progress::GiveUp => panic!("a thousand pages are enough"),
            }
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        let ids = body["t"].as_array().unwrap().clone();
        if ids.is_empty() {
            return read_ids;
        }
        read_ids.extend(ids.iter().map(|id| id.as_str().unwrap().to_owned()));
    }
}

#[test]
fn a_window_knows_its_own_number_at_the_end_and_gives_up_at_the_bound() {
    let page = read(&shape("", ""), r#"["a1","b","a2"]"#);
    let keep = keep(&page);
    let mut window = Window::new(0, Some(10), 1, 100);
    assert_eq!(
        window.clone().take(&page, &keep, Some(3)),
        Progress::Complete { own: Some(2) }
    );
    assert_eq!(window.take(&page, &keep, None), Progress::AskAt(3));
    assert_eq!(window.take(&page, &keep, None), Progress::GiveUp);
    let full = Window::new(0, Some(2), 1, 100).take(&page, &keep, Some(3));
    assert_eq!(
        full,
        Progress::Complete { own: None },
        "nothing of others is behind it"
    );
    let mut narrow = Window::new(1, Some(1), 0, 4);
    assert_eq!(
        narrow.take(&page, &keep, Some(90)),
        Progress::Complete { own: None }
    );
    assert_eq!(narrow.answer(&page, 0).unwrap(), r#"["a2"]"#);
    let mut small = Window::new(0, Some(2), 9, 7);
    assert_eq!(
        small.take(&page, &keep, None),
        Progress::GiveUp,
        "two items are eight bytes"
    );
    let mut as_given = Window::new(0, None, 9, 100);
    assert_eq!(as_given.take(&page, &keep, None), Progress::AskAt(3));
    assert_eq!(
        as_given.take(&page, &keep, None),
        Progress::Complete { own: None }
    );
    assert_eq!(as_given.answer(&page, 0).unwrap(), r#"["a1","a2","a1"]"#);
    let none = read(&shape("/t", ""), r#"{"t":null}"#);
    assert_eq!(
        Window::new(0, None, 0, 0).answer(&none, 0).unwrap(),
        r#"{"t":null}"#
    );
}

proptest! {
    #[test]
    fn reading_by_own_offsets_finds_each_own_item_once(
        all in proptest::collection::vec("[ab][0-9]{1,4}", 0..40),
        limit in 1_usize..6,
        backend_page in 1_usize..6,
    ) {
        let own: Vec<String> = all.iter().filter(|id| id.starts_with('a')).cloned().collect();
        prop_assert_eq!(windows(&all, limit, backend_page), own);
    }
}

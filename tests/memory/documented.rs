//! What `docs/memory` shows has to work: each example is sent, in the order of its page.

use std::path::Path;

use serde_json::Value;

use crate::stage::{ALICE, Stage, id};

/// The examples of a page: request line, body, status, members of the answer.
fn examples(page: &str) -> Vec<(String, String, u16, Value)> {
    let blocks = page.split("```http memory\n").skip(1);
    blocks
        .map(|block| {
            let (block, _) = block.split_once("```").unwrap();
            let (request, answer) = block.split_once("\n\n").unwrap();
            let (line, body) = request.split_once('\n').unwrap_or((request, ""));
            let (status, members) = answer.split_once('\n').unwrap();
            let members = serde_json::from_str(members.trim()).unwrap();
            (
                line.to_owned(),
                body.to_owned(),
                status.trim().parse().unwrap(),
                members,
            )
        })
        .collect()
}

#[tokio::test]
async fn every_example_of_the_page_is_answered_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/memory/README.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples = examples(&page);
    assert!(examples.len() >= 7, "are they still looked for right?");
    let stage = Stage::open().await;
    let mut last = String::new();
    for (line, body, status, members) in examples {
        let line = line.replace("{id}", &last);
        let body = body.replace("{id}", &last);
        let (method, target) = line.split_once(' ').unwrap();
        let json = [("content-type", "application/json")];
        let headers = if body.is_empty() { &[][..] } else { &json };
        let answer = stage
            .send(ALICE, method, target, headers, body)
            .await
            .of(status);
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(answer[name], *value, "`{name}` of {line}: {answer}");
        }
        if answer["id"].is_string() {
            last = id(&answer);
        }
    }
}

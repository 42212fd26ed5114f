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

/// Whether the answer has what is shown, members that are not shown aside.
fn holds(answer: &Value, shown: &Value) -> bool {
    match (answer, shown) {
        (Value::Object(answer), Value::Object(shown)) => shown
            .iter()
            .all(|(name, value)| answer.get(name).is_some_and(|it| holds(it, value))),
        (Value::Array(answer), Value::Array(shown)) => {
            answer.len() == shown.len()
                && answer.iter().zip(shown).all(|(it, value)| holds(it, value))
        }
        _ => answer == shown,
    }
}

async fn try_all(page: &str, least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/memory");
    let page = std::fs::read_to_string(path.join(page)).unwrap();
    let examples = examples(&page);
    assert!(examples.len() >= least, "are they still looked for right?");
    let stage = Stage::open().await;
    let mut last = String::new();
    for (line, body, status, members) in examples {
        let line = line.replace("{id}", &last);
        let body = body.replace("{id}", &last);
        let (method, target) = line.split_once(' ').unwrap();
        let json = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers = if body.is_empty() { &[][..] } else { &json };
        let answer = stage
            .send(ALICE, method, target, headers, body)
            .await
            .of(status);
        assert!(holds(&answer, &members), "{line}: {answer}");
        if answer["id"].is_string() {
            last = id(&answer);
        }
    }
}

#[tokio::test]
async fn every_example_of_the_page_is_answered_as_it_says() {
    try_all("README.md", 7).await;
}

#[tokio::test]
async fn every_example_for_models_is_answered_as_it_says() {
    try_all("files.md", 4).await;
}

#[tokio::test]
async fn every_example_for_agents_is_answered_as_it_says() {
    try_all("mcp.md", 3).await;
}

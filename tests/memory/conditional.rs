//! Conditional requests (RFC 9110 section 13), alone and among many writers.

use std::sync::Arc;

use serde_json::json;

use crate::stage::{ALICE, Stage};

#[tokio::test]
async fn a_write_goes_through_only_at_the_version_it_names() {
    let stage = Stage::open().await;
    let target = format!("/v1/memories/{}", stage.note(ALICE, "v1").await);
    let put = async |condition: (&str, &str)| {
        let body = json!({ "content": "next" });
        stage
            .ask_with(ALICE, "PUT", &target, &[condition], body)
            .await
    };
    assert_eq!(
        put(("if-match", "\"2\"")).await.refused(412),
        "precondition_failed"
    );
    assert_eq!(
        put(("if-match", "W/\"1\"")).await.status,
        412,
        "RFC 9110 section 13.1.1: strong"
    );
    assert_eq!(put(("if-none-match", "*")).await.status, 412);
    assert_eq!(
        put(("if-match", "1")).await.refused(400),
        "request_rejected"
    );
    assert_eq!(
        stage.get(ALICE, &target).await.of(200)["version"],
        1,
        "nothing was written"
    );
    assert_eq!(
        put(("if-match", "\"7\", \"1\"")).await.of(200)["version"],
        2
    );
    assert_eq!(put(("if-match", "*")).await.of(200)["version"], 3);
    let patch = stage.ask_with(ALICE, "PATCH", &target, &[("if-match", "\"2\"")], json!({}));
    assert_eq!(patch.await.status, 412);
    let gone = stage
        .send(ALICE, "DELETE", &target, &[("if-match", "\"2\"")], "")
        .await;
    assert_eq!(gone.status, 412);
    let gone = stage
        .send(ALICE, "DELETE", &target, &[("if-match", "\"3\"")], "")
        .await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn a_reader_that_has_the_version_is_not_sent_it_again() {
    let stage = Stage::open().await;
    let target = format!("/v1/memories/{}", stage.note(ALICE, "v1").await);
    let get = async |tag: &str| {
        let headers = [("if-none-match", tag)];
        stage.send(ALICE, "GET", &target, &headers, "").await
    };
    for tag in ["\"1\"", "W/\"1\"", "\"9\", \"1\"", "*"] {
        let answer = get(tag).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tag}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
    assert_eq!(get("\"2\"").await.status, 200);
    stage
        .ask(ALICE, "PATCH", &target, json!({ "importance": 1 }))
        .await
        .of(200);
    assert_eq!(get("\"1\"").await.of(200)["version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_writers_exactly_one_wins_each_version() {
    let stage = Arc::new(Stage::open().await);
    let target = format!("/v1/memories/{}", stage.note(ALICE, "v1").await);
    for version in 1..=5 {
        let writers = (0..32).map(|writer| {
            let (stage, target) = (Arc::clone(&stage), target.clone());
            tokio::spawn(async move {
                let tag = format!("\"{version}\"");
                let body = json!({ "content": format!("by {writer}") });
                let headers = [("if-match", tag.as_str())];
                stage
                    .ask_with(ALICE, "PUT", &target, &headers, body)
                    .await
                    .status
            })
        });
        let mut won = 0;
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                200 => won += 1,
                status => assert_eq!(status, 412),
            }
        }
        assert_eq!(won, 1, "version {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn patches_without_a_condition_are_all_applied_whoever_else_writes() {
    let stage = Arc::new(Stage::open().await);
    let target = format!("/v1/memories/{}", stage.note(ALICE, "v1").await);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (stage, target) = (Arc::clone(&stage), target.clone());
            tokio::spawn(async move {
                let patch = json!({ "metadata": { (format!("w{writer}")): true } });
                stage.ask(ALICE, "PATCH", &target, patch).await.status
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 200);
    }
    let memory = stage.get(ALICE, &target).await.of(200);
    assert_eq!(
        memory["metadata"].as_object().unwrap().len(),
        8,
        "none was lost"
    );
    assert_eq!(memory["version"], 9);
}

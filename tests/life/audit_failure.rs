//! An audit log that can't be written, and one that can be again.
//!
//! The disk is broken by a file in the place of the log's folder, which stops root as well.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::records;
use crate::world::{self, Prepared, World, eventually};

fn audit(on_failure: &str) -> String {
    format!(
        "directory = \"audit\"\non_failure = \"{on_failure}\"\ndurability = \"sync\"\n\
         flush_milliseconds = 5"
    )
}

async fn gate_that(on_failure: &str) -> World {
    let prepared: Prepared = world::prepare().await;
    prepared
        .with(|gate| gate.section("audit", &audit(on_failure)))
        .start()
        .await
}

/// Takes the log's folder away and puts a file in its place: no record can be written, by root
/// either.
fn break_disk(folder: &Path) {
    fs::rename(folder.join("audit"), folder.join("audit.away")).unwrap();
    fs::write(folder.join("audit"), "in the way").unwrap();
}

fn mend_disk(folder: &Path) {
    fs::remove_file(folder.join("audit")).unwrap();
    fs::rename(folder.join("audit.away"), folder.join("audit")).unwrap();
}

#[tokio::test]
async fn without_a_log_nothing_is_served_and_once_there_is_one_again_everything_is() {
    let world = gate_that("deny").await;
    let member = world.member();
    assert_eq!(world.get("/things/1", &member).await.status, 200);
    let before = world.backend.requests().len();
    break_disk(world.gate.folder());

    // The first request finds out. It may have reached the backend, and the head of its answer the
    // client; no answer is whole without a record.
    let first = world.get("/things/1", &member).await;
    if first.body.complete {
        assert_eq!(
            (first.status, &first.json()["code"]),
            (503, &"audit_unavailable".into())
        );
    }
    let second = world.get("/things/1", &member).await;
    assert_eq!(
        (second.status, &second.json()["code"]),
        (503, &"audit_unavailable".into())
    );
    assert!(second.header("retry-after").is_some());
    assert!(
        world.backend.requests().len() <= before + 1,
        "what can't be recorded does not reach the backend"
    );
    let ready = world.gate.admin("GET", "/readyz", b"").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["audit"]["ok"], false);
    assert_eq!(world.metric("fabric_gate_audit_healthy").await, 0);

    mend_disk(world.gate.folder());

    eventually("service", async || {
        world.get("/things/1", &member).await.status == 200
    })
    .await;
    assert_eq!(world.gate.admin("GET", "/readyz", b"").await.status, 200);
    records::verified(&world.gate);
}

#[tokio::test]
async fn a_gate_that_may_serves_without_a_log_and_keeps_the_records_until_there_is_one() {
    let mut world = gate_that("allow").await;
    let member = world.member();
    assert_eq!(world.get("/things/1", &member).await.status, 200);
    break_disk(world.gate.folder());

    for _ in 0..20 {
        assert_eq!(world.get("/things/1", &member).await.status, 200);
    }
    eventually("a log that is not well", async || {
        world.metric("fabric_gate_audit_healthy").await == 0
    })
    .await;

    mend_disk(world.gate.folder());
    eventually("a log that is well", async || {
        world.metric("fabric_gate_audit_healthy").await == 1
    })
    .await;
    world.gate.stop().await;
    assert_eq!(
        records::of_requests(world.gate.folder()).len(),
        21,
        "what waited in memory is written: there was room for it"
    );
    records::verified(&world.gate);
}

#[tokio::test]
async fn an_audit_folder_that_can_not_be_used_ends_the_start_with_two() {
    let prepared = world::prepare().await;
    fs::write(prepared.builder.folder().join("audit"), "in the way").unwrap();

    let failed = prepared
        .builder
        .try_start()
        .await
        .err()
        .expect("it must not start");

    assert_eq!(failed.status.code(), Some(2), "{}", failed.stderr);
    assert!(failed.stderr.contains("audit"), "{}", failed.stderr);
}

#[tokio::test]
async fn a_log_file_that_is_taken_away_is_replaced_and_the_loss_shows() {
    let mut world = gate_that("deny").await;
    let member = world.member();
    assert_eq!(world.get("/things/1", &member).await.status, 200);
    let file = world.gate.folder().join("audit/audit-0-00000001.jsonl");
    fs::remove_file(&file).unwrap();

    assert_eq!(world.get("/things/1", &member).await.status, 200);

    world.gate.stop().await;
    assert!(records::has_event(world.gate.folder(), "file_replaced"));
    let verified = world.gate.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1), "records are gone");
}

#[tokio::test]
async fn what_the_gate_writes_is_for_its_owner_only() {
    let world = gate_that("deny").await;
    let folder = world.gate.folder();
    for path in ["audit", "audit.key", "audit/audit-0-00000001.jsonl"] {
        let mode = fs::metadata(folder.join(path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{path} has mode {mode:o}");
    }
}

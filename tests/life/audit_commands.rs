//! `fabric-gate audit` on the log of a gate.

use std::fs;
use std::process::Output;

use crate::records;
use crate::world::{self, World, eventually};

/// A gate that served three requests of `acme` and two of `globex`.
async fn with_records() -> World {
    let world = world::start().await;
    let globex = world.token("globex", "gina", &["member"]);
    for _ in 0..3 {
        assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(world.get("/reports/1", &globex).await.status, 403);
    }
    let folder = world.gate.folder().to_owned();
    eventually("records", async || records::of_requests(&folder).len() == 5).await;
    world
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn verify_ends_with_0_for_a_whole_log_with_1_for_a_changed_one_and_with_2_for_none() {
    let mut world = with_records().await;
    world.gate.stop().await;
    let verify = || world.gate.run(&["audit", "verify"]);
    assert_eq!(verify().status.code(), Some(0));

    let file = world.gate.folder().join("audit/audit-0-00000001.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        whole.replacen("\"user_id\":\"gina\"", "\"user_id\":\"carl\"", 1),
    )
    .unwrap();
    let changed = verify();
    assert_eq!(changed.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&changed.stderr).into_owned();
    let place = 1 + whole
        .lines()
        .position(|line| line.contains("gina"))
        .unwrap();
    assert!(complaint.contains(&format!("line {place}")), "{complaint}");

    let kept: Vec<_> = whole.lines().collect();
    fs::write(&file, kept[..kept.len() - 2].join("\n") + "\n").unwrap();
    assert_eq!(verify().status.code(), Some(1), "the end was cut off");

    fs::write(&file, &whole).unwrap();
    assert_eq!(verify().status.code(), Some(0), "as it was written");

    fs::remove_file(world.gate.folder().join("audit.key")).unwrap();
    assert_eq!(
        verify().status.code(),
        Some(2),
        "without the key nobody can tell"
    );
}

#[tokio::test]
async fn an_export_for_a_tenant_holds_its_records_and_nobody_elses() {
    let world = with_records().await;
    for (format, of_acme) in [("jsonl", 3 + 1), ("csv", 1 + 3), ("ocsf", 3)] {
        let export = |tenant: &str| {
            let arguments = ["audit", "export", "--format", format, "--tenant", tenant];
            lines(&world.gate.run(&arguments))
        };
        let acme = export("acme");
        assert_eq!(
            acme.len(),
            of_acme,
            "{format}, with its header or footer: {acme:#?}"
        );
        assert!(acme.iter().any(|line| line.contains("alice")), "{format}");
        assert!(
            !acme
                .iter()
                .any(|line| line.contains("gina") || line.contains("globex")),
            "{format}"
        );
        assert!(
            export("globex").iter().any(|line| line.contains("gina")),
            "{format}"
        );
    }
    let all = lines(&world.gate.run(&["audit", "export"]));
    assert!(all.len() > 5, "without a tenant everything");
}

#[tokio::test]
async fn a_tail_shows_the_last_records_of_a_tenant() {
    let world = with_records().await;
    let tail = lines(&world.gate.run(&[
        "audit",
        "tail",
        "--no-follow",
        "-n",
        "2",
        "--tenant",
        "acme",
    ]));
    assert_eq!(tail.len(), 2);
    for line in tail {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["tenant_id"], "acme");
    }
}

#[tokio::test]
async fn a_tail_is_written_in_the_formats_of_an_export() {
    let world = with_records().await;
    let last = |format: &str| {
        let asked = ["-n", "1", "--tenant", "acme", "--format", format];
        let tail = ["audit", "tail", "--no-follow"];
        lines(&world.gate.run(&[&tail[..], &asked].concat()))
    };
    let [record] = &last("jsonl")[..] else {
        panic!("one record, and nothing about it");
    };
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    let id = record["request_id"].as_str().unwrap();
    let [header, row] = &last("csv")[..] else {
        panic!("a header and a row");
    };
    assert!(header.starts_with("seq,kind,"), "{header}");
    assert!(row.contains(id), "{row}");
    let [event] = &last("ocsf")[..] else {
        panic!("one event");
    };
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["api"]["request"]["uid"], id);
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_wrong_usage() {
    let world = with_records().await;
    for filter in [
        ["--since", "yesterday"],
        ["--decision", "maybe"],
        ["--format", "xml"],
    ] {
        let output = world
            .gate
            .run(&[&["audit", "export"][..], &filter].concat());
        assert_eq!(output.status.code(), Some(2), "{filter:?}");
    }
}

#[tokio::test]
async fn no_token_and_no_query_is_in_the_log() {
    let world = world::start().await;
    let token = world.member();
    assert_eq!(
        world.get("/things/1?secret=hunter2", &token).await.status,
        200
    );
    assert_eq!(
        world.get("/nowhere?secret=hunter2", &token).await.status,
        404
    );
    let folder = world.gate.folder();
    eventually("records", async || records::of_requests(folder).len() == 2).await;

    let log = fs::read_to_string(folder.join("audit/audit-0-00000001.jsonl")).unwrap();

    assert!(!log.contains("hunter2"));
    for part in token.split('.') {
        assert!(!log.contains(part), "a part of the token is in the log");
    }
}

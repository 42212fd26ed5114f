//! What the console asks, asked by a program.

use serde_json::{Value, json};

use crate::browser::until;
use crate::stage::TOKEN;
use crate::support::gate_process::GateProcess;
use crate::support::raw_client::{self, RawClient};

const POLICY: &str = "[[tenants]]\nid = \"acme\"\n";

/// A gate that refuses whatever comes: that is a record too.
async fn gate() -> GateProcess {
    GateProcess::builder().policy(POLICY).start().await
}

async fn refused(gate: &GateProcess, path: &str) {
    let request = raw_client::request("GET", path, &[], b"");
    raw_client::exchange(gate.address(), request).await;
}

async fn records(gate: &GateProcess, count: usize) -> Vec<Value> {
    until("records", async || {
        let page = gate
            .admin("GET", "/v1/audit?decision=deny", b"")
            .await
            .json();
        let records = page["records"].as_array()?.clone();
        (records.len() >= count).then_some(records)
    })
    .await
}

#[tokio::test]
async fn nothing_under_v1_is_shown_without_the_token() {
    let gate = gate().await;
    for target in [
        "/v1/series",
        "/v1/series/spend",
        "/v1/streams",
        "/v1/audit/tail",
        "/v1/audit/1",
    ] {
        let request = raw_client::request("GET", target, &[("Connection", "close")], b"");
        let refused = raw_client::exchange(gate.admin_address(), request).await;
        assert_eq!(refused.status, 401, "{target}: {refused:?}");
        if !target.ends_with("tail") {
            let shown = gate.admin("GET", target, b"").await;
            assert_eq!(shown.status, 200, "{target}: {shown:?}");
        }
    }
    for target in [
        "/v1/series?window=year",
        "/v1/audit/x",
        "/v1/audit/1?hsh=0",
        "/v1/audit/tail?tenat=x",
    ] {
        let refused = gate.admin("GET", target, b"").await;
        assert_eq!(refused.status, 400, "{target}: {refused:?}");
    }
    assert_eq!(gate.admin("GET", "/v1/audit/999999", b"").await.status, 404);
}

#[tokio::test]
async fn a_tail_begins_with_open_and_has_each_record_that_fits() {
    let gate = gate().await;
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    let mut tail = RawClient::connect(gate.admin_address()).await;
    let target = "/v1/audit/tail?reason=not_found&decision=deny";
    tail.send(raw_client::request("GET", target, &headers, b""))
        .await;
    tail.read_until("event: open\ndata: {}\n\n").await;
    refused(&gate, "/nowhere").await;
    let told = tail.read_until("\"}\n\n").await;
    let line = told.split("event: record\ndata: ").nth(1).unwrap();
    let line = line.split("\n\n").next().unwrap();
    let record: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&record["reason"], &record["path"]),
        (&json!("not_found"), &json!("/nowhere"))
    );
}

#[tokio::test]
async fn a_record_that_was_changed_is_told_from_one_that_was_not() {
    let mut gate = gate().await;
    for path in ["/one", "/two", "/three"] {
        refused(&gate, path).await;
    }
    // An answer may be with its caller before its record is written: the log's order counts.
    let records = records(&gate, 3).await;
    let (two, one) = (&records[1], &records[2]);
    let path = two["path"].to_string();
    let shown = |record: &Value| {
        format!(
            "/v1/audit/{}?hash={}",
            record["seq"],
            record["hash"].as_str().unwrap()
        )
    };
    let found = gate.admin("GET", &shown(two), b"").await.json();
    assert_eq!(&found["record"], two);
    // A checkpoint is due after a minute.
    let sound = [json!("chained"), json!("verified")];
    assert!(sound.contains(&found["chain"]["state"]), "{found:#}");
    assert_eq!(found["chain"]["continues"], true);
    assert_eq!(found["chain"]["continued"], true);

    // The end of the process signs for everything before.
    gate.stop().await;
    gate.start_again().await;
    let found = gate.admin("GET", &shown(two), b"").await.json();
    assert_eq!(found["chain"]["state"], "verified", "{found:#}");
    assert!(found["chain"]["checkpoint"].as_u64() > two["seq"].as_u64());
    let genesis = gate.admin("GET", "/v1/audit/1", b"").await.json();
    assert_eq!(genesis["chain"]["state"], "verified", "{genesis:#}");

    let folder = gate.folder().join("audit");
    let file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = file
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&path));
    std::fs::write(&file, text.replace(&path, "\"/other\"")).unwrap();
    let found = gate.admin("GET", &shown(two), b"").await.json();
    assert_eq!(found["chain"]["state"], "broken", "{found:#}");
    assert_eq!(found["chain"]["sealed"], false);
    assert!(
        found["chain"]["problem"]
            .as_str()
            .unwrap()
            .contains("changed")
    );
    let before = gate.admin("GET", &shown(one), b"").await.json();
    assert_eq!(before["chain"]["sealed"], true);
    assert_eq!(
        before["chain"]["state"], "broken",
        "what it hangs on behind it was changed"
    );
}

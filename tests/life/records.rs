//! The audit log of a gate, read as an auditor does: from its files and by `audit verify`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::support::gate_process::GateProcess;

/// Every record in the gate's folder, file by file.
///
/// # Panics
/// A whole line is no JSON. A last line without its end is left out.
pub fn all(folder: &Path) -> Vec<Value> {
    let Ok(directory) = std::fs::read_dir(folder.join("audit")) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = directory
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        records.extend(whole.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        }));
    }
    records
}

/// Records of requests.
pub fn of_requests(folder: &Path) -> Vec<Value> {
    let mut records = all(folder);
    records.retain(|record| record["kind"] == "request");
    records
}

/// Names of events, in order within each file.
pub fn events(folder: &Path) -> Vec<Value> {
    let mut records = all(folder);
    records.retain(|record| record["kind"] == "event");
    records
}

/// Whether an event of this name was recorded.
pub fn has_event(folder: &Path, name: &str) -> bool {
    events(folder).iter().any(|event| event["event"] == name)
}

/// Records of requests by request id.
///
/// # Panics
/// Two have the same one.
pub fn by_request_id(folder: &Path) -> HashMap<String, Value> {
    let mut records = HashMap::new();
    for record in of_requests(folder) {
        let id = record["request_id"].as_str().unwrap().to_owned();
        let twice = records.insert(id, record);
        assert!(twice.is_none(), "two records of one request: {twice:?}");
    }
    records
}

/// What `audit verify --json` says of a log that is as it was written.
///
/// # Panics
/// It is not.
pub fn verified(gate: &GateProcess) -> Value {
    let output = gate.run(&["audit", "verify", "--json"]);
    assert!(
        output.status.success(),
        "the log has to verify: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

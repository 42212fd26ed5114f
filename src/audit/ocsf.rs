//! Records in the Open Cybersecurity Schema Framework, version 1.3.0: requests as *API Activity*
//! (class 6003), events as *Base Event* (class 0).
#![expect(
    clippy::indexing_slicing,
    reason = "a member that a JSON value lacks reads as null"
)]

use std::io::{self, Write};

use serde_json::{Value, json};

/// Writes one record of the log as a line.
pub(super) fn write(line: &[u8], out: &mut impl Write) -> io::Result<()> {
    let record: Value = serde_json::from_slice(line)?;
    let event = if record["kind"] == "request" {
        api_activity(&record)
    } else {
        base_event(&record)
    };
    writeln!(out, "{event}")
}

fn api_activity(record: &Value) -> Value {
    let activity = match record["action"].as_str() {
        Some("create") => 1,
        Some("read") => 2,
        Some("write" | "update") => 3,
        Some("delete") => 4,
        Some(_) => 99,
        None => 0,
    };
    let permitted = record["decision"] == "permit";
    json!({
        "category_uid": 6,
        "class_uid": 6003,
        "activity_id": activity,
        "type_uid": 600_300 + activity,
        "time": milliseconds(record),
        "severity_id": if permitted { 1 } else { 2 },
        "status_id": if permitted { 1 } else { 2 },
        "status_code": record["status"].as_u64().map(|status| status.to_string()),
        "status_detail": record["reason"],
        "duration": record["latency_us"].as_u64().map(|micros| micros / 1000),
        "metadata": metadata(record),
        "actor": { "user": {
            "uid": record["user_id"],
            "org": { "uid": record["tenant_id"] },
            "groups": groups(&record["roles"]),
        }},
        "api": {
            "operation": record["route"].as_str().or(record["method"].as_str()),
            "service": { "name": record["upstream"] },
            "request": { "uid": record["request_id"] },
            "response": { "code": record["status"], "message": record["reason"] },
        },
        "http_request": { "http_method": record["method"], "url": { "path": record["path"] } },
        // The gate records who called, not from where; the schema wants an endpoint all the same.
        "src_endpoint": { "name": "undisclosed" },
        "unmapped": record,
    })
}

fn base_event(record: &Value) -> Value {
    json!({
        "category_uid": 0,
        "class_uid": 0,
        "activity_id": 99,
        "activity_name": record["event"],
        "type_uid": 99,
        "time": milliseconds(record),
        "severity_id": 1,
        "message": record["event"],
        "metadata": metadata(record),
        "unmapped": record,
    })
}

fn metadata(record: &Value) -> Value {
    json!({
        "version": "1.3.0",
        "product": { "name": "Fabric Gate", "vendor_name": "Fabric Gate" },
        "uid": record["hash"],
        "sequence": record["seq"],
        "correlation_uid": record["trace_id"],
        "tenant_uid": record["tenant_id"],
    })
}

fn groups(roles: &Value) -> Vec<Value> {
    let roles = roles.as_array().map(Vec::as_slice).unwrap_or_default();
    roles.iter().map(|role| json!({ "name": role })).collect()
}

fn milliseconds(record: &Value) -> Option<i64> {
    let time: jiff::Timestamp = record["ts"].as_str()?.parse().ok()?;
    Some(time.as_millisecond())
}

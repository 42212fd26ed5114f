//! Records as comma-separated values (RFC 4180).

use std::io::{self, Write};

use serde_json::Value;

/// Columns, in the contract's order; those of one level further down by a dot.
const COLUMNS: &[&str] = &[
    "seq",
    "kind",
    "event",
    "ts",
    "request_id",
    "trace_id",
    "tenant_id",
    "user_id",
    "principal",
    "roles",
    "delegation_chain",
    "auth_method",
    "token_id",
    "method",
    "path",
    "route",
    "action",
    "resource.kind",
    "resource.id",
    "tool",
    "model",
    "decision",
    "reason",
    "rule",
    "enforced",
    "would_deny",
    "declared_tenant",
    "status",
    "upstream",
    "upstream_status",
    "cost_usd",
    "tokens.input",
    "tokens.output",
    "tokens.cache_read",
    "price_revision",
    "how",
    "arrived",
    "adjustment",
    "by",
    "scope",
    "value",
    "window",
    "threshold",
    "limit_usd",
    "spent_usd",
    "resets_at",
    "latency_us",
    "bytes_in",
    "bytes_out",
    "policy_revision",
    "instance",
    "prev",
    "hash",
];

/// Writes the names of the columns.
pub(super) fn write_csv_header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}\r\n", COLUMNS.join(","))
}

/// Writes one record of the log as a row.
pub(super) fn write_csv(line: &[u8], out: &mut impl Write) -> io::Result<()> {
    let record: Value = serde_json::from_slice(line)?;
    for (index, column) in COLUMNS.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        let value = column
            .split('.')
            .try_fold(&record, |value, name| value.get(name));
        write_cell(value.unwrap_or(&Value::Null), out)?;
    }
    out.write_all(b"\r\n")
}

fn write_cell(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            let words: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            write_text(&words.join(" "), out)
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => write!(out, "{value}"),
    }
}

fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    // A spreadsheet takes a cell that begins like this for a formula, and strangers choose the text.
    // An amount below zero is a number and stays one.
    let amount = text.strip_prefix('-').is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    let guard = if !amount && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    write!(out, "\"{guard}{}\"", text.replace('"', "\"\""))
}

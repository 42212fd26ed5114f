//! A statement as comma-separated values (RFC 4180).

use std::io::{self, Write};

use crate::budget::ledger::Charge;
use crate::money::SignedUsd;

/// The columns. The cost is last and a plain number, so that a spreadsheet adds it up.
const COLUMNS: [&str; 20] = [
    "at",
    "settled_at",
    "kind",
    "id",
    "user",
    "agent",
    "route",
    "session",
    "model",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "price_revision",
    "how",
    "scope",
    "by",
    "reason",
    "cost_usd",
];

pub(super) fn write_header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}\r\n", COLUMNS.join(","))
}

pub(super) fn write_line(charge: &Charge, out: &mut impl Write) -> io::Result<()> {
    let number = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let cells: [String; 20] = match charge {
        Charge::Request {
            at,
            request_id,
            spender,
            cost,
            facts,
            how,
            settled_at,
        } => [
            at.to_string(),
            settled_at.to_string(),
            "request".to_owned(),
            text(request_id),
            text(&spender.user),
            text(&spender.agent),
            text(&spender.route),
            text(&spender.session),
            text(facts.model.as_deref().unwrap_or_default()),
            number(facts.input),
            number(facts.cache_read),
            number(facts.cache_write),
            number(facts.output),
            number(facts.reasoning),
            text(facts.price_revision.as_deref().unwrap_or_default()),
            how.as_str().to_owned(),
            String::new(),
            String::new(),
            String::new(),
            cost.to_string(),
        ],
        Charge::Adjusted(adjustment) => {
            let mut cells: [String; 20] = Default::default();
            let scope = match &*adjustment.value {
                "" => adjustment.scope.as_str().to_owned(),
                value => format!("{}:{value}", adjustment.scope.as_str()),
            };
            let filled = [
                ("at", adjustment.at.to_string()),
                ("kind", "adjustment".to_owned()),
                ("id", text(&adjustment.id)),
                ("how", "adjusted".to_owned()),
                ("scope", text(&scope)),
                ("by", text(&adjustment.by)),
                ("reason", text(&adjustment.reason)),
                (
                    "cost_usd",
                    SignedUsd::from_nanos(adjustment.amount).to_string(),
                ),
            ];
            for (cell, column) in cells.iter_mut().zip(COLUMNS) {
                if let Some((_, value)) = filled.iter().find(|(name, _)| *name == column) {
                    cell.clone_from(value);
                }
            }
            cells
        }
    };
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell of somebody's text. A spreadsheet takes one that begins like a formula for one.
fn text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

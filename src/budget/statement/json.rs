//! A statement as one JSON document.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Share, StatementHead, Totals};
use crate::budget::ledger::Charge;
use crate::clock::Timestamp;
use crate::money::SignedUsd;

pub(super) fn write_head(head: &StatementHead, out: &mut impl Write) -> io::Result<()> {
    let time = |time: Option<Timestamp>| json!(time.map(|time| time.to_string()));
    write!(
        out,
        "{{\"tenant\":{},\"since\":{},\"until\":{},\"currency\":\"USD\",\"lines\":[",
        json!(head.tenant.as_str()),
        time(head.since),
        time(head.until)
    )
}

pub(super) fn write_line(charge: &Charge, first: bool, out: &mut impl Write) -> io::Result<()> {
    let separator = if first { "\n" } else { ",\n" };
    write!(out, "{separator}{}", line(charge))
}

pub(super) fn write_end(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let totals = json!({
        "cost_usd": totals.cost().to_string(),
        "requests": share(&totals.requests),
        "adjustments": share(&totals.adjustments),
        "by_model": table("model", &totals.by_model),
        "by_route": table("route", &totals.by_route),
        "by_user": table("user", &totals.by_user),
    });
    writeln!(out, "\n],\"totals\":{totals}}}")
}

fn line(charge: &Charge) -> Value {
    match charge {
        Charge::Request {
            at,
            request_id,
            spender,
            cost,
            facts,
            how,
            settled_at,
        } => json!({
            "kind": "request",
            "at": at.to_string(),
            "settled_at": settled_at.to_string(),
            "request_id": &**request_id,
            "user": &*spender.user,
            "agent": &*spender.agent,
            "route": &*spender.route,
            "session": &*spender.session,
            "model": facts.model.as_deref(),
            "tokens": {
                "input": facts.input,
                "cache_read": facts.cache_read,
                "cache_write": facts.cache_write,
                "output": facts.output,
                "reasoning": facts.reasoning,
            },
            "price_revision": facts.price_revision.as_deref(),
            "how": how.as_str(),
            "cost_usd": cost.to_string(),
        }),
        Charge::Adjusted(adjustment) => json!({
            "kind": "adjustment",
            "at": adjustment.at.to_string(),
            "adjustment": &*adjustment.id,
            "scope": adjustment.scope.as_str(),
            "value": &*adjustment.value,
            "by": &*adjustment.by,
            "reason": &*adjustment.reason,
            "cost_usd": SignedUsd::from_nanos(adjustment.amount).to_string(),
        }),
    }
}

fn share(share: &Share) -> Value {
    json!({ "lines": share.lines, "cost_usd": share.cost.to_string() })
}

fn table(name: &str, shares: &BTreeMap<Arc<str>, Share>) -> Value {
    let rows = shares.iter().map(|(value, part)| {
        let mut row = share(part);
        if let Some(row) = row.as_object_mut() {
            row.insert(name.to_owned(), json!(&**value));
        }
        row
    });
    rows.collect()
}

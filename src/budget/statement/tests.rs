use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::budget::ledger::{Adjustment, ChargeFacts, How};
use crate::budget::{CeilingScope, Spender};
use crate::money::{NanoUsd, SignedUsd};

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_000_000 + second)
}

fn charge(id: &str, user: &str, model: Option<&str>, nanos: u64) -> Charge {
    Charge::Request {
        at: at(0),
        request_id: Arc::from(id),
        spender: Spender {
            tenant: "acme".parse().unwrap(),
            user: Arc::from(user),
            agent: Arc::from(""),
            route: Arc::from("chat"),
            session: Arc::from("=cmd|'/c'!A1"),
        },
        cost: NanoUsd::from_nanos(nanos),
        facts: ChargeFacts {
            model: model.map(Arc::from),
            input: Some(120),
            output: Some(0),
            ..ChargeFacts::default()
        },
        how: How::Settled,
        settled_at: at(1),
    }
}

fn refund(nanos: i64) -> Charge {
    Charge::Adjusted(Adjustment {
        tenant: "acme".parse().unwrap(),
        scope: CeilingScope::User,
        value: Arc::from("alice, or \"bob\""),
        amount: nanos,
        at: at(2),
        by: Arc::from("admin"),
        reason: Arc::from("outage, \"big\""),
        id: Arc::from("refund-1"),
    })
}

fn charges() -> Vec<Charge> {
    vec![
        charge("one", "alice", Some("gpt-4o"), 3_125_000),
        charge("two", "bob", Some("gpt-4o"), 1),
        charge("three", "alice", None, 2_000_000_000),
        refund(-1_500_000_000),
    ]
}

fn written(format: StatementFormat) -> (String, Totals) {
    let head = StatementHead {
        tenant: "acme".parse().unwrap(),
        since: Some(at(0)),
        until: None,
    };
    let mut out = Vec::new();
    let mut writer = StatementWriter::begin(&head, format, &mut out).unwrap();
    for charge in charges() {
        writer.line(&charge).unwrap();
    }
    let totals = writer.end().unwrap();
    (String::from_utf8(out).unwrap(), totals)
}

#[test]
fn the_lines_of_a_document_add_up_to_its_totals_to_the_last_nano_dollar() {
    let (text, totals) = written(StatementFormat::Json);
    let document: Value = serde_json::from_str(&text).unwrap();
    let amount = |row: &Value| -> SignedUsd { row["cost_usd"].as_str().unwrap().parse().unwrap() };
    let sum = |rows: &Value| {
        let mut sum = SignedUsd::ZERO;
        for row in rows.as_array().unwrap() {
            sum += amount(row);
        }
        sum
    };
    assert_eq!(totals.cost().to_string(), "0.503125001");
    assert_eq!(sum(&document["lines"]), totals.cost());
    assert_eq!(amount(&document["totals"]), totals.cost());
    for table in ["by_model", "by_route", "by_user"] {
        let total = sum(&document["totals"][table]);
        assert_eq!(total, totals.requests.cost, "{table}");
    }
    let by_user = &document["totals"]["by_user"];
    assert_eq!(by_user[0]["user"], "alice");
    assert_eq!(by_user[0]["cost_usd"], "2.003125");
    assert_eq!(document["lines"][0]["tokens"]["output"], 0);
    assert_eq!(document["lines"][0]["tokens"]["reasoning"], Value::Null);
    assert_eq!(document["lines"][3]["reason"], "outage, \"big\"");
}

#[test]
fn the_last_column_of_a_table_adds_up_to_the_total() {
    let (text, totals) = written(StatementFormat::Csv);
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 1 + charges().len());
    let mut sum = SignedUsd::ZERO;
    for row in &rows[1..] {
        let (_, cost) = row.rsplit_once(',').unwrap();
        sum += cost.parse::<SignedUsd>().unwrap();
    }
    assert_eq!(sum, totals.cost());
}

#[test]
fn a_strangers_text_is_neither_a_formula_nor_another_cell() {
    let (text, _) = written(StatementFormat::Csv);
    assert!(text.contains(",\"'=cmd|'/c'!A1\","), "{text}");
    assert!(text.contains(",\"user:alice, or \"\"bob\"\"\","), "{text}");
    assert!(
        text.contains(",\"outage, \"\"big\"\"\",-1.50\r\n"),
        "{text}"
    );
}

#[test]
fn an_empty_statement_is_a_whole_document() {
    let head = StatementHead {
        tenant: "acme".parse().unwrap(),
        since: None,
        until: Some(at(0)),
    };
    let mut out = Vec::new();
    let writer = StatementWriter::begin(&head, StatementFormat::Json, &mut out).unwrap();
    writer.end().unwrap();
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["lines"], serde_json::json!([]));
    assert_eq!(document["totals"]["cost_usd"], "0.00");
}

//! Query, tail and export.

use std::fs;

use fabric_gate::audit::{
    Event, ExportError, ExportFormat, Filter, LogKeys, Page, RecordedDecision, export, query, tail,
};
use fabric_gate::clock::{SystemClock, Timestamp};
use serde_json::Value;

use crate::sample::{Sample, append};

fn of_tenant(tenant: &str) -> Filter {
    Filter {
        tenant: Some(tenant.parse().unwrap()),
        ..Filter::default()
    }
}

fn pages(sample: &Sample, filter: &Filter, limit: usize) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let cursor = pages.last().and_then(|page| page.next.clone());
        let page = query(&sample.settings.directory, filter, limit, cursor.as_deref()).unwrap();
        let last = page.next.is_none();
        pages.push(page);
        if last {
            return pages;
        }
        assert!(pages.len() < 1000, "pages come to an end");
    }
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages
        .iter()
        .flat_map(|page| &page.records)
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["request_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Twenty requests of two tenants each over two lineages and several files.
fn written() -> Sample {
    let mut sample = Sample::new();
    sample.settings.rotate_bytes = 3_000;
    let logs = [sample.open(), sample.open()];
    for number in 0..40 {
        let tenant = if number % 4 < 2 { "acme" } else { "globex" };
        let log = &logs[number as usize % 2];
        append(log, tenant, number);
        let ticket = log.event(&Event::PolicyRejected { problems: 1 }).unwrap();
        log.wait_durable_blocking(ticket).unwrap();
    }
    drop(logs);
    assert!(sample.files().len() > 4);
    sample
}

#[test]
fn pages_of_any_size_hold_each_record_of_the_tenant_once_and_no_other() {
    let sample = written();
    let all = ids(&pages(&sample, &of_tenant("acme"), 1000));
    assert_eq!(all.len(), 20);
    for limit in [1, 3, 7] {
        let paged = pages(&sample, &of_tenant("acme"), limit);
        assert!(paged.iter().all(|page| page.records.len() <= limit));
        let mut seen = ids(&paged);
        seen.sort();
        let mut whole = all.clone();
        whole.sort();
        assert_eq!(seen, whole, "{limit} a page");
    }
    assert_eq!(ids(&pages(&sample, &of_tenant("globex"), 6)).len(), 20);
    assert!(ids(&pages(&sample, &of_tenant("nobody"), 6)).is_empty());
}

#[test]
fn time_and_decision_narrow_a_query() {
    let sample = written();
    let at = Timestamp::from_seconds(1_795_305_600);
    let count = |filter| ids(&pages(&sample, &filter, 100)).len();
    let between = |since, until| Filter {
        since,
        until,
        decision: Some(RecordedDecision::Permit),
        ..Filter::default()
    };
    assert_eq!(count(between(Some(at), Some(at.plus_seconds(1)))), 40);
    assert_eq!(count(between(Some(at.plus_seconds(1)), None)), 0);
    assert_eq!(count(between(None, Some(at))), 0);
    assert_eq!(
        count(Filter {
            decision: Some(RecordedDecision::Deny),
            ..Filter::default()
        }),
        0
    );
}

#[test]
fn a_made_up_cursor_is_refused() {
    let sample = written();
    for cursor in ["", "x", "0-1", "0-1-2-x", "../../etc"] {
        assert!(
            query(
                &sample.settings.directory,
                &Filter::default(),
                5,
                Some(cursor)
            )
            .is_err()
        );
    }
}

#[test]
fn tail_shows_the_last_records_and_follows() {
    let sample = Sample::new();
    sample.write(10);
    let mut out = Vec::new();
    let mut rounds = 0;
    tail(
        &sample.settings.directory,
        &of_tenant("acme"),
        3,
        ExportFormat::JsonLines,
        &mut out,
        || {
            rounds += 1;
            if rounds == 1 {
                sample.write(2);
            }
            rounds < 3
        },
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    let shown: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].clone())
        .collect();
    assert_eq!(shown, ["request-4", "request-6", "request-8", "request-0"]);
}

#[test]
fn a_tenants_export_holds_only_its_lines_of_the_log_and_a_signed_count() {
    let sample = written();
    let mut out = Vec::new();
    let summary = export(
        &sample.settings,
        &SystemClock,
        &of_tenant("acme"),
        ExportFormat::JsonLines,
        &mut out,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("globex"));
    let (records, footer) = text.trim_end().rsplit_once('\n').unwrap();
    let log: String = sample
        .files()
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    assert!(
        records.lines().all(|line| log.contains(line)),
        "each line is the log's own"
    );
    assert_eq!((records.lines().count(), summary.records), (20, 20));
    let footer: Value = serde_json::from_str(footer).unwrap();
    assert_eq!(footer["records"], 20);
    let digest = blake3::hash(format!("{records}\n").as_bytes());
    assert_eq!(footer["digest"], digest.to_hex().as_str());
    let keys = LogKeys::load(&sample.settings.secret).unwrap();
    assert_eq!(footer["public_key"], keys.public_key());
}

#[test]
fn an_export_stops_at_an_edited_record() {
    let sample = written();
    let file = &sample.files()[0];
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text.replacen("\"status\":200", "\"status\":201", 1)).unwrap();
    let outcome = export(
        &sample.settings,
        &SystemClock,
        &Filter::default(),
        ExportFormat::JsonLines,
        &mut Vec::new(),
    );
    assert!(matches!(outcome, Err(ExportError::Bad { .. })));
}

#[test]
fn csv_rows_have_as_many_cells_as_the_header() {
    let sample = Sample::new();
    let log = sample.open();
    append(&log, "acme", 1);
    drop(log);
    let mut out = Vec::new();
    export(
        &sample.settings,
        &SystemClock,
        &of_tenant("acme"),
        ExportFormat::Csv,
        &mut out,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    let rows: Vec<_> = text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].split(',').count(), rows[1].split(',').count());
}

#[test]
fn ocsf_events_have_the_class_and_type_of_the_schema() {
    let sample = Sample::new();
    sample.write(1);
    let mut out = Vec::new();
    export(
        &sample.settings,
        &SystemClock,
        &Filter::default(),
        ExportFormat::Ocsf,
        &mut out,
    )
    .unwrap();
    let types: Vec<_> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            assert!(event["time"].is_i64() || event["time"].is_u64());
            event["type_uid"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(types, [99, 600_302, 99]);
}

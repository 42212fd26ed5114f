//! Restart, rotation, several writers, and files that others take away.

use std::fs;
use std::sync::Arc;

use fabric_gate::audit::{Event, RecordedDecision, RecordedPath, RequestRecord, verify};

use crate::sample::{Sample, append, request};

#[test]
fn eight_threads_leave_exactly_their_records_in_one_chain() {
    let sample = Sample::new();
    let log = sample.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..10_000 {
                    append(log, "acme", thread * 10_000 + number);
                }
            });
        }
    });
    log.shutdown().unwrap();
    let mut ids: Vec<_> = sample
        .lines()
        .iter()
        .filter_map(|line| line["request_id"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(ids.len(), 80_000);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 80_000, "each record is there once");
    sample.assert_good();
}

#[test]
fn the_chain_goes_on_over_restarts_and_rotation() {
    let mut sample = Sample::new();
    sample.settings.rotate_bytes = 2_000;
    for _ in 0..5 {
        let log = sample.open();
        for number in 0..20 {
            append(&log, "acme", number);
            let ticket = log.event(&Event::PolicyRejected { problems: 1 }).unwrap();
            log.wait_durable_blocking(ticket).unwrap();
        }
    }
    assert!(sample.files().len() > 5, "it was rotated");
    sample.assert_good();
    let lines = sample.lines();
    for (index, pair) in lines.windows(2).enumerate() {
        assert_eq!(pair[0]["hash"], pair[1]["prev"], "at line {index}");
    }
    assert_eq!(
        lines.len() as u64,
        verify(&sample.settings).unwrap().records
    );
}

#[test]
fn archived_first_files_are_vouched_for_by_a_checkpoint_and_a_hole_is_not() {
    let mut sample = Sample::new();
    sample.settings.rotate_bytes = 2_000;
    let log = sample.open();
    for number in 0..30 {
        append(&log, "acme", number);
        let ticket = log.event(&Event::PolicyRejected { problems: 1 }).unwrap();
        log.wait_durable_blocking(ticket).unwrap();
    }
    log.shutdown().unwrap();
    let files = sample.files();
    fs::remove_file(&files[0]).unwrap();
    sample.assert_good();
    fs::remove_file(&files[3]).unwrap();
    assert!(!verify(&sample.settings).unwrap().is_good());
}

#[test]
fn two_processes_write_two_chains_and_the_next_goes_on_with_the_first() {
    let sample = Sample::new();
    let (old, new) = (sample.open(), sample.open());
    append(&old, "acme", 1);
    append(&new, "acme", 2);
    drop(old);
    let next = sample.open();
    append(&next, "acme", 3);
    drop((new, next));
    let names: Vec<_> = sample
        .files()
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["audit-0-00000001.jsonl", "audit-1-00000001.jsonl"]);
    assert_eq!(verify(&sample.settings).unwrap().lineages.len(), 2);
    sample.assert_good();
}

#[test]
fn a_file_that_was_renamed_removed_or_emptied_is_followed_by_another() {
    let sample = Sample::new();
    let log = sample.open();
    let sync = |number| {
        append(&log, "acme", number);
        let ticket = log
            .event(&Event::PolicyRejected { problems: number })
            .unwrap();
        log.wait_durable_blocking(ticket).unwrap();
    };
    sync(1);
    let first = sample.settings.directory.join("audit-0-00000001.jsonl");
    let kept = sample.settings.directory.join("kept");
    fs::rename(&first, &kept).unwrap();
    sync(2);
    assert!(
        sample
            .settings
            .directory
            .join("audit-0-00000002.jsonl")
            .exists()
    );
    let second = sample.settings.directory.join("audit-0-00000002.jsonl");
    let text = fs::read_to_string(&second).unwrap();
    assert!(text.lines().next().unwrap().contains("file_replaced"));
    // copytruncate of logrotate
    fs::File::options()
        .write(true)
        .open(&second)
        .unwrap()
        .set_len(0)
        .unwrap();
    sync(3);
    assert_eq!(fs::metadata(&second).unwrap().len(), 0);
    assert!(
        sample
            .settings
            .directory
            .join("audit-0-00000003.jsonl")
            .exists()
    );
    drop(log);
    fs::rename(&kept, &first).unwrap();
    fs::write(&second, text).unwrap();
    sample.assert_good();
}

#[test]
fn hostile_content_is_one_ascii_line_that_parses() {
    let sample = Sample::new();
    let log = sample.open();
    let long = [b'/', b'a'].repeat(32 << 10);
    let hostile: [&[u8]; 6] = [
        b"/a\r\n{\"seq\":1}\r\n",
        b"/nul\0byte\x1b[31mred\x1b]0;title\x07",
        b"/\xed\xa0\x80\xff\xc3",
        "/\u{202e}\u{2028}\u{9b}".as_bytes(),
        b"\",\"decision\":\"permit\",\"x\":\"",
        &long,
    ];
    for bytes in hostile {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let shadow = [Arc::from(text.as_str())];
        let ticket = log.append(&RequestRecord {
            path: RecordedPath::Unrouted(bytes),
            declared_tenant: Some(bytes),
            decision: RecordedDecision::Deny,
            reason: &text,
            would_deny: &shadow,
            model: Some(&text),
            ..request(&text)
        });
        assert!(ticket.is_ok());
    }
    log.shutdown().unwrap();
    let bytes = fs::read(&sample.files()[0]).unwrap();
    assert!(bytes.iter().all(|byte| matches!(byte, 0x20..0x7f | b'\n')));
    let denied = sample
        .lines()
        .iter()
        .filter(|line| line["decision"] == "deny")
        .count();
    assert_eq!(denied, hostile.len());
    sample.assert_good();
}

#[test]
fn a_query_never_reaches_the_log() {
    let sample = Sample::new();
    let log = sample.open();
    let ticket = log.append(&RequestRecord {
        path: RecordedPath::Unrouted(b"/ws?token=canary-1#canary-2"),
        ..request("r")
    });
    assert!(ticket.is_ok());
    log.shutdown().unwrap();
    let text = fs::read_to_string(&sample.files()[0]).unwrap();
    assert!(text.contains("\"path\":\"/ws\"") && !text.contains("canary"));
}

#[test]
fn after_shutdown_the_log_is_unavailable() {
    let sample = Sample::new();
    let log = sample.open();
    assert!(log.ready().is_ok() && log.append(&request("before")).is_ok());
    log.shutdown().unwrap();
    assert!(log.ready().is_err() && log.append(&request("after")).is_err());
    assert!(log.shutdown().is_ok(), "a second time does nothing");
}

#[tokio::test]
async fn an_awaited_record_is_on_disk() {
    let sample = Sample::new();
    let log = sample.open();
    let ticket = log.append(&request("awaited")).unwrap();
    log.wait_durable(ticket).await.unwrap();
    assert!(
        sample
            .lines()
            .iter()
            .any(|line| line["request_id"] == "awaited")
    );
}

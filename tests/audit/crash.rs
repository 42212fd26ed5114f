//! A process that is killed at any moment leaves a log that the next one goes on with.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use fabric_gate::audit::{AuditLog, Settings, verify};

use crate::sample::{Sample, request};

const DIRECTORY: &str = "FABRIC_TEST_AUDIT_DIRECTORY";

/// Not a test of its own: the process that is killed. It appends, waits for the disk, and prints
/// the id of each record that is on it.
#[test]
#[ignore = "started by the test below"]
fn child_that_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let mut settings = Settings::new(directory);
    settings.rotate_bytes = 64 << 10;
    settings.checkpoint_records = 50;
    let clock = std::sync::Arc::new(fabric_gate::clock::SystemClock);
    let log = AuditLog::open(&settings, clock).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let id = format!("{}-{thread}-{number}", std::process::id());
                    let ticket = log.append(&request(&id)).unwrap();
                    log.wait_durable_blocking(ticket).unwrap();
                    writeln!(std::io::stdout(), "durable {id}").unwrap();
                }
            });
        }
    });
}

#[test]
fn no_durable_record_is_lost_over_twenty_kills() {
    let sample = Sample::new();
    let mut durable = Vec::new();
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::child_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DIRECTORY, &sample.settings.directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 10 + round * 7 {
            let line = lines.next().unwrap().unwrap();
            if let Some(id) = line.strip_prefix("durable ") {
                durable.push(id.to_owned());
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        durable.extend(lines.map_while(Result::ok).filter_map(|line| {
            let id = line.strip_prefix("durable ")?;
            Some(id.to_owned())
        }));
        sample.assert_good();
    }
    drop(sample.open());
    sample.assert_good();
    let ids: std::collections::HashSet<_> = sample
        .lines()
        .iter()
        .filter_map(|line| line["request_id"].as_str().map(str::to_owned))
        .collect();
    let lost: Vec<_> = durable.iter().filter(|id| !ids.contains(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        durable.len()
    );
}

#[test]
fn a_torn_last_line_is_put_aside_and_told_of() {
    let sample = Sample::new();
    sample.write(3);
    let file = sample.files().remove(0);
    let mut open = std::fs::File::options().append(true).open(&file).unwrap();
    open.write_all(b"{\"seq\":6,\"kind\":\"requ").unwrap();
    assert!(verify(&sample.settings).unwrap().lineages[0].torn_tail);
    sample.write(2);
    let torn = std::fs::read(file.with_extension("torn-1")).unwrap();
    assert_eq!(torn, b"{\"seq\":6,\"kind\":\"requ");
    let lines = sample.lines();
    let told = lines
        .iter()
        .find(|line| line["event"] == "recovered")
        .unwrap();
    assert_eq!(told["torn_file"], "audit-0-00000001.torn-1");
    assert_eq!(told["bytes"], 21);
    sample.assert_good();
}

#[test]
fn pages_of_zeros_after_a_power_cut_count_as_torn() {
    let sample = Sample::new();
    sample.write(3);
    let file = sample.files().remove(0);
    let mut open = std::fs::File::options().append(true).open(&file).unwrap();
    open.write_all(&[0; 4096]).unwrap();
    open.write_all(b"\n{\"seq\":9}\n").unwrap();
    sample.write(2);
    sample.assert_good();
}

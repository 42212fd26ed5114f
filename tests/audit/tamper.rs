//! Whatever is done to a closed log, `verify` says so and names the place.

use std::fs;
use std::path::{Path, PathBuf};

use fabric_gate::audit::{AuditLog, Bad, OpenError, Problem, verify};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::sample::Sample;

const RECORDS: u64 = 40;

/// A closed log of `RECORDS` requests between `log_opened` and `shutdown`: 42 lines.
fn closed_log() -> Sample {
    let sample = Sample::new();
    sample.write(RECORDS);
    sample.assert_good();
    sample
}

fn only_file(sample: &Sample) -> PathBuf {
    let files = sample.files();
    assert_eq!(files.len(), 1);
    files.into_iter().next().unwrap()
}

fn change_lines(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<_> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    change(&mut lines);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn bad_after(change: impl FnOnce(&mut Vec<String>)) -> Bad {
    let sample = closed_log();
    change_lines(&only_file(&sample), change);
    verify(&sample.settings).unwrap().first_bad.unwrap()
}

#[test]
fn one_flipped_bit_anywhere_is_found_in_the_line_that_holds_it() {
    let sample = closed_log();
    let path = only_file(&sample);
    let original = fs::read(&path).unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for _ in 0..1000 {
        let mut bytes = original.clone();
        let place = random.next_u64() as usize % bytes.len();
        bytes[place] ^= 1 << (random.next_u64() % 8);
        fs::write(&path, &bytes).unwrap();
        let bad = verify(&sample.settings)
            .unwrap()
            .first_bad
            .unwrap_or_else(|| panic!("byte {place} was changed and nothing said"));
        let line = 1 + original[..place]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        let cut = bad.line == 0 && matches!(bad.problem, Problem::CutOff { .. });
        assert!(
            bad.line == line || cut,
            "byte {place} is in line {line}: {bad:?}"
        );
    }
    fs::write(&path, &original).unwrap();
    sample.assert_good();
}

#[test]
fn a_deleted_record_is_found_at_its_place() {
    let bad = bad_after(|lines| drop(lines.remove(10)));
    assert_eq!((bad.line, bad.seq), (11, 11));
    assert_eq!(bad.problem, Problem::OutOfOrder { expected: 11 });
}

#[test]
fn a_deleted_first_record_is_found() {
    let bad = bad_after(|lines| drop(lines.remove(0)));
    assert_eq!((bad.line, bad.problem), (1, Problem::NoBeginning));
}

#[test]
fn swapped_doubled_and_foreign_records_are_found() {
    assert_eq!(bad_after(|lines| lines.swap(5, 6)).line, 6);
    assert_eq!(bad_after(|lines| lines.insert(5, lines[5].clone())).line, 7);
    let forged = r#"{"seq":6,"kind":"request"}"#.to_owned();
    let bad = bad_after(|lines| lines.insert(5, forged));
    assert_eq!((bad.line, bad.problem), (6, Problem::Malformed));
}

#[test]
fn a_record_moved_to_another_tenant_is_found() {
    let bad = bad_after(|lines| lines[5] = lines[5].replace("\"acme\"", "\"globex\""));
    let other = bad_after(|lines| lines[6] = lines[6].replace("\"globex\"", "\"acme\""));
    let found = [bad, other]
        .into_iter()
        .filter(|bad| bad.problem == Problem::Edited)
        .count();
    assert_eq!(found, 2);
}

#[test]
fn a_tail_cut_by_one_or_by_many_is_found_through_the_checkpoint() {
    for cut in [1, 7, 41] {
        let bad = bad_after(|lines| lines.truncate(42 - cut));
        assert_eq!(bad.problem, Problem::CutOff { checkpoint: 42 }, "{cut} cut");
        assert_eq!(bad.seq, 43 - cut as u64);
    }
}

#[test]
fn half_of_the_last_record_is_a_cut_tail() {
    let sample = closed_log();
    let path = only_file(&sample);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!(bad.problem, Problem::CutOff { checkpoint: 42 });
}

#[test]
fn removed_files_are_found() {
    let sample = closed_log();
    fs::remove_file(only_file(&sample)).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!(bad.problem, Problem::CutOff { checkpoint: 42 });
    assert!(matches!(open(&sample), Err(OpenError::Tampered { .. })));
}

#[test]
fn an_older_copy_is_found_and_not_continued() {
    let sample = closed_log();
    let path = only_file(&sample);
    let older = fs::read(&path).unwrap();
    sample.write(5);
    sample.assert_good();
    fs::write(&path, older).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert!(matches!(bad.problem, Problem::CutOff { .. }));
    assert!(matches!(open(&sample), Err(OpenError::Tampered { .. })));
}

#[test]
fn a_chain_computed_anew_with_another_key_is_found() {
    let sample = closed_log();
    let forger = Sample::new();
    forger.write(RECORDS);
    fs::copy(only_file(&forger), only_file(&sample)).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!((bad.line, bad.problem), (1, Problem::Edited));
}

#[test]
fn a_chain_computed_anew_with_the_key_contradicts_the_checkpoints() {
    let sample = closed_log();
    let mut forger = Sample::new();
    forger.settings.secret = sample.settings.secret.clone();
    forger.write(RECORDS + 10);
    forger.assert_good();
    fs::copy(only_file(&forger), only_file(&sample)).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!((bad.line, bad.problem), (1, Problem::OtherLog));
}

#[test]
fn removed_or_forged_checkpoints_are_found() {
    let sample = closed_log();
    let checkpoints = &sample.settings.checkpoints;
    let signed = fs::read_to_string(checkpoints).unwrap();
    fs::write(checkpoints, signed.replace("\"seq\":42", "\"seq\":41")).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!(bad.problem, Problem::ForgedCheckpoint);

    fs::remove_file(checkpoints).unwrap();
    let bad = verify(&sample.settings).unwrap().first_bad.unwrap();
    assert_eq!(bad.problem, Problem::NoCheckpoint);
    assert!(matches!(open(&sample), Err(OpenError::Tampered { .. })));

    fs::write(checkpoints, signed).unwrap();
    sample.assert_good();
}

#[test]
fn a_log_whose_end_was_changed_is_not_continued() {
    let sample = closed_log();
    change_lines(&only_file(&sample), |lines| {
        lines[41] = lines[41].replace("shutdown", "shutdowm");
    });
    match open(&sample) {
        Err(OpenError::Tampered { line, problem, .. }) => {
            assert_eq!((line, problem), (42, Problem::Edited));
        }
        other => panic!("{other:?}"),
    }
}

fn open(sample: &Sample) -> Result<AuditLog, OpenError> {
    AuditLog::open(
        &sample.settings,
        std::sync::Arc::new(fabric_gate::clock::SystemClock),
    )
}

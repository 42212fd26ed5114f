//! Files that are not what was written.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::time::Duration;

use fabric_gate::state::LedgerError;

use crate::world::{World, eventually, reserve, standing, usd};

fn length(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// A ledger that was used and closed; its journal.
fn used(world: &World) -> std::path::PathBuf {
    let ledger = world.open();
    for turn in 0..10 {
        drop(reserve(&ledger, &format!("r{turn}"), &[], "1").unwrap());
    }
    ledger.close();
    drop(ledger);
    world.journal()
}

#[test]
fn a_tail_that_was_not_written_whole_is_cut_off_and_kept_aside() {
    let world = World::new();
    let journal = used(&world);
    let file = File::options().write(true).open(&journal).unwrap();
    let torn = [&b"\x40\0\0\0abcd"[..], &[0; 700], b"\x01"];
    for torn in torn {
        let before = std::fs::read(&journal).unwrap();
        file.write_all_at(torn, before.len() as u64).unwrap();
        let ledger = world.open();
        assert_eq!(standing(&ledger), (usd("10"), usd("0")));
        ledger.close();
        // What was synced is written behind what was whole.
        let after = std::fs::read(&journal).unwrap();
        let behind = after.strip_prefix(&before[..]).unwrap();
        assert!(!behind.starts_with(torn), "{behind:?}");
    }
    let kept = world.files("torn");
    let kept: Vec<_> = kept.iter().map(|it| std::fs::read(it).unwrap()).collect();
    assert_eq!(kept, torn, "each by its place");
    let ledger = world.open();
    drop(reserve(&ledger, "after", &[], "1").unwrap());
    assert_eq!(
        standing(&world.open()).0,
        usd("11"),
        "and it is written on from there"
    );
}

#[test]
fn a_step_that_another_process_left_half_written_is_cut_off_by_the_next_one() {
    let world = World::new();
    let ledger = world.open();
    drop(reserve(&ledger, "r", &[], "1").unwrap());
    let journal = world.journal();
    let file = File::options().write(true).open(&journal).unwrap();
    file.write_all_at(b"\x40\0\0\0half", length(&journal))
        .unwrap();
    drop(reserve(&ledger, "r", &[], "1").unwrap());
    assert_eq!(standing(&ledger).0, usd("2"));
    assert_eq!(standing(&world.open()).0, usd("2"));
}

#[test]
fn damage_to_what_was_on_disk_is_refused_by_file_and_offset() {
    let world = World::new();
    let journal = used(&world);
    let file = File::options()
        .read(true)
        .write(true)
        .open(&journal)
        .unwrap();
    let place = length(&journal) / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], place).unwrap();
    let error = world.try_open().unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains(journal.to_str().unwrap()) && said.contains("at byte"),
        "{said}"
    );
    assert!(said.contains("restore"), "{said}");
    file.write_all_at(&byte, place).unwrap();
    assert_eq!(standing(&world.open()).0, usd("10"), "mended, it is read");
}

#[test]
fn bytes_that_were_taken_out_are_missed() {
    let world = World::new();
    let journal = used(&world);
    let mut bytes = std::fs::read(&journal).unwrap();
    let half = bytes.len() / 2;
    bytes.drain(half..half + 64);
    std::fs::write(&journal, bytes).unwrap();
    let error = world.try_open().unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
}

#[test]
fn what_is_no_journal_of_the_gate_is_refused_and_left_as_it_is() {
    let world = World::new();
    let journal = used(&world);
    std::fs::write(&journal, b"these are somebody's notes, and not a journal").unwrap();
    let error = world.try_open().unwrap_err();
    assert!(matches!(error, LedgerError::Foreign(_)), "{error}");
    assert!(std::fs::read(&journal).unwrap().starts_with(b"these are"));
}

#[test]
fn a_symbolic_link_in_place_of_a_journal_is_refused() {
    let world = World::new();
    let journal = used(&world);
    let elsewhere = world.path().join("elsewhere");
    std::fs::rename(&journal, &elsewhere).unwrap();
    symlink(&elsewhere, &journal).unwrap();
    let error = world.try_open().unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn the_folder_and_what_is_in_it_are_for_their_owner_only() {
    let world = World::new();
    let _journal = used(&world);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.path()), 0o700);
    for file in world.files("") {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn files_that_are_removed_while_they_are_used_are_written_again_and_nothing_is_lost() {
    for part in [".journal", ".lock", ""] {
        let mut world = World::new();
        // Who comes late to put its name on again is not to be taken for dead.
        world.settings.crash_grace = Duration::from_hours(1);
        let (one, other) = (world.open(), world.open());
        drop(reserve(&one, "before", &[], "1").unwrap());
        let held = reserve(&other, "held", &[], "4").unwrap();
        world
            .files(part)
            .iter()
            .for_each(|it| std::fs::remove_file(it).unwrap());
        drop(reserve(&one, "meanwhile", &[], "2").unwrap());
        eventually("a ledger that is opened later sees it", || {
            world
                .try_open()
                .is_ok_and(|ledger| standing(&ledger) == (usd("3"), usd("4")))
        });
        drop(held);
        for ledger in [one, other, world.open()] {
            eventually(&format!("all of it is known without {part:?}"), || {
                standing(&ledger) == (usd("7"), usd("0"))
            });
        }
    }
}

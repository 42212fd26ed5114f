//! One tenant's file is wrong: that tenant hears so, others are served, nothing is removed.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::memory::StoreErrorKind;

async fn kind_of_read(world: &World, caller: &Caller) -> Option<StoreErrorKind> {
    let read = world
        .store
        .list(
            &caller.reach(Scope::User),
            &Filter::all(crate::memory::Area::Memories),
            &Page::first(1000),
            NOW,
        )
        .await;
    read.err().map(|error| error.kind)
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Two tenants with something in their files, and nothing open.
async fn two() -> (World, Caller, Caller) {
    let world = World::new();
    let (alice, bob) = (caller("acme", "alice"), caller("globex", "bob"));
    for number in 0..200 {
        world.remember(&alice, &format!("alice {number}")).await;
    }
    world.remember(&bob, "bob 1").await;
    (world.reopened().await, alice, bob)
}

#[tokio::test]
async fn a_damaged_head_or_page_is_the_fault_of_one_tenant_and_the_file_stays() {
    for (what, at) in [("the head", 0), ("a page in the middle", 3 * 4_096)] {
        let (world, alice, bob) = two().await;
        overwrite(&world.file("acme"), at, &[0x5a; 4_096]);
        let before = fs::read(world.file("acme")).unwrap();

        let kind = kind_of_read(&world, &alice).await;
        let written = world
            .store
            .write(
                &alice.own(),
                vec![created(Fields::new("more"))],
                &quotas(),
                NOW,
            )
            .await;

        let damaged = kind == Some(StoreErrorKind::Damaged);
        assert!(damaged || written.is_err(), "{what}: {kind:?}");
        assert_eq!(world.contents(&bob).await, ["bob 1"], "{what}");
        world.store.ready().await.unwrap();
        if at == 0 {
            assert_eq!(fs::read(world.file("acme")).unwrap(), before, "{what}");
        }
        assert!(world.file("acme").is_file(), "{what}");
    }
}

#[tokio::test]
async fn a_log_of_rubbish_is_not_played_into_the_file() {
    let (world, alice, _bob) = two().await;
    let log = world.file("acme").with_file_name("memory.db-wal");
    fs::write(&log, vec![0xa5; 100_000]).unwrap();
    assert_eq!(kind_of_read(&world, &alice).await, None);
    assert_eq!(world.contents(&alice).await.len(), 200);
}

#[tokio::test]
async fn another_tenants_file_is_refused_in_a_tenants_place() {
    let (world, alice, bob) = two().await;
    fs::copy(world.file("globex"), world.file("acme")).unwrap();
    assert_eq!(
        kind_of_read(&world, &alice).await,
        Some(StoreErrorKind::Damaged)
    );
    assert_eq!(world.contents(&bob).await, ["bob 1"], "its owner reads it");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_not_changed() {
    let world = World::new();
    let path = world.file("acme");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let alice = caller("acme", "alice");
    assert_eq!(
        kind_of_read(&world, &alice).await,
        Some(StoreErrorKind::Damaged)
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused_and_not_changed() {
    let (world, alice, bob) = two().await;
    let later = Connection::open(world.file("acme")).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);
    assert_eq!(
        kind_of_read(&world, &alice).await,
        Some(StoreErrorKind::Unavailable)
    );
    assert_eq!(world.contents(&bob).await, ["bob 1"]);
}

#[tokio::test]
async fn an_empty_file_is_a_tenant_without_memories_until_the_first_write() {
    let world = World::new();
    let path = world.file("acme");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let alice = caller("acme", "alice");
    assert!(world.contents(&alice).await.is_empty());
    assert_eq!(path.metadata().unwrap().len(), 0, "to read makes nothing");
    world.remember(&alice, "tea at four").await;
    assert_eq!(world.contents(&alice).await, ["tea at four"]);
}

#[tokio::test]
async fn a_database_of_the_first_form_is_read_as_it_was_written() {
    let world = World::new();
    let path = world.file("acme");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let first = Connection::open(&path).unwrap();
    first
        .execute_batch(include_str!("../schema/001-entries.sql"))
        .unwrap();
    first
        .execute_batch(
            "INSERT INTO tenant (id, entries, bytes) VALUES ('acme', 1, 3);
             INSERT INTO owners (user, entries, bytes, terms) VALUES ('alice', 1, 3, 1);
             INSERT INTO entries VALUES (1, x'01900000000070008000000000000001', 1, 0, '', 'k',
               'tea', NULL, NULL, NULL, '[\"t\"]', '[]', NULL, 5, 'episodic', 1.0, '[]', '[]', '{}',
               1, NULL, 1, 'alice', 1, 1, 1, 0, NULL, x'00', 3, 1);
             UPDATE entries SET created_as = zeroblob(32);
             INSERT INTO tags VALUES (1, 't', 1);
             INSERT INTO words (rowid, terms) VALUES ((1 << 17) | 1, '1_tea');
             PRAGMA application_id = 1180787277;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(first);
    let alice = caller("acme", "alice");
    assert_eq!(world.contents(&alice).await, ["tea"]);
    let found = world
        .store
        .by_text(
            &alice.reach(Scope::User),
            &Filter::all(crate::memory::Area::Memories),
            &["tea".to_owned()],
            10,
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

//! Erasing, backing up and restoring.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::identity::UserId;
use crate::memory::StoreErrorKind;

/// Whether any file below `folder` holds these bytes.
fn holds(folder: &Path, wanted: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, wanted);
        }
        let bytes = fs::read(&path).unwrap();
        bytes
            .windows(wanted.len())
            .any(|window| window == wanted.as_bytes())
    })
}

#[tokio::test]
async fn an_erased_tenant_leaves_nothing_and_the_others_everything() {
    let world = World::new();
    let (alice, bob) = (caller("acme", "alice"), caller("globex", "bob"));
    world.remember(&alice, "canaryacme").await;
    world.remember(&bob, "canaryglobex").await;
    let erased = world
        .store
        .erase_tenant(&alice.tenant_erasure().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (erased.entries, erased.bytes),
        (1, crate::memory::ROW_BYTES + 10)
    );
    assert!(!holds(world.folder.path(), "canaryacme"));
    assert!(holds(world.folder.path(), "canaryglobex"));
    assert!(world.contents(&alice).await.is_empty());
    assert_eq!(world.contents(&bob).await, ["canaryglobex"]);
    world.remember(&alice, "again").await;
    assert_eq!(world.contents(&alice).await, ["again"]);
}

#[tokio::test]
async fn an_erased_user_leaves_no_byte_in_the_tenants_files() {
    let world = World::new();
    let (alice, bob) = (caller("acme", "alice"), caller("acme", "bob"));
    for number in 0..100 {
        let mut fields = Fields::new(format!("canaryalice {number} {}", "x".repeat(200)));
        fields.tags = vec!["canaryalice".to_owned()];
        world.keep(&alice, fields).await;
        world.remember(&bob, &format!("canarybob {number}")).await;
    }
    let shared = alice.shared().unwrap();
    world
        .store
        .write(&shared, vec![created(Fields::new("ours"))], &quotas(), NOW)
        .await
        .unwrap();
    let right = bob.user_erasure(&UserId::parse("alice").unwrap()).unwrap();
    let erased = world.store.erase_user(&right).await.unwrap();
    assert_eq!((erased.entries, erased.anonymised), (100, 1));
    let folder = world.folder.path();
    assert!(!holds(folder, "canaryalice"), "table, index, log");
    assert!(holds(folder, "canarybob"));
    assert_eq!(world.contents(&alice).await, ["ours"]);
    assert_eq!(world.contents(&bob).await.len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_erased_while_it_is_read_and_the_reader_is_told() {
    let world = Arc::new(World::new());
    let alice = caller("acme", "alice");
    world.remember(&alice, "tea").await;
    let begun = Arc::new(AtomicBool::new(false));
    let reading = {
        let (world, tenant) = (Arc::clone(&world), alice.tenant().clone());
        let begun = Arc::clone(&begun);
        tokio::spawn(async move {
            let endless = move |connection: &rusqlite::Connection| {
                begun.store(true, Ordering::SeqCst);
                connection.query_row(
                    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
                    [],
                    |row| row.get::<_, i64>(0),
                )
            };
            world.store.works.read(&tenant, endless).await
        })
    };
    while !begun.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let right = alice.tenant_erasure().unwrap();
    world.store.erase_tenant(&right).await.unwrap();
    let ended = reading.await.unwrap().unwrap_err();
    assert!(
        matches!(
            ended.kind,
            StoreErrorKind::TimedOut | StoreErrorKind::Unavailable
        ),
        "{ended}"
    );
    assert!(!world.file("acme").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_writes_is_whole_and_holds_one_tenant_only() {
    let world = Arc::new(World::new());
    let (alice, bob) = (caller("acme", "alice"), caller("globex", "bob"));
    world.remember(&bob, "canaryglobex").await;
    for number in 0..50 {
        world
            .remember(&alice, &format!("canaryacme {number}"))
            .await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writes = {
        let (world, alice, stop) = (Arc::clone(&world), alice.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                world.remember(&alice, "meanwhile").await;
            }
        })
    };
    let archive = TempDir::new().unwrap();
    let target = archive.path().join("acme.db");
    assert!(world.backup(&alice, &target).unwrap());
    stop.store(true, Ordering::SeqCst);
    writes.await.unwrap();

    assert!(holds(archive.path(), "canaryacme"));
    assert!(!holds(archive.path(), "canaryglobex"));
    let names = fs::read_dir(archive.path()).unwrap().count();
    assert_eq!(names, 1, "one file, without a log");
    let again = world.backup(&alice, &target);
    assert!(again.is_err(), "a backup is not written over");
    let nobody = caller("nobody", "x");
    let none = archive.path().join("none.db");
    assert!(!world.backup(&nobody, &none).unwrap());

    let wrong = world.store.restore(bob.tenant(), &target).await;
    assert_eq!(wrong.unwrap_err().kind, StoreErrorKind::Damaged);
    assert_eq!(world.contents(&bob).await, ["canaryglobex"]);
    world.store.restore(alice.tenant(), &target).await.unwrap();
    let restored = world.contents(&alice).await;
    let canaries = restored.iter().filter(|it| it.starts_with("canary"));
    assert_eq!(canaries.count(), 50);
    world.remember(&alice, "after").await;
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_a_damaged_tenant_is_restored() {
    let world = World::new();
    let alice = caller("acme", "alice");
    for number in 0..300 {
        world.remember(&alice, &format!("memory {number}")).await;
    }
    let archive = TempDir::new().unwrap();
    let target = archive.path().join("acme.db");
    world.backup(&alice, &target).unwrap();
    let damaged = archive.path().join("damaged.db");
    let mut bytes = fs::read(&target).unwrap();
    let middle = bytes.len() / 8_192 * 4_096;
    bytes[middle..middle + 4_096].fill(0x5a);
    fs::write(&damaged, bytes).unwrap();

    world.remember(&alice, "since").await;
    let refused = world.store.restore(alice.tenant(), &damaged).await;
    assert_eq!(refused.unwrap_err().kind, StoreErrorKind::Damaged);
    assert_eq!(world.contents(&alice).await.len(), 301, "nothing changed");

    let world = world.reopened().await;
    fs::write(world.file("acme"), "rubbish").unwrap();
    world.store.restore(alice.tenant(), &target).await.unwrap();
    assert_eq!(world.contents(&alice).await.len(), 300);
    let left = fs::read_dir(world.folder.path().join("memory")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the lock and the tenant: {names:?}");
}

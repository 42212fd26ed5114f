//! Handles: as many as there may be, none that is used is closed, and writes go together.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::memory::{Expected, ROW_BYTES, StoreErrorKind, WriteErrorKind};

#[tokio::test(flavor = "multi_thread")]
async fn many_tenants_at_once_are_served_by_few_handles() {
    let world = Arc::new(World::with(|settings| settings.open_tenants = Some(3)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let caller = caller(&format!("tenant-{number}"), "alice");
            for round in 0..3 {
                world.remember(&caller, &format!("{number} {round}")).await;
            }
            let expected: Vec<String> = (0..3).map(|round| format!("{number} {round}")).collect();
            assert_eq!(world.contents(&caller).await, expected);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
        assert!(world.store.works.handles.open_count() <= 3);
    }
}

#[tokio::test]
async fn a_database_that_nobody_uses_is_closed_and_opened_again_when_it_is_used() {
    let world = World::new();
    let alice = caller("acme", "alice");
    world.remember(&alice, "tea").await;
    let handles = &world.store.works.handles;
    assert_eq!(handles.open_count(), 1);
    assert_eq!(handles.close_idle(Duration::from_secs(60)).await, 0);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(handles.close_idle(Duration::ZERO).await, 1);
    assert_eq!(handles.open_count(), 0);
    let log = world.file("acme").with_file_name("memory.db-wal");
    assert!(!log.exists(), "closing empties the log into the file");
    assert_eq!(world.contents(&alice).await, ["tea"]);
}

#[tokio::test]
async fn to_read_a_tenant_that_was_never_written_makes_nothing_and_finds_nothing() {
    let world = World::new();
    let nobody = caller("nobody", "alice");
    assert!(world.contents(&nobody).await.is_empty());
    let usage = world.store.usage(&nobody.reach(Scope::All)).await.unwrap();
    assert_eq!(usage.len(), 2);
    assert!(usage.iter().all(|used| used.entries == 0));
    assert!(!world.file("nobody").parent().unwrap().exists());
    let delete = Change::Delete {
        id: crate::memory::EntryId::mint(),
        expected: crate::memory::Expected::Anything,
    };
    let refused = world
        .store
        .write(&nobody.own(), vec![delete], &quotas(), NOW)
        .await
        .unwrap_err();
    assert!(matches!(refused.kind, WriteErrorKind::Missing));
    assert!(!world.file("nobody").parent().unwrap().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writes_that_go_together_a_refused_one_takes_only_itself_back() {
    let world = Arc::new(World::new());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let alice = caller("acme", "alice");
            let mut changes = vec![created(Fields::new(format!("{number:03}")))];
            // The first change of these is made before the second is refused.
            if number % 4 == 0 {
                changes.push(Change::Delete {
                    id: crate::memory::EntryId::mint(),
                    expected: crate::memory::Expected::Anything,
                });
            }
            let written = world
                .store
                .write(&alice.own(), changes, &quotas(), NOW)
                .await;
            assert_eq!(written.is_err(), number % 4 == 0);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let expected: Vec<String> = (0..200)
        .filter(|number| number % 4 != 0)
        .map(|number| format!("{number:03}"))
        .collect();
    let alice = caller("acme", "alice");
    assert_eq!(world.contents(&alice).await, expected);
    let usage = world.store.usage(&alice.reach(Scope::User)).await.unwrap();
    let bytes = 150 * (ROW_BYTES + 3);
    assert_eq!((usage[0].entries, usage[0].bytes), (150, bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_ends_late_and_with_its_caller_and_the_next_is_served() {
    let world = World::with(|settings| settings.deadline = Duration::from_millis(300));
    let alice = caller("acme", "alice");
    world.remember(&alice, "tea").await;
    let endless = |connection: &rusqlite::Connection| {
        connection.query_row(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
            [],
            |row| row.get::<_, i64>(0),
        )
    };
    // More than there are readers: each has to be ended for the next.
    for _ in 0..3 {
        let late = world
            .store
            .works
            .read(alice.tenant(), endless)
            .await
            .unwrap_err();
        assert_eq!(late.kind, StoreErrorKind::TimedOut);
        let gone = world.store.works.read(alice.tenant(), endless);
        let given_up = tokio::time::timeout(Duration::from_millis(50), gone).await;
        assert!(given_up.is_err());
    }
    assert_eq!(world.contents(&alice).await, ["tea"]);
}

#[tokio::test]
async fn a_file_grows_to_its_bound_and_what_was_written_stays() {
    let world = World::with(|settings| settings.file_bytes = 400_000);
    let alice = caller("acme", "alice");
    let mut kept = 0;
    let refused = loop {
        let change = created(Fields::new("x".repeat(4_000)));
        match world
            .store
            .write(&alice.own(), vec![change], &quotas(), NOW)
            .await
        {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 200, "the bound holds");
    };
    assert!(matches!(refused.kind, WriteErrorKind::Store(_)));
    assert!(kept > 20);
    assert_eq!(world.contents(&alice).await.len(), kept);
    assert_eq!(world.reopened().await.contents(&alice).await.len(), kept);
}

#[tokio::test]
async fn a_panic_in_a_write_is_the_end_of_that_write_only() {
    let world = World::new();
    let alice = caller("acme", "alice");
    world.remember(&alice, "tea").await;
    let panics = world
        .store
        .change(alice.tenant(), None, |connection| -> rusqlite::Result<()> {
            connection.execute("DELETE FROM entries", [])?;
            panic!("as a fault in a statement's code would");
        })
        .await;
    assert!(panics.is_err());
    world.remember(&alice, "cake").await;
    assert_eq!(world.contents(&alice).await, ["cake", "tea"]);
}

#[tokio::test]
async fn rows_that_were_counted_by_another_rule_are_counted_off_as_they_were_counted() {
    let world = World::new();
    let alice = caller("acme", "alice");
    let tea = world.remember(&alice, "tea").await;
    let used = async |world: &World| {
        let of = alice.reach(Scope::User);
        world.store.usage(&of).await.unwrap()[0].bytes
    };
    assert_eq!(used(&world).await, ROW_BYTES + 3);
    // As a service left it that counted texts alone.
    let file = Connection::open(world.file("acme")).unwrap();
    for table in ["entries", "tenant", "owners"] {
        let sql = format!("UPDATE {table} SET bytes = 3 WHERE bytes > 0");
        file.execute(&sql, []).unwrap();
    }
    drop(file);
    let world = world.reopened().await;
    assert_eq!(used(&world).await, 3);
    let (to, quotas) = (alice.own(), quotas());
    let write = async |change| {
        let written = world.store.write(&to, vec![change], &quotas, NOW).await;
        written.unwrap();
    };
    let (id, expected) = (tea.id, Expected::Anything);
    write(Change::Replace {
        id,
        fields: Fields::new("more tea"),
        key: None,
        expected: expected.clone(),
    })
    .await;
    assert_eq!(used(&world).await, 3 + ROW_BYTES + 8);
    write(created(Fields::new("cake"))).await;
    write(Change::Delete { id, expected }).await;
    assert_eq!(used(&world).await, ROW_BYTES + 4);
}

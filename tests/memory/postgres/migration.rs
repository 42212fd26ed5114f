//! Versions of the tables, and services of different versions on them.

use fabric_gate::memory::postgres::{OpenError, PostgresUrl, SCHEMA_VERSION, migrate};
use fabric_gate::memory::{Change, Expected, Fields, MemoryStore, ROW_BYTES, Scope};

use super::{TABLES, alice_of, keep, quotas, store, texts};
use crate::people::NOW;
use crate::postgres_server::TestDatabase;

#[tokio::test]
async fn of_two_migrators_at_once_one_makes_the_tables_and_the_other_finds_them() {
    let database = TestDatabase::empty().await;
    let url: PostgresUrl = database.admin_url().parse().unwrap();
    let (one, two, three, four) =
        tokio::join!(migrate(&url), migrate(&url), migrate(&url), migrate(&url));
    let mut from = [one, two, three, four].map(|done| done.unwrap().from);
    from.sort_unstable();
    assert_eq!(from, [0, SCHEMA_VERSION, SCHEMA_VERSION, SCHEMA_VERSION]);
    // Done again it does nothing.
    assert_eq!(migrate(&url).await.unwrap().from, SCHEMA_VERSION);
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let database = TestDatabase::empty().await;
    let admin = database.superuser().await;
    // In the way of the last table of the first step.
    admin
        .batch_execute("CREATE SCHEMA fabric_memory; CREATE TABLE fabric_memory.embeddings ()")
        .await
        .unwrap();
    let url: PostgresUrl = database.admin_url().parse().unwrap();
    let error = migrate(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Migration(_)), "{error}");
    let left = "SELECT count(*) FROM pg_tables WHERE schemaname = 'fabric_memory'";
    let left: i64 = admin.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, 1, "only what was in the way");
}

#[tokio::test]
async fn a_service_of_the_version_before_works_on_with_the_next_tables() {
    let database = TestDatabase::make().await;
    let (acme, globex) = (alice_of("acme"), alice_of("globex"));
    let before = store(&database).await;
    keep(&before, &acme, "first").await.unwrap();
    let admin = database.superuser().await;
    // A next version as the rules for steps allow it: it adds, with a default.
    let next = SCHEMA_VERSION + 1;
    admin
        .batch_execute(&format!(
            "SET ROLE fabric_memory_owner; BEGIN; \
             ALTER TABLE fabric_memory.entries ADD COLUMN pinned boolean NOT NULL DEFAULT false; \
             CREATE INDEX ON fabric_memory.entries (tenant, owner, pinned); \
             CREATE OR REPLACE FUNCTION fabric_memory.schema_version() RETURNS integer \
             LANGUAGE sql IMMUTABLE AS 'SELECT {next}'; COMMIT; RESET ROLE"
        ))
        .await
        .unwrap();
    let after = store(&database).await;
    keep(&before, &acme, "second").await.unwrap();
    keep(&after, &globex, "third").await.unwrap();
    for (store, which) in [(&before, "opened before"), (&after, "opened after")] {
        assert!(store.ready().await.is_ok(), "{which}");
        assert_eq!(texts(store, &acme).await, ["second", "first"], "{which}");
        assert_eq!(texts(store, &globex).await, ["third"], "{which}");
    }
    let service = database.service().await;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM fabric_memory.{table}");
        let seen: i64 = service.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(seen, 0, "{table} with no tenant");
    }
    // An older command does not touch what a later one made.
    let url: PostgresUrl = database.admin_url().parse().unwrap();
    let error = migrate(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
}

#[tokio::test]
async fn rows_that_were_counted_by_another_rule_are_counted_off_as_they_were_counted() {
    let database = TestDatabase::make().await;
    let acme = alice_of("acme");
    let store = store(&database).await;
    let tea = keep(&store, &acme, "tea").await.unwrap();
    let used = async || {
        let of = acme.reach(Scope::User);
        store.usage(&of).await.unwrap()[0].bytes
    };
    assert_eq!(used().await, ROW_BYTES + 3);
    // As a service left it that counted texts alone.
    let admin = database.superuser().await;
    let before = "UPDATE fabric_memory.entries SET bytes = 3; \
         UPDATE fabric_memory.counters SET bytes = 3 WHERE bytes > 0";
    admin.batch_execute(before).await.unwrap();
    assert_eq!(used().await, 3);
    let write = async |change| {
        let written = store.write(&acme.own(), vec![change], &quotas(), NOW).await;
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
    assert_eq!(used().await, 3 + ROW_BYTES + 8);
    keep(&store, &acme, "cake").await.unwrap();
    write(Change::Delete { id, expected }).await;
    assert_eq!(used().await, ROW_BYTES + 4);
}

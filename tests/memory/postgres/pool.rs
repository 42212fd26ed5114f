//! Connections that many tenants use one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::memory::postgres::{PoolSettings, PostgresStore};
use fabric_gate::memory::{MemoryStore, Scope, StoreErrorKind};
use tokio::task::JoinSet;

use super::{alice_of, keep, store_of, texts};
use crate::postgres_server::{TestDatabase, TestServer};

/// Clients of a storm.
const CLIENTS: usize = 200;

/// Each client keeps and reads its tenant's texts, and gives up in the middle now and then.
async fn storm(store: &Arc<PostgresStore>, rounds: usize) {
    let clients = (0..CLIENTS).map(|number| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let tenant = format!("tenant-{}", number % 20);
            let who = alice_of(&tenant);
            for round in 0..rounds {
                let patience =
                    Duration::from_micros(((number * 7 + round * 131) % 97 * 200) as u64);
                let work = async {
                    // A full pool is an answer; another tenant's text is none.
                    let _ = keep(&store, &who, &format!("{tenant} {number} {round}")).await;
                    if let Ok(seen) = seen(&store, &who).await {
                        for text in seen {
                            let own = text.split(' ').next();
                            assert_eq!(own, Some(tenant.as_str()), "{tenant} sees {text}");
                        }
                    }
                };
                if round % 3 == 0 {
                    let _ = tokio::time::timeout(patience, work).await;
                } else {
                    work.await;
                }
            }
        })
    });
    // All of them run before the first is waited for.
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

async fn seen(
    store: &PostgresStore,
    who: &fabric_gate::memory::Caller,
) -> Result<Vec<String>, fabric_gate::memory::StoreError> {
    use fabric_gate::memory::{Area, Filter, Page};
    let all = Filter::all(Area::Memories);
    let reach = who.reach(Scope::All);
    let listed = store
        .list(&reach, &all, &Page::first(20), crate::people::NOW)
        .await?;
    Ok(listed
        .into_iter()
        .map(|entry| entry.fields.content)
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_connections_for_two_hundred_clients_who_give_up_mix_no_tenants_and_leave_nothing() {
    let database = TestDatabase::make().await;
    let store = Arc::new(store_of(&database, 5).await);
    storm(&store, 4).await;
    let admin = database.superuser().await;
    let began = Instant::now();
    loop {
        let sql = "SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%'), count(*) \
             FROM pg_stat_activity WHERE application_name = 'fabric-memory' AND datname = $1";
        let row = admin.query_one(sql, &[&database.name()]).await.unwrap();
        let (stuck, connections): (i64, i64) = (row.get(0), row.get(1));
        if stuck == 0 && connections <= 5 {
            break;
        }
        let waited = began.elapsed();
        assert!(
            waited < Duration::from_secs(5),
            "{stuck} transactions stuck, {connections} connections"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The twin: the tenants' texts are there.
    assert!(!texts(&store, &alice_of("tenant-3")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_in_the_middle_is_used_again_within_seconds() {
    let database = TestDatabase::on(TestServer::own(&[]).await).await;
    let store = Arc::new(store_of(&database, 5).await);
    let acme = alice_of("acme");
    keep(&store, &acme, "acknowledged").await.unwrap();
    let during = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { storm(&store, 3).await })
    };
    database.server().crash_and_recover().await;
    let back = Instant::now();
    let written = loop {
        match keep(&store, &acme, "after").await {
            Ok(entry) => break entry,
            Err(error) => {
                let waited = back.elapsed();
                assert!(waited < Duration::from_secs(5), "not recovered: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    assert_eq!(written.fields.content, "after");
    during.await.unwrap();
    assert_eq!(texts(&store, &acme).await, ["after", "acknowledged"]);
    assert!(store.ready().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_writers_wait_leaves_connections_to_others() {
    let database = TestDatabase::make().await;
    let settings = PoolSettings {
        connections: 4,
        lock: Duration::from_secs(30),
        statement: Duration::from_secs(30),
        wait: Duration::from_secs(4),
    };
    let url = database.url().parse().unwrap();
    let store = Arc::new(PostgresStore::open(&url, settings).await.unwrap());
    let (acme, globex) = (alice_of("acme"), alice_of("globex"));
    keep(&store, &acme, "first").await.unwrap();
    // Another replica holds the tenant's row.
    let other = database.superuser().await;
    other
        .batch_execute(
            "BEGIN; SELECT 1 FROM fabric_memory.counters WHERE tenant = 'acme' FOR UPDATE",
        )
        .await
        .unwrap();
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let (store, acme) = (Arc::clone(&store), acme.clone());
        writers.spawn(async move { keep(&store, &acme, &format!("waits {number}")).await });
    }
    for number in 0..20 {
        let text = format!("goes on {number}");
        keep(&store, &globex, &text).await.unwrap();
    }
    assert_eq!(texts(&store, &globex).await.len(), 20);
    let own = texts(&store, &acme).await;
    assert_eq!(own, ["first"], "its readers go on as well");
    // While the row is held none can write, so the first to end was refused.
    let first = writers.join_next().await.unwrap().unwrap();
    assert_eq!(first.unwrap_err().kind, StoreErrorKind::Overloaded);
    other.batch_execute("COMMIT").await.unwrap();
    while let Some(writer) = writers.join_next().await {
        if let Err(error) = writer.unwrap() {
            assert_eq!(error.kind, StoreErrorKind::Overloaded, "{error}");
        }
    }
    keep(&store, &acme, "again").await.unwrap();
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_ended_and_its_connection_serves_on() {
    let database = TestDatabase::make().await;
    let settings = PoolSettings {
        connections: 2,
        statement: Duration::from_millis(200),
        lock: Duration::from_millis(100),
        ..PoolSettings::default()
    };
    let url = database.url().parse().unwrap();
    let store = PostgresStore::open(&url, settings).await.unwrap();
    let acme = alice_of("acme");
    keep(&store, &acme, "first").await.unwrap();
    let other = database.superuser().await;
    other
        .batch_execute("BEGIN; LOCK TABLE fabric_memory.entries IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let refused = keep(&store, &acme, "second").await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::TimedOut, "{refused}");
    other.batch_execute("COMMIT").await.unwrap();
    keep(&store, &acme, "third").await.unwrap();
    assert_eq!(texts(&store, &acme).await, ["third", "first"]);
}

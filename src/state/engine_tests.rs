//! What the engine does when the disk does not do what it should.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::database::Database;
use super::engine::Engine;
use crate::decision::StateUnavailable;

fn engine() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::prepare(&folder.path().join("gate.db")).unwrap();
    let engine = Engine::start(database).unwrap();
    (folder, engine)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// What a future answers if it is asked only once.
async fn poll_once<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

fn insert(connection: &rusqlite::Connection, upstream: &str) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO scopes (upstream, kind) VALUES (?1, 'k')",
        [upstream],
    )
}

fn count(connection: &rusqlite::Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM scopes", [], |row| row.get(0))
}

#[test]
fn a_disk_that_hangs_makes_the_state_unavailable_within_the_deadline_and_only_so_long() {
    let (_folder, engine) = engine();
    block_on(async {
        let since = Instant::now();
        let hangs = engine.write(|_| {
            std::thread::sleep(Duration::from_millis(1_600));
            Ok(())
        });
        let (hangs, behind) =
            tokio::join!(hangs, engine.write(|connection| insert(connection, "a")));
        assert_eq!(hangs, Err(StateUnavailable::Late));
        assert_eq!(behind, Err(StateUnavailable::Late));
        assert!(since.elapsed() < Duration::from_millis(1_400));
        assert_eq!(
            engine.read(count).await,
            Ok(0),
            "a read does not wait for the writer"
        );
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(
            engine.write(|connection| insert(connection, "b")).await,
            Ok(1)
        );
    });
}

#[test]
fn more_than_can_wait_are_told_at_once() {
    let (_folder, engine) = engine();
    block_on(async {
        let held = Arc::new(AtomicBool::new(true));
        let holding = Arc::clone(&held);
        let mut holds = Box::pin(engine.write(move |_| {
            while holding.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }));
        let mut waiting: Vec<_> = (0..9_000)
            .map(|_| Box::pin(engine.write(|_| Ok(()))))
            .collect();
        assert!(poll_once(&mut holds).await.is_pending());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut busy = 0;
        for write in &mut waiting {
            if let Poll::Ready(answer) = poll_once(write).await {
                assert_eq!(answer, Err(StateUnavailable::Busy));
                busy += 1;
            }
        }
        held.store(false, Ordering::Relaxed);
        assert_eq!(busy, 9_000 - 8_192);
    });
}

#[test]
fn a_full_disk_fails_every_write_of_the_batch_and_none_once_there_is_room() {
    let (_folder, engine) = engine();
    block_on(async {
        let pages = |most: u32| {
            move |connection: &rusqlite::Connection| {
                let sql = format!("PRAGMA max_page_count = {most}");
                connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
            }
        };
        engine.write(pages(1)).await.unwrap();
        let long = "x".repeat(100_000);
        let text = long.clone();
        let full = engine
            .write(move |connection| insert(connection, &text))
            .await;
        assert_eq!(full, Err(StateUnavailable::Failed));
        assert_eq!(engine.read(count).await, Ok(0), "nothing of it is there");
        assert_eq!(
            engine.probe().await,
            Ok(()),
            "a small write still finds room"
        );
        engine.write(pages(1_000)).await.unwrap();
        let written = engine
            .write(move |connection| insert(connection, &long))
            .await;
        assert_eq!(written, Ok(1));
    });
}

#[test]
fn a_commit_is_synced_to_the_disk_before_it_is_answered() {
    let (_folder, engine) = engine();
    let settings = block_on(engine.write(|connection| {
        let text = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok::<(String, i64), _>((text("journal_mode")?, number("synchronous")?))
    }));
    assert_eq!(
        settings,
        Ok(("wal".to_owned(), 2)),
        "2 is FULL: a sync for each commit"
    );
}

#[test]
fn what_is_carried_along_is_dropped_before_the_answer_is_given() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (_folder, engine) = engine();
    block_on(async {
        for _ in 0..200 {
            let dropped = Arc::new(AtomicBool::new(false));
            let carried = Dropped(Arc::clone(&dropped));
            engine
                .write(move |_| {
                    let _carried = &carried;
                    Ok(())
                })
                .await
                .unwrap();
            assert!(dropped.load(Ordering::SeqCst));
        }
    });
}

#[test]
fn a_thread_that_panics_leaves_nobody_waiting() {
    let (_folder, engine) = engine();
    block_on(async {
        let since = Instant::now();
        let panics = engine.write(|_| -> rusqlite::Result<()> { panic!("a defect") });
        assert_eq!(panics.await, Err(StateUnavailable::Closed));
        let after = engine.write(|connection| insert(connection, "a")).await;
        assert_eq!(after, Err(StateUnavailable::Closed));
        assert!(
            since.elapsed() < Duration::from_millis(900),
            "nobody waited for the deadline"
        );
    });
}

#[test]
fn no_statement_sorts_or_walks_a_whole_table() {
    let (_folder, engine) = engine();
    let plans = block_on(engine.read(|connection| {
        let mut plans = Vec::new();
        for sql in super::statements::HOT {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let mut steps = statement.raw_query();
            while let Some(step) = steps.next()? {
                plans.push((sql, step.get::<_, String>(3)?));
            }
        }
        Ok(plans)
    }))
    .unwrap();
    assert!(plans.len() > 6);
    for (sql, step) in plans {
        let bad = step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(!bad, "{step} in {sql}");
    }
}

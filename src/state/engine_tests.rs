//! What the engine does when the disk does not do what it should.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

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

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A disk that hangs, until it is let go or nobody asks for that any more.
#[derive(Default)]
struct Hold(Arc<HoldState>);

#[derive(Default)]
struct HoldState {
    is_held: AtomicBool,
    let_go: AtomicBool,
}

impl Hold {
    /// Work that does not end before the disk is let go.
    fn holding(
        &self,
    ) -> impl FnMut(&rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static {
        let state = Arc::clone(&self.0);
        move |_| {
            state.is_held.store(true, Ordering::SeqCst);
            while !state.let_go.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }

    async fn is_held(&self) {
        while !self.0.is_held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn let_go(&self) {
        self.0.let_go.store(true, Ordering::SeqCst);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
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
fn while_a_disk_hangs_the_state_is_unavailable_to_writers_and_only_so_long() {
    let (_folder, engine) = engine();
    block_on(async {
        let disk = Hold::default();
        let hangs = engine.write(disk.holding());
        let behind = engine.write(|connection| insert(connection, "a"));
        let both = tokio::time::timeout(PATIENCE, async { tokio::join!(hangs, behind) });
        let both = both.await;
        assert_eq!(
            both.expect("they wait for the disk"),
            (Err(StateUnavailable::Late), Err(StateUnavailable::Late))
        );
        assert_eq!(
            engine.read(count).await,
            Ok(0),
            "a read does not wait for the writer"
        );
        disk.let_go();
        let again = async {
            let insert = |connection: &rusqlite::Connection| insert(connection, "b");
            while engine.write(insert).await == Err(StateUnavailable::Late) {}
        };
        let again = tokio::time::timeout(PATIENCE, again).await;
        assert!(again.is_ok(), "nothing is written any more");
    });
}

#[test]
fn more_than_can_wait_are_told_at_once() {
    let (_folder, engine) = engine();
    block_on(async {
        let disk = Hold::default();
        let mut holds = Box::pin(engine.write(disk.holding()));
        let mut waiting: Vec<_> = (0..9_000)
            .map(|_| Box::pin(engine.write(|_| Ok(()))))
            .collect();
        assert!(poll_once(&mut holds).await.is_pending());
        disk.is_held().await;
        let mut busy = 0;
        for write in &mut waiting {
            if let Poll::Ready(answer) = poll_once(write).await {
                assert_eq!(answer, Err(StateUnavailable::Busy));
                busy += 1;
            }
        }
        disk.let_go();
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
        // Without the hook, whose report takes longer than the deadline on a busy machine.
        let defect = |_: &rusqlite::Connection| -> rusqlite::Result<()> {
            std::panic::resume_unwind(Box::new("a defect"))
        };
        let told = engine.write(defect).await;
        assert_eq!(told, Err(StateUnavailable::Closed));
        let after = engine.write(|connection| insert(connection, "a")).await;
        assert_eq!(after, Err(StateUnavailable::Closed), "not `Late`");
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

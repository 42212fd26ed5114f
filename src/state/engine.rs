//! The threads between callers that must not block and a database that does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::database::{Database, OpenError, Purpose, remedy};
use super::queue::{Queue, Rejected};
use crate::decision::StateUnavailable;

/// How long a caller waits.
const DEADLINE: Duration = Duration::from_secs(1);
/// Most callers that wait for the writer, and most that wait for a reader.
const WAITING: usize = 8_192;
/// Most jobs of one transaction.
const BATCH: usize = 512;
/// Threads that read.
const READERS: usize = 2;
/// How often an idle writer looks for what another process took away.
const LOOK: Duration = Duration::from_millis(250);
/// How long the end of the process waits for a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The running threads.
pub(super) struct Engine {
    writes: Arc<Queue<Box<dyn Job>>>,
    reads: Arc<Queue<Box<dyn Job>>>,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads say of themselves.
struct Shared {
    database: Database,
    removals_elsewhere: AtomicU64,
    /// Whether the log beside the file holds what is to be forgotten.
    log_is_to_go: AtomicBool,
    write_fails: AtomicBool,
    read_fails: AtomicBool,
}

impl Engine {
    pub(super) fn start(database: Database) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            database,
            removals_elsewhere: AtomicU64::new(0),
            log_is_to_go: AtomicBool::new(false),
            write_fails: AtomicBool::new(false),
            read_fails: AtomicBool::new(false),
        });
        let engine = Self {
            writes: Arc::new(Queue::new(WAITING)),
            reads: Arc::new(Queue::new(WAITING)),
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
        };
        let connection = shared.database.connect(Purpose::Writing)?;
        let writer = Writer {
            removals: removals(&connection).map_err(|source| shared.refused(source))?,
            connection,
            shared: Arc::clone(&shared),
        };
        engine.spawn("state-writer", &engine.writes, |queue| writer.run(&queue))?;
        for _ in 0..READERS {
            let connection = shared.database.connect(Purpose::Reading)?;
            let shared = Arc::clone(&shared);
            engine.spawn("state-reader", &engine.reads, move |queue| {
                read(&connection, &shared, &queue);
            })?;
        }
        Ok(engine)
    }

    fn spawn(
        &self,
        name: &str,
        queue: &Arc<Queue<Box<dyn Job>>>,
        work: impl FnOnce(Arc<Queue<Box<dyn Job>>>) + Send + 'static,
    ) -> Result<(), OpenError> {
        let queue = Arc::clone(queue);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _abandon = Abandon(Arc::clone(&queue));
                work(queue);
            })
            .map_err(|source| OpenError::File {
                path: self.shared.database.path().to_owned(),
                source,
            })?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Runs `work` in the writer's next transaction; the answer comes once it is committed and
    /// synced. `work` may be begun anew, and then only the last time counts.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateUnavailable> {
        ask(&self.writes, work).await
    }

    /// Runs `work` on a connection that can only read, as of a moment after the call.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateUnavailable> {
        ask(&self.reads, work).await
    }

    /// Reads, and where the last write failed, writes.
    pub(super) async fn probe(&self) -> Result<(), StateUnavailable> {
        self.read(|connection| removals(connection).map(drop))
            .await?;
        if self.shared.write_fails.load(Ordering::Relaxed) {
            let write = |connection: &Connection| {
                connection.execute("UPDATE removals SET count = count", [])?;
                Ok(())
            };
            self.write(write).await?;
        }
        Ok(())
    }

    /// Empties the log beside the file soon: it still holds what was written over in the file.
    pub(super) fn empty_log(&self) {
        self.shared.log_is_to_go.store(true, Ordering::Release);
    }

    /// How many removals other processes have committed since the start.
    pub(super) fn removals_elsewhere(&self) -> u64 {
        self.shared.removals_elsewhere.load(Ordering::Acquire)
    }

    /// Does what waits and ends the threads.
    pub(super) fn close(&self) {
        self.writes.close();
        self.reads.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let since = Instant::now();
        for thread in threads {
            while !thread.is_finished() && since.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !thread.is_finished() {
                tracing::error!("the state's disk hangs; it is left behind");
            } else if thread.join().is_err() {
                tracing::error!("a thread of the state has panicked");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// However a thread ends, by panic too, nobody waits for it.
struct Abandon(Arc<Queue<Box<dyn Job>>>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn ask<T: Send + 'static>(
    queue: &Queue<Box<dyn Job>>,
    work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StateUnavailable> {
    let (reply, answer) = oneshot::channel();
    let task = Task {
        work,
        done: None,
        reply,
        since: Instant::now(),
    };
    queue.push(Box::new(task)).map_err(|why| match why {
        Rejected::Full => StateUnavailable::Busy,
        Rejected::Closed => StateUnavailable::Closed,
    })?;
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_dropped)) => Err(StateUnavailable::Closed),
        Err(_elapsed) => Err(StateUnavailable::Late),
    }
}

/// Something to do on a connection, and somebody who waits for it.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn settle(self: Box<Self>, outcome: Result<(), StateUnavailable>);
    fn is_awaited(&self) -> bool;
    fn waited(&self) -> Duration;
}

struct Task<F, T> {
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StateUnavailable>>,
    since: Instant,
}

impl<F, T> Job for Task<F, T>
where
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), StateUnavailable>) {
        let Self {
            work, done, reply, ..
        } = *self;
        // INVARIANT: before the reply. What `work` carries along may have to be done with before
        // anybody goes by the answer.
        drop(work);
        // Whoever waited too long is gone.
        let _gone = reply.send(outcome.and_then(|()| done.ok_or(StateUnavailable::Failed)));
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn waited(&self) -> Duration {
        self.since.elapsed()
    }
}

struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    /// The count of removals as this process left it.
    removals: u64,
}

impl Writer {
    fn run(mut self, queue: &Queue<Box<dyn Job>>) {
        while let Some(mut jobs) = queue.take(BATCH, LOOK) {
            // After a disk has hung, the queue is full of those who gave up. What somebody asked
            // for who has gone otherwise is still done: a backend may have made the id.
            jobs.retain(|job| job.is_awaited() || job.waited() < DEADLINE);
            let outcome = if jobs.is_empty() {
                self.look()
            } else {
                self.commit(&mut jobs)
            };
            let answer = match &outcome {
                Ok(()) => Ok(()),
                Err(_) => Err(StateUnavailable::Failed),
            };
            self.shared
                .tell(&self.shared.write_fails, "written", outcome);
            for job in jobs {
                job.settle(answer);
            }
        }
    }

    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = removals(&transaction)?;
        for job in jobs {
            job.run(&transaction)?;
        }
        let after = removals(&transaction)?;
        transaction.commit()?;
        self.noticed(before);
        self.removals = after;
        Ok(())
    }

    /// What is done where nobody waits.
    fn look(&mut self) -> rusqlite::Result<()> {
        let found = removals(&self.connection)?;
        self.noticed(found);
        self.removals = found;
        if self.shared.log_is_to_go.load(Ordering::Acquire) {
            let busy: bool = self.connection.pragma_update_and_check(
                None,
                "wal_checkpoint",
                "truncate",
                |row| row.get(0),
            )?;
            self.shared.log_is_to_go.store(busy, Ordering::Release);
        }
        Ok(())
    }

    fn noticed(&self, found: u64) {
        let elsewhere = found.wrapping_sub(self.removals);
        self.shared
            .removals_elsewhere
            .fetch_add(elsewhere, Ordering::AcqRel);
    }
}

fn read(connection: &Connection, shared: &Shared, queue: &Queue<Box<dyn Job>>) {
    while let Some(jobs) = queue.take(1, Duration::from_secs(3_600)) {
        for mut job in jobs.into_iter().filter(|job| job.is_awaited()) {
            let outcome = job.run(connection);
            let answer = match &outcome {
                Ok(()) => Ok(()),
                Err(_) => Err(StateUnavailable::Failed),
            };
            shared.tell(&shared.read_fails, "read", outcome);
            job.settle(answer);
        }
    }
}

impl Shared {
    /// One line when it begins to fail and one when that is over.
    fn tell(&self, fails: &AtomicBool, what: &str, outcome: rusqlite::Result<()>) {
        let failed = outcome.is_err();
        if failed == fails.swap(failed, Ordering::Relaxed) {
            return;
        }
        let path = self.database.path().display();
        match outcome {
            Ok(()) => tracing::info!(%path, "the state can be {what} again"),
            Err(error) => {
                tracing::error!(%path, %error, "the state can't be {what}: {}", remedy(&error));
            }
        }
    }

    fn refused(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Sqlite {
            path: self.database.path().to_owned(),
            source,
        }
    }
}

fn removals(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count FROM removals")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

//! Writes that wait for the next transaction of their tenant, and how they are done together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::error::kind;
use crate::memory::{StoreError, StoreErrorKind};

/// Most writes of one transaction.
const BATCH: usize = 256;
/// Most writes of one tenant that wait.
const WAITING: usize = 4_096;

/// A write did not come to its end.
#[derive(Debug)]
pub(super) enum Undone<E> {
    /// By our own rules: nothing is written.
    Refused(E),
    /// By SQLite.
    Failed(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Undone<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Something to do in a transaction, and somebody who waits for it.
pub(super) trait Job: Send {
    /// May be run anew; then only the last time counts. Whether it is to be kept.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<bool>;
    /// Tells who waits. `Ok` once it is committed and synced.
    fn settle(self: Box<Self>, outcome: Result<(), StoreError>);
    fn is_awaited(&self) -> bool;
}

/// What a job answers.
pub(super) type Answer<T, E> = Result<Result<T, E>, StoreError>;

pub(super) struct Task<F, T, E, L> {
    work: F,
    done: Option<Result<T, E>>,
    reply: oneshot::Sender<Answer<T, E>>,
    /// Keeps the tenant's database open, whether or not somebody still waits.
    lease: L,
}

impl<F, T, E, L> Task<F, T, E, L> {
    pub(super) fn new(work: F, lease: L) -> (Self, oneshot::Receiver<Answer<T, E>>) {
        let (reply, answer) = oneshot::channel();
        let task = Self {
            work,
            done: None,
            reply,
            lease,
        };
        (task, answer)
    }
}

impl<F, T, E, L> Job for Task<F, T, E, L>
where
    F: FnMut(&Connection) -> Result<T, Undone<E>> + Send,
    T: Send,
    E: Send,
    L: Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let (done, kept) = match (self.work)(connection) {
            Ok(done) => (Ok(done), true),
            Err(Undone::Refused(why)) => (Err(why), false),
            Err(Undone::Failed(error)) => return Err(error),
        };
        self.done = Some(done);
        Ok(kept)
    }

    fn settle(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self {
            done, reply, lease, ..
        } = *self;
        drop(lease);
        let lost = || StoreError::new(StoreErrorKind::Unavailable, "a write was lost");
        // Whoever waited too long is gone.
        let _gone = reply.send(outcome.and_then(|()| done.ok_or_else(lost)));
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }
}

/// The writes of one tenant that wait.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    /// Whether somebody does them.
    tended: bool,
}

impl Waiting {
    /// Adds a write. Answers whether the caller has to see to it that they are done.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if state.jobs.len() >= WAITING {
            let detail = "too many writes of one tenant wait";
            return Err(StoreError::new(StoreErrorKind::Overloaded, detail));
        }
        state.jobs.push_back(job);
        Ok(!std::mem::replace(&mut state.tended, true))
    }

    /// The next ones. If there are none, whoever asked no longer sees to them.
    pub(super) fn take(&self) -> Vec<Box<dyn Job>> {
        let mut state = self.lock();
        let count = state.jobs.len().min(BATCH);
        state.tended = count > 0;
        state.jobs.drain(..count).collect()
    }

    /// Lets go of what waits; those who wait hear that it is lost.
    pub(super) fn abandon(&self) {
        let jobs = {
            let mut state = self.lock();
            state.tended = false;
            std::mem::take(&mut state.jobs)
        };
        drop(jobs);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does all of them in one transaction, so that the disk is synced once, and tells each.
pub(super) fn commit(connection: &mut Connection, mut jobs: Vec<Box<dyn Job>>) {
    // Nobody was told that these happened, so they need not.
    jobs.retain(|job| job.is_awaited());
    if jobs.is_empty() {
        return;
    }
    let outcomes = match together(connection, &mut jobs) {
        Ok(Some(outcomes)) => Ok(outcomes),
        Ok(None) => apart(connection, &mut jobs),
        Err(error) => Err(error),
    };
    match outcomes {
        Ok(outcomes) => {
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                job.settle(outcome);
            }
        }
        Err(error) => {
            let error = StoreError::new(kind(&error), error);
            for job in jobs {
                job.settle(Err(error.clone()));
            }
        }
    }
}

type Outcomes = Vec<Result<(), StoreError>>;

/// One after the other, without a savepoint each: those make the text index write a segment each.
/// `None` if one failed after it had changed something, so that nothing is kept.
fn together(
    connection: &mut Connection,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<Option<Outcomes>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let before = transaction.total_changes();
        let ran = job.run(&transaction);
        still_open(&transaction, &ran)?;
        if !matches!(ran, Ok(true)) && transaction.total_changes() != before {
            return Ok(None);
        }
        outcomes.push(told(ran));
    }
    transaction.commit()?;
    Ok(Some(outcomes))
}

/// As [`together`], and one that fails takes back what it changed and nothing else.
fn apart(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<Outcomes> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let savepoint = transaction.savepoint()?;
        let ran = job.run(&savepoint);
        if matches!(ran, Ok(true)) {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
        still_open(&transaction, &ran)?;
        outcomes.push(told(ran));
    }
    transaction.commit()?;
    Ok(outcomes)
}

/// A full disk may end the transaction of all; what follows would be outside of any.
fn still_open(transaction: &Transaction<'_>, ran: &rusqlite::Result<bool>) -> rusqlite::Result<()> {
    if !transaction.is_autocommit() {
        return Ok(());
    }
    Err(match ran {
        Err(rusqlite::Error::SqliteFailure(error, text)) => {
            rusqlite::Error::SqliteFailure(*error, text.clone())
        }
        Ok(_) | Err(_) => rusqlite::Error::InvalidQuery,
    })
}

fn told(ran: rusqlite::Result<bool>) -> Result<(), StoreError> {
    ran.map(drop)
        .map_err(|error| StoreError::new(kind(&error), error))
}

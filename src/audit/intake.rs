//! Where many threads leave records and one takes them away.
//!
//! Bodies lie behind their length in a few buffers, one per thread while there are no more threads
//! than buffers, so that threads do not wait for each other. The writer swaps the buffers for empty
//! ones. A thread in `push` makes no system call unless a buffer has grown large.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Number of buffers; a power of two.
const SHARDS: usize = 16;
/// Bytes in a buffer at which the writer is woken early.
const WAKE_BYTES: usize = 256 << 10;
/// Largest capacity a buffer keeps once it is empty.
const KEEP_BYTES: usize = 1 << 20;
/// Bytes of the length before a body.
const PREFIX: usize = 4;

/// Which sweep of the writer takes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "a record is on disk only once its ticket is"]
pub struct Ticket(pub(super) u64);

impl Ticket {
    /// Waits for nothing: the record is lost and counted.
    pub(super) const SETTLED: Self = Self(0);
}

/// No more room for records, or the log is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The buffers.
#[derive(Debug)]
pub(super) struct Intake {
    shards: [Mutex<Shard>; SHARDS],
    waiting: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
    woken: AtomicBool,
    wake: Mutex<Wake>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Shard {
    bodies: Vec<u8>,
    taken: u64,
}

#[derive(Debug, Default)]
struct Wake {
    asked: bool,
    stopping: bool,
}

impl Intake {
    /// Room for about `limit` bytes of records, those included that the writer holds.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shards: Default::default(),
            waiting: AtomicUsize::new(0),
            limit,
            closed: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            wake: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    /// Adds what `write` appends as one body.
    pub(super) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Ticket, Full> {
        if self.is_full() {
            return Err(Full);
        }
        let shard = self.shards.get(shard_of_this_thread()).ok_or(Full)?;
        let mut shard = lock(shard);
        // INVARIANT: asked under the lock; the last sweep takes each lock after this was set, so
        // no record slips in behind it.
        if self.closed.load(Ordering::Acquire) {
            return Err(Full);
        }
        let before = shard.bodies.len();
        shard.bodies.extend_from_slice(&[0; PREFIX]);
        write(&mut shard.bodies);
        let after = shard.bodies.len();
        let length = (after - before - PREFIX) as u32;
        if let Some(prefix) = shard.bodies.get_mut(before..before + PREFIX) {
            prefix.copy_from_slice(&length.to_le_bytes());
        }
        let ticket = Ticket(shard.taken + 1);
        // INVARIANT: counted before the writer can take it, so that the count never goes below 0.
        self.waiting.fetch_add(after - before, Ordering::Relaxed);
        drop(shard);
        if before < WAKE_BYTES && after >= WAKE_BYTES {
            self.ring();
        }
        Ok(ticket)
    }

    /// Whether the limit is reached.
    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes() >= self.limit
    }

    /// Bytes of records that are not on disk.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Moves all bodies to the end of `queue`; `sweep` is one more than the last time. `spare` is
    /// an empty buffer that is kept between calls.
    pub(super) fn take(&self, sweep: u64, queue: &mut Vec<u8>, spare: &mut Vec<u8>) {
        for shard in &self.shards {
            {
                let mut shard = lock(shard);
                std::mem::swap(&mut shard.bodies, spare);
                shard.taken = sweep;
            }
            queue.extend_from_slice(spare);
            spare.clear();
            spare.shrink_to(KEEP_BYTES);
        }
    }

    /// Counts bodies that were put into the queue past the buffers.
    pub(super) fn reserve(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says that `bytes` of the queue are done with.
    pub(super) fn done(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Wakes the writer.
    pub(super) fn ring(&self) {
        // Of many that ask, one pays for the system call.
        if !self.woken.swap(true, Ordering::AcqRel) {
            lock(&self.wake).asked = true;
            self.bell.notify_all();
        }
    }

    /// Takes no more records and tells the writer to finish.
    pub(super) fn stop(&self) {
        self.closed.store(true, Ordering::Release);
        lock(&self.wake).stopping = true;
        self.bell.notify_all();
    }

    /// Waits until somebody asks or `longest` has passed; answers whether to finish.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let guard = lock(&self.wake);
        let (mut wake, _) = self
            .bell
            .wait_timeout_while(guard, longest, |wake| !wake.asked && !wake.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        wake.asked = false;
        self.woken.store(false, Ordering::Release);
        wake.stopping
    }
}

/// The bodies of a queue.
#[derive(Debug)]
pub(super) struct Bodies<'queue>(&'queue [u8]);

impl<'queue> Bodies<'queue> {
    pub(super) fn new(queue: &'queue [u8]) -> Self {
        Self(queue)
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'queue [u8] {
        self.0
    }
}

impl<'queue> Iterator for Bodies<'queue> {
    type Item = &'queue [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<PREFIX>()?;
        let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(body)
    }
}

/// Appends one body to a queue.
pub(super) fn push_body(queue: &mut Vec<u8>, body: &[u8]) {
    queue.extend_from_slice(&(body.len() as u32).to_le_bytes());
    queue.extend_from_slice(body);
}

/// A thread that panicked inside left nothing half done: bodies are only ever appended.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.with(|shard| *shard)
}

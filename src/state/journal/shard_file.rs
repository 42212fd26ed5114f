//! A shard's journal on files.
//!
//! A lock file says whose turn it is; the system lets go of it when its holder dies. A generation
//! ends with a frame that says so, and is followed by the file with the next number: whoever comes
//! to that frame goes on there. A process that dies between the two leaves a closed file, and the
//! next one makes what is to follow it.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::archive::FolderArchive;
use super::folder::{self, Folder};
use super::frame::Content;
use super::generation::{Generation, Stop};
use super::problem::{LedgerError, Problem};
use crate::budget::ledger::{Archive, Follow, Head, Journal, SyncTask, Synced};
use crate::clock::SharedClock;
use crate::decision::StateUnavailable;

/// Longest wait for the lock. Others hold it for some microseconds.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long to sleep between two looks at it.
const LOOK: Duration = Duration::from_micros(100);
/// Longest time between two attempts to begin a generation in place of one that can't be synced.
const SLOWEST: Duration = Duration::from_secs(30);

/// Where the first problem is left for whoever opens the ledger.
pub(super) type Told = Arc<Mutex<Option<LedgerError>>>;

/// A shard's journal.
#[derive(Debug)]
pub(super) struct ShardFile {
    folder: Folder,
    shard: usize,
    clock: SharedClock,
    told: Told,
    /// Length from which on another generation is begun.
    long: u64,
    lock: File,
    locked: bool,
    current: Option<Generation>,
    /// Something was appended that is not known to be on disk.
    dirty: bool,
    /// The generation itself is known to be in its folder.
    settled: bool,
    /// Closed ones whose ends are not known to be on disk.
    closed: Vec<Arc<File>>,
    failed: Option<Failure>,
    /// The last append failed, and that was said.
    full: bool,
    buffer: Vec<u8>,
    read: Vec<u8>,
}

/// A generation that can't be synced, or that no other could follow.
#[derive(Clone, Copy, Debug)]
struct Failure {
    generation: u64,
    since: Instant,
    /// When the next attempt is made.
    wait: Duration,
}

impl ShardFile {
    pub(super) fn open(
        folder: &Folder,
        shard: usize,
        long: u64,
        clock: SharedClock,
        told: Told,
    ) -> Result<Self, LedgerError> {
        let path = folder.lock(shard);
        let lock = folder::open_or_make(&path);
        let lock = lock.map_err(|error| LedgerError::from(Problem::file(&path, error)))?;
        Ok(Self {
            folder: folder.clone(),
            shard,
            clock,
            told,
            long,
            lock,
            locked: false,
            current: None,
            dirty: false,
            settled: true,
            closed: Vec::new(),
            failed: None,
            full: false,
            buffer: Vec::new(),
            read: Vec::new(),
        })
    }

    fn take_lock(&mut self, patient: bool) -> Result<(), StateUnavailable> {
        let since = Instant::now();
        loop {
            match self.lock.try_lock() {
                Ok(()) => {
                    self.locked = true;
                    return Ok(());
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    if !patient || since.elapsed() >= PATIENCE {
                        return Err(StateUnavailable::Busy);
                    }
                    std::thread::sleep(LOOK);
                }
                Err(std::fs::TryLockError::Error(_)) => return Err(StateUnavailable::Failed),
            }
        }
    }

    /// Applies everything that stands in the files. Without the lock, what is broken may be in the
    /// middle of being written and is left.
    fn catch_up(&mut self, follower: &mut dyn Follow) -> Result<(), Problem> {
        if self.current.is_none() && !self.find_current(follower)? {
            return Ok(());
        }
        while let Some(generation) = &mut self.current {
            let stop = generation.follow(&mut self.read, follower)?;
            self.dirty |= std::mem::take(&mut generation.news);
            if stop == Stop::Broken && self.locked {
                generation.cut()?;
            }
            if !generation.closed || !self.go_on(follower)? {
                break;
            }
        }
        Ok(())
    }

    /// Finds the latest generation; `false` if there is none at all.
    fn find_current(&mut self, follower: &mut dyn Follow) -> Result<bool, Problem> {
        let listed = self.folder.generations(self.shard);
        let lock = self.folder.lock(self.shard);
        let mut numbers = listed.map_err(|error| Problem::file(&lock, error))?;
        while let Some(number) = numbers.pop() {
            match Generation::open(&self.folder, self.shard, number) {
                Err(Problem::NeverWritten(path)) if self.locked => self.set_aside(&path)?,
                Err(Problem::NeverWritten(_)) => return Ok(false),
                Err(problem) => return Err(problem),
                Ok(mut generation) => {
                    follower.restart();
                    let stop = generation.follow(&mut self.read, follower)?;
                    if generation.head.is_some() {
                        if stop == Stop::Broken && self.locked {
                            generation.cut()?;
                        }
                        self.current = Some(generation);
                        return Ok(true);
                    }
                    follower.restart();
                    if !self.locked {
                        return Ok(false);
                    }
                    if generation.marked > 0 {
                        let (path, offset) = (generation.path, generation.end);
                        return Err(Problem::Corrupt { path, offset });
                    }
                    self.set_aside(&generation.path)?;
                }
            }
        }
        Ok(false)
    }

    /// A generation of which a loss of power took the beginning: the one before it goes on.
    fn set_aside(&self, path: &std::path::Path) -> Result<(), Problem> {
        tracing::warn!(file = %path.display(), "a generation of the ledger never came to be whole and is set aside");
        let aside = path.with_extension("torn");
        std::fs::rename(path, aside).map_err(|error| Problem::file(path, error))
    }

    /// Goes on with the generation after a closed one; `false` if it is not there.
    fn go_on(&mut self, follower: &mut dyn Follow) -> Result<bool, Problem> {
        let Some(number) = self.current.as_ref().map(|it| it.number + 1) else {
            return Ok(false);
        };
        let path = self.folder.generation(self.shard, number);
        if !path.try_exists().unwrap_or(false) {
            return Ok(false);
        }
        let next = match Generation::open(&self.folder, self.shard, number) {
            Ok(next) => next,
            Err(Problem::NeverWritten(_)) => return Ok(false),
            Err(problem) => return Err(problem),
        };
        follower.restart();
        self.replace(next);
        self.mend_lock()
            .map_err(|error| Problem::file(&path, error))?;
        Ok(true)
    }

    fn replace(&mut self, next: Generation) {
        self.dirty = true;
        self.settled = false;
        if let Some(before) = self.current.replace(next) {
            self.closed.push(before.file);
        }
    }

    /// Locks the file that is found under the lock's name, if that is another one by now. The one
    /// that was there stays locked until then, so nobody comes in between.
    fn mend_lock(&mut self) -> io::Result<()> {
        let path = self.folder.lock(self.shard);
        if folder::is_at(&self.lock, &path) {
            return Ok(());
        }
        let lock = folder::open_or_make(&path)?;
        if self.locked {
            lock.try_lock()?;
        }
        self.lock = lock;
        Ok(())
    }

    /// Says once what is wrong, and remembers the first of it.
    fn tell(&self, problem: Problem) -> StateUnavailable {
        let error = LedgerError::from(problem);
        tracing::error!(shard = self.shard, %error, "the ledger's journal can't be used");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert(error);
        StateUnavailable::Failed
    }

    fn append_content(&mut self, content: Content<'_>) -> io::Result<()> {
        let generation = self.current.as_mut().filter(|it| !it.closed);
        let generation = generation.ok_or(io::ErrorKind::NotFound)?;
        generation.append(&mut self.buffer, content)
    }

    /// The number of the generation; 0 before the first.
    fn number(&self) -> u64 {
        self.current.as_ref().map_or(0, |it| it.number)
    }

    fn fail(&mut self) {
        let wait = self.failed.map_or(Duration::ZERO, |failure| {
            (failure.wait * 2).clamp(Duration::from_secs(1), SLOWEST)
        });
        self.failed = Some(Failure {
            generation: self.number(),
            since: Instant::now(),
            wait,
        });
    }

    /// Whether the files are still where they were.
    fn is_intact(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|it| folder::is_at(&it.file, &it.path))
            && folder::is_at(&self.lock, &self.folder.lock(self.shard))
    }

    /// Writes into the journal up to where it is on disk: from then on, damage before that is told
    /// from what a loss of power takes.
    fn mark(&mut self, upto: u64) {
        if self.locked || self.lock.try_lock().is_err() {
            return;
        }
        let unread = |it: &Generation| it.file.metadata().map_or(true, |it2| it2.len() != it.end);
        if self.current.as_ref().is_some_and(|it| !unread(it))
            && let Err(error) = self.append_content(Content::Synced(upto))
        {
            tracing::debug!(%error, "the ledger's journal was not marked");
        }
        self.end();
    }
}

impl Journal for ShardFile {
    fn preload(&mut self, follower: &mut dyn Follow) {
        if let Err(problem) = self.catch_up(follower) {
            // Whatever it is, it is met again under the lock.
            tracing::debug!(?problem, "the ledger was not read ahead");
            self.current = None;
            follower.restart();
        }
    }

    fn begin(&mut self, patient: bool, follower: &mut dyn Follow) -> Result<(), StateUnavailable> {
        if !self.locked {
            self.take_lock(patient)?;
        }
        self.catch_up(follower).map_err(|problem| {
            let told = self.tell(problem);
            self.end();
            told
        })
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StateUnavailable> {
        match self.append_content(Content::Record(record)) {
            Ok(()) => {
                self.dirty = true;
                if std::mem::take(&mut self.full) {
                    tracing::info!(
                        shard = self.shard,
                        "the ledger's journal can be written again"
                    );
                }
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::error!(shard = self.shard, %error, "the ledger's journal can't be written: nothing is reserved until it can");
                }
                Err(StateUnavailable::Failed)
            }
        }
    }

    fn end(&mut self) {
        self.locked = false;
        if let Err(error) = self.lock.unlock() {
            tracing::error!(%error, "a lock of the ledger can't be let go");
        }
    }

    fn renew(&mut self, head: Head<'_>) -> Result<(), StateUnavailable> {
        let began = Instant::now();
        match self.next_generation(head) {
            Ok(()) => {
                tracing::debug!(shard = self.shard, took = ?began.elapsed(), "another generation of the ledger's journal began");
                Ok(())
            }
            Err(error) => {
                self.fail();
                tracing::error!(shard = self.shard, %error, "no other generation of the ledger's journal could begin");
                Err(StateUnavailable::Failed)
            }
        }
    }

    fn wants_renewal(&mut self) -> bool {
        if let Some(failure) = self.failed
            && failure.generation == self.number()
        {
            return failure.since.elapsed() >= failure.wait;
        }
        let Some(current) = &self.current else {
            return false;
        };
        let head = current.head.unwrap_or(current.end);
        let body = current.end.saturating_sub(head);
        let long = body > self.long.max(head.saturating_mul(4));
        long || current.closed || !self.is_intact()
    }

    fn is_healthy(&self) -> bool {
        self.failed.is_none()
    }

    fn to_sync(&mut self) -> Option<SyncTask> {
        // Syncing again what could not be synced says nothing.
        let hopeless = self.failed.is_some_and(|it| it.generation == self.number());
        if hopeless || !std::mem::take(&mut self.dirty) {
            return None;
        }
        let current = self.current.as_ref()?;
        let (closed, file) = (self.closed.clone(), Arc::clone(&current.file));
        let folder = (!self.settled).then(|| self.folder.clone());
        let synced = Synced {
            generation: current.number,
            upto: current.end,
        };
        Some(Box::new(move || {
            for before in closed {
                before.sync_data()?;
            }
            file.sync_data()?;
            folder.map_or(Ok(()), |folder| folder.sync())?;
            Ok(synced)
        }))
    }

    fn synced(&mut self, outcome: io::Result<Synced>) {
        let Ok(synced) = outcome else {
            self.dirty = true;
            // What could not be synced may be gone from memory as well, and syncing again would not
            // say so: only another file, written anew from the book, is known to be whole.
            self.fail();
            return;
        };
        if self.number() == synced.generation {
            self.failed = None;
            self.settled = true;
            self.closed.clear();
            self.mark(synced.upto);
        }
    }

    fn archive(&self) -> Box<dyn Archive> {
        Box::new(FolderArchive::new(&self.folder, self.shard))
    }
}

impl ShardFile {
    fn next_generation(&mut self, head: Head<'_>) -> io::Result<()> {
        self.folder.make_again()?;
        let latest = self.folder.generations(self.shard)?.last().copied();
        let current = self.current.as_ref().map(|it| it.number);
        let number = latest.max(current).map_or(1, |number| number + 1);
        let now = self.clock.now();
        let (next, hidden) = Generation::write(&self.folder, (self.shard, number), now, head)?;
        // First closed, then followed: two that go on beside each other there can never be. One that
        // nobody finds any more is closed for those who still have it open.
        if let Some(before) = self.current.as_mut().filter(|it| !it.closed) {
            before.close(&mut self.buffer)?;
        }
        if let Err(error) = std::fs::rename(&hidden, &next.path) {
            self.current.as_mut().map_or(Ok(()), Generation::reopen)?;
            return Err(error);
        }
        self.replace(next);
        self.mend_lock()
    }
}

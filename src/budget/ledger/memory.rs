//! Journals in memory, for tests and for gates without state.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::codec::Damage;
use super::journal::{Archive, Follow, Head, Journal, Processes, SyncTask, Synced};
use crate::budget::sync::Mutex;
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;

/// Records after which the beginning is written anew, so that memory does not grow for ever.
const LONG: usize = 1 << 16;

/// What those on one journal share.
#[derive(Debug, Default)]
struct Shared {
    generation: u64,
    records: Vec<Box<[u8]>>,
    held: bool,
}

/// A journal that lives as long as somebody holds it.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
    generation: u64,
    /// How many of the generation's records were given to the follower.
    followed: usize,
    holds: bool,
}

impl MemoryJournal {
    /// The same journal, as another process has it.
    pub fn beside(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ..Self::default()
        }
    }
}

impl Journal for MemoryJournal {
    fn preload(&mut self, _follower: &mut dyn Follow) {}

    fn begin(&mut self, _patient: bool, follower: &mut dyn Follow) -> Result<(), StateUnavailable> {
        let mut shared = self.shared.lock().map_err(|_| StateUnavailable::Failed)?;
        if shared.held && !self.holds {
            return Err(StateUnavailable::Busy);
        }
        if self.generation != shared.generation {
            follower.restart();
            (self.generation, self.followed) = (shared.generation, 0);
        }
        for record in shared.records.iter().skip(self.followed) {
            follower
                .record(record)
                .map_err(|Damage| StateUnavailable::Failed)?;
            self.followed += 1;
        }
        (shared.held, self.holds) = (true, true);
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StateUnavailable> {
        let mut shared = self.shared.lock().map_err(|_| StateUnavailable::Failed)?;
        shared.records.push(record.into());
        self.followed += 1;
        Ok(())
    }

    fn end(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.held &= !self.holds;
            self.holds = false;
        }
    }

    fn renew(&mut self, head: Head<'_>) -> Result<(), StateUnavailable> {
        let mut shared = self.shared.lock().map_err(|_| StateUnavailable::Failed)?;
        shared.records.clear();
        head(&mut |record| shared.records.push(record.into()));
        shared.generation += 1;
        (self.generation, self.followed) = (shared.generation, shared.records.len());
        Ok(())
    }

    fn wants_renewal(&mut self) -> bool {
        let shared = self.shared.lock();
        shared.is_ok_and(|shared| shared.records.len() > LONG)
    }

    fn is_healthy(&self) -> bool {
        true
    }

    fn to_sync(&mut self) -> Option<SyncTask> {
        None
    }

    fn synced(&mut self, _outcome: io::Result<Synced>) {}

    fn archive(&self) -> Box<dyn Archive> {
        Box::new(MemoryArchive(Arc::clone(&self.shared)))
    }
}

#[derive(Debug)]
struct MemoryArchive(Arc<Mutex<Shared>>);

impl Archive for MemoryArchive {
    fn replay(&self, _since: Timestamp, follower: &mut dyn Follow) -> io::Result<()> {
        let shared = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        follower.restart();
        for record in &shared.records {
            follower
                .record(record)
                .map_err(|Damage| io::ErrorKind::InvalidData)?;
        }
        Ok(())
    }
}

/// One process, alone.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Processes for Alone {
    fn own(&self) -> u64 {
        0
    }

    fn living(&self) -> io::Result<BTreeSet<u64>> {
        Ok(BTreeSet::from([0]))
    }

    fn bury(&self, _indebted: &BTreeSet<u64>) {}

    fn expire(&self, _before: Timestamp) {}

    fn leave(&self) {}
}

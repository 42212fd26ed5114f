//! What the ledger asks of the journal that its truth is in.
//!
//! A journal is what was appended, in that order, by however many processes share it. Before a
//! process decides anything it takes the journal's lock and applies what the others appended; what
//! it then appends follows from what everybody sees. Both happen for each step, and neither waits
//! for a disk.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;

use super::codec::Damage;
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;

/// Who applies the records of a journal.
pub trait Follow {
    /// What was applied so far is void: the records of a generation come from its beginning.
    fn restart(&mut self);

    /// The next record.
    ///
    /// # Errors
    /// It does not follow from those before it.
    fn record(&mut self, bytes: &[u8]) -> Result<(), Damage>;
}

/// A beginning that a journal is given, record by record.
pub type Head<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&[u8]));

/// What makes appended bytes outlive a loss of power. It runs while the journal goes on.
pub type SyncTask = Box<dyn FnOnce() -> io::Result<Synced> + Send>;

/// What is known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The generation.
    pub generation: u64,
    /// Up to which byte of it.
    pub upto: u64,
}

/// One shard's journal.
pub trait Journal: Debug + Send {
    /// Gives what stands in it already, as far as that can be read without the lock: it may be much,
    /// and others go on meanwhile.
    fn preload(&mut self, follower: &mut dyn Follow);

    /// Takes the lock, and gives what others appended since it was let go.
    ///
    /// # Errors
    /// It is not to be had at once or in the time that `patient` allows, or can't be read.
    fn begin(&mut self, patient: bool, follower: &mut dyn Follow) -> Result<(), StateUnavailable>;

    /// Appends a record, whole or not at all.
    ///
    /// # Errors
    /// It can't be written. Nothing of it stays.
    fn append(&mut self, record: &[u8]) -> Result<(), StateUnavailable>;

    /// Lets the lock go.
    fn end(&mut self);

    /// Begins another generation. Called between `begin` and `end`.
    ///
    /// # Errors
    /// It can't be written; the one before goes on.
    fn renew(&mut self, head: Head<'_>) -> Result<(), StateUnavailable>;

    /// Whether it is time for another generation: this one is long, or its files are not what they
    /// were.
    fn wants_renewal(&mut self) -> bool;

    /// Whether what is appended will outlive a loss of power.
    fn is_healthy(&self) -> bool;

    /// What has to be made to outlive a loss of power; `None` if nothing.
    fn to_sync(&mut self) -> Option<SyncTask>;

    /// Hears how that went.
    fn synced(&mut self, outcome: io::Result<Synced>);

    /// Everything that is still there, for reading beside whoever appends.
    fn archive(&self) -> Box<dyn Archive>;
}

/// The generations of a journal that are still there.
pub trait Archive: Send {
    /// Gives the records of each generation in turn, from the one that was current at `since`.
    ///
    /// # Errors
    /// A file can't be read, or is damaged.
    fn replay(&self, since: Timestamp, follower: &mut dyn Follow) -> io::Result<()>;
}

/// The processes that share the journals.
pub trait Processes: Debug + Send + Sync {
    /// The number of this one.
    fn own(&self) -> u64;

    /// Those that are alive, this one among them.
    ///
    /// # Errors
    /// They can't be looked at.
    fn living(&self) -> io::Result<BTreeSet<u64>>;

    /// Removes what the dead left, but for those who still have something reserved.
    fn bury(&self, indebted: &BTreeSet<u64>);

    /// Removes generations that ended before a time.
    fn expire(&self, before: Timestamp);

    /// Takes this one's name off.
    fn leave(&self);
}

//! The ledger's journals as files: a folder beside the database.
//!
//! | file | what it is |
//! |---|---|
//! | `shard-07-00000012.journal` | the records of some tenants; the number is that of the generation |
//! | `shard-07.lock` | locked by the process whose turn it is |
//! | `process-….lock` | locked by a process for as long as it lives |
//! | `….torn-…` | what was cut off the end of a journal, for whoever wants to look |
//!
//! An append is one `write(2)` into the page cache: it outlives the process at once, and a loss of
//! power after the next sync. Bytes that were synced and are not what was written are damage, which
//! nobody passes over; bytes behind them that are broken are a step that was never answered for, or
//! what the loss of power took, and are cut off.
//!
//! Locks are the system's own (`flock`), so the folder is on a disk of this machine.

mod archive;
mod folder;
mod frame;
mod generation;
mod problem;
mod processes;
mod shard_file;

use std::path::Path;
use std::sync::{Arc, PoisonError};

pub use problem::LedgerError;

use folder::Folder;
use problem::Problem;
use processes::FolderProcesses;
use shard_file::{ShardFile, Told};

use crate::budget::ledger::{Journal, Ledger, LedgerSettings, SHARDS};
use crate::clock::SharedClock;

/// Opens the ledger in a folder, which is made if it is not there, and keeps it running. Several
/// processes may have it open.
///
/// # Errors
/// See [`LedgerError`].
pub fn open_ledger(
    directory: &Path,
    settings: LedgerSettings,
    clock: SharedClock,
) -> Result<Arc<Ledger>, LedgerError> {
    let failed = |error| LedgerError::from(Problem::file(directory, error));
    let folder = Folder::make(directory).map_err(failed)?;
    let processes = FolderProcesses::join(&folder, clock.now()).map_err(failed)?;
    let told = Told::default();
    let mut journals = Vec::with_capacity(SHARDS);
    for shard in 0..SHARDS {
        let (clock, told) = (Arc::clone(&clock), Arc::clone(&told));
        let bytes = settings.generation_bytes;
        let journal = ShardFile::open(&folder, shard, bytes, clock, told)?;
        journals.push(Box::new(journal) as Box<dyn Journal>);
    }
    let ledger = Ledger::new(journals, Box::new(processes), settings, clock);
    let ledger = ledger.map_err(|_unavailable| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.take()
            .unwrap_or_else(|| LedgerError::Held(directory.to_owned()))
    })?;
    ledger.keep_running().map_err(LedgerError::Thread)?;
    Ok(ledger)
}

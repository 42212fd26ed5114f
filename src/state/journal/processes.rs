//! Which processes share the folder. Each holds a lock of its own for as long as it lives: the
//! system lets go of it when the process dies, however that comes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::folder::{self, Folder};
use super::frame::{HEADER, Header};
use crate::budget::ledger::{Processes, SHARDS};
use crate::clock::Timestamp;

/// The processes on one folder.
#[derive(Debug)]
pub(super) struct FolderProcesses {
    folder: Folder,
    own: u64,
    held: Mutex<File>,
}

impl FolderProcesses {
    /// Puts this process's name on.
    pub(super) fn join(folder: &Folder, now: Timestamp) -> io::Result<Self> {
        let start = now.as_micros().unsigned_abs() << 8;
        let mut own = start ^ u64::from(std::process::id());
        let held = loop {
            match put_name(folder, own) {
                Ok(held) => break held,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => own += 1,
                Err(error) => return Err(error),
            }
        };
        Ok(Self {
            folder: folder.clone(),
            own,
            held: Mutex::new(held),
        })
    }

    fn is_alive(&self, number: u64) -> bool {
        // What can't be looked at is taken for alive: its reservations stay.
        match File::open(self.folder.process(number)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Puts the name on again if somebody took it off.
    fn hold(&self) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !folder::is_at(&held, &self.folder.process(self.own)) {
            *held = put_name(&self.folder, self.own)?;
        }
        Ok(())
    }
}

/// Makes the file of a process. It is locked before it is to be seen: one that is seen without a
/// lock is that of a dead one.
fn put_name(folder: &Folder, number: u64) -> io::Result<File> {
    let path = folder.process(number);
    let hidden = path.with_extension("new");
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let file = folder::make(&hidden)?;
    file.try_lock()?;
    std::fs::rename(&hidden, &path)?;
    Ok(file)
}

impl Processes for FolderProcesses {
    fn own(&self) -> u64 {
        self.own
    }

    fn living(&self) -> io::Result<BTreeSet<u64>> {
        self.hold()?;
        let mut living: BTreeSet<u64> = self.folder.processes()?.into_iter().collect();
        living.retain(|number| *number == self.own || self.is_alive(*number));
        Ok(living)
    }

    fn bury(&self, indebted: &BTreeSet<u64>) {
        for number in self.folder.processes().unwrap_or_default() {
            let ours = number == self.own;
            if !ours && !indebted.contains(&number) && !self.is_alive(number) {
                remove(&self.folder.process(number));
            }
        }
    }

    fn expire(&self, before: Timestamp) {
        for shard in 0..SHARDS {
            let generations = self.folder.generations(shard).unwrap_or_default();
            for pair in generations.windows(2) {
                let [old, next] = pair else {
                    continue;
                };
                // A generation ended when the next one began.
                match begun(&self.folder, shard, *next) {
                    Ok(begun) if begun < before => {
                        remove(&self.folder.generation(shard, *old));
                    }
                    Ok(_) | Err(_) => break,
                }
            }
        }
    }

    fn leave(&self) {
        remove(&self.folder.process(self.own));
    }
}

fn remove(path: &std::path::Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "a file of the ledger can't be removed");
    }
}

/// When a generation began.
pub(super) fn begun(folder: &Folder, shard: usize, number: u64) -> io::Result<Timestamp> {
    use std::os::unix::fs::FileExt;

    let mut bytes = [0; HEADER as usize];
    let file = folder::open(&folder.generation(shard, number))?;
    file.read_exact_at(&mut bytes, 0)?;
    let header = Header::read(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(header.begun)
}

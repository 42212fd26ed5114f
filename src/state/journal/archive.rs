//! Reading generations that are still there, beside whoever appends.

use std::io;

use super::folder::Folder;
use super::generation::Generation;
use super::problem::{LedgerError, Problem};
use super::processes::begun;
use crate::budget::ledger::{Archive, Follow};
use crate::clock::Timestamp;

/// What a clock may have been put back by while a generation was written.
const SLACK: i64 = 86_400;

/// The generations of a shard.
#[derive(Debug)]
pub(super) struct FolderArchive {
    folder: Folder,
    shard: usize,
}

impl FolderArchive {
    pub(super) fn new(folder: &Folder, shard: usize) -> Self {
        Self {
            folder: folder.clone(),
            shard,
        }
    }

    /// The first generation that may hold anything of `since`: the last that began before it.
    fn first(&self, numbers: &[u64], since: Timestamp) -> usize {
        let since = since.plus_seconds(-SLACK);
        let before = numbers.iter().rposition(|number| {
            begun(&self.folder, self.shard, *number).is_ok_and(|begun| begun <= since)
        });
        before.unwrap_or(0)
    }
}

impl Archive for FolderArchive {
    fn replay(&self, since: Timestamp, follower: &mut dyn Follow) -> io::Result<()> {
        let numbers = self.folder.generations(self.shard)?;
        let failed = |problem: Problem| io::Error::other(LedgerError::from(problem));
        let mut buffer = Vec::new();
        for number in numbers.iter().skip(self.first(&numbers, since)) {
            let mut generation = match Generation::open(&self.folder, self.shard, *number) {
                Ok(generation) => generation,
                // It was the oldest, and its time was up.
                Err(Problem::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Err(problem) => return Err(failed(problem)),
            };
            follower.restart();
            // What is broken at the end is being written, or is cut off by whoever writes next.
            generation.follow(&mut buffer, follower).map_err(failed)?;
        }
        Ok(())
    }
}

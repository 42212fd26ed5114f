//! The end of a chain on disk: seals bodies into lines and commits them.
//!
//! INVARIANT: `head` and `length` describe what is known to be on disk. They move only after a
//! successful sync; after any error the bytes beyond `length` are cut off before the next attempt,
//! so that half a line never stays in the middle of a file and no record is written twice. After a
//! failed sync the kernel may have dropped the pages, which is why the same bytes are written
//! again and not just synced again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::chain::{Head, seal};
use super::files::{self, LogPath};
use super::intake::Bodies;
use super::keys::LogKeys;
use super::recovery::Resumed;
use super::storage::{LogFile, Storage};

/// Bytes of lines after which a commit is made even though more records wait.
const COMMIT_BYTES: usize = 4 << 20;

/// The writing end of one lineage.
#[derive(Debug)]
pub(super) struct Journal {
    storage: Box<dyn Storage>,
    keys: Arc<LogKeys>,
    directory: PathBuf,
    rotate_bytes: u64,
    path: LogPath,
    file: Box<dyn LogFile>,
    length: u64,
    head: Head,
    dirty: bool,
    lines: Vec<u8>,
}

/// What a commit took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    /// Bytes of the queue.
    pub(super) bytes: usize,
    /// Records.
    pub(super) records: u64,
}

impl Journal {
    /// Goes on where `resumed` says.
    pub(super) fn open(
        storage: Box<dyn Storage>,
        keys: Arc<LogKeys>,
        directory: PathBuf,
        rotate_bytes: u64,
        lineage: u32,
        resumed: &Resumed,
    ) -> io::Result<Self> {
        let (path, file) = match &resumed.file {
            Some(path) => (path.clone(), storage.open(&path.path)?),
            None => {
                let path = LogPath::new(&directory, lineage, 1);
                let file = storage.create(&path.path)?;
                (path, file)
            }
        };
        Ok(Self {
            storage,
            keys,
            directory,
            rotate_bytes,
            path,
            file,
            length: resumed.length,
            head: resumed.head,
            dirty: false,
            lines: Vec::new(),
        })
    }

    /// The last record on disk.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// The lines of the commit that was made last.
    pub(super) fn committed(&self) -> &[u8] {
        &self.lines
    }

    /// Cuts off what a failed commit left, and goes on in another file if somebody took this one
    /// away; answers the name of the file that is gone.
    pub(super) fn prepare(&mut self) -> io::Result<Option<String>> {
        if self.dirty {
            self.file.truncate(self.length)?;
            self.dirty = false;
        }
        if self.file.in_place(&self.path.path, self.length)? {
            return Ok(None);
        }
        let gone = self.path.name();
        self.next_file()?;
        Ok(Some(gone))
    }

    /// Whether the file is full.
    pub(super) fn full(&self) -> bool {
        self.length >= self.rotate_bytes
    }

    /// Goes on in the next file.
    pub(super) fn next_file(&mut self) -> io::Result<()> {
        files::make_directory(&self.directory)?;
        loop {
            let next = LogPath::new(&self.directory, self.path.lineage, self.path.number + 1);
            match self.storage.create(&next.path) {
                Ok(file) => {
                    self.path = next;
                    self.file = file;
                    self.length = 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.path.number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes bodies from the front of a queue and waits for the disk.
    ///
    /// # Errors
    /// Nothing was committed; the same bodies have to be given again.
    pub(super) fn commit(&mut self, queue: &[u8]) -> io::Result<Committed> {
        self.lines.clear();
        let mut head = self.head;
        let mut bodies = Bodies::new(queue);
        let mut records = 0;
        while self.lines.len() < COMMIT_BYTES
            && let Some(body) = bodies.next()
        {
            head = seal(&self.keys, head, body, &mut self.lines);
            records += 1;
        }
        self.dirty = true;
        self.file.append(&self.lines)?;
        self.file.sync()?;
        self.dirty = false;
        self.length += self.lines.len() as u64;
        self.head = head;
        Ok(Committed {
            bytes: queue.len() - bodies.rest().len(),
            records,
        })
    }
}

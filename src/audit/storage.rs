//! What the log asks of a disk, so that tests can hand it a bad one.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Opens log files.
pub(super) trait Storage: fmt::Debug + Send {
    /// Makes a file that is not there yet, and its entry in the folder durable.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens a file to append to.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
}

/// A file that grows at its end.
pub(super) trait LogFile: fmt::Debug + Send {
    /// Writes all of `bytes` at the end. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what was written is on disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file at `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Whether `path` is still this file and has `length` bytes: nobody moved, removed or cut it.
    fn in_place(&self, path: &Path, length: u64) -> io::Result<bool>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl LogFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.sync_data()
    }

    fn in_place(&self, path: &Path, length: u64) -> io::Result<bool> {
        let ours = self.0.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(named) => {
                Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino()) && ours.len() == length)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

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

#[cfg(test)]
pub(super) mod faulty {
    //! A disk that fails on demand.

    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// What is wrong with the disk.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) enum Fault {
        None,
        /// Half of what is written gets there, then the disk is full.
        Full,
        /// Everything is written and the sync fails.
        Sync,
        /// A write does not return.
        Hang,
    }

    #[derive(Clone, Debug)]
    pub(in super::super) struct FaultyDisk(Arc<(Mutex<Fault>, Condvar)>);

    impl FaultyDisk {
        pub(in super::super) fn new() -> Self {
            Self(Arc::new((Mutex::new(Fault::None), Condvar::new())))
        }

        pub(in super::super) fn set(&self, fault: Fault) {
            *self.0.0.lock().unwrap() = fault;
            self.0.1.notify_all();
        }

        fn now(&self) -> Fault {
            let fault = self.0.0.lock().unwrap();
            *self
                .0
                .1
                .wait_while(fault, |fault| *fault == Fault::Hang)
                .unwrap()
        }
    }

    impl Storage for FaultyDisk {
        fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
            let inner = Disk.create(path)?;
            let disk = self.clone();
            Ok(Box::new(FaultyFile { inner, disk }))
        }

        fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
            let inner = Disk.open(path)?;
            let disk = self.clone();
            Ok(Box::new(FaultyFile { inner, disk }))
        }
    }

    #[derive(Debug)]
    struct FaultyFile {
        inner: Box<dyn LogFile>,
        disk: FaultyDisk,
    }

    impl LogFile for FaultyFile {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            if self.disk.now() == Fault::Full {
                self.inner.append(&bytes[..bytes.len() / 2])?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.inner.append(bytes)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.disk.now() == Fault::Sync {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.inner.sync()
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.inner.truncate(length)
        }

        fn in_place(&self, path: &Path, length: u64) -> io::Result<bool> {
            self.inner.in_place(path, length)
        }
    }
}

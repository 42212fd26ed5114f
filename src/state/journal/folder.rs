//! Names of the journal's files, and how they are opened: for their owner only, and never through a
//! symbolic link.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it if it is not there; only its owner may enter.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        let folder = Self(path.to_owned());
        folder.make_again()?;
        Ok(folder)
    }

    /// The same for one that was there and may be gone.
    pub(super) fn make_again(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
    }

    /// Where a generation of a shard is.
    pub(super) fn generation(&self, shard: usize, number: u64) -> PathBuf {
        self.0.join(format!("shard-{shard:02}-{number:08}.journal"))
    }

    /// Where a shard's lock is.
    pub(super) fn lock(&self, shard: usize) -> PathBuf {
        self.0.join(format!("shard-{shard:02}.lock"))
    }

    /// Where a process says that it is alive.
    pub(super) fn process(&self, number: u64) -> PathBuf {
        self.0.join(format!("process-{number}.lock"))
    }

    /// The generations of a shard that are there, oldest first.
    pub(super) fn generations(&self, shard: usize) -> io::Result<Vec<u64>> {
        let lead = format!("shard-{shard:02}-");
        let mut numbers: Vec<u64> = self.numbers(&lead, ".journal")?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The processes that have a file.
    pub(super) fn processes(&self) -> io::Result<Vec<u64>> {
        self.numbers("process-", ".lock")
    }

    fn numbers(&self, lead: &str, suffix: &str) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix(lead)?.strip_suffix(suffix))
                .and_then(|number| number.parse().ok());
            numbers.extend(number);
        }
        Ok(numbers)
    }

    /// Makes what was renamed or removed outlive a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// Opens what is there, to read and to write.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    options.open(path)
}

/// Opens what is there or makes it.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    options.create(true).truncate(false).mode(0o600).open(path)
}

/// Makes a file that is not there yet.
pub(super) fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    options.create_new(true).mode(0o600).open(path)
}

/// Whether `file` is still what is found under its name.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(found)) = (file.metadata(), path.symlink_metadata()) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (found.dev(), found.ino())
}

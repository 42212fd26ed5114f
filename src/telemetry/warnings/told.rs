//! The folder of what was told: `told/KEY` for each warning, `due/KEY` while its message has to be
//! delivered.
//!
//! Several processes share it. Whoever claims a key holds `claim.lock` meanwhile; whoever delivers
//! a message holds a lock on its file. Both are let go of by the system when a process is killed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Warning;
use crate::clock::Timestamp;

/// Most keys in the folder: one small file each.
const MOST_TOLD: usize = 100_000;
/// Most messages that wait to be delivered.
const MOST_DUE: usize = 1_000;

/// The folder.
#[derive(Debug)]
pub(super) struct Told {
    told: PathBuf,
    due: PathBuf,
    lock: PathBuf,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is ours to tell.
    Ours,
    /// As [`Claim::Ours`], but there is no room for its message.
    OursWithoutMessage,
    /// It was told.
    Told,
    /// There is no room for its key.
    Full,
}

/// A message that is ours to deliver for as long as this value lives.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) key: String,
    pub(super) message: String,
    pub(super) since: Timestamp,
    path: PathBuf,
    _held: File,
}

/// What stands in a file of `due`.
#[derive(Deserialize, Serialize)]
struct Waiting {
    since_micros: i64,
    message: String,
}

impl Told {
    /// Makes the folder if it is not there; only its owner may enter.
    ///
    /// # Errors
    /// It can't be made.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let [told, due] = ["told", "due"].map(|name| directory.join(name));
        for path in [&told, &due] {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        Ok(Self {
            told,
            due,
            lock: directory.join("claim.lock"),
        })
    }

    /// Makes a warning ours, if it is nobody's yet; with its message, if it is to be delivered.
    ///
    /// # Errors
    /// The folder can't be used.
    pub(super) fn claim(&self, warning: &Warning, deliver: bool) -> io::Result<Claim> {
        let key = warning.key();
        let told = self.told.join(&key);
        let _held = self.held()?;
        if told.exists() || self.due.join(&key).exists() {
            return Ok(Claim::Told);
        }
        if count(&self.told)? >= MOST_TOLD {
            return Ok(Claim::Full);
        }
        let room = !deliver || count(&self.due)? < MOST_DUE;
        if deliver && room {
            let waiting = Waiting {
                since_micros: warning.at.as_micros(),
                message: warning.message(),
            };
            // First the message: a crash in between leaves a warning that is told of by it.
            write_whole(&self.due.join(&key), &serde_json::to_vec(&waiting)?)?;
        }
        let until = warning.remembered_until().as_seconds().to_string();
        write_whole(&told, until.as_bytes())?;
        Ok(if room {
            Claim::Ours
        } else {
            Claim::OursWithoutMessage
        })
    }

    /// Keys of the messages that wait, whoever delivers them.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(super) fn waiting(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.due)? {
            match entry?.file_name().into_string() {
                Ok(key) if !key.ends_with(DRAFT) => keys.push(key),
                Ok(_) | Err(_) => {}
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Takes a message for delivery; `None` if another process has it or it is delivered.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn take(&self, key: &str) -> io::Result<Option<Due>> {
        let path = self.due.join(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Delivered between opening and locking.
        if file.metadata()?.nlink() == 0 {
            return Ok(None);
        }
        let waiting: Waiting = serde_json::from_slice(&fs::read(&path)?)?;
        Ok(Some(Due {
            key: key.to_owned(),
            message: waiting.message,
            since: Timestamp::from_micros(waiting.since_micros),
            path,
            _held: file,
        }))
    }

    /// Forgets the keys whose window is over for long.
    ///
    /// # Errors
    /// The folder can't be used.
    pub(super) fn forget(&self, now: Timestamp) -> io::Result<()> {
        let _held = self.held()?;
        for entry in fs::read_dir(&self.told)? {
            let path = entry?.path();
            let until: Option<i64> = fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.parse().ok());
            // One that can't be read was torn by a power cut.
            if until.is_none_or(|until| until < now.as_seconds()) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn held(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.lock)?;
        file.lock()?;
        Ok(file)
    }
}

impl Due {
    /// It is delivered, or given up.
    ///
    /// # Errors
    /// The file can't be removed; it will be delivered again.
    pub(super) fn done(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Ends the name of a file that is being written.
const DRAFT: &str = ".draft";

/// Writes a file that is there as a whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(DRAFT);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

fn count(directory: &Path) -> io::Result<usize> {
    Ok(fs::read_dir(directory)?.count())
}

#[cfg(test)]
mod tests {
    use super::super::tests::warning;
    use super::*;

    #[test]
    fn of_many_who_see_a_warning_one_tells_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let ours = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|_| {
                    let told = Told::open(directory.path()).unwrap();
                    scope.spawn(move || told.claim(&warning(), true).unwrap())
                })
                .collect();
            claims
                .into_iter()
                .map(|claim| claim.join().unwrap())
                .filter(|claim| *claim == Claim::Ours)
                .count()
        });
        assert_eq!(ours, 1);
        let told = Told::open(directory.path()).unwrap();
        assert_eq!(told.waiting().unwrap(), [warning().key()]);
    }

    #[test]
    fn a_message_stays_until_it_is_done_and_is_one_processs_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let told = Told::open(directory.path()).unwrap();
        let key = warning().key();
        assert_eq!(told.claim(&warning(), true).unwrap(), Claim::Ours);
        let due = told.take(&key).unwrap().unwrap();
        assert_eq!(due.message, warning().message());
        assert!(told.take(&key).unwrap().is_none(), "it is being delivered");
        drop(due);
        let due = told.take(&key).unwrap().expect("it was not delivered");
        due.done().unwrap();
        assert!(told.take(&key).unwrap().is_none());
        assert_eq!(told.claim(&warning(), true).unwrap(), Claim::Told);
    }

    #[test]
    fn a_warning_is_told_again_only_after_its_key_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let told = Told::open(directory.path()).unwrap();
        assert_eq!(told.claim(&warning(), false).unwrap(), Claim::Ours);
        assert!(
            told.waiting().unwrap().is_empty(),
            "nobody is to be written to"
        );
        told.forget(warning().remembered_until()).unwrap();
        assert_eq!(told.claim(&warning(), false).unwrap(), Claim::Told);
        told.forget(warning().remembered_until().plus_seconds(1))
            .unwrap();
        assert_eq!(told.claim(&warning(), false).unwrap(), Claim::Ours);
    }

    #[test]
    fn without_room_for_messages_a_warning_is_told_without_one() {
        let directory = tempfile::tempdir().unwrap();
        let told = Told::open(directory.path()).unwrap();
        let of = |number: usize| Warning {
            value: number.to_string(),
            ..warning()
        };
        for number in 0..MOST_DUE {
            fs::write(directory.path().join(format!("due/{number}")), b"").unwrap();
        }
        assert_eq!(told.claim(&of(0), true).unwrap(), Claim::OursWithoutMessage);
        assert_eq!(told.claim(&of(0), true).unwrap(), Claim::Told);
    }
}

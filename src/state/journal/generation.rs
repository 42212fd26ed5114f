//! One generation's file: reading what stands in it, and what is done about its damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::folder::{self, Folder};
use super::frame::{self, CLOSING, Content, HEADER, Header, NotOurs, Read};
use super::problem::Problem;
use crate::budget::ledger::Follow;
use crate::clock::Timestamp;

/// How much is read at a time.
const CHUNK: usize = 256 << 10;

/// A generation that is read, and perhaps written.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// Up to where it was read and applied. Whoever holds the lock writes here.
    pub(super) end: u64,
    /// Up to where it is known to be on disk, by what stands in it.
    pub(super) marked: u64,
    /// Where the head ends, once it was read.
    pub(super) head: Option<u64>,
    /// A record was applied since this was last said.
    pub(super) news: bool,
    /// Another one goes on.
    pub(super) closed: bool,
}

/// Where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the end of the file.
    End,
    /// At bytes that are no whole frame.
    Broken,
}

impl Generation {
    /// Opens the file of a generation.
    pub(super) fn open(folder: &Folder, shard: usize, number: u64) -> Result<Self, Problem> {
        let path = folder.generation(shard, number);
        let file = folder::open(&path).map_err(|error| Problem::file(&path, error))?;
        let mut bytes = vec![0; HEADER as usize];
        let length = read_at(&file, &mut bytes, 0).map_err(|error| Problem::file(&path, error))?;
        bytes.truncate(length);
        match Header::read(&bytes) {
            Ok(header) if header.generation == number && header.shard as usize == shard => {}
            Ok(_) | Err(NotOurs::Foreign) => return Err(Problem::Foreign(path)),
            Err(NotOurs::Newer(found)) => return Err(Problem::Newer { path, found }),
            Err(NotOurs::Torn) => return Err(Problem::NeverWritten(path)),
        }
        Ok(Self {
            number,
            path,
            file: Arc::new(file),
            end: HEADER,
            marked: 0,
            head: None,
            news: false,
            closed: false,
        })
    }

    /// Writes the file of a generation under another name; its records come from `head`.
    pub(super) fn write(
        folder: &Folder,
        (shard, number): (usize, u64),
        now: Timestamp,
        head: crate::budget::ledger::Head<'_>,
    ) -> io::Result<(Self, PathBuf)> {
        let path = folder.generation(shard, number);
        let hidden = path.with_extension("new");
        match std::fs::remove_file(&hidden) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = folder::make(&hidden)?;
        let header = Header {
            shard: u32::try_from(shard).unwrap_or(u32::MAX),
            generation: number,
            begun: now,
        };
        let mut out = header.write();
        let (mut end, mut outcome) = (0_u64, Ok(()));
        head(&mut |record| {
            let place = end + out.len() as u64;
            let framed = frame::write(&mut out, number, place, Content::Record(record));
            outcome = std::mem::replace(&mut outcome, Ok(())).and(framed);
            if out.len() >= CHUNK && outcome.is_ok() {
                outcome = file.write_all_at(&out, end);
                end += out.len() as u64;
                out.clear();
            }
        });
        outcome?;
        let place = end + out.len() as u64;
        frame::write(&mut out, number, place, Content::Begun)?;
        file.write_all_at(&out, end)?;
        end += out.len() as u64;
        let generation = Self {
            number,
            path,
            file: Arc::new(file),
            end,
            marked: 0,
            head: Some(end),
            news: true,
            closed: false,
        };
        Ok((generation, hidden))
    }

    /// Applies what stands behind what was read.
    ///
    /// # Errors
    /// It can't be read, or does not follow.
    pub(super) fn follow(
        &mut self,
        buffer: &mut Vec<u8>,
        follower: &mut dyn Follow,
    ) -> Result<Stop, Problem> {
        if self.read(&mut [0])? == 0 {
            return Ok(Stop::End);
        }
        let mut wanted = CHUNK;
        loop {
            buffer.resize(wanted, 0);
            let length = self.read(buffer)?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Stop::End);
            }
            let start = self.end;
            while !rest.is_empty() && !self.closed {
                match frame::read(rest, self.number, self.end) {
                    Read::Frame(content, size) => {
                        self.apply(content, follower)?;
                        self.end += size as u64;
                        rest = rest.get(size..).unwrap_or_default();
                    }
                    Read::Short => break,
                    Read::Damaged => return Ok(Stop::Broken),
                }
            }
            if self.closed || (length < wanted && rest.is_empty()) {
                return Ok(Stop::End);
            }
            if self.end == start {
                if length < wanted {
                    return Ok(Stop::Broken);
                }
                // One frame is longer than what was read of it.
                wanted *= 2;
            }
        }
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize, Problem> {
        read_at(&self.file, buffer, self.end).map_err(|error| Problem::file(&self.path, error))
    }

    fn apply(&mut self, content: Content<'_>, follower: &mut dyn Follow) -> Result<(), Problem> {
        match content {
            Content::Record(record) => {
                follower.record(record).map_err(|_damage| self.corrupt())?;
                self.news = true;
            }
            Content::Begun => self.head = Some(self.end),
            Content::Synced(upto) => self.marked = self.marked.max(upto),
            Content::Closed => self.closed = true,
        }
        Ok(())
    }

    fn corrupt(&self) -> Problem {
        Problem::Corrupt {
            path: self.path.clone(),
            offset: self.end,
        }
    }

    /// Cuts off what stands behind what was read, if that was never known to be on disk: a step
    /// that was not written to its end, or what a loss of power took. Called under the lock.
    ///
    /// # Errors
    /// It was known to be on disk, so it is damage; or it can't be cut.
    pub(super) fn cut(&mut self) -> Result<(), Problem> {
        let failed = |error| Problem::file(&self.path, error);
        let mut rest = Vec::new();
        let length = self.file.metadata().map_err(failed)?.len();
        rest.resize(
            usize::try_from(length - self.end.min(length)).unwrap_or(usize::MAX),
            0,
        );
        let read = read_at(&self.file, &mut rest, self.end).map_err(failed)?;
        rest.truncate(read);
        let (whole, marked) = frame::search(&rest, self.number, self.end);
        if marked.max(self.marked) > self.end {
            return Err(self.corrupt());
        }
        let kept = self.path.with_extension(format!("torn-{}", self.end));
        let saved = folder::make(&kept).and_then(|file| file.write_all_at(&rest, 0));
        if let Err(error) = saved {
            tracing::warn!(file = %kept.display(), %error, "what is cut off the ledger can't be kept");
        }
        self.file.set_len(self.end).map_err(failed)?;
        tracing::warn!(
            file = %self.path.display(),
            offset = self.end,
            bytes = rest.len(),
            whole_records = whole,
            "the end of the ledger's journal was not written whole and is cut off"
        );
        Ok(())
    }

    /// Says that another generation goes on.
    pub(super) fn close(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.append(buffer, Content::Closed)?;
        self.closed = true;
        Ok(())
    }

    /// Takes that back. Called under the lock under which it was said.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let end = self.end.saturating_sub(CLOSING);
        self.file.set_len(end)?;
        (self.end, self.closed) = (end, false);
        Ok(())
    }

    /// Appends a frame, whole or not at all.
    pub(super) fn append(&mut self, buffer: &mut Vec<u8>, content: Content<'_>) -> io::Result<()> {
        buffer.clear();
        frame::write(buffer, self.number, self.end, content)?;
        if let Err(error) = self.file.write_all_at(buffer, self.end) {
            // Where this fails as well, whoever is next finds a broken frame and cuts it off.
            self.file.set_len(self.end)?;
            return Err(error);
        }
        self.end += buffer.len() as u64;
        Ok(())
    }
}

/// Reads as much as there is, up to the buffer's length.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

//! Signed statements of how far the log had come, kept apart from it.
//!
//! A hash chain can't show that its end was cut off, and somebody with the key can compute it
//! anew. A checkpoint names a record and its hash, is signed (Ed25519) and lies in another place
//! than the log. The first one of a log names record 0 and is written before its first record, so
//! that a log without any checkpoint is known to have lost them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Deserialize;

use super::chain::{Head, HexHash};
use super::json::push_timestamp;
use super::keys::LogKeys;
use super::lines::LONGEST_LINE;
use super::record::{number, text};
use crate::clock::Timestamp;

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) log_id: String,
    pub(super) lineage: u32,
    pub(super) head: Head,
}

/// A line of the checkpoint file.
#[derive(Debug)]
pub(super) enum Entry {
    Signed(Checkpoint),
    /// A whole line that this log's key did not sign.
    Forged {
        line: u64,
    },
}

impl Checkpoint {
    /// Appends the checkpoint to `path` and waits for the disk.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn append(&self, path: &Path, keys: &LogKeys, now: Timestamp) -> io::Result<()> {
        let line = self.line(keys, now);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let mut block = Vec::with_capacity(line.len() + 1);
        if ends_in_half_a_line(&mut file)? {
            block.push(b'\n');
        }
        block.extend_from_slice(&line);
        file.write_all(&block)?;
        file.sync_data()
    }

    fn line(&self, keys: &LogKeys, now: Timestamp) -> Vec<u8> {
        let mut line = Vec::with_capacity(512);
        text(&mut line, b"{\"log_id\":", &self.log_id);
        number(&mut line, b",\"lineage\":", self.lineage.into());
        number(&mut line, b",\"seq\":", self.head.seq);
        number(&mut line, b",\"count\":", self.head.seq);
        text(&mut line, b",\"head\":", self.head.hash_text());
        line.extend_from_slice(b",\"ts\":");
        push_timestamp(&mut line, now);
        let signature = keys.sign(&line);
        text(&mut line, SIGNATURE, &signature);
        line.extend_from_slice(b"}\n");
        line
    }

    fn parse(line: &[u8], keys: &LogKeys) -> Option<Self> {
        #[derive(Deserialize)]
        struct Written {
            log_id: String,
            lineage: u32,
            seq: u64,
            head: String,
            signature: String,
        }
        let written: Written = serde_json::from_slice(line).ok()?;
        let signed = line
            .strip_suffix(b"\"}")?
            .strip_suffix(written.signature.as_bytes())?
            .strip_suffix(b"\"")?
            .strip_suffix(SIGNATURE)?;
        if !keys.signed(signed, &written.signature) {
            return None;
        }
        let hash: HexHash = written.head.as_bytes().try_into().ok()?;
        Some(Self {
            log_id: written.log_id,
            lineage: written.lineage,
            head: Head {
                seq: written.seq,
                hash,
            },
        })
    }
}

const SIGNATURE: &[u8] = b",\"signature\":";

/// All checkpoints of the file, oldest first; none if there is no file. A line without its end is
/// left out: it is what a crash leaves.
///
/// # Errors
/// The file can't be read.
pub(super) fn read(path: &Path, keys: &LogKeys) -> io::Result<Vec<Entry>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let (mut entries, mut line, mut count) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        if reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(entries);
        }
        count += 1;
        let Some(whole) = line.strip_suffix(b"\n") else {
            continue;
        };
        match Checkpoint::parse(whole, keys) {
            Some(checkpoint) => entries.push(Entry::Signed(checkpoint)),
            // A line that a crash tore and the next start closed is no object.
            None if !whole.ends_with(b"\"}") => {}
            None => entries.push(Entry::Forged { line: count }),
        }
    }
}

/// The last checkpoint of a lineage.
///
/// # Errors
/// The file can't be read.
pub(super) fn latest(path: &Path, keys: &LogKeys, lineage: u32) -> io::Result<Option<Checkpoint>> {
    let entries = read(path, keys)?;
    Ok(entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Signed(checkpoint) if checkpoint.lineage == lineage => Some(checkpoint),
        Entry::Signed(_) | Entry::Forged { .. } => None,
    }))
}

fn ends_in_half_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

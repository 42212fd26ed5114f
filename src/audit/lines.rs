//! A log file read forwards, line by line, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Longest line that is read: several times what the caps of a record's fields add up to.
pub(super) const LONGEST_LINE: u64 = 1 << 20;

/// What a file holds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'reader> {
    /// A line, without its line break.
    Whole(&'reader [u8]),
    /// Bytes at the end of the file without a line break, or no line at all: a NUL byte, which no
    /// record holds, shows that a crash lost the page.
    Torn,
    /// Longer than any record.
    TooLong,
}

/// Reads one file.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    offset: u64,
    count: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            reader: BufReader::with_capacity(256 << 10, File::open(path)?),
            line: Vec::new(),
            offset: 0,
            count: 0,
        })
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut bounded = self.reader.by_ref().take(LONGEST_LINE);
        let read = bounded.read_until(b'\n', &mut self.line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.count += 1;
        let Some(line) = self.line.strip_suffix(b"\n") else {
            return Ok(Some(if read == LONGEST_LINE {
                Line::TooLong
            } else {
                Line::Torn
            }));
        };
        if line.contains(&0) {
            return Ok(Some(Line::Torn));
        }
        self.offset += read;
        Ok(Some(Line::Whole(line)))
    }

    /// Bytes of the whole lines read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of the line read last, from 1.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

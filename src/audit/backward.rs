//! A log file read from its end, in bounded memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::lines::LONGEST_LINE;

const BLOCK: u64 = 64 << 10;

/// Reads whole lines before a place in a file, last one first.
#[derive(Debug)]
pub(super) struct Backward {
    file: File,
    /// Bytes of the file from `start` on that are not given out yet.
    held: Vec<u8>,
    start: u64,
}

impl Backward {
    /// Lines that end at or before `end`, or before the file's end.
    pub(super) fn open(path: &Path, end: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            held: Vec::new(),
            start: end.map_or(length, |end| end.min(length)),
        })
    }

    /// The line before the one given last, with its offset, without its line break. What stands
    /// behind the last line break of the file is half a line and left out.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let Some(last) = self.held.iter().rposition(|byte| *byte == b'\n') else {
                if self.start == 0 || self.held.len() as u64 > LONGEST_LINE {
                    return Ok(None);
                }
                self.read_block()?;
                continue;
            };
            self.held.truncate(last + 1);
            let before = self.held.get(..last).unwrap_or_default();
            match before.iter().rposition(|byte| *byte == b'\n') {
                Some(previous) => {
                    let line = before.get(previous + 1..).unwrap_or_default().to_vec();
                    self.held.truncate(previous + 1);
                    return Ok(Some((self.start + previous as u64 + 1, line)));
                }
                None if self.start == 0 => {
                    let line = before.to_vec();
                    self.held.clear();
                    return Ok(Some((0, line)));
                }
                None if self.held.len() as u64 > LONGEST_LINE => return Ok(None),
                None => self.read_block()?,
            }
        }
    }

    fn read_block(&mut self) -> io::Result<()> {
        let size = self.start.min(BLOCK);
        let mut block = vec![0; size as usize];
        self.file.read_exact_at(&mut block, self.start - size)?;
        block.append(&mut self.held);
        self.held = block;
        self.start -= size;
        Ok(())
    }
}

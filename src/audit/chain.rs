//! The hash chain: a line's shape, how one is sealed and how one is checked.
//!
//! A line is `{"seq":17,` + body + `,"prev":"…","hash":"…"}`. `hash` is the keyed BLAKE3 of the
//! line's bytes up to `,"hash":`; `prev` is the `hash` of the line before, 64 zeros for the first.
//! The exact bytes are what is hashed, so checking needs no canonical form and no JSON parser.
//! Without the key nobody can recompute a chain that was edited.

use super::json::push_number;
use super::keys::LogKeys;

/// Fixed-size ends of a line.
const SEQ: &[u8] = b"{\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";

/// A hash as 64 lower-case hexadecimal digits, the form in which it is written and compared.
pub(super) type HexHash = [u8; 64];

/// The last record of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number; 0 for a chain without records.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) hash: HexHash,
}

impl Head {
    /// The head of an empty chain.
    pub(super) const GENESIS: Self = Self {
        seq: 0,
        hash: [b'0'; 64],
    };

    /// The hash as text.
    pub(super) fn hash_text(&self) -> &str {
        std::str::from_utf8(&self.hash).unwrap_or_default()
    }
}

/// Appends the line that puts `body` behind `head`, and returns the new head.
pub(super) fn seal(keys: &LogKeys, head: Head, body: &[u8], out: &mut Vec<u8>) -> Head {
    let start = out.len();
    let seq = head.seq + 1;
    out.extend_from_slice(SEQ);
    push_number(out, seq);
    out.push(b',');
    out.extend_from_slice(body);
    out.extend_from_slice(PREV);
    out.extend_from_slice(&head.hash);
    out.push(b'"');
    let hash = keys.chain_hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(HASH);
    out.extend_from_slice(&hash);
    out.extend_from_slice(END);
    out.push(b'\n');
    Head { seq, hash }
}

/// The parts of a line that tie it into the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'line> {
    pub(super) seq: u64,
    pub(super) prev: &'line HexHash,
    pub(super) hash: &'line HexHash,
    covered: &'line [u8],
}

impl<'line> Link<'line> {
    /// Reads the parts of a line without its line break; `None` if it has not the shape of one.
    pub(super) fn parse(line: &'line [u8]) -> Option<Self> {
        let (rest, hash) = line.strip_suffix(END)?.split_last_chunk::<64>()?;
        let covered = rest.strip_suffix(HASH)?;
        let (rest, prev) = covered.strip_suffix(b"\"")?.split_last_chunk::<64>()?;
        let rest = rest.strip_suffix(PREV)?.strip_prefix(SEQ)?;
        let digits = rest.split(|byte| *byte == b',').next()?;
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self {
            seq,
            prev,
            hash,
            covered,
        })
    }

    /// Whether the line is as it was sealed.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check(&self, keys: &LogKeys) -> Result<(), Problem> {
        if keys.chain_hash(self.covered) == *self.hash {
            Ok(())
        } else {
            Err(Problem::Edited)
        }
    }

    /// Whether the line follows `head`.
    ///
    /// # Errors
    /// Its number or its `prev` says otherwise.
    pub(super) fn follows(&self, head: &Head) -> Result<(), Problem> {
        if self.seq != head.seq + 1 {
            Err(Problem::OutOfOrder {
                expected: head.seq + 1,
            })
        } else if *self.prev != head.hash {
            Err(Problem::Unlinked)
        } else {
            Ok(())
        }
    }

    /// The head this line makes.
    pub(super) fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: *self.hash,
        }
    }
}

/// What is wrong with a record, or with the place where one should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The line has not the shape of a record.
    #[error("the line is no record")]
    Malformed,
    /// The record's bytes do not give its hash under this log's key.
    #[error("the record was changed, or written with another key")]
    Edited,
    /// A record is missing, doubled or moved.
    #[error("the record is out of order: number {expected} belongs here")]
    OutOfOrder {
        /// The number that belongs here.
        expected: u64,
    },
    /// `prev` is not the hash of the record before.
    #[error("the record does not continue the one before it")]
    Unlinked,
    /// The chain does not begin at its first record and no checkpoint vouches for that.
    #[error("the log does not begin at record 1, and no checkpoint vouches for its beginning")]
    NoBeginning,
    /// A signed checkpoint names another hash for this record: the chain was computed anew.
    #[error("a signed checkpoint has another hash for this record")]
    ContradictsCheckpoint,
    /// The log ends before a record that a signed checkpoint names.
    #[error("the log was cut off: a signed checkpoint names record {checkpoint}")]
    CutOff {
        /// Number of the last record a checkpoint names.
        checkpoint: u64,
    },
    /// There are records, and no checkpoint of them.
    #[error("no checkpoint of this log can be found")]
    NoCheckpoint,
    /// A line of the checkpoint file is not signed by this log's key.
    #[error("the checkpoint is not signed by this log's key")]
    ForgedCheckpoint,
    /// A checkpoint names another log than the first record does.
    #[error("the checkpoint belongs to another log")]
    OtherLog,
}

//! How records lie in a file: each with its length and a checksum, after a header.
//!
//! The checksum (CRC-32) covers the generation and the place as well: a record that lies where it
//! was not written is none. Only a frame that says what is on disk holds wherever it lies, so that
//! bytes that were taken out before it are missed. Checksums find damage, not malice: who can write
//! the file can write anything.

use std::io;

use crate::clock::Timestamp;

/// Says that a file is ours.
const MAGIC: [u8; 8] = *b"FGledger";
/// The form of the file.
const VERSION: u32 = 1;
/// Bytes of the header.
pub(super) const HEADER: u64 = 40;
/// Bytes of the frame that closes a generation.
pub(super) const CLOSING: u64 = 9;
/// Bytes before each record.
const LEAD: usize = 8;
/// Longest record: a line's history and its names fit many times.
const LONGEST: usize = 1 << 20;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) shard: u32,
    pub(super) generation: u64,
    /// When the generation began.
    pub(super) begun: Timestamp,
}

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// It is something else.
    Foreign,
    /// A later version wrote it.
    Newer(u32),
    /// Its header was not written to the end.
    Torn,
}

impl Header {
    pub(super) fn write(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.shard.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.begun.as_micros().to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.resize(HEADER as usize, 0);
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, NotOurs> {
        if bytes.len() < HEADER as usize {
            let torn = MAGIC.starts_with(bytes) || bytes.starts_with(&MAGIC);
            return Err(if torn {
                NotOurs::Torn
            } else {
                NotOurs::Foreign
            });
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(NotOurs::Torn);
        }
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(NotOurs::Foreign)?;
        let version = u32::from_le_bytes(take(&mut rest).ok_or(NotOurs::Torn)?);
        if version > VERSION {
            return Err(NotOurs::Newer(version));
        }
        let header = Self {
            shard: u32::from_le_bytes(take(&mut rest).ok_or(NotOurs::Torn)?),
            generation: u64::from_le_bytes(take(&mut rest).ok_or(NotOurs::Torn)?),
            begun: Timestamp::from_micros(i64::from_le_bytes(
                take(&mut rest).ok_or(NotOurs::Torn)?,
            )),
        };
        match bytes.starts_with(&header.write()) {
            true => Ok(header),
            false => Err(NotOurs::Torn),
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn checksum(generation: u64, place: u64, payload: &[u8]) -> u32 {
    let place = match payload.first() {
        Some(&SYNCED) => u64::MAX,
        Some(_) | None => place,
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&place.to_le_bytes());
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// What stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A record of the ledger.
    Record(&'a [u8]),
    /// The records before this are those that the generation begins with.
    Begun,
    /// Everything before this byte is known to be on disk.
    Synced(u64),
    /// The next generation goes on.
    Closed,
}

const RECORD: u8 = 0;
const SYNCED: u8 = 1;
const CLOSED: u8 = 2;
const BEGUN: u8 = 3;

/// Appends a frame that is to stand at `place`.
///
/// # Errors
/// The record is longer than any is.
pub(super) fn write(
    to: &mut Vec<u8>,
    generation: u64,
    place: u64,
    content: Content<'_>,
) -> io::Result<()> {
    let start = to.len();
    to.extend_from_slice(&[0; LEAD]);
    match content {
        Content::Record(record) => {
            to.push(RECORD);
            to.extend_from_slice(record);
        }
        Content::Synced(upto) => {
            to.push(SYNCED);
            to.extend_from_slice(&upto.to_le_bytes());
        }
        Content::Closed => to.push(CLOSED),
        Content::Begun => to.push(BEGUN),
    }
    let Some((lead, payload)) = to
        .get_mut(start..)
        .and_then(|frame| frame.split_at_mut_checked(LEAD))
    else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if payload.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (length, sum) = lead.split_at_mut(4);
    length.copy_from_slice(&(payload.len() as u32).to_le_bytes());
    sum.copy_from_slice(&checksum(generation, place, payload).to_le_bytes());
    Ok(())
}

/// A frame that was read, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A whole one.
    Frame(Content<'a>, usize),
    /// The bytes end inside of it.
    Short,
    /// There is none.
    Damaged,
}

/// Reads the frame that `bytes` begin with, which stand at `place`.
pub(super) fn read(bytes: &[u8], generation: u64, place: u64) -> Read<'_> {
    let mut rest = bytes;
    let (Some(length), Some(sum)) = (take(&mut rest), take(&mut rest)) else {
        return Read::Short;
    };
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 || length > LONGEST {
        return Read::Damaged;
    }
    let Some(payload) = rest.get(..length) else {
        return Read::Short;
    };
    if checksum(generation, place, payload) != u32::from_le_bytes(sum) {
        return Read::Damaged;
    }
    let content = match payload.split_first() {
        Some((&RECORD, record)) => Content::Record(record),
        Some((&SYNCED, upto)) => match upto.try_into() {
            Ok(upto) => Content::Synced(u64::from_le_bytes(upto)),
            Err(_) => return Read::Damaged,
        },
        Some((&CLOSED, [])) => Content::Closed,
        Some((&BEGUN, [])) => Content::Begun,
        Some(_) | None => return Read::Damaged,
    };
    Read::Frame(content, LEAD + length)
}

/// The whole frames that are found anywhere in `bytes`, which stand at `place`, whatever is broken
/// between them: how many, and up to which byte one of them says that everything is on disk.
pub(super) fn search(bytes: &[u8], generation: u64, place: u64) -> (usize, u64) {
    let (mut found, mut synced) = (0, 0);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match read(rest, generation, place + at as u64) {
            Read::Frame(content, length) => {
                found += 1;
                if let Content::Synced(upto) = content {
                    synced = synced.max(upto);
                }
                at += length;
            }
            Read::Short | Read::Damaged => at += 1,
        }
    }
    (found, synced)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_read_only_where_it_was_written_and_as_it_was() {
        let mut bytes = Vec::new();
        write(&mut bytes, 3, 40, Content::Record(b"abc")).unwrap();
        let whole = Read::Frame(Content::Record(b"abc"), bytes.len());
        assert_eq!(read(&bytes, 3, 40), whole);
        assert_eq!(read(&bytes, 3, 41), Read::Damaged, "another place");
        assert_eq!(read(&bytes, 2, 40), Read::Damaged, "another generation");
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], 3, 40), Read::Short);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(read(&flipped, 3, 40), Read::Frame(..)),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn what_says_what_is_on_disk_holds_wherever_it_lies_in_its_generation() {
        let mut bytes = Vec::new();
        write(&mut bytes, 3, 40, Content::Synced(99)).unwrap();
        let whole = Read::Frame(Content::Synced(99), bytes.len());
        assert_eq!(read(&bytes, 3, 7), whole);
        assert_eq!(read(&bytes, 4, 40), Read::Damaged);
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(read(&[0; 64], 1, 40), Read::Damaged);
        assert_eq!(search(&[0; 64], 1, 40), (0, 0));
    }

    #[test]
    fn a_header_is_read_as_it_was_written_or_refused_by_its_reason() {
        let header = Header {
            shard: 7,
            generation: 9,
            begun: Timestamp::from_micros(-3),
        };
        let bytes = header.write();
        assert_eq!(Header::read(&bytes), Ok(header));
        assert_eq!(Header::read(&bytes[..20]), Err(NotOurs::Torn));
        assert_eq!(Header::read(&[0; 40]), Err(NotOurs::Torn));
        assert_eq!(Header::read(&[]), Err(NotOurs::Torn));
        assert_eq!(Header::read(b"something else"), Err(NotOurs::Foreign));
        assert_eq!(Header::read(&[b'x'; 40]), Err(NotOurs::Foreign));
        let mut newer = bytes.clone();
        newer[8] = 2;
        assert_eq!(Header::read(&newer), Err(NotOurs::Newer(2)));
        let mut flipped = bytes;
        flipped[20] ^= 1;
        assert_eq!(Header::read(&flipped), Err(NotOurs::Torn));
    }

    proptest! {
        #[test]
        fn frames_behind_damage_are_found(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..8),
            junk in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = junk.clone();
            for payload in &payloads {
                let place = 40 + bytes.len() as u64;
                write(&mut bytes, 5, place, Content::Record(payload)).unwrap();
            }
            let place = 40 + bytes.len() as u64;
            write(&mut bytes, 5, place, Content::Synced(77)).unwrap();
            prop_assert_eq!(search(&bytes, 5, 40), (payloads.len() + 1, 77));
        }
    }
}

//! Amazon's event streams (`application/vnd.amazon.eventstream`), as they come in pieces.
//!
//! A message is a prelude (total length, length of the headers, a CRC-32 of both), headers, a payload
//! and a CRC-32 of all before it; lengths and sums are big-endian. However the stream is split, the
//! same messages come out. A message whose sums don't match ends the reading: its lengths can't be
//! trusted to find the next one.

use bytes::{Buf, Bytes, BytesMut};

/// Total length, length of the headers, sum of the prelude.
const PRELUDE: usize = 12;

/// Of a whole message.
const SUM: usize = 4;

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    largest: usize,
}

impl Decoder {
    /// A decoder for one stream. `largest` bounds a message, in bytes.
    pub fn new(largest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            largest,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next message that is there to its end.
    ///
    /// # Errors
    /// Its sums or lengths are wrong, or it is larger than the bound. The stream can't be followed
    /// any further.
    pub fn next_message(&mut self) -> Result<Option<Message>, MessageFault> {
        let Some(prelude) = self.buffer.get(..PRELUDE) else {
            return Ok(None);
        };
        let (mut lengths, mut sum) = prelude.split_at(PRELUDE - SUM);
        if crc32fast::hash(lengths) != sum.get_u32() {
            return Err(MessageFault::Sum);
        }
        let total = lengths.get_u32() as usize;
        let headers = lengths.get_u32() as usize;
        if headers.saturating_add(PRELUDE + SUM) > total {
            return Err(MessageFault::Length);
        }
        if total > self.largest {
            return Err(MessageFault::TooLarge);
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(total).freeze();
        let mut sum = message.split_off(total - SUM);
        if crc32fast::hash(&message) != sum.get_u32() {
            return Err(MessageFault::Sum);
        }
        message.advance(PRELUDE);
        let payload = message.split_off(headers);
        Ok(Some(Message {
            headers: message,
            payload,
        }))
    }
}

/// Why a stream can't be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// A CRC-32 does not match.
    #[error("a message of the event stream has a wrong checksum")]
    Sum,
    /// A message is shorter than its own parts.
    #[error("a message of the event stream has wrong lengths")]
    Length,
    /// A message has more bytes than may be held.
    #[error("a message of the event stream is too large")]
    TooLarge,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    headers: Bytes,
    payload: Bytes,
}

impl Message {
    /// What it carries.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The first header of this name, where it is a string.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let mut rest = self.headers.as_ref();
        while !rest.is_empty() {
            let (name, after) = counted(rest, 1)?;
            let (kind, after) = after.split_first()?;
            let (value, after) = match kind {
                0 | 1 => after.split_at_checked(0)?,
                2 => after.split_at_checked(1)?,
                3 => after.split_at_checked(2)?,
                4 => after.split_at_checked(4)?,
                5 | 8 => after.split_at_checked(8)?,
                6 | 7 => counted(after, 2)?,
                9 => after.split_at_checked(16)?,
                _ => return None,
            };
            if name == wanted.as_bytes() {
                return (*kind == 7)
                    .then(|| std::str::from_utf8(value).ok())
                    .flatten();
            }
            rest = after;
        }
        None
    }
}

/// Bytes behind their own length, which takes one or two bytes.
fn counted(from: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = from.split_at_checked(width)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with string headers.
    pub(crate) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut fields = Vec::new();
        for (name, value) in headers {
            fields.push(name.len() as u8);
            fields.extend_from_slice(name.as_bytes());
            fields.push(7);
            fields.extend_from_slice(&(value.len() as u16).to_be_bytes());
            fields.extend_from_slice(value.as_bytes());
        }
        sealed(&fields, payload)
    }

    fn sealed(fields: &[u8], payload: &[u8]) -> Vec<u8> {
        let total = PRELUDE + fields.len() + payload.len() + SUM;
        let mut written = (total as u32).to_be_bytes().to_vec();
        written.extend_from_slice(&(fields.len() as u32).to_be_bytes());
        written.extend_from_slice(&crc32fast::hash(&written).to_be_bytes());
        written.extend_from_slice(fields);
        written.extend_from_slice(payload);
        written.extend_from_slice(&crc32fast::hash(&written).to_be_bytes());
        written
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<Message>, MessageFault> {
        let mut decoder = Decoder::new(1 << 16);
        let mut messages = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(message) = decoder.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn headers_and_payload_are_found_whatever_stands_between() {
        let mut fields = Vec::new();
        for (kind, value) in [
            (0_u8, vec![]),
            (1, vec![]),
            (2, vec![9]),
            (3, vec![0; 2]),
            (4, vec![0; 4]),
            (5, vec![0; 8]),
            (6, vec![0, 2, 7, 7]),
            (8, vec![0; 8]),
            (9, vec![0; 16]),
            (7, b"\x00\x08metadata".to_vec()),
        ] {
            let name = if kind == 7 { ":event-type" } else { "x" };
            fields.push(name.len() as u8);
            fields.extend_from_slice(name.as_bytes());
            fields.push(kind);
            fields.extend_from_slice(&value);
        }
        let all = read(&[&sealed(&fields, b"{}")]).unwrap();
        assert_eq!(all[0].header(":event-type"), Some("metadata"));
        assert_eq!(all[0].header("x"), None, "no string");
        assert_eq!(all[0].header(":message-type"), None);
        assert_eq!(all[0].payload().as_ref(), b"{}");
    }

    #[test]
    fn a_known_message_is_read() {
        // The empty message, as the format's description has it.
        let empty = [
            0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98,
            0xc8, 0xff,
        ];
        assert_eq!(sealed(&[], &[]), empty);
        assert_eq!(read(&[&empty]).unwrap().len(), 1);
    }

    #[test]
    fn any_flipped_bit_ends_the_reading() {
        let whole = message(&[(":event-type", "metadata")], b"{\"usage\":{}}");
        assert!(read(&[&whole]).is_ok());
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&[&flipped]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_message_beyond_the_bound_is_refused_before_it_is_held() {
        let large = message(&[], &[0; 100_000]);
        assert_eq!(read(&[&large[..PRELUDE]]), Err(MessageFault::TooLarge));
        let fits = message(&[], &[0; (1 << 16) - PRELUDE - SUM]);
        assert_eq!(read(&[&fits]).unwrap().len(), 1);
    }

    #[test]
    fn lengths_that_contradict_each_other_are_refused() {
        let mut short = 15_u32.to_be_bytes().to_vec();
        short.extend_from_slice(&0_u32.to_be_bytes());
        short.extend_from_slice(&crc32fast::hash(&short).to_be_bytes());
        assert_eq!(read(&[&short]), Err(MessageFault::Length));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
            size in 1_usize..50,
        ) {
            let stream: Vec<u8> = payloads
                .iter()
                .flat_map(|payload| message(&[(":event-type", "chunk")], payload))
                .collect();
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            let read = read(&pieces).unwrap();
            let found: Vec<Vec<u8>> = read.iter().map(|one| one.payload().to_vec()).collect();
            prop_assert_eq!(found, payloads);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&bytes]);
        }
    }
}

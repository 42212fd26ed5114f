//! A client's messages read whole, for the routes that look into them.
//!
//! What is handed on is what the client sent, byte for byte; a message in pieces leaves in one run,
//! and control frames that came between its pieces leave before it, where they mean the same.

use bytes::{Bytes, BytesMut};

use super::frame::{FrameFault, FrameHeader, Opcode, Order, Sender, unmask};

/// What a client sent, ready to be judged and handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A text message.
    Text {
        /// Its frames as they came.
        raw: Bytes,
        /// What it says, unmasked; not yet known to be UTF-8.
        text: Vec<u8>,
    },
    /// A binary message began.
    Binary,
    /// A ping or a pong.
    Control {
        /// The frame as it came.
        raw: Bytes,
    },
    /// A close frame; nothing follows.
    Close {
        /// The frame as it came.
        raw: Bytes,
    },
}

/// Why a client's messages can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// No frames of a client.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// A message with its frames is larger than the limit.
    #[error("a message is larger than the limit")]
    TooBig,
}

/// Reads what a client sends; no extension may have been agreed on.
#[derive(Debug)]
pub struct MessageReader {
    limit: usize,
    order: Order,
    buffer: BytesMut,
    raw: BytesMut,
    text: Vec<u8>,
    closed: bool,
}

impl MessageReader {
    /// A reader that keeps at most about `limit` bytes of one message.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            order: Order::default(),
            buffer: BytesMut::new(),
            raw: BytesMut::new(),
            text: Vec::new(),
            closed: false,
        }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that were taken and not handed on.
    pub fn held(&self) -> usize {
        self.buffer.len() + self.raw.len() + self.text.len()
    }

    /// The next unit; `None` where more has to come.
    ///
    /// # Errors
    /// See [`MessageFault`]. The reader is of no use afterwards.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, MessageFault> {
        loop {
            if self.closed && !self.buffer.is_empty() {
                return Err(FrameFault::Order.into());
            }
            let Some(header) = FrameHeader::parse(&self.buffer, Sender::Client)? else {
                return Ok(None);
            };
            let length = usize::try_from(header.length).map_err(|_| MessageFault::TooBig)?;
            let size = header.size.saturating_add(length);
            if self.raw.len().saturating_add(size) > self.limit {
                return Err(MessageFault::TooBig);
            }
            if self.buffer.len() < size {
                return Ok(None);
            }
            self.order.follow(&header, false)?;
            let raw = self.buffer.split_to(size);
            match header.opcode {
                Opcode::Close => {
                    self.closed = true;
                    return Ok(Some(Unit::Close { raw: raw.freeze() }));
                }
                Opcode::Ping | Opcode::Pong => {
                    return Ok(Some(Unit::Control { raw: raw.freeze() }));
                }
                Opcode::Binary => return Ok(Some(Unit::Binary)),
                Opcode::Text | Opcode::Continuation => {}
            }
            let payload = raw.get(header.size..).unwrap_or_default();
            let begun = self.text.len();
            self.text.extend_from_slice(payload);
            if let (Some(mask), Some(added)) = (header.mask, self.text.get_mut(begun..)) {
                unmask(added, mask);
            }
            self.raw.extend_from_slice(&raw);
            if header.last {
                return Ok(Some(Unit::Text {
                    raw: self.raw.split().freeze(),
                    text: std::mem::take(&mut self.text),
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 8, 9, 10];
        let mut masked = payload.to_vec();
        unmask(&mut masked, mask);
        let mut frame = vec![first, 0x80 | payload.len() as u8];
        frame.extend_from_slice(&mask);
        frame.extend_from_slice(&masked);
        frame
    }

    fn units(bytes: &[u8]) -> Result<Vec<Unit>, MessageFault> {
        let mut reader = MessageReader::new(64);
        let mut units = Vec::new();
        for byte in bytes {
            reader.push(&[*byte]);
            units.extend(reader.next_unit()?);
        }
        Ok(units)
    }

    #[test]
    fn a_message_in_pieces_is_read_as_one_and_handed_on_as_it_came() {
        let (begin, ping, end) = (frame(0x01, b"he"), frame(0x89, b"?"), frame(0x80, b"llo"));
        let read = units(&[&begin[..], &ping, &end].concat()).unwrap();
        let control = Unit::Control { raw: ping.into() };
        let text = Unit::Text {
            raw: [&begin[..], &end].concat().into(),
            text: b"hello".to_vec(),
        };
        assert_eq!(read, [control, text]);
    }

    #[test]
    fn a_close_frame_is_the_last_thing_read() {
        let close = frame(0x88, &[3, 232]);
        let raw = Bytes::from(close.clone());
        assert_eq!(units(&close).unwrap(), [Unit::Close { raw }]);
        let behind = [&close[..], &frame(0x81, b"x")].concat();
        assert_eq!(units(&behind), Err(FrameFault::Order.into()));
    }

    #[test]
    fn a_message_is_bounded_whole_and_in_pieces() {
        assert!(units(&frame(0x81, &[b'x'; 58])).is_ok());
        assert_eq!(units(&frame(0x81, &[b'x'; 59])), Err(MessageFault::TooBig));
        let pieces = [frame(0x01, &[b'x'; 40]), frame(0x80, &[b'x'; 40])].concat();
        assert_eq!(units(&pieces), Err(MessageFault::TooBig));
    }

    #[test]
    fn binary_and_compressed_messages_are_told() {
        assert_eq!(units(&frame(0x82, b"x")).unwrap(), [Unit::Binary]);
        let compressed = FrameFault::ReservedBits;
        assert_eq!(units(&frame(0xc1, b"x")), Err(compressed.into()));
    }
}

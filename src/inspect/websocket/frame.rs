//! One frame's header (RFC 6455 section 5.2).

/// Who sends: what a client sends is masked, what a server sends is not (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The side that asked for the connection.
    Client,
    /// The side that was asked.
    Server,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The message before goes on.
    Continuation,
    /// A text message, or its beginning.
    Text,
    /// A binary message, or its beginning.
    Binary,
    /// The connection is to end.
    Close,
    /// A question whether the other side is there.
    Ping,
    /// The answer to it.
    Pong,
}

impl Opcode {
    /// Whether the frame stands between messages and belongs to none.
    pub fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

/// Why bytes are no frame of this sender. An endpoint fails such a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// An opcode that RFC 6455 leaves open.
    #[error("a frame of an unknown kind")]
    Opcode,
    /// Bits that only an extension gives a meaning.
    #[error("a frame with reserved bits")]
    ReservedBits,
    /// Unmasked from a client or masked from a server.
    #[error("a frame that is masked by the wrong side")]
    Mask,
    /// A control frame that is fragmented or longer than 125 bytes.
    #[error("a control frame in pieces or too long")]
    Control,
    /// A continuation of nothing, or a message inside another.
    #[error("a frame out of order")]
    Order,
    /// Lengths are written as short as they can be and below 2^63.
    #[error("a frame length that is not written as it has to be")]
    Length,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the message ends with it.
    pub last: bool,
    /// The first reserved bit: a message that permessage-deflate compressed (RFC 7692 section 6).
    pub compressed: bool,
    /// What it is.
    pub opcode: Opcode,
    /// The key its payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Length of its payload in bytes.
    pub length: u64,
    /// Length of the header itself in bytes.
    pub size: usize,
}

/// Longest header in bytes.
pub(super) const LONGEST_HEADER: usize = 14;

/// Longest payload of a control frame in bytes.
const LONGEST_CONTROL: u64 = 125;

impl FrameHeader {
    /// Reads the header at the front of `bytes`; `None` where more of it has to come.
    ///
    /// # Errors
    /// See [`FrameFault`].
    pub fn parse(bytes: &[u8], sender: Sender) -> Result<Option<Self>, FrameFault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(FrameFault::Opcode),
        };
        if first & 0x30 != 0 {
            return Err(FrameFault::ReservedBits);
        }
        if (second & 0x80 != 0) != (sender == Sender::Client) {
            return Err(FrameFault::Mask);
        }
        let (length, rest) = match (second & 0x7f, rest) {
            (126, [high, low, rest @ ..]) => {
                let length = u64::from(u16::from_be_bytes([*high, *low]));
                (written_shortly(length, 125)?, rest)
            }
            (127, rest) => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => {
                    let length = u64::from_be_bytes(*length);
                    (written_shortly(length, u64::from(u16::MAX))?, rest)
                }
                None => return Ok(None),
            },
            (126, _) => return Ok(None),
            (short, rest) => (u64::from(short), rest),
        };
        let (mask, rest) = match (sender, rest.split_first_chunk::<4>()) {
            (Sender::Server, _) => (None, rest),
            (Sender::Client, Some((mask, rest))) => (Some(*mask), rest),
            (Sender::Client, None) => return Ok(None),
        };
        let header = Self {
            last: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            opcode,
            mask,
            length,
            size: bytes.len() - rest.len(),
        };
        let control_fits = header.last && length <= LONGEST_CONTROL && !header.compressed;
        if opcode.is_control() && !control_fits {
            return Err(FrameFault::Control);
        }
        Ok(Some(header))
    }
}

/// A length has one spelling (section 5.2), so that nobody can disagree about where a frame ends.
fn written_shortly(length: u64, shorter: u64) -> Result<u64, FrameFault> {
    if length > shorter && length <= i64::MAX as u64 {
        Ok(length)
    } else {
        Err(FrameFault::Length)
    }
}

/// Which frames may follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// A message began and has not ended.
    in_message: bool,
}

impl Order {
    /// Takes the next frame of a side.
    ///
    /// # Errors
    /// It is out of order, or compressed where nothing may be.
    pub(super) fn follow(
        &mut self,
        header: &FrameHeader,
        may_compress: bool,
    ) -> Result<(), FrameFault> {
        if header.compressed && (!may_compress || header.opcode == Opcode::Continuation) {
            return Err(FrameFault::ReservedBits);
        }
        match (header.opcode, self.in_message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
            (Opcode::Continuation, true) | (Opcode::Text | Opcode::Binary, false) => {
                self.in_message = !header.last;
            }
            (Opcode::Continuation, false) | (Opcode::Text | Opcode::Binary, true) => {
                return Err(FrameFault::Order);
            }
        }
        Ok(())
    }
}

/// A close frame with this status and reason (section 5.5.1); masked with `mask` if it is to pass
/// for a client's. A reason beyond 123 bytes is left out.
pub fn close_frame(status: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let reason = if reason.len() <= 123 { reason } else { "" };
    let mut payload = status.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut frame = vec![0x88, length];
    if let Some(mask) = mask {
        frame = vec![0x88, length | 0x80];
        frame.extend_from_slice(&mask);
        unmask(&mut payload, mask);
    }
    frame.extend_from_slice(&payload);
    frame
}

/// Masks or unmasks, which is the same (section 5.3).
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8], sender: Sender) -> Result<Option<FrameHeader>, FrameFault> {
        FrameHeader::parse(bytes, sender)
    }

    #[test]
    fn the_examples_of_rfc_6455_section_5_7_are_read() {
        let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        let header = parsed(&unmasked, Sender::Server).unwrap().unwrap();
        assert_eq!((header.length, header.size, header.last), (5, 2, true));
        assert_eq!(header.opcode, Opcode::Text);

        let masked = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        let header = parsed(&masked, Sender::Client).unwrap().unwrap();
        assert_eq!((header.length, header.size), (5, 6));
        let mut payload = masked[6..].to_vec();
        unmask(&mut payload, header.mask.unwrap());
        assert_eq!(payload, b"Hello");

        let binary_256 = [0x82, 0x7e, 0x01, 0x00];
        assert_eq!(
            parsed(&binary_256, Sender::Server).unwrap().unwrap().length,
            256
        );
        let binary_64k = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(
            parsed(&binary_64k, Sender::Server).unwrap().unwrap().length,
            65_536
        );
    }

    #[test]
    fn a_header_that_is_not_there_yet_is_waited_for() {
        let whole = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        for cut in 0..whole.len() {
            assert_eq!(parsed(&whole[..cut], Sender::Client), Ok(None), "{cut}");
        }
        assert_eq!(
            parsed(&whole, Sender::Client).unwrap().unwrap().size,
            LONGEST_HEADER
        );
    }

    #[test]
    fn what_is_no_frame_of_the_sender_is_a_fault() {
        for (bytes, sender, fault) in [
            (&[0x83, 0x00][..], Sender::Server, FrameFault::Opcode),
            (&[0xa1, 0x00], Sender::Server, FrameFault::ReservedBits),
            (&[0x81, 0x00], Sender::Client, FrameFault::Mask),
            (&[0x81, 0x80, 0, 0, 0, 0], Sender::Server, FrameFault::Mask),
            (&[0x09, 0x00], Sender::Server, FrameFault::Control),
            (&[0x88, 0x7e, 0, 126], Sender::Server, FrameFault::Control),
            (&[0xc9, 0x00], Sender::Server, FrameFault::Control),
            (&[0x81, 0x7e, 0, 125], Sender::Server, FrameFault::Length),
            (
                &[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 255, 255],
                Sender::Server,
                FrameFault::Length,
            ),
            (
                &[0x81, 0x7f, 128, 0, 0, 0, 0, 0, 0, 0],
                Sender::Server,
                FrameFault::Length,
            ),
        ] {
            assert_eq!(parsed(bytes, sender), Err(fault), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_close_frame_says_its_status_and_reason_to_either_side() {
        assert_eq!(
            close_frame(1008, "no", None),
            [0x88, 4, 0x03, 0xf0, b'n', b'o']
        );
        let mut masked = close_frame(1008, "no", Some([1, 2, 3, 4]));
        let header = parsed(&masked, Sender::Client).unwrap().unwrap();
        assert_eq!((header.opcode, header.length), (Opcode::Close, 4));
        let payload = &mut masked[header.size..];
        unmask(payload, [1, 2, 3, 4]);
        assert_eq!(payload, [0x03, 0xf0, b'n', b'o']);
        assert_eq!(close_frame(1008, &"x".repeat(124), None).len(), 4);
    }
}

//! Following frames that pass: where one ends, and whether they keep to the protocol.

use super::frame::{FrameFault, FrameHeader, LONGEST_HEADER, Opcode, Order, Sender};

/// Follows what one side sends; keeps a header at most.
#[derive(Clone, Debug)]
pub struct FrameTracker {
    sender: Sender,
    compresses: bool,
    order: Order,
    header: [u8; LONGEST_HEADER],
    /// Bytes of the header so far.
    read: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    closing: bool,
    closed: bool,
}

impl FrameTracker {
    /// Follows `sender`; `compresses` where permessage-deflate was agreed on.
    pub fn new(sender: Sender, compresses: bool) -> Self {
        Self {
            sender,
            compresses,
            order: Order::default(),
            header: [0; LONGEST_HEADER],
            read: 0,
            payload: 0,
            closing: false,
            closed: false,
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// The bytes are no frames of this sender, or stand behind its close frame. Nothing can be said
    /// of what follows then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), FrameFault> {
        loop {
            if self.payload > 0 {
                let passing = usize::try_from(self.payload)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.payload -= passing as u64;
                bytes = bytes.get(passing..).unwrap_or_default();
                if self.payload > 0 {
                    return Ok(());
                }
            }
            self.closed |= self.closing && self.read == 0;
            let [next, rest @ ..] = bytes else {
                return Ok(());
            };
            if self.closed {
                return Err(FrameFault::Order);
            }
            if let Some(place) = self.header.get_mut(self.read) {
                *place = *next;
                self.read += 1;
            }
            bytes = rest;
            let header = self.header.get(..self.read).unwrap_or_default();
            if let Some(header) = FrameHeader::parse(header, self.sender)? {
                self.order.follow(&header, self.compresses)?;
                self.closing = header.opcode == Opcode::Close;
                self.payload = header.length;
                self.read = 0;
            }
        }
    }

    /// Whether everything read so far is whole frames: another frame can be written here.
    pub fn is_between_frames(&self) -> bool {
        self.read == 0 && self.payload == 0
    }

    /// How many of the next `available` bytes can be written without going past the end of the
    /// frame under way; 0 between frames.
    pub fn within_frame(&self, available: usize) -> usize {
        let rest = if self.read > 0 { 1 } else { self.payload };
        usize::try_from(rest).unwrap_or(usize::MAX).min(available)
    }

    /// Whether the sender's close frame has passed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::close_frame;
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(length as u8),
            length => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn follow(bytes: &[u8]) -> Result<FrameTracker, FrameFault> {
        let mut tracker = FrameTracker::new(Sender::Server, false);
        tracker.push(bytes).map(|()| tracker)
    }

    #[test]
    fn a_message_in_pieces_may_hold_control_frames_and_no_other_message() {
        let (begin, ping) = (frame(0x01, b"a"), frame(0x89, b"p"));
        let (more, end) = (frame(0x00, b"b"), frame(0x80, b"c"));
        let whole = [&begin[..], &ping, &more, &end].concat();
        assert!(follow(&whole).unwrap().is_between_frames());

        let nested = [&begin[..], &frame(0x82, b"x")].concat();
        assert_eq!(follow(&nested).unwrap_err(), FrameFault::Order);
        assert_eq!(follow(&more).unwrap_err(), FrameFault::Order);
    }

    #[test]
    fn compressed_messages_pass_where_they_were_agreed_on() {
        let compressed = frame(0xc1, b"x");
        assert_eq!(follow(&compressed).unwrap_err(), FrameFault::ReservedBits);
        let mut agreed = FrameTracker::new(Sender::Server, true);
        agreed.push(&compressed).unwrap();
        assert!(agreed.is_between_frames());
    }

    #[test]
    fn nothing_stands_behind_a_close_frame() {
        let close = close_frame(1000, "", None);
        assert!(follow(&close).unwrap().is_closed());
        assert!(follow(&[0x88, 0]).unwrap().is_closed());
        assert!(!follow(&close[..3]).unwrap().is_closed());
        let more = [&close[..], &[0x81]].concat();
        assert_eq!(follow(&more).unwrap_err(), FrameFault::Order);
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_frames_are_cut(
            lengths in prop::collection::vec(0usize..300, 1..8),
            cut in 0usize..2000,
        ) {
            let frames: Vec<Vec<u8>> = lengths.iter().map(|length| frame(0x82, &vec![0x81; *length])).collect();
            let whole = frames.concat();
            let cut = cut.min(whole.len());
            let mut tracker = FrameTracker::new(Sender::Server, false);
            tracker.push(&whole[..cut]).unwrap();
            let mut end = 0;
            let at_boundary = cut == 0 || frames.iter().any(|frame| { end += frame.len(); end == cut });
            prop_assert_eq!(tracker.is_between_frames(), at_boundary);

            // Writing only what `within_frame` allows leads to the end of the frame under way.
            let mut at = cut;
            while tracker.within_frame(whole.len() - at) > 0 {
                let step = tracker.within_frame(whole.len() - at);
                tracker.push(&whole[at..at + step]).unwrap();
                at += step;
            }
            prop_assert!(tracker.is_between_frames());
            tracker.push(&whole[at..]).unwrap();
            prop_assert!(tracker.is_between_frames());
        }
    }
}

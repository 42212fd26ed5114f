//! Where one server-sent event ends and the next has not begun (HTML Living Standard,
//! "Server-sent events", section 9.2.6).
//!
//! Only there can an event be put into a stream that somebody else writes: anywhere else it would
//! complete what the writer had half said, and the client would take the half for a whole.

/// Follows an event stream; nothing is kept of what it says.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventBoundary {
    line: Line,
    /// The event under way has a field, so that an empty line would dispatch it.
    begun: bool,
    /// The last byte was a CR, which a LF behind it belongs to.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Nothing of it was read.
    #[default]
    Empty,
    /// It begins with a colon and means nothing.
    Comment,
    /// A field, or its beginning.
    Field,
}

impl EventBoundary {
    /// Reads on.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            let ends = matches!(byte, b'\r' | b'\n');
            rest = match self.line {
                Line::Comment | Line::Field if !ends => {
                    // Behind its first byte a line says nothing before its end.
                    self.after_cr = false;
                    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    rest.get(end..).unwrap_or_default()
                }
                Line::Empty | Line::Comment | Line::Field => {
                    self.read(*byte);
                    behind
                }
            };
        }
    }

    /// Reads the first byte of a line, or its end.
    fn read(&mut self, byte: u8) {
        let second_half = self.after_cr && byte == b'\n';
        self.after_cr = byte == b'\r';
        match (byte, self.line) {
            (b'\n', _) if second_half => {}
            (b'\r' | b'\n', Line::Empty) => self.begun = false,
            (b'\r' | b'\n', Line::Comment) => self.line = Line::Empty,
            (b'\r' | b'\n', Line::Field) => {
                self.begun = true;
                self.line = Line::Empty;
            }
            (b':', Line::Empty) => self.line = Line::Comment,
            (_, Line::Empty) => self.line = Line::Field,
            (_, Line::Comment | Line::Field) => {}
        }
    }

    /// Whether another event can be written here.
    pub fn is_between_events(&self) -> bool {
        self.line == Line::Empty && !self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(stream: &str) -> bool {
        let mut boundary = EventBoundary::default();
        boundary.push(stream.as_bytes());
        boundary.is_between_events()
    }

    #[test]
    fn an_event_ends_at_its_empty_line_and_nowhere_else() {
        for whole in [
            "",
            "data: a\n\n",
            "data: a\r\n\r\n",
            "data: a\r\r",
            "event: x\ndata: a\n\nid: 7\ndata: b\n\n",
            "data: a\n\n\n\n",
        ] {
            assert!(between(whole), "{whole:?}");
        }
        for half in [
            "d",
            "data: a",
            "data: a\n",
            "data: a\r\n",
            "data: a\n\ndata",
            "data: a\n\nid: 7\n",
            "data: a\n: still the same event\n",
        ] {
            assert!(!between(half), "{half:?}");
        }
    }

    #[test]
    fn comments_belong_to_no_event() {
        assert!(between(": ping\n"));
        assert!(between("data: a\n\n: ping\r\n"));
        assert!(
            !between(": pi"),
            "a line that goes on takes what is written behind it"
        );
    }

    #[test]
    fn it_makes_no_difference_how_the_stream_is_cut() {
        let stream = "event: x\r\ndata: a\r\n\r\n: c\n\rdata: b\n\n\r\ndata";
        let mut bytewise = EventBoundary::default();
        for (at, byte) in stream.bytes().enumerate() {
            bytewise.push(&[byte]);
            let whole = between(stream.get(..=at).unwrap());
            assert_eq!(bytewise.is_between_events(), whole, "after {at}");
        }
    }
}

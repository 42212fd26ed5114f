//! Server-sent events, as they come in pieces.
//!
//! [`Decoder`] cuts a stream behind each blank line and gives out [`Frame`]s that hold their exact
//! bytes, so that whoever passes a frame on changes nothing; what a frame says is read from them
//! when it is asked for (WHATWG HTML, "Server-sent events", 9.2.5 and 9.2.6). However the stream is
//! split, the same events come out, and the frames put together are the stream.
//!
//! A frame need not be an event: comments and `retry` lines come alone too.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// How far the buffer was looked through.
    scanned: usize,
    /// Where the line under way begins.
    line: usize,
    /// The byte before the buffer's unscanned part ended a line as a carriage return: a line feed
    /// behind it belongs to the same end.
    after_return: bool,
    /// What is known of the frame under way.
    lead: usize,
    at_beginning: bool,
    largest: usize,
}

impl Decoder {
    /// A decoder for one stream. `largest` bounds a frame, in bytes.
    pub fn new(largest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            line: 0,
            after_return: false,
            lead: 0,
            at_beginning: true,
            largest,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next frame that is there to its end.
    ///
    /// # Errors
    /// One is larger than the bound. The stream can't be followed any further.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLarge> {
        while let Some(ahead) = self
            .buffer
            .get(self.scanned..)
            .filter(|rest| !rest.is_empty())
        {
            if self.after_return {
                self.after_return = false;
                if ahead.first() == Some(&b'\n') {
                    self.scanned += 1;
                    if self.line == 0 {
                        self.lead = 1;
                    }
                    self.line = self.scanned;
                    continue;
                }
            }
            let Some(found) = memchr::memchr2(b'\r', b'\n', ahead) else {
                self.scanned = self.buffer.len();
                break;
            };
            let end = self.scanned + found;
            let is_return = ahead.get(found) == Some(&b'\r');
            let feed_follows = is_return && ahead.get(found + 1) == Some(&b'\n');
            let blank = end == self.line;
            self.scanned = end + 1 + usize::from(feed_follows);
            self.line = self.scanned;
            self.after_return = is_return && !feed_follows;
            if blank {
                return self.cut().map(Some);
            }
        }
        if self.buffer.len() > self.largest {
            return Err(FrameTooLarge);
        }
        Ok(None)
    }

    /// What was taken and not given out in a frame.
    pub fn held(&self) -> &[u8] {
        &self.buffer
    }

    /// What is left at the end of the stream: the beginning of a frame, which is no event without
    /// the blank line behind it.
    pub fn into_rest(self) -> Bytes {
        self.buffer.freeze()
    }

    fn cut(&mut self) -> Result<Frame, FrameTooLarge> {
        if self.scanned > self.largest {
            return Err(FrameTooLarge);
        }
        let frame = Frame {
            bytes: self.buffer.split_to(self.scanned).freeze(),
            lead: self.lead,
            first: self.at_beginning,
        };
        self.scanned = 0;
        self.line = 0;
        self.lead = 0;
        self.at_beginning = false;
        Ok(frame)
    }
}

/// A frame has more bytes than may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is too large")]
pub struct FrameTooLarge;

/// The lines up to a blank one, and the blank one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    lead: usize,
    first: bool,
}

impl Frame {
    /// Its exact bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What of its bytes ends the frame before: a line feed that came after the frame was given out,
    /// behind a carriage return. It has to be passed on even where the frame is not.
    pub fn lead(&self) -> Bytes {
        self.bytes.slice(..self.lead.min(self.bytes.len()))
    }

    /// The event's data, its lines joined by line feeds; `None` where the frame is no event.
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut joined: Option<Cow<'_, [u8]>> = None;
        for value in self.values(b"data") {
            joined = Some(match joined {
                None => Cow::Borrowed(value),
                Some(before) => {
                    let mut before = before.into_owned();
                    before.push(b'\n');
                    before.extend_from_slice(value);
                    Cow::Owned(before)
                }
            });
        }
        joined
    }

    /// The event's type: `message` where it names none.
    pub fn event(&self) -> Cow<'_, str> {
        match self.values(b"event").last() {
            Some(name) if !name.is_empty() => String::from_utf8_lossy(name),
            Some(_) | None => Cow::Borrowed("message"),
        }
    }

    /// The id by which a client asks for what came after this event. One with a NUL counts for none.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.values(b"id")
            .filter(|id| !id.contains(&0))
            .last()
            .map(String::from_utf8_lossy)
    }

    /// The same frame with other data: every other line stays as it is.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Bytes {
        let mut written = BytesMut::with_capacity(self.bytes.len() + data.len());
        written.extend_from_slice(&self.lead());
        let mut placed = false;
        for line in self.lines() {
            if field(line.text).is_none_or(|(name, _)| name != b"data") {
                written.extend_from_slice(line.whole);
            } else if !placed {
                placed = true;
                // A line end within JSON is a blank between its parts.
                for part in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
                    written.extend_from_slice(b"data: ");
                    written.extend_from_slice(part);
                    written.extend_from_slice(line.end());
                }
            }
        }
        written.freeze()
    }

    fn values<'frame>(&'frame self, wanted: &'static [u8]) -> impl Iterator<Item = &'frame [u8]> {
        self.lines()
            .filter_map(|line| field(line.text))
            .filter(move |(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }

    fn lines(&self) -> Lines<'_> {
        let mut rest = self.bytes.as_ref();
        rest.advance(self.lead.min(rest.len()));
        Lines {
            rest,
            mark: self.first,
        }
    }
}

/// A field's name and value; `None` for a comment or a blank line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = match memchr::memchr(b':', line) {
        Some(at) => {
            let (name, value) = line.split_at_checked(at)?;
            let value = value.get(1..)?;
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, &[][..]),
    };
    (!name.is_empty()).then_some((name, value))
}

struct Line<'frame> {
    whole: &'frame [u8],
    text: &'frame [u8],
}

impl<'frame> Line<'frame> {
    fn end(&self) -> &'frame [u8] {
        let end = self.whole.iter().rev();
        let length = end.take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.whole
            .get(self.whole.len() - length..)
            .unwrap_or_default()
    }
}

struct Lines<'frame> {
    rest: &'frame [u8],
    /// Whether a byte order mark may stand before the line.
    mark: bool,
}

impl<'frame> Iterator for Lines<'frame> {
    type Item = Line<'frame>;

    fn next(&mut self) -> Option<Line<'frame>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', self.rest).unwrap_or(self.rest.len());
        let length = match self.rest.get(end..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([_, ..]) => 1,
            Some([]) | None => 0,
        };
        let (whole, rest) = self.rest.split_at_checked(end + length)?;
        let text = whole.get(..end)?;
        self.rest = rest;
        let marked = std::mem::take(&mut self.mark);
        let text = text
            .strip_prefix(b"\xef\xbb\xbf")
            .filter(|_| marked)
            .unwrap_or(text);
        Some(Line { whole, text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(pieces: &[&[u8]]) -> (Vec<Frame>, Bytes) {
        let mut decoder = Decoder::new(1 << 20);
        let mut all = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame().unwrap() {
                all.push(frame);
            }
        }
        (all, decoder.into_rest())
    }

    type Event = (String, Option<Vec<u8>>, Option<String>);

    fn said(frames: &[Frame]) -> Vec<Event> {
        frames
            .iter()
            .map(|frame| {
                (
                    frame.event().into_owned(),
                    frame.data().map(Cow::into_owned),
                    frame.id().map(Cow::into_owned),
                )
            })
            .collect()
    }

    fn event(name: &str, data: &str) -> Event {
        (name.to_owned(), Some(data.as_bytes().to_vec()), None)
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = "event: add|data: 1|data:2|data|:c||data:  x||".replace('|', end);
            let (frames, rest) = frames(&[stream.as_bytes()]);
            assert_eq!(
                said(&frames),
                [event("add", "1\n2\n"), event("message", " x")],
                "{end:?}"
            );
            assert_eq!(rest, Bytes::new());
        }
    }

    #[test]
    fn a_byte_order_mark_counts_at_the_beginning_only() {
        let (all, _) = frames(&["\u{feff}data: a\n\n\u{feff}data: b\n\n".as_bytes()]);
        assert_eq!(all[0].data().as_deref(), Some(&b"a"[..]));
        assert_eq!(all[1].data(), None, "a field of another name");
    }

    #[test]
    fn comments_and_lone_fields_are_no_events_and_keep_their_bytes() {
        let (all, _) = frames(&[b": ping\n\nretry: 5\n\nid: 7\ndata\n\n"]);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].data(), None);
        assert_eq!(all[0].bytes().as_ref(), b": ping\n\n");
        assert_eq!(all[1].data(), None);
        assert_eq!(all[2].data().as_deref(), Some(&b""[..]));
        assert_eq!(all[2].id().as_deref(), Some("7"));
    }

    #[test]
    fn what_has_no_blank_line_behind_it_is_no_frame() {
        let (all, rest) = frames(&[b"data: a\n\ndata: b\n"]);
        assert_eq!(all.len(), 1);
        assert_eq!(rest.as_ref(), b"data: b\n");
    }

    #[test]
    fn a_frame_is_given_out_at_its_carriage_return_and_its_line_feed_follows() {
        let (all, _) = frames(&[b"data: a\r\n\r", b"\ndata: b\r\n\r\n"]);
        assert_eq!(said(&all), [event("message", "a"), event("message", "b")]);
        assert_eq!(all[0].bytes().as_ref(), b"data: a\r\n\r");
        assert_eq!(all[1].lead().as_ref(), b"\n");
    }

    #[test]
    fn a_frame_beyond_the_bound_is_refused_whether_it_ends_or_not() {
        for stream in [&b"data: 12345\n\n"[..], b"data: 12345678"] {
            let mut decoder = Decoder::new(12);
            decoder.push(stream);
            assert_eq!(decoder.next_frame(), Err(FrameTooLarge));
        }
        let mut decoder = Decoder::new(12);
        decoder.push(b"data: 1234\n\ndata: 1234\n\n");
        assert!(decoder.next_frame().unwrap().is_some());
        assert!(decoder.next_frame().unwrap().is_some());
    }

    #[test]
    fn other_data_leaves_every_other_line_as_it_was() {
        let (all, _) = frames(&[b"id:7\r\nDATA: x\r\ndata: [1,\r\ndata: 2]\r\n: c\r\n\r\n"]);
        assert_eq!(
            all[0].with_data(b"[\n2]").as_ref(),
            b"id:7\r\nDATA: x\r\ndata: [\r\ndata: 2]\r\n: c\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events_and_every_byte(
            stream in "(data|event|id|retry|)?(:| |x|\n|\r|\r\n|\n\n|\r\n\r\n|\u{e9}|\u{feff}|data: ){0,60}",
            cuts in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let stream = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([stream.len()]) {
                pieces.push(&stream[from..cut]);
                from = cut;
            }
            let (whole, _) = frames(&[stream]);
            let (split, rest) = frames(&pieces);
            prop_assert_eq!(said(&whole), said(&split));
            let mut together = Vec::new();
            for frame in &split {
                together.extend_from_slice(frame.bytes());
            }
            together.extend_from_slice(&rest);
            prop_assert_eq!(together, stream);
        }
    }
}

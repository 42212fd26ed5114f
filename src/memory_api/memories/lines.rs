//! Lines of a body, as its bytes come, within bounds.

use std::collections::VecDeque;

/// The lines that are whole, and the beginning of the next.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes: usize,
    bytes_left: usize,
    begun: Vec<u8>,
    number: u64,
    whole: VecDeque<(u64, Vec<u8>)>,
}

/// There is more than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLong {
    /// One line.
    #[error("line {0} is too long")]
    Line(u64),
    /// All of it.
    #[error("the body is too large; split it into several imports")]
    Body,
}

impl Lines {
    /// Of at most so many bytes each, and so many in all.
    pub(super) fn new(line_bytes: usize, bytes: usize) -> Self {
        Self {
            line_bytes,
            bytes_left: bytes,
            begun: Vec::new(),
            number: 0,
            whole: VecDeque::new(),
        }
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// They are too many; what was whole before is there nevertheless.
    pub(super) fn feed(&mut self, part: &[u8]) -> Result<(), TooLong> {
        self.bytes_left = match self.bytes_left.checked_sub(part.len()) {
            Some(left) => left,
            None => return Err(TooLong::Body),
        };
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            if self.begun.len() + piece.len() > self.line_bytes {
                return Err(TooLong::Line(self.number + 1));
            }
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.close();
            }
        }
        Ok(())
    }

    /// There are no more bytes: the last line need not be closed.
    ///
    /// # Errors
    /// Never; it is the shape of [`Lines::feed`].
    pub(super) fn end(&mut self) -> Result<(), TooLong> {
        if !self.begun.is_empty() {
            self.close();
        }
        Ok(())
    }

    /// The next whole line that is not blank, with its number from 1.
    pub(super) fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        self.whole.pop_front()
    }

    fn close(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.begun);
        if !line.trim_ascii().is_empty() {
            self.whole.push_back((self.number, line));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(lines: &mut Lines) -> Vec<(u64, String)> {
        std::iter::from_fn(|| lines.next())
            .map(|(number, line)| (number, String::from_utf8(line).unwrap().trim().to_owned()))
            .collect()
    }

    #[test]
    fn blank_lines_count_and_are_not_there() {
        let mut lines = Lines::new(100, 100);
        lines.feed(b"a\n\r\n\nb\r\nc").unwrap();
        lines.end().unwrap();
        let expected = [(1, "a"), (4, "b"), (5, "c")].map(|(at, it)| (at, it.to_owned()));
        assert_eq!(all(&mut lines), expected);
    }

    #[test]
    fn a_line_and_a_body_that_are_too_long_are_refused_and_what_came_before_is_kept() {
        let mut lines = Lines::new(3, 100);
        assert_eq!(lines.feed(b"ab\nabc\n"), Err(TooLong::Line(2)));
        assert_eq!(all(&mut lines), [(1, "ab".to_owned())]);
        let mut lines = Lines::new(100, 3);
        assert_eq!(lines.feed(b"abc"), Ok(()));
        assert_eq!(lines.feed(b"d"), Err(TooLong::Body));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(text in "[ab\n]{0,40}", cuts in proptest::collection::vec(1..7usize, 0..20)) {
            let mut whole = Lines::new(100, 100);
            whole.feed(text.as_bytes()).unwrap();
            whole.end().unwrap();
            let mut chunked = Lines::new(100, 100);
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                chunked.feed(part).unwrap();
                rest = after;
            }
            chunked.feed(rest).unwrap();
            chunked.end().unwrap();
            prop_assert_eq!(all(&mut whole), all(&mut chunked));
        }
    }
}

//! What asking for usage adds to an OpenAI stream, taken out again for a client that did not ask.
//!
//! With `stream_options.include_usage` OpenAI sends one more event before `[DONE]`, with the usage
//! and no choices, and gives every other event a member `"usage": null`. Both go, and nothing else:
//! what is left is, byte for byte, the stream that would have come unasked. Usage in an event that
//! has choices stays: who sends that sends it unasked too.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::inspect::json::{Cursor, JsonFault};
use crate::inspect::sse::Frame;

/// Writes the frames of one stream onward, without what was added to them.
#[derive(Debug, Default)]
pub(super) struct Hiding {
    /// The frame before did not go on: neither does a line feed that still belongs to it.
    after_hidden: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// It went on as it is.
    Whole,
    /// Less of it went on.
    Shortened,
    /// It did not go on, but for what of it ends the frame before.
    Hidden,
}

impl Hiding {
    /// Writes what goes on of a frame. `usage_at`: where its data has the last member `usage`.
    pub(super) fn write(
        &mut self,
        frame: &Frame,
        usage_at: Option<usize>,
        onward: &mut BytesMut,
    ) -> Passed {
        let data = usage_at.and_then(|_| frame.data());
        let added = usage_at.zip(data.as_deref()).and_then(|(at, data)| {
            let usual = null_before_the_end(data, at).map(Added::Member);
            usual.or_else(|| added(data).ok().flatten())
        });
        let lead = frame.lead();
        let kept_lead = if self.after_hidden { 0 } else { lead.len() };
        onward.extend_from_slice(lead.get(..kept_lead).unwrap_or_default());
        let passed = match (added, data) {
            (Some(Added::Event), _) => Passed::Hidden,
            (Some(Added::Member(range)), Some(data)) => {
                let shorter = without(frame, data, range);
                onward.extend_from_slice(shorter.get(lead.len()..).unwrap_or_default());
                Passed::Shortened
            }
            (Some(Added::Member(_)) | None, _) => {
                onward.extend_from_slice(frame.bytes().get(lead.len()..).unwrap_or_default());
                match kept_lead == lead.len() {
                    true => Passed::Whole,
                    false => Passed::Shortened,
                }
            }
        };
        self.after_hidden = passed == Passed::Hidden;
        passed
    }
}

enum Added {
    /// The event is there for the usage only.
    Event,
    /// The member stands here, with the comma that goes with it.
    Member(Range<usize>),
}

/// The member at `at`, with the comma before it, where it is `null` and the document's own: what
/// follows it closes one container. So OpenAI writes it, and nothing before it has to be looked at.
fn null_before_the_end(data: &[u8], at: usize) -> Option<Range<usize>> {
    let comma = at.checked_sub(1)?;
    let tail = data.get(comma..)?.strip_prefix(b",\"usage\":null")?;
    let end = data.len() - tail.len();
    let mut tail = tail;
    let mut open = 0_usize;
    while let Some(at) = tail.iter().position(|byte| b"\"{}[]".contains(byte)) {
        let mark = tail.get(at)?;
        tail = tail.get(at + 1..)?;
        match mark {
            b'"' => loop {
                let at = memchr::memchr2(b'"', b'\\', tail)?;
                let step = if tail.get(at) == Some(&b'"') { 1 } else { 2 };
                tail = tail.get(at + step..)?;
                if step == 1 {
                    break;
                }
            },
            b'{' | b'[' => open += 1,
            _ if open > 0 => open -= 1,
            b'}' => return tail.trim_ascii().is_empty().then_some(comma..end),
            _ => return None,
        }
    }
    None
}

fn added(data: &[u8]) -> Result<Option<Added>, JsonFault> {
    let mut cursor = Cursor::new(data)?;
    cursor.expect(b'{')?;
    let (mut no_choices, mut usage, mut null) = (false, false, None);
    let mut first = true;
    // Where the value before ended, and whether the next member takes the comma behind along.
    let mut kept = None;
    let mut leading = None;
    while cursor.another(first, b'}')? {
        first = false;
        cursor.peek()?;
        let start = cursor.at();
        if let Some(begins) = leading.take() {
            null = Some(begins..start);
        }
        let name = cursor.name()?;
        let span = cursor.skip()?;
        let value = data.get(span.clone()).unwrap_or_default();
        match name.as_ref() {
            "choices" => no_choices = is_empty_array(value),
            "usage" if value == b"null" && null.is_none() => match kept {
                Some(end) => null = Some(end..span.end),
                None => {
                    null = Some(start..span.end);
                    leading = Some(start);
                }
            },
            "usage" => usage = value.starts_with(b"{"),
            _ => {}
        }
        kept = Some(span.end);
    }
    if !cursor.is_at_end() {
        return Err(JsonFault::Syntax);
    }
    Ok(match null {
        _ if usage && no_choices => Some(Added::Event),
        Some(range) if !usage => Some(Added::Member(range)),
        Some(_) | None => None,
    })
}

fn is_empty_array(value: &[u8]) -> bool {
    matches!(value, [b'[', inside @ .., b']'] if inside.trim_ascii().is_empty())
}

/// The frame without a range of its data.
fn without(frame: &Frame, data: Cow<'_, [u8]>, range: Range<usize>) -> Bytes {
    let head = data.get(..range.start).unwrap_or_default();
    let tail = data.get(range.end..).unwrap_or_default();
    let whole = frame.bytes();
    if let Cow::Borrowed(data) = data {
        // The data is one line: the rest of the frame stays where it is.
        let before = data.as_ptr().addr() - whole.as_ptr().addr();
        let lead = whole.get(..before).unwrap_or_default();
        let rest = whole.get(before + data.len()..).unwrap_or_default();
        let mut written = BytesMut::with_capacity(whole.len());
        for part in [lead, head, tail, rest] {
            written.extend_from_slice(part);
        }
        return written.freeze();
    }
    frame.with_data(&[head, tail].concat())
}

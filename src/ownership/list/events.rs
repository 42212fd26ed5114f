//! Lists that come as server-sent events: each event is a list, or one item of it.

use std::borrow::Cow;

use bytes::Bytes;

use super::{ListShape, Listing};
use crate::inspect::sse::Frame;

/// What an event is to a list.
#[derive(Clone, Debug)]
pub enum Event {
    /// It says nothing of any item: a comment, a sign of life, the mark of the end.
    Passes,
    /// It can't be told what it says: it leaves.
    Leaves,
    /// What has to be looked up, and written with [`Frame::with_data`].
    Holds(Listing),
}

/// Reads an event's data as a list or an item. One that is JSON and names no item is an item
/// without an id, and so leaves with the others of that kind.
pub fn read(shape: &ListShape, frame: &Frame) -> Event {
    let Some(data) = frame.data() else {
        return Event::Passes;
    };
    if says_nothing(&data) {
        return Event::Passes;
    }
    match Listing::of_either(shape, Bytes::from(Cow::into_owned(data))) {
        Ok(page) => Event::Holds(page),
        Err(_) => Event::Leaves,
    }
}

/// Data that is the same for everybody.
fn says_nothing(data: &[u8]) -> bool {
    matches!(data.trim_ascii(), b"" | b"[DONE]" | b"{}" | b"[]" | b"null")
}

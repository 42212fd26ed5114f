//! What an answer that has to end early says last.
//!
//! An event stream can say why it ends, between two of its events, and then ends as it always does:
//! a browser's `EventSource` comes back with what credential it has and is told 401 or 403, which
//! ends it; an SDK raises what the event says. Every other answer is broken off, for one that ended
//! in good order would pass for whole.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};

use super::respond::worded;
use crate::decision::Denial;
use crate::inspect::event_boundary::EventBoundary;
use crate::pipeline::Trail;

/// How long an event that is half written may take to be whole.
pub(super) const HALF_AN_EVENT: Duration = Duration::from_millis(500);

/// Follows an answer to where its last word can be said.
pub(super) struct LastWord(Option<EventBoundary>);

impl LastWord {
    /// The last word of an answer with these fields: there is one if it is a plain event stream of
    /// no stated length.
    pub(super) fn of(answer: &HeaderMap) -> Self {
        let events = answer
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"));
        let plain = !answer.contains_key(header::CONTENT_LENGTH)
            && !answer.contains_key(header::CONTENT_ENCODING);
        Self((events && plain).then(EventBoundary::default))
    }

    /// These bytes of the answer went out.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        if let Some(boundary) = &mut self.0 {
            boundary.push(bytes);
        }
    }

    /// Whether there is one, though not in the middle of an event.
    pub(super) fn has_to_wait(&self) -> bool {
        self.0.is_some_and(|boundary| !boundary.is_between_events())
    }

    /// The last word: why the answer ends, as an event named `error` that holds what a refusal on
    /// the route does.
    pub(super) fn said(&self, denial: &Denial, trail: &Trail) -> Option<Bytes> {
        if self.0.is_none() || self.has_to_wait() {
            return None;
        }
        let problem = worded(&denial.clone().into(), trail);
        let mut event = b"event: error\ndata: ".to_vec();
        event.extend_from_slice(&problem.body);
        event.extend_from_slice(b"\n\n");
        Some(event.into())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn has_one(fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        LastWord::of(&headers).0.is_some()
    }

    #[test]
    fn only_a_plain_event_stream_of_no_stated_length_has_a_last_word() {
        let events = ("content-type", "text/event-stream; charset=utf-8");
        assert!(has_one(&[events]));
        assert!(has_one(&[("content-type", "Text/Event-Stream")]));
        assert!(!has_one(&[events, ("content-encoding", "gzip")]));
        assert!(!has_one(&[events, ("content-length", "9")]));
        assert!(!has_one(&[("content-type", "application/x-ndjson")]));
        assert!(!has_one(&[]));
    }
}

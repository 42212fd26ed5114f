//! What each document of an answer adds to its tally.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::UsageFormat;
use super::document::{Node, Unreadable};
use super::pointers::PointerReader;
use super::shape::{self, Scope};
use super::skim::{Skim, skim};
use super::tally::Tally;
use crate::inspect::event_stream::Message;
use crate::inspect::sse::Frame;

/// Among how many events the model is looked for. Every format names it in the first.
const MODEL_AMONG: u8 = 4;

/// How an answer says its usage.
#[derive(Debug)]
pub(super) enum Words {
    Provider(UsageFormat),
    Agent(PointerReader),
}

/// Reads the documents of one answer.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) tally: Tally,
    pub(super) words: Words,
    /// How many further events the model is looked for in.
    model_among: u8,
}

impl Reader {
    pub(super) fn new(words: Words) -> Self {
        Self {
            tally: Tally::default(),
            words,
            model_among: MODEL_AMONG,
        }
    }

    /// One server-sent event; where its data has a member `usage`, if any.
    pub(super) fn event(&mut self, frame: &Frame) -> Option<usize> {
        let data = frame.data()?;
        if data.trim_ascii() == b"[DONE]" {
            if let Words::Provider(_) = self.words {
                self.tally.end();
            }
            return None;
        }
        let seen = self.part(&data);
        if frame.event() == "error" {
            self.tally.fail();
        }
        seen.usage
    }

    /// One message of an Amazon event stream.
    pub(super) fn message(&mut self, message: &Message) {
        if message
            .header(":message-type")
            .is_some_and(|kind| kind != "event")
        {
            self.tally.fail();
            return;
        }
        if message.header(":event-type") == Some("chunk") {
            match unwrapped(message.payload()) {
                Ok(inner) => {
                    self.part(&inner);
                }
                Err(fault) => self.tally.note(Err(fault)),
            }
        } else {
            self.part(message.payload());
        }
    }

    /// One event, frame or element.
    pub(super) fn part(&mut self, document: &[u8]) -> Skim {
        let seen = skim(document);
        self.tally.output_bytes = self.tally.output_bytes.saturating_add(seen.text);
        match &self.words {
            Words::Agent(pointers) => {
                let read = pointers.event(document, &mut self.tally);
                self.tally.note(read);
            }
            Words::Provider(format) if seen.telling => {
                let read = shape::read(*format, Scope::Part, document, &mut self.tally);
                self.tally.note(read);
            }
            Words::Provider(format) => {
                if self.tally.usage.model.is_none() && self.model_among > 0 {
                    self.model_among -= 1;
                    // What says nothing of usage need not be readable.
                    let _unread = shape::read(*format, Scope::Part, document, &mut self.tally);
                }
            }
        }
        seen
    }

    /// The document that the body is.
    pub(super) fn whole(&mut self, document: &[u8]) {
        self.tally.output_bytes = skim(document).text;
        let read = match &self.words {
            Words::Agent(pointers) => pointers.body(document, &mut self.tally),
            Words::Provider(format) => {
                shape::read(*format, Scope::Whole, document, &mut self.tally)
            }
        };
        self.tally.note(read);
    }
}

/// The model's own document inside of a chunk of `InvokeModel`.
fn unwrapped(payload: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let [bytes] = Node::of(payload)?.pick(["bytes"])?;
    let text = bytes.and_then(Node::text).ok_or(Unreadable)?;
    STANDARD.decode(text.as_bytes()).map_err(|_| Unreadable)
}

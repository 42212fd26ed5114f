//! Reads along with an answer as it goes on to the client.
//!
//! Nothing waits for the meter and nothing it meets fails the answer: what can't be read leaves the
//! reading incomplete. The bytes go on as they are, with one exception: see [`super::hiding`].
//! WebSocket and gRPC say no usage in any of these formats; such answers are not metered.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};

use super::documents::Documents;
use super::hiding::{Hiding, Passed};
use super::pointers::{PointerReader, Pointers};
use super::reader::{Reader, Words};
use super::shape::Scope;
use super::tally::{MeterFault, Reading};
use super::{UsageFormat, bedrock};
use crate::inspect::coding::{self, stream::Undo};
use crate::inspect::{event_stream, sse};

/// Largest document, event or frame that is held.
const LARGEST: usize = 16 << 20;

/// Most bytes that one piece of a coded body may come to.
const LARGEST_PIECE: usize = 4 << 20;

/// Which answer is metered, and how.
#[derive(Clone, Copy, Debug)]
pub struct MeterSettings<'answer> {
    /// In whose words it speaks.
    pub format: UsageFormat,
    /// Its status.
    pub status: StatusCode,
    /// Its fields, as the backend sent them.
    pub headers: &'answer HeaderMap,
    /// The usage was asked for on the client's behalf ([`super::request::with_usage_asked`]) and does
    /// not go on to it. This takes a stream without content coding: whoever asks for the usage asks
    /// for no coding either. What is hidden shortens the body: a declared length has to go.
    pub hide_usage_chunk: bool,
}

/// Meters one answer.
#[derive(Debug)]
pub struct Meter {
    undo: Option<Undo>,
    framing: Framing,
    reader: Reader,
    hiding: Option<Hiding>,
}

#[derive(Debug)]
enum Framing {
    /// Server-sent events.
    Events(sse::Decoder),
    /// Amazon's event stream.
    Messages(event_stream::Decoder),
    /// JSON.
    Documents(Documents),
    /// Nothing that says usage, or nothing that can be followed any further.
    Opaque,
}

impl Meter {
    /// A meter for an answer of a provider.
    pub fn new(settings: MeterSettings<'_>) -> Self {
        let words = Words::Provider(settings.format);
        let mut meter = Self::of(words, settings.headers, false);
        let coded = settings.headers.contains_key(header::CONTENT_ENCODING);
        let events = matches!(meter.framing, Framing::Events(_));
        let hides = settings.hide_usage_chunk && settings.status.is_success();
        meter.hiding = (hides && events && !coded).then(Hiding::default);
        if let UsageFormat::Auto | UsageFormat::Bedrock = settings.format {
            let tally = &mut meter.reader.tally;
            let read = bedrock::read_fields(settings.headers, tally);
            tally.note(read);
        }
        meter
    }

    /// A meter for an answer that says its cost at places the operator named.
    pub fn by_pointers(pointers: &Arc<Pointers>, headers: &HeaderMap) -> Self {
        let pointers = PointerReader::new(Arc::clone(pointers));
        let mut meter = Self::of(Words::Agent(pointers), headers, true);
        if let Words::Agent(pointers) = &meter.reader.words {
            let read = pointers.head(headers, &mut meter.reader.tally);
            meter.reader.tally.note(read);
        }
        meter
    }

    fn of(words: Words, headers: &HeaderMap, whole_only: bool) -> Self {
        let mut meter = Self {
            undo: None,
            framing: framing(headers, whole_only),
            reader: Reader::new(words),
            hiding: None,
        };
        let codings = coding::of(headers);
        match codings.and_then(|codings| match codings.as_slice() {
            [] => Ok(None),
            codings => Undo::new(codings, LARGEST_PIECE).map(Some),
        }) {
            Ok(undo) => meter.undo = undo,
            Err(_unknown) => meter.give_up(MeterFault::Coding),
        }
        meter
    }

    /// Whether what goes on may be less than what comes in.
    pub fn hides(&self) -> bool {
        self.hiding.is_some()
    }

    /// Takes the next piece of the body; returns what goes on to the client: the very same bytes
    /// unless usage is hidden, when it may be nothing at all.
    pub fn push(&mut self, piece: &Bytes) -> Bytes {
        if self.hides() {
            return self.push_hiding(piece);
        }
        match self.undo.as_mut().map(|undo| undo.push(piece)) {
            None => self.follow(piece),
            Some(Ok(decoded)) => self.follow(&decoded),
            Some(Err(coding::CodingFault::TooLarge)) => self.give_up(MeterFault::TooLarge),
            Some(Err(_)) => self.give_up(MeterFault::Coding),
        }
        piece.clone()
    }

    /// Ends the body where its framing does; returns what was held back of it. It is not called for
    /// a body that broke off.
    pub fn finish(&mut self) -> Bytes {
        let mut rest = Bytes::new();
        match std::mem::replace(&mut self.framing, Framing::Opaque) {
            Framing::Events(mut decoder) => rest = self.end_events(&mut decoder),
            Framing::Documents(documents) => match documents.into_rest() {
                Some((held, Scope::Whole)) => self.reader.whole(&held),
                Some((_, Scope::Part)) => self.reader.tally.give_up(MeterFault::Unreadable),
                None => {}
            },
            Framing::Messages(_) | Framing::Opaque => {}
        }
        self.reader.tally.body_ended();
        rest
    }

    /// What is known so far.
    pub fn reading(&self) -> Reading {
        self.reader.tally.reading()
    }

    /// [`Reading::output_bytes`], for whoever asks after each piece.
    pub fn output_bytes(&self) -> u64 {
        self.reader.tally.output_bytes
    }

    fn follow(&mut self, piece: &[u8]) {
        if let Framing::Documents(documents) = &self.framing {
            // Some servers send events and call them JSON, which no document begins as they do.
            let first = documents.begins_with(piece);
            if first.is_some_and(|first| matches!(first, b'd' | b'e' | b'i' | b'r' | b':')) {
                self.framing = Framing::Events(sse::Decoder::new(LARGEST));
            }
        }
        let reader = &mut self.reader;
        let followed = match &mut self.framing {
            Framing::Opaque => Ok(()),
            Framing::Events(decoder) => {
                decoder.push(piece);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => {
                            reader.event(&frame);
                        }
                        Ok(None) => break Ok(()),
                        Err(sse::FrameTooLarge) => break Err(MeterFault::TooLarge),
                    }
                }
            }
            Framing::Messages(decoder) => {
                decoder.push(piece);
                loop {
                    match decoder.next_message() {
                        Ok(Some(message)) => reader.message(&message),
                        Ok(None) => break Ok(()),
                        Err(event_stream::MessageFault::TooLarge) => {
                            break Err(MeterFault::TooLarge);
                        }
                        Err(_) => break Err(MeterFault::Unreadable),
                    }
                }
            }
            Framing::Documents(documents) => documents
                .push(piece, |element| {
                    reader.part(element);
                })
                .map_err(|_| MeterFault::TooLarge),
        };
        if let Err(fault) = followed {
            self.give_up(fault);
        }
    }

    fn push_hiding(&mut self, piece: &Bytes) -> Bytes {
        let Framing::Events(mut decoder) = std::mem::replace(&mut self.framing, Framing::Opaque)
        else {
            return piece.clone();
        };
        let mut as_it_is = decoder.held().is_empty();
        decoder.push(piece);
        let mut onward = BytesMut::new();
        let end = self.write_frames(&mut decoder, &mut onward, |passed| {
            as_it_is &= passed == Passed::Whole;
        });
        if end.is_err() {
            onward.extend_from_slice(decoder.held());
            self.give_up(MeterFault::TooLarge);
            return onward.freeze();
        }
        as_it_is &= decoder.held().is_empty();
        self.framing = Framing::Events(decoder);
        if as_it_is {
            piece.clone()
        } else {
            onward.freeze()
        }
    }

    /// The last event, where a server leaves out the blank line behind it; what goes on of it.
    fn end_events(&mut self, decoder: &mut sse::Decoder) -> Bytes {
        let blank: &[u8] = match decoder.held().last() {
            None => return Bytes::new(),
            Some(b'\n') => b"\n",
            Some(b'\r') => b"\r",
            Some(_) => b"\n\n",
        };
        decoder.push(blank);
        let (mut onward, mut added) = (BytesMut::new(), blank.len());
        let end = self.write_frames(decoder, &mut onward, |passed| {
            added = match passed {
                Passed::Whole | Passed::Shortened => blank.len(),
                Passed::Hidden => 0,
            };
        });
        if end.is_err() || !decoder.held().is_empty() {
            onward.extend_from_slice(decoder.held());
            added = blank.len();
        }
        onward.truncate(onward.len().saturating_sub(added));
        match self.hides() {
            true => onward.freeze(),
            false => Bytes::new(),
        }
    }

    /// Reads every frame that is there to its end, and writes onward what goes on of it.
    fn write_frames(
        &mut self,
        decoder: &mut sse::Decoder,
        onward: &mut BytesMut,
        mut tell: impl FnMut(Passed),
    ) -> Result<(), sse::FrameTooLarge> {
        while let Some(frame) = decoder.next_frame()? {
            let usage_at = self.reader.event(&frame);
            if let Some(hiding) = &mut self.hiding {
                tell(hiding.write(&frame, usage_at, onward));
            }
        }
        Ok(())
    }

    /// Nothing more is read of this answer.
    fn give_up(&mut self, fault: MeterFault) {
        self.framing = Framing::Opaque;
        self.undo = None;
        self.reader.tally.give_up(fault);
    }
}

/// How the body is cut into documents.
fn framing(headers: &HeaderMap, whole_only: bool) -> Framing {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json");
    let essence = essence.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "text/event-stream" => Framing::Events(sse::Decoder::new(LARGEST)),
        "application/vnd.amazon.eventstream" => {
            Framing::Messages(event_stream::Decoder::new(LARGEST))
        }
        "application/json" | "text/json" | "text/plain" | "" => {
            Framing::Documents(Documents::new(LARGEST, whole_only))
        }
        other if other.ends_with("+json") => {
            Framing::Documents(Documents::new(LARGEST, whole_only))
        }
        _ => Framing::Opaque,
    }
}

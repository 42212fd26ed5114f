//! Costs of agents, which say them in their own words: read at places that the operator names.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use memchr::memmem::Finder;

use super::Usage;
use super::document::{Unreadable, count};
use super::tally::Tally;
use crate::inspect::json::{Limits, Scalar, array_index, pointer_values};
use crate::money::NanoUsd;

/// A place in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the document that the body is: unescaped reference tokens (RFC 6901), `*` for every
    /// element of an array.
    Body(Vec<String>),
    /// In the data of a server-sent event: the last event that has something there counts.
    Event(Vec<String>),
    /// A field of the head.
    Header(HeaderName),
}

/// Where an answer says what it cost. `null` there means that it is not known yet; of several values
/// that one pointer finds the sum counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// The amount in US dollars.
    pub usd: Option<Place>,
    /// Input tokens without those of caches.
    pub input: Option<Place>,
    /// Output tokens, those of reasoning among them.
    pub output: Option<Place>,
    /// Input tokens read from a cache.
    pub cache_read: Option<Place>,
    /// Input tokens written to a cache.
    pub cache_write: Option<Place>,
    /// Of the output, tokens of reasoning.
    pub reasoning: Option<Place>,
    /// The model that answered.
    pub model: Option<Place>,
}

/// What stands at a place.
#[derive(Clone, Copy)]
enum Slot {
    Usd,
    Input,
    Output,
    CacheRead,
    CacheWrite,
    Reasoning,
    Model,
}

/// Reads the places of one answer.
#[derive(Debug)]
pub(super) struct PointerReader {
    pointers: Arc<Pointers>,
    /// A name of each pointer into events, in its quotes: an event without any of them is not read.
    names: Vec<Finder<'static>>,
    /// There is a pointer into events that has no such name.
    reads_all: bool,
}

impl PointerReader {
    pub(super) fn new(pointers: Arc<Pointers>) -> Self {
        let mut reader = Self {
            pointers,
            names: Vec::new(),
            reads_all: false,
        };
        let pointers = Arc::clone(&reader.pointers);
        for (_, place) in pointers.places() {
            if let Place::Event(pointer) = place {
                match pointer.iter().rev().find(|token| is_plain_name(token)) {
                    Some(name) => {
                        let quoted = format!("\"{name}\"");
                        reader.names.push(Finder::new(&quoted).into_owned());
                    }
                    None => reader.reads_all = true,
                }
            }
        }
        reader
    }

    /// Reads the fields of the head.
    pub(super) fn head(&self, headers: &HeaderMap, tally: &mut Tally) -> Result<(), Unreadable> {
        let mut usage = tally.usage.clone();
        let mut found = false;
        for (slot, place) in self.pointers.places() {
            let Place::Header(name) = place else {
                continue;
            };
            let mut fields = headers.get_all(name).iter();
            let Some(field) = fields.next() else {
                continue;
            };
            if fields.next().is_some() {
                return Err(Unreadable);
            }
            let text = field.to_str().map_err(|_| Unreadable)?.trim();
            slot.put(&mut usage, [text].into_iter())?;
            found = true;
        }
        tally.usage = usage;
        if found && tally.is_known() {
            tally.settle_by_head();
        }
        Ok(())
    }

    /// Reads the document that the body is.
    pub(super) fn body(&self, document: &[u8], tally: &mut Tally) -> Result<(), Unreadable> {
        self.read(document, tally, |place| match place {
            Place::Body(pointer) => Some(pointer),
            Place::Event(_) | Place::Header(_) => None,
        })
    }

    /// Reads one event.
    pub(super) fn event(&self, data: &[u8], tally: &mut Tally) -> Result<(), Unreadable> {
        let named = |name: &Finder<'_>| name.find(data).is_some();
        if !self.reads_all && !self.names.iter().any(named) {
            return Ok(());
        }
        self.read(data, tally, |place| match place {
            Place::Event(pointer) => Some(pointer),
            Place::Body(_) | Place::Header(_) => None,
        })
    }

    fn read<'place>(
        &'place self,
        document: &[u8],
        tally: &mut Tally,
        pointer_of: impl Fn(&'place Place) -> Option<&'place Vec<String>>,
    ) -> Result<(), Unreadable> {
        let mut usage = tally.usage.clone();
        for (slot, place) in self.pointers.places() {
            let Some(pointer) = pointer_of(place) else {
                continue;
            };
            let mut values = pointer_values(document, pointer, &Limits::default())?;
            values.retain(|value| *value != Scalar::Null);
            let texts = values.iter().map(|value| match value {
                Scalar::Number(text) | Scalar::Text(text) => text.as_str(),
                // No count, amount or name is spelled so.
                Scalar::Null | Scalar::Bool(_) | Scalar::Container => "",
            });
            slot.put(&mut usage, texts)?;
        }
        tally.usage = usage;
        if tally.is_known() {
            tally.close();
        }
        Ok(())
    }
}

impl Pointers {
    fn places(&self) -> impl Iterator<Item = (Slot, &Place)> {
        [
            (Slot::Usd, &self.usd),
            (Slot::Input, &self.input),
            (Slot::Output, &self.output),
            (Slot::CacheRead, &self.cache_read),
            (Slot::CacheWrite, &self.cache_write),
            (Slot::Reasoning, &self.reasoning),
            (Slot::Model, &self.model),
        ]
        .into_iter()
        .filter_map(|(slot, place)| Some((slot, place.as_ref()?)))
    }
}

impl Slot {
    /// Puts what the texts come to in its place; leaves it where there are none.
    fn put<'text>(
        self,
        usage: &mut Usage,
        texts: impl Iterator<Item = &'text str>,
    ) -> Result<(), Unreadable> {
        let place = match self {
            Self::Usd => {
                let mut sum = None::<NanoUsd>;
                for text in texts {
                    let amount = NanoUsd::of_stranger(text).map_err(|_| Unreadable)?;
                    sum = Some(sum.unwrap_or_default().plus(amount));
                }
                usage.cost = sum.or(usage.cost);
                return Ok(());
            }
            Self::Model => {
                if let Some(model) = texts.last().filter(|model| !model.is_empty()) {
                    usage.model = Some(Arc::from(model));
                }
                return Ok(());
            }
            Self::Input => &mut usage.input,
            Self::Output => &mut usage.output,
            Self::CacheRead => &mut usage.cache_read,
            Self::CacheWrite => &mut usage.cache_write,
            Self::Reasoning => &mut usage.reasoning,
        };
        let mut sum = None;
        for text in texts {
            sum = Some(count(text)?.saturating_add(sum.unwrap_or(0)));
        }
        *place = sum.or(*place);
        Ok(())
    }
}

/// Whether JSON has one usual spelling of the name, and it is no place in an array.
fn is_plain_name(token: &str) -> bool {
    let plain =
        |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\');
    token != "*" && array_index(token).is_none() && token.bytes().all(plain)
}

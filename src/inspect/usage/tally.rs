//! What is known of an answer's usage so far.

use std::sync::Arc;

use super::Usage;
use super::document::{Node, Unreadable};

/// Longest name of a model or tier that is kept, in bytes.
const LONGEST_NAME: usize = 256;

/// What a meter knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the answer said it used. Where it is not complete it may lack the most of it.
    pub usage: Usage,
    /// The protocol's own end was seen and the usage is all there: the answer cost what this says.
    pub complete: bool,
    /// Bytes of generated text, tool arguments and reasoning so far. A token is at least one byte
    /// of text, so they bound the tokens of what the backend shows; reasoning that it keeps to
    /// itself is not among them.
    pub output_bytes: u64,
    /// Why the usage can't be read, where it can't.
    pub fault: Option<MeterFault>,
}

impl Reading {
    /// The output tokens that have to be reckoned with: what the answer said, or what its text can
    /// come to, whichever is more.
    pub fn running_output(&self) -> u64 {
        match self.complete {
            true => self.usage.output.unwrap_or(self.output_bytes),
            false => self.usage.output.unwrap_or(0).max(self.output_bytes),
        }
    }
}

impl Reading {
    /// Whether it says that nothing was used of any class, beside a text that somebody made.
    pub fn denies_its_text(&self) -> bool {
        let usage = &self.usage;
        let counts = [
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_1h,
            usage.audio_input,
            usage.output,
            usage.audio_output,
        ];
        self.output_bytes > 0 && counts.into_iter().flatten().all(|count| count == 0)
    }
}

/// Why an answer could not be metered to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterFault {
    /// It is coded in a way that can't be undone, or not as it says.
    #[error("the answer's content coding can't be undone")]
    Coding,
    /// It, or one event of it, is larger than may be held.
    #[error("the answer has more in one piece than metering holds")]
    TooLarge,
    /// What it says about its usage is no usage: negative, a fraction, a text, twice there.
    #[error("the answer's usage is unreadable")]
    Unreadable,
    /// It ended with an error of the backend.
    #[error("the answer ended with an error")]
    Failed,
}

/// Gathers what the documents of one answer say.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) usage: Usage,
    pub(super) output_bytes: u64,
    /// The protocol's own end was seen.
    ended: bool,
    /// All that is missing is the end of the body.
    closing: bool,
    /// The output was counted, and does not only hold a place.
    output_counted: bool,
    /// The head of the answer said it all: nothing in the body can make it less.
    by_head: bool,
    fault: Option<MeterFault>,
}

impl Tally {
    pub(super) fn reading(&self) -> Reading {
        Reading {
            usage: self.usage.clone(),
            complete: self.ended && self.fault.is_none() && self.is_known(),
            output_bytes: self.output_bytes,
            fault: self.fault,
        }
    }

    /// Whether what was said is enough to know the cost.
    pub(super) fn is_known(&self) -> bool {
        let tokens = self.usage.input.is_some() && self.usage.output.is_some();
        tokens || self.usage.cost.is_some()
    }

    /// Takes what a document says of all of the answer so far: it replaces what was said before.
    pub(super) fn say(&mut self, usage: Usage) {
        let before = std::mem::replace(&mut self.usage, usage);
        let usage = &mut self.usage;
        usage.model = usage.model.take().or(before.model);
        usage.service_tier = usage.service_tier.take().or(before.service_tier);
        usage.searches = usage.searches.max(before.searches);
        usage.cost = usage.cost.or(before.cost);
    }

    /// Takes the model that answers, the first time it is named.
    pub(super) fn name_model(&mut self, model: Option<Node<'_>>) {
        if self.usage.model.is_none() {
            self.usage.model = model.and_then(name);
        }
    }

    /// Takes the service tier. The usual one is none: it costs what the model costs.
    pub(super) fn name_tier(&mut self, tier: Option<Node<'_>>) {
        let Some(tier) = tier.and_then(Node::text) else {
            return;
        };
        let tier = tier.to_ascii_lowercase();
        if matches!(
            tier.as_str(),
            "default" | "standard" | "auto" | "on_demand" | ""
        ) {
            self.usage.service_tier = None;
        } else if tier.len() <= LONGEST_NAME {
            self.usage.service_tier = Some(Arc::from(tier));
        }
    }

    /// The output was counted for good.
    pub(super) fn count_output(&mut self) {
        self.output_counted = true;
    }

    pub(super) fn output_is_counted(&self) -> bool {
        self.output_counted
    }

    /// The protocol's own end was seen.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// What comes last in the protocol was seen, but for the end of the body.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// The body ended as its framing says.
    pub(super) fn body_ended(&mut self) {
        self.ended |= self.closing;
    }

    /// The head of the answer said it all.
    pub(super) fn settle_by_head(&mut self) {
        self.by_head = true;
        self.ended = true;
    }

    /// The backend says that it failed. Usage that was complete before stays so.
    pub(super) fn fail(&mut self) {
        if !(self.ended && self.is_known()) {
            self.give_up(MeterFault::Failed);
        }
    }

    /// Nothing that follows makes the usage complete.
    pub(super) fn give_up(&mut self, fault: MeterFault) {
        if !self.by_head {
            self.fault.get_or_insert(fault);
        }
    }

    /// Gives up where a document could not be read.
    pub(super) fn note(&mut self, read: Result<(), Unreadable>) {
        if read.is_err() {
            self.give_up(MeterFault::Unreadable);
        }
    }
}

/// A name that is short enough to be one.
pub(super) fn name(node: Node<'_>) -> Option<Arc<str>> {
    let text = node.text()?;
    (!text.is_empty() && text.len() <= LONGEST_NAME).then(|| Arc::from(text))
}

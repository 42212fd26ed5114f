//! What an answer says it used, in one form for every provider.
//!
//! [`Meter`] reads along with an answer: it cuts the body into documents (events, frames, elements
//! of an array, or the one document it is), finds out whose words each one speaks, and gathers what
//! they say in a [`Reading`], which is complete once the protocol's own end was seen.

mod anthropic;
mod bedrock;
mod document;
mod documents;
mod gemini;
mod hiding;
mod meter;
mod openai;
mod pointers;
mod reader;
pub mod request;
mod shape;
mod skim;
mod tally;

use std::sync::Arc;

pub use meter::{Meter, MeterSettings};
pub use pointers::{Place, Pointers};
pub use tally::{MeterFault, Reading};

use crate::money::NanoUsd;

/// What a call used. Absent is not zero: `None` means that nobody said.
///
/// The classes are disjoint, whatever a provider's own convention is: a token stands in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that no cache served or took, without audio.
    pub input: Option<u64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to a cache for a short time (five minutes, or the provider's only kind).
    pub cache_write: Option<u64>,
    /// Input tokens written to a cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Input tokens of audio.
    pub audio_input: Option<u64>,
    /// Output tokens, those of reasoning among them, without audio.
    pub output: Option<u64>,
    /// Of `output`, tokens of reasoning.
    pub reasoning: Option<u64>,
    /// Output tokens of audio.
    pub audio_output: Option<u64>,
    /// Searches and other tools of the provider that are paid by the call.
    pub searches: Option<u64>,
    /// The service tier that was served: `priority`, `flex`, `batch`.
    pub service_tier: Option<Arc<str>>,
    /// The model that answered, as the answer has it.
    pub model: Option<Arc<str>>,
    /// What the backend itself says it cost.
    pub cost: Option<NanoUsd>,
}

/// In whose words usage is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UsageFormat {
    /// Whichever of the below fits the answer.
    Auto,
    /// OpenAI: chat completions, responses, embeddings, and what speaks like it.
    OpenAi,
    /// Anthropic messages.
    Anthropic,
    /// Gemini `generateContent` and its stream.
    Gemini,
    /// Bedrock Converse and `InvokeModel`, and their binary event streams.
    Bedrock,
}

#[cfg(test)]
mod tests;

//! Where a list goes on: a position, and what was listed, so that a cursor is good for nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::problems::invalid;
use crate::clock::Timestamp;
use crate::memory::{Entry, EntryId, Filter, Position, Reach};
use crate::memory_api::Problem;

/// Bytes of the list's digest in a cursor: enough to tell lists apart. It protects nothing, for a
/// cursor only names a place in what its bearer may read.
const DIGEST: usize = 8;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListDigest([u8; DIGEST]);

impl ListDigest {
    /// The digest of what this filter finds in this reach.
    pub(super) fn of(reach: &Reach, filter: &Filter) -> Self {
        let namespaces = reach.namespaces();
        let names: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
        let text = json!([
            names,
            reach.clearance().as_str(),
            filter.key,
            filter.agent,
            filter.session,
            filter.category,
            filter.tags,
            filter.memory_type.map(|it| it.as_str()),
        ])
        .to_string();
        let mut digest = [0; DIGEST];
        let hash = blake3::hash(text.as_bytes());
        for (byte, of_hash) in digest.iter_mut().zip(hash.as_bytes()) {
            *byte = *of_hash;
        }
        Self(digest)
    }

    /// The cursor that goes on after this entry.
    pub(super) fn after(&self, entry: &Entry) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(&entry.created_at.as_micros().to_be_bytes());
        bytes.extend_from_slice(entry.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor of this list. Every other text is refused alike, whoever's list it
    /// is of.
    pub(super) fn position(&self, cursor: &str) -> Result<Position, Problem> {
        let position = URL_SAFE_NO_PAD.decode(cursor).ok();
        let position = position.and_then(|bytes| self.read(&bytes));
        position.ok_or_else(|| {
            let reason = "not a cursor of this list; it goes with the parameters it came with";
            invalid("cursor", reason)
        })
    }

    fn read(&self, bytes: &[u8]) -> Option<Position> {
        let (digest, rest) = bytes.split_first_chunk::<DIGEST>()?;
        let (micros, rest) = rest.split_first_chunk::<8>()?;
        let id: [u8; 16] = rest.try_into().ok()?;
        (*digest == self.0).then_some(Position {
            created_at: Timestamp::from_micros(i64::from_be_bytes(*micros)),
            id: EntryId::from_bytes(id),
        })
    }
}

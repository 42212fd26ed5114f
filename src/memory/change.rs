//! What a caller does to one namespace.

use super::{Address, Entry, EntryId, Fields};
use crate::clock::Timestamp;

/// One step of a write. All steps of a write happen, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new entry. If its key is taken by an entry that was created with the same
    /// [`Fields::digest`], nothing happens and that entry is answered
    /// ([`Outcome::Existed`]), so a creation can be repeated; by another, it is a conflict.
    Create {
        /// Where.
        address: Address,
        /// What.
        fields: Fields,
        /// When it was created, where that is not now (an import).
        created_at: Option<Timestamp>,
    },
    /// What stands at an address that has a key, or a new entry there.
    Put {
        /// Where; it has a key.
        address: Address,
        /// What.
        fields: Fields,
        /// What has to stand there before.
        expected: Expected,
    },
    /// All fields of an entry.
    Replace {
        /// Which.
        id: EntryId,
        /// What.
        fields: Fields,
        /// Its new key, if that changes; `Some(None)` takes the key away.
        key: Option<Option<String>>,
        /// What it has to be before.
        expected: Expected,
    },
    /// The entry stands somewhere else from now on, in the same area. A conflict if that place is
    /// taken.
    Move {
        /// Which.
        id: EntryId,
        /// Where to.
        address: Address,
        /// What it has to be before.
        expected: Expected,
    },
    /// The entry and its history are gone.
    Delete {
        /// Which.
        id: EntryId,
        /// What it has to be before.
        expected: Expected,
    },
}

/// What has to be so before a change (RFC 9110 section 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Anything,
    /// There is an entry (`If-Match: *`).
    Present,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It is at one of these versions (`If-Match: "3"`).
    Versions(Vec<u64>),
}

/// What became of a [`Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A new entry.
    Created(Entry),
    /// It was created before; this is what it is.
    Existed(Entry),
    /// The entry as it is after the change.
    Updated(Entry),
    /// The entry that is gone.
    Deleted(EntryId),
}

/// Which memories of one namespace are let go of: those that fit every part that is said. At least
/// one part is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PruneRule {
    /// Not recalled or written since.
    pub older_than: Option<Timestamp>,
    /// Less important than this.
    pub min_importance: Option<u8>,
    /// Weaker than this, 0 to 1: [`Fields::strength`] halved once for each
    /// [`PruneRule::STRENGTH_HALF_LIFE`] since the entry was last recalled or written.
    pub min_strength: Option<f64>,
    /// All but this many, the strongest (then the most important, then the newest) staying. With
    /// other parts, this many stay whatever those say.
    pub keep: Option<u64>,
    /// Only of this agent.
    pub agent: Option<String>,
    /// Only tell what would be let go of.
    pub dry_run: bool,
}

impl PruneRule {
    /// Seconds in which a memory that nobody recalls loses half of its strength: 30 days.
    pub const STRENGTH_HALF_LIFE: u64 = 30 * 86_400;

    /// Most ids answered by a prune; the count is exact beyond that.
    pub const MAX_IDS: usize = 1000;
}

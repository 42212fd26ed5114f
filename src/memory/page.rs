//! Which part of a list.

use super::EntryId;
use crate::clock::Timestamp;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How it is sorted.
    pub order: Order,
    /// Only what comes after this. For [`Order::NewestFirst`] only.
    pub after: Option<Position>,
    /// How many of those to leave out.
    pub skip: u32,
    /// Most entries.
    pub limit: u32,
}

impl Page {
    /// The first `limit`, newest first.
    pub const fn first(limit: u32) -> Self {
        Self {
            order: Order::NewestFirst,
            after: None,
            skip: 0,
            limit,
        }
    }
}

/// How a list is sorted; every order is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By creation, last first; then by id, greatest first.
    NewestFirst,
    /// By last write, last first; then by id, greatest first.
    LastWrittenFirst,
    /// By path, then by key, by bytes; then by id.
    ByAddress,
}

/// A place in a list that is sorted [`Order::NewestFirst`]: that of an entry which may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the entry was created.
    pub created_at: Timestamp,
    /// Its id.
    pub id: EntryId,
}

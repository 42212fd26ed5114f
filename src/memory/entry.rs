//! One record of the memory service.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Fields, Owner};
use crate::clock::Timestamp;

/// The id of an entry: a UUIDv7 (RFC 9562), given by the service, never by a caller. It tells when
/// an entry was made and nothing about anybody else's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Uuid);

impl EntryId {
    /// A new id.
    pub fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as a store keeps it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id a store kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for EntryId {
    type Err = EntryIdError;

    /// Reads the one spelling [`fmt::Display`] writes: lower case with hyphens. An id in another
    /// spelling names nothing, so no two texts name one entry.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::try_parse(text).map_err(|_error| EntryIdError)?;
        let id = Self(id);
        match id.to_string() == text {
            true => Ok(id),
            false => Err(EntryIdError),
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EntryId({self})")
    }
}

/// A text is no entry's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry's id is a UUID in lower case with hyphens")]
pub struct EntryIdError;

/// By which door an entry came, and by which it is seen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Memories: the REST routes and MCP.
    Memories,
    /// Items of the LangGraph store.
    Items,
    /// Files of the memory tool.
    Files,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memories, Self::Items, Self::Files];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memories => "memories",
            Self::Items => "items",
            Self::Files => "files",
        }
    }

    /// The number in the stores.
    pub const fn number(self) -> i16 {
        match self {
            Self::Memories => 0,
            Self::Items => 1,
            Self::Files => 2,
        }
    }

    /// The area of a stored number.
    pub const fn of_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Memories),
            1 => Some(Self::Items),
            2 => Some(Self::Files),
            _ => None,
        }
    }
}

/// Where an entry stands in its namespace. Two entries of a namespace never have one area, path and
/// key; an entry without a key is found by its id only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The area.
    pub area: Area,
    /// Labels, each percent-encoded (`identity::namespace::encoded`) and closed by `/`: a path is
    /// below another exactly if its text begins with the other's. Empty at the top and for memories.
    pub path: String,
    /// The key at that path.
    pub key: Option<String>,
}

/// Bytes that each kept version counts for beside its texts: for its ids, times and places in indexes,
/// so that many small entries do not take the disk that few large ones may not. In SQLite the row of
/// an entry of one byte takes 240 bytes, and 420 with every field that has an index.
pub const ROW_BYTES: u64 = 512;

impl Address {
    /// Bytes that count towards a quota beside those of the fields: [`ROW_BYTES`], and both texts,
    /// which each version keeps.
    ///
    /// INVARIANT: stores keep with each row what was counted for it, and count that off when it goes,
    /// so that rows that were counted by another rule stay in step.
    pub fn row_bytes(&self) -> u64 {
        ROW_BYTES + (self.path.len() + self.key.as_ref().map_or(0, String::len)) as u64
    }

    /// The address of a memory.
    pub fn memory(key: Option<String>) -> Self {
        Self {
            area: Area::Memories,
            path: String::new(),
            key,
        }
    }
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Whose it is.
    pub owner: Owner,
    /// Where it stands in its namespace.
    pub address: Address,
    /// What its writer said.
    pub fields: Fields,
    /// 1 when created, one more with each write. The `ETag`.
    pub version: u64,
    /// Who wrote this version; `None` once that user was erased.
    pub author: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it was last recalled; its creation before that.
    pub last_accessed: Timestamp,
    /// How often it was recalled.
    pub access_count: u64,
    /// When it is forgotten. From then on it is not there, whether or not it was removed yet.
    pub expires_at: Option<Timestamp>,
}

/// One version of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// What the entry held.
    pub fields: Fields,
    /// Where it stood.
    pub address: Address,
    /// Who wrote it; `None` once that user was erased.
    pub author: Option<String>,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = EntryId::mint();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert_eq!(other.parse::<EntryId>(), Err(EntryIdError), "{other}");
        }
        assert_eq!(EntryId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn ids_rise_in_the_order_they_are_minted() {
        let ids: Vec<_> = (0..1000).map(|_| EntryId::mint()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn areas_are_told_apart_by_number() {
        for area in Area::ALL {
            assert_eq!(Area::of_number(area.number().into()), Some(area));
        }
        assert_eq!(Area::of_number(3), None);
    }
}

//! Entries and versions as rows.

use std::error::Error;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::scope::Place;
use crate::clock::Timestamp;
use crate::memory::{
    Address, Area, Confidentiality, Embedding, Entry, EntryId, Fields, Importance, MemoryType,
    Version,
};

/// The columns [`entry`] reads, from `entries e LEFT JOIN vectors v`.
pub(super) const COLUMNS: &str = "e.entry, e.id, e.area, e.path, e.key, e.content, e.agent, \
     e.session, e.category, e.tags, e.keywords, e.summary, e.importance, e.memory_type, \
     e.strength, e.related_ids, e.source_ids, e.metadata, e.confidentiality, e.ttl_seconds, \
     e.version, e.author, e.created_at, e.updated_at, e.last_accessed, e.access_count, \
     e.expires_at, e.bytes, e.length, e.created_as, v.vector";

/// Entries with their vectors.
pub(super) const SOURCE: &str =
    "entries e LEFT JOIN vectors v ON v.place = (e.owner << 40) + e.entry";

/// An entry and what only the store knows of it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) number: i64,
    pub(super) entry: Entry,
    pub(super) bytes: u64,
    /// In terms.
    pub(super) length: u32,
    /// The digest of the fields it was created with.
    pub(super) created_as: [u8; 32],
}

impl Kept {
    pub(super) fn body(&self) -> Body {
        Body {
            number: self.number,
            bytes: self.bytes.cast_signed(),
            length: self.length,
        }
    }
}

/// As much of an entry as it takes to remove it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) number: i64,
    pub(super) bytes: i64,
    /// In terms.
    pub(super) length: u32,
}

/// Where an entry's vector is.
pub(super) const fn place_of(owner: i64, entry: i64) -> i64 {
    (owner << 40) + entry
}

/// The row of [`COLUMNS`], of an entry in `place`.
pub(super) fn entry(row: &Row<'_>, place: &Place) -> rusqlite::Result<Kept> {
    let fields = Fields {
        content: row.get(5)?,
        agent: row.get(6)?,
        session: row.get(7)?,
        category: row.get(8)?,
        tags: json(row, 9)?,
        keywords: json(row, 10)?,
        summary: row.get(11)?,
        importance: importance(row, 12)?,
        memory_type: memory_type(row, 13)?,
        strength: row.get(14)?,
        related_ids: json(row, 15)?,
        source_ids: json(row, 16)?,
        metadata: json(row, 17)?,
        embedding: embedding(row, 30)?,
        confidentiality: Confidentiality::of_rank(row.get(18)?),
        ttl_seconds: row.get::<_, Option<i64>>(19)?.map(i64::cast_unsigned),
    };
    let entry = Entry {
        id: EntryId::from_bytes(row.get(1)?),
        owner: place.owner.clone(),
        address: Address {
            area: Area::of_number(row.get(2)?).ok_or_else(|| unreadable(2, "no area"))?,
            path: row.get(3)?,
            key: row.get(4)?,
        },
        fields,
        version: row.get::<_, i64>(20)?.cast_unsigned(),
        author: row.get(21)?,
        created_at: Timestamp::from_micros(row.get(22)?),
        updated_at: Timestamp::from_micros(row.get(23)?),
        last_accessed: Timestamp::from_micros(row.get(24)?),
        access_count: row.get::<_, i64>(25)?.cast_unsigned(),
        expires_at: row.get::<_, Option<i64>>(26)?.map(Timestamp::from_micros),
    };
    Ok(Kept {
        number: row.get(0)?,
        entry,
        bytes: row.get::<_, i64>(27)?.cast_unsigned(),
        length: row.get(28)?,
        created_as: row.get(29)?,
    })
}

/// The one entry of a namespace that `condition` (on `e`) names by `value`.
pub(super) fn one(
    connection: &Connection,
    place: &Place,
    condition: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Option<Kept>> {
    let sql = format!("SELECT {COLUMNS} FROM {SOURCE} WHERE {condition}");
    connection
        .prepare_cached(&sql)?
        .query_row(values, |row| entry(row, place))
        .optional()
}

/// Keeps what an entry was, as the version it had.
pub(super) fn keep_version(connection: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    let entry = &kept.entry;
    let mut fields = entry.fields.clone();
    let vector = fields.embedding.take().map(|vector| vector.to_bytes());
    connection
        .prepare_cached("INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            kept.number,
            entry.version.cast_signed(),
            entry.address.path,
            entry.address.key,
            text(&fields)?,
            vector,
            entry.fields.confidentiality.rank(),
            entry.author,
            entry.updated_at.as_micros(),
            kept.bytes.cast_signed(),
        ])?;
    Ok(())
}

/// What an entry was before, last first, as far as the clearance goes.
pub(super) fn versions(
    connection: &Connection,
    kept: &Kept,
    clearance: Confidentiality,
) -> rusqlite::Result<Vec<Version>> {
    connection
        .prepare_cached(
            "SELECT version, path, key, fields, vector, author, at FROM versions \
             WHERE entry = ?1 AND confidentiality <= ?2 ORDER BY version DESC",
        )?
        .query_map(params![kept.number, clearance.rank()], |row| {
            let mut fields: Fields = json(row, 3)?;
            fields.embedding = embedding(row, 4)?;
            Ok(Version {
                version: row.get::<_, i64>(0)?.cast_unsigned(),
                fields,
                address: Address {
                    area: kept.entry.address.area,
                    path: row.get(1)?,
                    key: row.get(2)?,
                },
                author: row.get(5)?,
                at: Timestamp::from_micros(row.get(6)?),
            })
        })?
        .collect()
}

/// A value as JSON.
pub(super) fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

fn importance(row: &Row<'_>, column: usize) -> rusqlite::Result<Importance> {
    Importance::try_from(row.get::<_, u8>(column)?).map_err(|error| unreadable(column, error))
}

fn memory_type(row: &Row<'_>, column: usize) -> rusqlite::Result<MemoryType> {
    match row.get_ref(column)?.as_str()? {
        "episodic" => Ok(MemoryType::Episodic),
        "semantic" => Ok(MemoryType::Semantic),
        "reflection" => Ok(MemoryType::Reflection),
        _ => Err(unreadable(column, "no kind of memory")),
    }
}

fn embedding(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Embedding>> {
    row.get_ref(column)?
        .as_blob_or_null()?
        .map(|bytes| Embedding::from_bytes(bytes).map_err(|error| unreadable(column, error)))
        .transpose()
}

fn unreadable(column: usize, why: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

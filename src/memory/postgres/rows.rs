//! Values as PostgreSQL takes them.

use std::borrow::Cow;

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use uuid::Uuid;

use super::session::Argument;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::memory::{
    Address, Area, Embedding, Entry, EntryId, Fields, Namespace, Owner, StoreError, StoreErrorKind,
    Version,
};

/// The columns of an entry `e` that [`entry`] reads.
pub(super) const ENTRY: &str = "e.owner, e.id, e.area, e.path, e.key, e.fields, e.version, \
     e.author, e.created_at, e.updated_at, e.last_accessed, e.access_count, e.expires_at, \
     (SELECT v.vector FROM fabric_memory.embeddings v \
      WHERE v.tenant = e.tenant AND v.owner = e.owner AND v.entry = e.id) AS vector";

/// The arguments of one statement.
#[derive(Default)]
pub(super) struct Arguments(Vec<(Box<dyn ToSql + Sync + Send>, Type)>);

impl Arguments {
    /// Adds one; answers its name in the statement, `$1` and so on.
    pub(super) fn add(&mut self, value: impl ToSql + Sync + Send + 'static, of: Type) -> String {
        self.0.push((Box::new(value), of));
        format!("${}", self.0.len())
    }

    pub(super) fn list(&self) -> Vec<Argument<'_>> {
        self.0
            .iter()
            .map(|(value, of)| {
                let value: &(dyn ToSql + Sync) = value.as_ref();
                (value, of.clone())
            })
            .collect()
    }
}

/// An owner's name in the tables: no user is called as the shared namespace is.
pub(super) fn owner_name(owner: &Owner) -> String {
    match owner {
        Owner::User(user) => format!("u:{user}"),
        Owner::Shared => "s:".to_owned(),
    }
}

/// Whose name this is.
pub(super) fn named_owner(name: &str) -> Result<Owner, StoreError> {
    if name == owner_name(&Owner::Shared) {
        return Ok(Owner::Shared);
    }
    let user = name.strip_prefix("u:").map(UserId::parse);
    match user {
        Some(Ok(user)) => Ok(Owner::User(user)),
        Some(Err(_)) | None => Err(damaged("a row of a namespace that is nobody's")),
    }
}

/// The names of the owners of namespaces.
pub(super) fn owner_names(namespaces: &[Namespace]) -> Vec<String> {
    namespaces
        .iter()
        .map(|namespace| owner_name(namespace.owner()))
        .collect()
}

/// Whose name this is, among the namespaces that were asked for.
pub(super) fn owner_of(name: &str, namespaces: &[Namespace]) -> Result<Owner, StoreError> {
    namespaces
        .iter()
        .map(Namespace::owner)
        .find(|owner| owner_name(owner) == name)
        .cloned()
        .ok_or_else(|| damaged("a row of a namespace that was not asked for"))
}

/// A text as a column can hold it. PostgreSQL has no U+0000, so that is written as U+0001 and `0`,
/// and U+0001 as U+0001 and `1`: two texts stay two, in the same order, and what begins with another
/// still does.
pub(super) fn column(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => written.push_str("\u{1}0"),
            '\u{1}' => written.push_str("\u{1}1"),
            other => written.push(other),
        }
    }
    Cow::Owned(written)
}

/// The text that was written as this.
pub(super) fn text_of(column: String) -> String {
    if !column.contains('\u{1}') {
        return column;
    }
    let mut text = String::with_capacity(column.len());
    let mut characters = column.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1}' => text.push(match characters.next() {
                Some('0') => '\0',
                _ => '\u{1}',
            }),
            other => text.push(other),
        }
    }
    text
}

/// JSON as a `jsonb` column can hold it: [`column`] of every text in it.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(column(text).into_owned()),
        Value::Array(values) => Value::Array(values.iter().map(json).collect()),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (column(name).into_owned(), json(value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// What stands for an address that has a key in a unique index, whose rows are short.
pub(super) fn place(address: &Address) -> Option<Vec<u8>> {
    let key = address.key.as_ref()?;
    let mut hasher = blake3::Hasher::new();
    // With its length before it, no other path and key give the same bytes.
    hasher.update(&(address.path.len() as u64).to_le_bytes());
    hasher.update(address.path.as_bytes());
    hasher.update(key.as_bytes());
    Some(hasher.finalize().as_bytes().to_vec())
}

pub(super) fn uuid(id: EntryId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuids(ids: &[EntryId]) -> Vec<Uuid> {
    ids.iter().copied().map(uuid).collect()
}

pub(super) fn id(uuid: Uuid) -> EntryId {
    EntryId::from_bytes(*uuid.as_bytes())
}

/// A count as a column can hold it; none comes near the end of the range.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count that a column holds.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// One value of a row.
pub(super) fn value<T: FromSqlOwned>(row: &Row, name: &str) -> Result<T, StoreError> {
    row.try_get(name).map_err(damaged)
}

/// The entry of a row of [`ENTRY`].
pub(super) fn entry(row: &Row, namespaces: &[Namespace]) -> Result<Entry, StoreError> {
    let owner: &str = row.try_get("owner").map_err(damaged)?;
    let micros = |name| value::<i64>(row, name).map(Timestamp::from_micros);
    Ok(Entry {
        id: id(value(row, "id")?),
        owner: owner_of(owner, namespaces)?,
        address: address(row)?,
        fields: fields(row, "vector")?,
        version: unsigned(value(row, "version")?),
        author: value(row, "author")?,
        created_at: micros("created_at")?,
        updated_at: micros("updated_at")?,
        last_accessed: micros("last_accessed")?,
        access_count: unsigned(value(row, "access_count")?),
        expires_at: value::<Option<i64>>(row, "expires_at")?.map(Timestamp::from_micros),
    })
}

/// The version of a row of the table of versions.
pub(super) fn version(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: unsigned(value(row, "version")?),
        fields: fields(row, "embedding")?,
        address: address(row)?,
        author: value(row, "author")?,
        at: Timestamp::from_micros(value(row, "at")?),
    })
}

fn address(row: &Row) -> Result<Address, StoreError> {
    Ok(Address {
        area: Area::of_number(value::<i16>(row, "area")?.into())
            .ok_or_else(|| damaged("an area that is unknown"))?,
        path: text_of(value(row, "path")?),
        key: value::<Option<String>>(row, "key")?.map(text_of),
    })
}

fn fields(row: &Row, vector: &str) -> Result<Fields, StoreError> {
    let json: &str = row.try_get("fields").map_err(damaged)?;
    // What cannot be read is not told: it is a tenant's.
    let mut fields: Fields =
        serde_json::from_str(json).map_err(|_error| damaged("fields that can't be read"))?;
    fields.embedding = value::<Option<Vec<f32>>>(row, vector)?
        .map(Embedding::new)
        .transpose()
        .map_err(damaged)?;
    Ok(fields)
}

pub(super) fn damaged(detail: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(path: &str, key: &str) -> Option<Vec<u8>> {
        place(&Address {
            area: Area::Items,
            path: path.to_owned(),
            key: Some(key.to_owned()),
        })
    }

    #[test]
    fn a_path_and_a_key_that_join_to_one_text_are_two_places() {
        assert_ne!(at("a/", "b"), at("a", "/b"));
        assert_ne!(at("", "x"), at("x", ""));
        assert_eq!(at("a/", "b"), at("a/", "b"));
        assert_eq!(place(&Address::memory(None)), None);
    }

    proptest! {
        #[test]
        fn a_column_holds_any_text_in_order_and_without_the_sign_that_is_none(
            one in "[\u{0}-\u{3}a0-1]{0,5}",
            other in "[\u{0}-\u{3}a0-1]{0,5}",
        ) {
            let (first, second) = (column(&one), column(&other));
            prop_assert!(!first.contains('\0'));
            prop_assert_eq!(text_of(first.clone().into_owned()), one.clone());
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert_eq!(first.starts_with(&*second), one.starts_with(&other));
        }
    }
}

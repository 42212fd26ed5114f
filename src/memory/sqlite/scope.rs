//! What a reading may see, as SQL: `(namespace and clearance) AND (filter)`, in every query.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::metadata;
use crate::clock::Timestamp;
use crate::memory::{Area, Confidentiality, Filter, Owner, PathFilter};

/// The shared namespace.
const SHARED: i64 = 0;

/// A namespace of one database.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) number: i64,
    pub(super) owner: Owner,
}

/// The namespace's number, if anything was ever written into it.
pub(super) fn number(connection: &Connection, owner: &Owner) -> rusqlite::Result<Option<i64>> {
    match owner {
        Owner::Shared => Ok(Some(SHARED)),
        Owner::User(user) => connection
            .prepare_cached("SELECT owner FROM owners WHERE user = ?1")?
            .query_row([user.as_str()], |row| row.get(0))
            .optional(),
    }
}

/// The namespace's number; it is given one if it has none.
pub(super) fn number_for_writing(connection: &Connection, owner: &Owner) -> rusqlite::Result<i64> {
    if let Some(number) = number(connection, owner)? {
        return Ok(number);
    }
    let Owner::User(user) = owner else {
        return Ok(SHARED);
    };
    connection
        .prepare_cached("INSERT INTO owners (user) VALUES (?1) RETURNING owner")?
        .query_row([user.as_str()], |row| row.get(0))
}

/// Conditions, each with its values.
#[derive(Clone, Debug, Default)]
pub(super) struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Where {
    /// What is not above the clearance and has not expired.
    pub(super) fn visible(clearance: Confidentiality, at: Timestamp) -> Self {
        let mut all = Self::default();
        all.and("e.confidentiality <= ?", [i64::from(clearance.rank())]);
        all.and(
            "(e.expires_at IS NULL OR e.expires_at > ?)",
            [at.as_micros()],
        );
        all
    }

    /// What is visible and fits the filter.
    pub(super) fn fitting(filter: &Filter, clearance: Confidentiality, at: Timestamp) -> Self {
        let mut all = Self::visible(clearance, at);
        all.area(filter.area);
        all.path(&filter.path);
        for (column, name) in [
            ("e.key = ?", &filter.key),
            ("e.agent = ?", &filter.agent),
            ("e.session = ?", &filter.session),
            ("e.category = ?", &filter.category),
        ] {
            if let Some(name) = name {
                all.and(column, [name.clone()]);
            }
        }
        if let Some(ids) = &filter.ids {
            let ids = ids.iter().map(|id| id.as_bytes().to_vec());
            all.one_of("e.id", ids);
        }
        for tag in &filter.tags {
            all.and(TAGGED, [tag.clone()]);
        }
        if !filter.any_tags.is_empty() {
            all.sql.push_str(
                " AND EXISTS (SELECT 1 FROM tags t WHERE t.owner = e.owner AND t.entry = e.entry",
            );
            all.one_of("t.tag", filter.any_tags.iter().cloned());
            all.sql.push(')');
        }
        if let Some(kind) = filter.memory_type {
            all.and("e.memory_type = ?", [kind.as_str().to_owned()]);
        }
        if let Some(least) = filter.min_importance {
            all.and("e.importance >= ?", [i64::from(least)]);
        }
        if let Some(from) = filter.created_from {
            all.and("e.created_at >= ?", [from.as_micros()]);
        }
        if let Some(before) = filter.created_before {
            all.and("e.created_at < ?", [before.as_micros()]);
        }
        for condition in &filter.conditions {
            all.and(
                "metadata_holds(e.metadata, ?, ?, ?)",
                metadata::arguments(condition),
            );
        }
        all
    }

    /// Only of this area. It is written out: an index of one area is found by it.
    pub(super) fn area(&mut self, area: Area) {
        self.and(&format!("e.area = {}", area.number()), [0_i64; 0]);
    }

    pub(super) fn path(&mut self, path: &PathFilter) {
        match path {
            PathFilter::Any => {}
            PathFilter::At(path) => self.and("e.path = ?", [path.clone()]),
            PathFilter::Under(path) if path.is_empty() => {}
            // No text is greater than one that goes on with the greatest character.
            PathFilter::Under(path) => self.and(
                "e.path >= ? AND e.path < ?",
                [path.clone(), format!("{path}\u{10ffff}")],
            ),
        }
    }

    /// Adds a condition and its values, in order.
    pub(super) fn and<V: Into<Value>>(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = V>,
    ) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values.into_iter().map(Into::into));
    }

    fn one_of<V: Into<Value>>(&mut self, column: &str, values: impl Iterator<Item = V>) {
        let before = self.values.len();
        self.values.extend(values.map(Into::into));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.sql.push_str(&format!(" AND {column} IN ({marks})"));
    }

    /// The conditions of one namespace, to follow `WHERE`, and their values.
    pub(super) fn of(&self, place: &Place) -> (String, Vec<Value>) {
        let mut values = vec![Value::from(place.number)];
        values.extend(self.values.iter().cloned());
        (format!("e.owner = ?{}", self.sql), values)
    }
}

const TAGGED: &str =
    "EXISTS (SELECT 1 FROM tags t WHERE t.owner = e.owner AND t.tag = ? AND t.entry = e.entry)";

//! The text index: which terms stand in which entry.
//!
//! An entry's row id holds its length, so that scoring reads the index alone.

use std::fmt::Write;

use rusqlite::{Connection, params};

use super::scope::Place;
use crate::memory::Fields;
use crate::memory::search::terms::{IndexTerms, index_terms};

/// Bits of a row id that hold the length; it is at most 65,536.
const LENGTH_BITS: u32 = 17;

/// What an entry is found by.
pub(super) fn of(fields: &Fields) -> IndexTerms {
    index_terms(&fields.searchable())
}

/// The term as it stands in the index for one namespace.
pub(super) fn term_of(place: &Place, term: &str) -> String {
    format!("{}_{term}", place.number)
}

/// The entry of a row, and its length.
pub(super) const fn unpacked(row: i64) -> (i64, u32) {
    let length = row & ((1 << LENGTH_BITS) - 1);
    (row >> LENGTH_BITS, length as u32)
}

const fn packed(entry: i64, length: u32) -> i64 {
    (entry << LENGTH_BITS) | length as i64
}

pub(super) fn insert(
    connection: &Connection,
    place: &Place,
    entry: i64,
    terms: &IndexTerms,
) -> rusqlite::Result<()> {
    if terms.length == 0 {
        return Ok(());
    }
    let mut text = String::new();
    for (term, count) in &terms.counts {
        for _ in 0..*count {
            // Writing into a string does not fail.
            let _infallible = write!(text, "{}_{term} ", place.number);
        }
    }
    connection
        .prepare_cached("INSERT INTO words (rowid, terms) VALUES (?1, ?2)")?
        .execute(params![packed(entry, terms.length), text])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, entry: i64, length: u32) -> rusqlite::Result<()> {
    if length == 0 {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
        .execute([packed(entry, length)])?;
    Ok(())
}

/// Writes the index anew without what was removed from it: until then the terms are in the file.
pub(super) fn forget_removed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO words (words) VALUES ('optimize')", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_id_gives_back_entry_and_length() {
        for (entry, length) in [(1, 0), (7, 1), (1 << 45, 65_536), (3, (1 << 17) - 1)] {
            assert_eq!(unpacked(packed(entry, length)), (entry, length));
        }
    }
}

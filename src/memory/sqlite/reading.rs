//! Readings of one tenant's database.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params, params_from_iter};

use super::rows::{self, COLUMNS, Kept, SOURCE};
use super::scope::{self, Place, Where};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::memory::{
    Address, Area, Confidentiality, Entry, EntryId, Filter, Namespace, NamespaceUse, Order, Owner,
    Page, Partition, PathFilter, Reach, Version,
};

/// The namespaces of a reach that anything was ever written into, the user's own first.
pub(super) fn places(connection: &Connection, of: &Reach) -> rusqlite::Result<Vec<Place>> {
    let mut places = Vec::with_capacity(2);
    for namespace in of.namespaces() {
        let owner = namespace.owner().clone();
        if let Some(number) = scope::number(connection, &owner)? {
            places.push(Place { number, owner });
        }
    }
    Ok(places)
}

/// The entry of this id.
pub(super) fn get(
    connection: &Connection,
    of: &Reach,
    id: EntryId,
    at: Timestamp,
) -> rusqlite::Result<Option<Kept>> {
    let mut all = Where::visible(of.clearance(), at);
    all.and("e.id = ?", [id.as_bytes().to_vec()]);
    for place in places(connection, of)? {
        let found = selected(connection, &place, &all, "")?;
        if let Some(kept) = found.into_iter().next() {
            return Ok(Some(kept));
        }
    }
    Ok(None)
}

/// The entries at an address.
pub(super) fn find(
    connection: &Connection,
    of: &Reach,
    address: &Address,
    at: Timestamp,
) -> rusqlite::Result<Vec<Entry>> {
    let Some(key) = &address.key else {
        return Ok(Vec::new());
    };
    let mut all = Where::visible(of.clearance(), at);
    all.area(address.area);
    all.and(
        "e.path = ? AND e.key = ?",
        [address.path.clone(), key.clone()],
    );
    let mut entries = Vec::new();
    for place in places(connection, of)? {
        let found = selected(connection, &place, &all, "")?;
        entries.extend(found.into_iter().map(|kept| kept.entry));
    }
    Ok(entries)
}

/// A page of the entries that fit.
pub(super) fn list(
    connection: &Connection,
    of: &Reach,
    filter: &Filter,
    page: &Page,
    at: Timestamp,
) -> rusqlite::Result<Vec<Entry>> {
    let mut all = Where::fitting(filter, of.clearance(), at);
    let order = match page.order {
        Order::NewestFirst => "e.created_at DESC, e.id DESC",
        Order::LastWrittenFirst => "e.updated_at DESC, e.id DESC",
        Order::ByAddress => "e.path, e.key, e.id",
    };
    if let (Order::NewestFirst, Some(after)) = (page.order, &page.after) {
        let id = Value::from(after.id.as_bytes().to_vec());
        let values = [Value::from(after.created_at.as_micros()), id];
        all.and("(e.created_at, e.id) < (?, ?)", values);
    }
    let places = places(connection, of)?;
    // One namespace skips by itself, so that what is skipped is never held. Of several as many are
    // read as it may be; each is read in order by its own index.
    let (most, offset, skip) = match places.len() {
        0 | 1 => (u64::from(page.limit), page.skip, 0),
        _ => (u64::from(page.skip) + u64::from(page.limit), 0, page.skip),
    };
    let tail = format!(" ORDER BY {order} LIMIT {most} OFFSET {offset}");
    let mut entries: Vec<Entry> = Vec::new();
    for place in &places {
        let found = selected(connection, place, &all, &tail)?;
        entries.extend(found.into_iter().map(|kept| kept.entry));
    }
    entries.sort_by(|one, other| compared(page.order, one, other));
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    Ok(entries.into_iter().skip(skip).take(limit).collect())
}

fn compared(order: Order, one: &Entry, other: &Entry) -> Ordering {
    match order {
        Order::NewestFirst => (other.created_at, other.id).cmp(&(one.created_at, one.id)),
        Order::LastWrittenFirst => (other.updated_at, other.id).cmp(&(one.updated_at, one.id)),
        Order::ByAddress => {
            let (one_at, other_at) = (&one.address, &other.address);
            (&one_at.path, &one_at.key, one.id).cmp(&(&other_at.path, &other_at.key, other.id))
        }
    }
}

/// The versions of an entry, last first.
pub(super) fn history(
    connection: &Connection,
    of: &Reach,
    id: EntryId,
    at: Timestamp,
) -> rusqlite::Result<Option<Vec<Version>>> {
    let Some(kept) = get(connection, of, id, at)? else {
        return Ok(None);
    };
    let earlier = rows::versions(connection, &kept, of.clearance())?;
    let entry = kept.entry;
    let present = Version {
        version: entry.version,
        fields: entry.fields,
        address: entry.address,
        author: entry.author,
        at: entry.updated_at,
    };
    Ok(Some(std::iter::once(present).chain(earlier).collect()))
}

/// How many dimensions the vectors of each namespace have that has any.
pub(super) fn dimensions(
    connection: &Connection,
    of: &Reach,
) -> rusqlite::Result<Vec<(Owner, usize)>> {
    let mut read = connection
        .prepare_cached("SELECT dimensions FROM owners WHERE owner = ?1 AND vectors > 0")?;
    let mut found = Vec::new();
    for place in places(connection, of)? {
        for dimensions in read.query_map([place.number], |row| row.get::<_, u32>(0))? {
            let dimensions = usize::try_from(dimensions?).unwrap_or(usize::MAX);
            found.push((place.owner.clone(), dimensions));
        }
    }
    Ok(found)
}

/// The different paths that fit, by bytes.
pub(super) fn paths(
    connection: &Connection,
    of: &Reach,
    area: Area,
    paths: &PathFilter,
    at: Timestamp,
) -> rusqlite::Result<Vec<String>> {
    let mut all = Where::visible(of.clearance(), at);
    all.area(area);
    all.path(paths);
    let mut found = BTreeSet::new();
    for place in places(connection, of)? {
        let (conditions, values) = all.of(&place);
        let sql = format!("SELECT DISTINCT e.path FROM entries e WHERE {conditions}");
        let mut read = connection.prepare_cached(&sql)?;
        for path in read.query_map(params_from_iter(values), |row| row.get(0))? {
            found.insert(path?);
        }
    }
    Ok(found.into_iter().collect())
}

/// The partitions there are.
pub(super) fn partitions(
    connection: &Connection,
    of: &Reach,
    at: Timestamp,
) -> rusqlite::Result<Vec<Partition>> {
    let mut all = Where::visible(of.clearance(), at);
    all.area(Area::Memories);
    let mut found = Vec::new();
    for place in places(connection, of)? {
        let (conditions, values) = all.of(&place);
        let sql = format!(
            "SELECT e.agent, e.session, count(*) FROM entries e WHERE {conditions} \
             GROUP BY e.agent, e.session ORDER BY e.agent, e.session"
        );
        let mut read = connection.prepare_cached(&sql)?;
        let partitions = read.query_map(params_from_iter(values), |row| {
            Ok(Partition {
                owner: place.owner.clone(),
                agent: row.get(0)?,
                session: row.get(1)?,
                entries: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?;
        for partition in partitions {
            found.push(partition?);
        }
    }
    Ok(found)
}

/// What each namespace of the reach holds.
pub(super) fn usage(connection: &Connection, of: &Reach) -> rusqlite::Result<Vec<NamespaceUse>> {
    let mut whole =
        connection.prepare_cached("SELECT entries, bytes FROM owners WHERE owner = ?1")?;
    let mut all = nothing_used(of);
    for one in &mut all {
        let owner = one.namespace.owner();
        let Some(number) = scope::number(connection, owner)? else {
            continue;
        };
        let counts = |row: &Row<'_>| {
            let entries = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((entries, row.get::<_, i64>(1)?.cast_unsigned()))
        };
        let hides = *owner == Owner::Shared && of.clearance() < Confidentiality::Restricted;
        (one.entries, one.bytes) = match hides {
            false => whole.query_row([number], counts)?,
            true => connection
                .prepare_cached(SEEN)?
                .query_row(params![number, of.clearance().rank()], counts)?,
        };
    }
    Ok(all)
}

/// Who has a namespace. A name that no longer is one is an error, never left out.
pub(super) fn owners(connection: &Connection) -> rusqlite::Result<Vec<Owner>> {
    let mut owners = connection.prepare_cached("SELECT user FROM owners")?;
    let rows = owners.query_map([], |row| {
        let Some(user) = row.get::<_, Option<String>>(0)? else {
            return Ok(Owner::Shared);
        };
        let unknown =
            |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
        UserId::parse(&user).map(Owner::User).map_err(unknown)
    })?;
    rows.collect()
}

/// How many entries of a namespace are not above a clearance, and their bytes with those of what
/// they were before that is not above it either.
const SEEN: &str = "SELECT count(*), coalesce(sum(e.bytes + (SELECT coalesce(sum(v.bytes), 0) \
     FROM versions v WHERE v.entry = e.entry AND v.confidentiality <= ?2)), 0) \
     FROM entries e WHERE e.owner = ?1 AND e.confidentiality <= ?2";

/// The namespaces of a reach, all empty.
pub(super) fn nothing_used(of: &Reach) -> Vec<NamespaceUse> {
    let nothing = |namespace: Namespace| NamespaceUse {
        namespace,
        entries: 0,
        bytes: 0,
    };
    of.namespaces().into_iter().map(nothing).collect()
}

fn selected(
    connection: &Connection,
    place: &Place,
    all: &Where,
    tail: &str,
) -> rusqlite::Result<Vec<Kept>> {
    let (conditions, values) = all.of(place);
    let sql = format!("SELECT {COLUMNS} FROM {SOURCE} WHERE {conditions}{tail}");
    connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| rows::entry(row, place))?
        .collect()
}

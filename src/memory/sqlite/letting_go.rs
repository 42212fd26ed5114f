//! Removing entries: one by one, the expired, the pruned, and all of a user.

use std::cmp::Ordering;

use rusqlite::{Connection, Row, params};

use super::rows::{Body, place_of};
use super::scope::{self, Place, Where};
use super::usage::Usage;
use super::words;
use crate::clock::Timestamp;
use crate::memory::{Area, Confidentiality, EntryId, Erased, Owner, PruneRule};

/// Removes an entry with its history.
pub(super) fn remove(
    connection: &Connection,
    place: &Place,
    body: &Body,
    usage: &mut Usage,
) -> rusqlite::Result<()> {
    let entry = body.number;
    let mut versions =
        connection.prepare_cached("DELETE FROM versions WHERE entry = ?1 RETURNING bytes")?;
    let history: i64 = versions
        .query_map([entry], |row| row.get::<_, i64>(0))?
        .sum::<rusqlite::Result<i64>>()?;
    words::remove(connection, entry, body.length)?;
    remove_tags(connection, place, entry)?;
    remove_vector(connection, place, entry, usage)?;
    connection
        .prepare_cached("DELETE FROM entries WHERE entry = ?1")?
        .execute([entry])?;
    usage.add(-1, -body.bytes - history);
    usage.terms -= i64::from(body.length);
    Ok(())
}

/// Removes an entry's tags from where entries are found by them.
pub(super) fn remove_tags(
    connection: &Connection,
    place: &Place,
    entry: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM tags WHERE owner = ?1 AND entry = ?2 AND tag IN \
             (SELECT value FROM entries, json_each(entries.tags) WHERE entries.entry = ?2)",
        )?
        .execute([place.number, entry])?;
    Ok(())
}

pub(super) fn remove_vector(
    connection: &Connection,
    place: &Place,
    entry: i64,
    usage: &mut Usage,
) -> rusqlite::Result<()> {
    let removed = connection
        .prepare_cached("DELETE FROM vectors WHERE place = ?1")?
        .execute([place_of(place.number, entry)])?;
    if removed > 0 {
        usage.vectors -= 1;
    }
    Ok(())
}

/// Removes up to `limit` entries of the tenant that have expired; answers how many.
pub(super) fn sweep(connection: &Connection, limit: u32, at: Timestamp) -> rusqlite::Result<u64> {
    let mut expired: Vec<(i64, Body)> = connection
        .prepare_cached(
            "SELECT entry, bytes, length, owner FROM entries WHERE expires_at <= ?1 \
             ORDER BY expires_at LIMIT ?2",
        )?
        .query_map(params![at.as_micros(), limit], |row| {
            Ok((row.get(3)?, body_of(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    expired.sort_by_key(|(owner, _body)| *owner);
    for of_one in expired.chunk_by(|one, other| one.0 == other.0) {
        let number = of_one.first().map_or(0, |(owner, _body)| *owner);
        // Whose it is makes no difference to its removal.
        let place = Place {
            number,
            owner: Owner::Shared,
        };
        let mut usage = Usage::read(connection, &place)?;
        for (_owner, body) in of_one {
            remove(connection, &place, body, &mut usage)?;
        }
        usage.write(connection, &place)?;
    }
    Ok(expired.len() as u64)
}

/// One memory as pruning judges it.
struct Judged {
    body: Body,
    id: EntryId,
    strength: f64,
    importance: u8,
    created_at: i64,
    last_used: i64,
}

/// Lets go of the memories that fit the rule. How many, and the ids of the strongest of them.
pub(super) fn prune(
    connection: &Connection,
    place: &Place,
    clearance: Confidentiality,
    rule: &PruneRule,
    at: Timestamp,
) -> rusqlite::Result<(u64, Vec<EntryId>)> {
    if says_nothing(rule) {
        return Ok((0, Vec::new()));
    }
    let mut judged = judged(connection, place, clearance, rule, at)?;
    judged.sort_unstable_by(stronger_first);
    let kept = rule
        .keep
        .map_or(0, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
    judged.drain(..kept.min(judged.len()));
    judged.retain(|memory| fits(memory, rule));
    if !rule.dry_run {
        let mut usage = Usage::read(connection, place)?;
        for memory in &judged {
            remove(connection, place, &memory.body, &mut usage)?;
        }
        usage.write(connection, place)?;
    }
    let first = judged.iter().take(PruneRule::MAX_IDS);
    Ok((judged.len() as u64, first.map(|memory| memory.id).collect()))
}

fn judged(
    connection: &Connection,
    place: &Place,
    clearance: Confidentiality,
    rule: &PruneRule,
    at: Timestamp,
) -> rusqlite::Result<Vec<Judged>> {
    let mut all = Where::visible(clearance, at);
    all.area(Area::Memories);
    if let Some(agent) = &rule.agent {
        all.and("e.agent = ?", [agent.clone()]);
    }
    let (conditions, values) = all.of(place);
    let sql = format!(
        "SELECT e.entry, e.bytes, e.length, e.id, e.strength, e.importance, e.created_at, \
         max(e.updated_at, e.last_accessed) FROM entries e WHERE {conditions}"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(rusqlite::params_from_iter(values), |row| {
            let last_used = row.get(7)?;
            Ok(Judged {
                body: body_of(row)?,
                id: EntryId::from_bytes(row.get(3)?),
                strength: strength(row.get(4)?, last_used, at),
                importance: row.get(5)?,
                created_at: row.get(6)?,
                last_used,
            })
        })?
        .collect()
}

/// What a strength has come down to since the memory was last used.
#[expect(
    clippy::cast_precision_loss,
    reason = "a microsecond makes no difference to a strength"
)]
fn strength(full: f64, last_used: i64, at: Timestamp) -> f64 {
    let idle = at.as_micros().saturating_sub(last_used).max(0) as f64 / 1e6;
    full * 0.5_f64.powf(idle / PruneRule::STRENGTH_HALF_LIFE as f64)
}

fn stronger_first(one: &Judged, other: &Judged) -> Ordering {
    let rest = |memory: &Judged| (memory.importance, memory.created_at, memory.id);
    let by_strength = other.strength.total_cmp(&one.strength);
    by_strength.then_with(|| rest(other).cmp(&rest(one)))
}

/// A rule without a part fits nothing: by leaving out all, nobody means all.
fn says_nothing(rule: &PruneRule) -> bool {
    rule.older_than.is_none()
        && rule.min_importance.is_none()
        && rule.min_strength.is_none()
        && rule.keep.is_none()
}

fn fits(memory: &Judged, rule: &PruneRule) -> bool {
    let old = rule
        .older_than
        .is_none_or(|than| memory.last_used < than.as_micros());
    let unimportant = rule
        .min_importance
        .is_none_or(|least| memory.importance < least);
    let weak = rule
        .min_strength
        .is_none_or(|least| memory.strength < least);
    old && unimportant && weak
}

/// Removes a user's namespace, and its name from shared memory.
pub(super) fn erase_user(connection: &Connection, owner: &Owner) -> rusqlite::Result<Erased> {
    let mut erased = Erased::default();
    if let Some(number) = scope::number(connection, owner)? {
        let place = Place {
            number,
            owner: owner.clone(),
        };
        let mut usage = Usage::read(connection, &place)?;
        erased.entries = usage.entries.cast_unsigned();
        erased.bytes = usage.bytes.cast_unsigned();
        usage.add(-usage.entries, -usage.bytes);
        usage.write(connection, &place)?;
        remove_all(connection, number)?;
    }
    if let Owner::User(user) = owner {
        for sql in [
            "UPDATE entries SET author = NULL WHERE owner = 0 AND author = ?1",
            "UPDATE versions SET author = NULL WHERE author = ?1",
        ] {
            erased.anonymised += connection.execute(sql, [user.as_str()])? as u64;
        }
    }
    words::forget_removed(connection)?;
    Ok(erased)
}

fn remove_all(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM versions WHERE entry IN (SELECT entry FROM entries WHERE owner = ?1)",
        [number],
    )?;
    let bodies: Vec<Body> = connection
        .prepare("SELECT entry, bytes, length FROM entries WHERE owner = ?1")?
        .query_map([number], body_of)?
        .collect::<rusqlite::Result<_>>()?;
    for body in bodies {
        words::remove(connection, body.number, body.length)?;
    }
    connection.execute("DELETE FROM tags WHERE owner = ?1", [number])?;
    connection.execute(
        "DELETE FROM vectors WHERE place >= ?1 AND place < ?2",
        [place_of(number, 0), place_of(number + 1, 0)],
    )?;
    connection.execute("DELETE FROM entries WHERE owner = ?1", [number])?;
    connection.execute("DELETE FROM owners WHERE owner = ?1", [number])?;
    Ok(())
}

fn body_of(row: &Row<'_>) -> rusqlite::Result<Body> {
    Ok(Body {
        number: row.get(0)?,
        bytes: row.get(1)?,
        length: row.get(2)?,
    })
}

//! The statements on the tables of owners. What changes something runs inside a transaction.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::ownership::{
    Counted, Day, Held, Owner, Ownership, Place, Resource, ResourceId, ResourceKey, Selection,
    Swept, Taking,
};
use crate::tenant::TenantId;

/// Most rows that one job changes, so that claims behind it do not wait long.
const CHANGE: i64 = 1_000;
/// Most rows that one job looks at.
const LOOK_AT: i64 = 5_000;

const FIND: &str = "SELECT o.tenant, o.user, r.used FROM scopes s \
     JOIN resources r ON r.scope = s.scope AND r.id = ?3 \
     LEFT JOIN owners o ON o.owner = r.owner \
     WHERE s.upstream = ?1 AND s.kind = ?2";

const RELEASE: &str = "DELETE FROM resources \
     WHERE scope = (SELECT scope FROM scopes WHERE upstream = ?1 AND kind = ?2) \
     AND id = ?3 AND owner IN (SELECT owner FROM owners WHERE tenant = ?4)";

const USED: &str = "UPDATE resources SET used = ?4 \
     WHERE scope = (SELECT scope FROM scopes WHERE upstream = ?1 AND kind = ?2) \
     AND id = ?3 AND used < ?4";

const RETIRE_TENANT: &str = "UPDATE resources SET owner = NULL, since = NULL, used = NULL \
     WHERE (scope, id) IN (SELECT r.scope, r.id FROM owners o \
     JOIN resources r ON r.owner = o.owner WHERE o.tenant = ?1 LIMIT ?2)";

/// The order of the joins is the order of the rows, so that nothing has to be sorted.
macro_rules! page {
    ($part:literal) => {
        concat!(
            "SELECT o.tenant, o.user, s.upstream, s.kind, r.id, r.since, r.used FROM owners o \
             CROSS JOIN resources r ON r.owner = o.owner CROSS JOIN scopes s ON s.scope = r.scope \
             WHERE o.tenant = ?1 AND (?2 IS NULL OR s.kind = ?2) AND ",
            $part,
            " ORDER BY o.user, r.scope, r.id LIMIT ?6"
        )
    };
}

/// Rows of the user that the page before ended with.
const PAGE_OF_USER: &str = page!("o.user = ?5 AND (r.scope, r.id) > (?3, ?4)");
/// Rows of the users behind that one.
const PAGE_BEHIND_USER: &str = page!("o.user > ?5");

/// What is run often, or on large tables while others wait.
#[cfg(test)]
pub(super) const HOT: [&str; 6] = [
    FIND,
    RELEASE,
    USED,
    RETIRE_TENANT,
    PAGE_OF_USER,
    PAGE_BEHIND_USER,
];

/// What is known of one resource.
pub(super) fn find(connection: &Connection, key: &ResourceKey) -> rusqlite::Result<Held> {
    let found = connection
        .prepare_cached(FIND)?
        .query_row(
            params![key.upstream(), key.kind(), key.id().as_str()],
            |row| match row.get_ref(0)?.data_type() {
                Type::Null => Ok(Held::Retired),
                _ => Ok(Held::Owned(owner(row)?, day(row, 2)?)),
            },
        )
        .optional()?;
    Ok(found.unwrap_or(Held::Unknown))
}

/// Makes owners; see [`Taking`].
pub(super) fn take(
    connection: &Connection,
    wanted: &[(ResourceKey, Owner)],
    taking: Taking,
    at: Timestamp,
) -> rusqlite::Result<Vec<Ownership>> {
    let mut held = wanted
        .iter()
        .map(|(key, _)| find(connection, key).map(Ownership::from))
        .collect::<Result<Vec<_>, _>>()?;
    if taking == Taking::Claimed && !claimable(wanted, &held) {
        return Ok(held);
    }
    for ((key, owner), held) in wanted.iter().zip(&mut held) {
        match held {
            Ownership::Owned(_) => used(connection, key, Day::of(at))?,
            Ownership::Unknown | Ownership::Retired => {
                *held = insert(connection, key, owner, taking, at)?;
            }
        }
    }
    Ok(held)
}

/// Whether each is free or its tenant's already.
pub(super) fn claimable(wanted: &[(ResourceKey, Owner)], held: &[Ownership]) -> bool {
    wanted
        .iter()
        .zip(held)
        .all(|((_, wants), held)| match held {
            Ownership::Unknown => true,
            Ownership::Owned(owner) => owner.tenant == wants.tenant,
            Ownership::Retired => false,
        })
}

fn insert(
    connection: &Connection,
    key: &ResourceKey,
    owner: &Owner,
    taking: Taking,
    at: Timestamp,
) -> rusqlite::Result<Ownership> {
    let scope = ensure_scope(connection, key)?;
    let number = ensure_owner(connection, owner)?;
    let since = at.as_seconds();
    let used = Day::of(at).count();
    let id = key.id().as_str();
    connection
        .prepare_cached(
            "INSERT INTO resources (scope, id, owner, since, used) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![scope, id, number, since, used])?;
    if taking == Taking::Minted {
        connection
            .prepare_cached(
                "UPDATE resources SET owner = ?3, since = ?4, used = ?5 \
                 WHERE scope = ?1 AND id = ?2 AND owner IS NULL",
            )?
            .execute(params![scope, id, number, since, used])?;
    }
    find(connection, key).map(Ownership::from)
}

/// Forgets a resource that `by` owns.
pub(super) fn release(
    connection: &Connection,
    key: &ResourceKey,
    by: &TenantId,
) -> rusqlite::Result<bool> {
    let released = connection.prepare_cached(RELEASE)?.execute(params![
        key.upstream(),
        key.kind(),
        key.id().as_str(),
        by.as_str()
    ])?;
    count_removals(connection, released)?;
    Ok(released > 0)
}

/// Writes down a use.
pub(super) fn used(connection: &Connection, key: &ResourceKey, on: Day) -> rusqlite::Result<()> {
    connection.prepare_cached(USED)?.execute(params![
        key.upstream(),
        key.kind(),
        key.id().as_str(),
        on.count()
    ])?;
    Ok(())
}

/// Retires some of a tenant's resources; with the last of them its users' names go too.
pub(super) fn retire_tenant(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<u64> {
    let retired = connection
        .prepare_cached(RETIRE_TENANT)?
        .execute(params![tenant.as_str(), CHANGE])?;
    if retired == 0 {
        connection
            .prepare_cached("DELETE FROM owners WHERE tenant = ?1")?
            .execute([tenant.as_str()])?;
    }
    count_removals(connection, retired)?;
    Ok(retired as u64)
}

/// Retires what was last used before that day, among some rows behind `after`.
pub(super) fn retire_unused(
    connection: &Connection,
    before: Day,
    after: Option<&ResourceKey>,
) -> rusqlite::Result<Swept> {
    let (scope, id) = match after {
        Some(key) => (ensure_scope(connection, key)?, key.id().as_str()),
        None => (-1, ""),
    };
    let last = connection
        .prepare_cached(
            "SELECT r.scope, r.id, s.upstream, s.kind FROM resources r \
             JOIN scopes s ON s.scope = r.scope WHERE (r.scope, r.id) > (?1, ?2) \
             ORDER BY r.scope, r.id LIMIT 1 OFFSET ?3",
        )?
        .query_row(params![scope, id, LOOK_AT - 1], |row| {
            Ok((row.get::<_, i64>(0)?, key(row, 2, 3, 1)?))
        })
        .optional()?;
    let (last_scope, last_id) = match &last {
        Some((scope, last)) => (*scope, last.id().as_str()),
        None => (i64::MAX, ""),
    };
    let range = params![scope, id, before.count(), last_scope, last_id];
    let rows = "(scope, id) > (?1, ?2) AND used < ?3 AND (scope, id) <= (?4, ?5)";
    let former = connection
        .prepare_cached(&format!(
            "SELECT DISTINCT owner FROM resources WHERE {rows}"
        ))?
        .query_map(range, |row| row.get::<_, i64>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let retired = connection
        .prepare_cached(&format!(
            "UPDATE resources SET owner = NULL, since = NULL, used = NULL WHERE {rows}"
        ))?
        .execute(range)?;
    for owner in former {
        connection
            .prepare_cached(
                "DELETE FROM owners WHERE owner = ?1 \
                 AND NOT EXISTS (SELECT 1 FROM resources WHERE owner = ?1)",
            )?
            .execute([owner])?;
    }
    count_removals(connection, retired)?;
    Ok(Swept {
        retired: retired as u64,
        next: last.map(|(_, last)| last),
    })
}

/// How many rows of one kind a tenant or one of its users has.
pub(super) fn count(connection: &Connection, counted: &Counted) -> rusqlite::Result<u64> {
    // The order of the joins leads through the index of owners, which holds the scope too.
    connection
        .prepare_cached(
            "SELECT COUNT(*) FROM scopes s CROSS JOIN owners o \
             CROSS JOIN resources r ON r.owner = o.owner AND r.scope = s.scope \
             WHERE s.upstream = ?1 AND s.kind = ?2 AND o.tenant = ?3 AND (?4 IS NULL OR o.user = ?4)",
        )?
        .query_row(
            params![
                &*counted.upstream,
                &*counted.kind,
                counted.tenant.as_str(),
                counted.user.as_ref().map(|user| user.as_str())
            ],
            |row| row.get::<_, i64>(0),
        )
        .map(|count| u64::try_from(count).unwrap_or(0))
}

/// Rows of a tenant, by user, then in the order they are kept in.
pub(super) fn page(
    connection: &Connection,
    selection: &Selection,
) -> rusqlite::Result<Vec<Resource>> {
    let limit = selection.limit;
    let (scope, id, user) = match &selection.after {
        Some(Place { user, key }) => (
            scope_of(connection, key)?.unwrap_or(i64::MAX),
            key.id().as_str(),
            user.as_str(),
        ),
        None => (i64::MAX, "", ""),
    };
    let mut rows = Vec::new();
    for part in [PAGE_OF_USER, PAGE_BEHIND_USER] {
        let room = limit.saturating_sub(rows.len());
        let mut statement = connection.prepare_cached(part)?;
        let found = statement.query_map(
            params![
                selection.tenant.as_str(),
                selection.kind,
                scope,
                id,
                user,
                i64::try_from(room).unwrap_or(i64::MAX)
            ],
            |row| {
                Ok(Resource {
                    key: key(row, 2, 3, 4)?,
                    owner: owner(row)?,
                    since: Timestamp::from_seconds(row.get(5)?),
                    used: day(row, 6)?,
                })
            },
        )?;
        for resource in found {
            rows.push(resource?);
        }
    }
    Ok(rows)
}

fn count_removals(connection: &Connection, removed: usize) -> rusqlite::Result<()> {
    if removed > 0 {
        connection
            .prepare_cached("UPDATE removals SET count = count + 1")?
            .execute([])?;
    }
    Ok(())
}

fn scope_of(connection: &Connection, key: &ResourceKey) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT scope FROM scopes WHERE upstream = ?1 AND kind = ?2")?
        .query_row([key.upstream(), key.kind()], |row| row.get(0))
        .optional()
}

fn ensure_scope(connection: &Connection, key: &ResourceKey) -> rusqlite::Result<i64> {
    if let Some(scope) = scope_of(connection, key)? {
        return Ok(scope);
    }
    connection
        .prepare_cached("INSERT INTO scopes (upstream, kind) VALUES (?1, ?2)")?
        .insert([key.upstream(), key.kind()])
}

fn ensure_owner(connection: &Connection, owner: &Owner) -> rusqlite::Result<i64> {
    let names = [owner.tenant.as_str(), owner.user.as_str()];
    let known = connection
        .prepare_cached("SELECT owner FROM owners WHERE tenant = ?1 AND user = ?2")?
        .query_row(names, |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        return Ok(number);
    }
    connection
        .prepare_cached("INSERT INTO owners (tenant, user) VALUES (?1, ?2)")?
        .insert(names)
}

/// Tenant and user from the first two columns.
fn owner(row: &Row<'_>) -> rusqlite::Result<Owner> {
    let tenant = row.get_ref(0)?.as_str()?;
    let user = row.get_ref(1)?.as_str()?;
    Ok(Owner {
        tenant: TenantId::kept(tenant).map_err(|error| unreadable(0, error))?,
        user: UserId::parse(user).map_err(|error| unreadable(1, error))?,
    })
}

fn key(row: &Row<'_>, upstream: usize, kind: usize, id: usize) -> rusqlite::Result<ResourceKey> {
    let name =
        ResourceId::exact(row.get_ref(id)?.as_str()?).map_err(|error| unreadable(id, error))?;
    Ok(ResourceKey::new(row.get(upstream)?, row.get(kind)?, name))
}

fn day(row: &Row<'_>, column: usize) -> rusqlite::Result<Day> {
    row.get(column).map(Day::new)
}

/// A row that nobody wrote who went through the types: it is not guessed what it meant.
fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

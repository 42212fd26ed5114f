//! What keeps a tenant's memories in shape: recalls counted, lifetimes moved on, the weak and the
//! expired let go of, everything erased.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::ledger::{Counts, Ledger, WHOLE, remove};
use super::narrow::visible;
use super::rows::{Arguments, column, id, owner_name, signed, uuids, value};
use super::session::{Argument, Transaction};
use crate::clock::Timestamp;
use crate::memory::{
    Area, EntryId, Erased, PruneRule, StoreError, TenantErasure, TenantScope, UserErasure, Writable,
};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

pub(super) async fn touch(
    transaction: &Transaction,
    tenant: &TenantScope,
    recalled: &[(EntryId, Timestamp)],
) -> Result<(), StoreError> {
    let mut counts: BTreeMap<EntryId, (i64, i64)> = BTreeMap::new();
    for (id, at) in recalled {
        let (count, last) = counts.entry(*id).or_insert((0, i64::MIN));
        *count += 1;
        *last = (*last).max(at.as_micros());
    }
    let ids: Vec<EntryId> = counts.keys().copied().collect();
    let (times, lasts): (Vec<i64>, Vec<i64>) = counts.values().copied().unzip();
    let tenant = tenant.tenant().as_str();
    // Behind the tenant's writers, so that nobody waits for each other's rows.
    Ledger::lock(transaction, tenant, &[]).await?;
    let sql = "UPDATE fabric_memory.entries e SET access_count = e.access_count + r.times, \
         last_accessed = greatest(e.last_accessed, r.at) \
         FROM unnest($2, $3, $4) AS r(id, times, at) WHERE e.tenant = $1 AND e.id = r.id";
    let ids = uuids(&ids);
    let arguments: [Argument<'_>; 4] = [
        (&tenant, Type::TEXT),
        (&ids, Type::UUID_ARRAY),
        (&times, Type::INT8_ARRAY),
        (&lasts, Type::INT8_ARRAY),
    ];
    transaction.execute(sql, &arguments).await?;
    Ok(())
}

/// Arguments of a statement that begins with the tenant, `$1`, and the owner, `$2`.
fn within(of: &Writable) -> Arguments {
    let mut arguments = Arguments::default();
    arguments.add(of.namespace().tenant().as_str().to_owned(), Type::TEXT);
    arguments.add(owner_name(of.namespace().owner()), Type::TEXT);
    arguments
}

pub(super) async fn refresh(
    transaction: &Transaction,
    of: &Writable,
    ids: &[EntryId],
    at: Timestamp,
) -> Result<(), StoreError> {
    Ledger::lock(transaction, of.namespace().tenant().as_str(), &[]).await?;
    let mut arguments = within(of);
    let ids = arguments.add(uuids(ids), Type::UUID_ARRAY);
    let visible = visible(&mut arguments, of.clearance(), at);
    let now = arguments.add(at.as_micros(), Type::INT8);
    let sql = format!(
        "UPDATE fabric_memory.entries e SET expires_at = {now} + e.ttl * {SECOND} \
         WHERE e.tenant = $1 AND e.owner = $2 AND e.id = ANY({ids}) AND e.ttl IS NOT NULL \
         AND {visible}"
    );
    transaction.execute(&sql, &arguments.list()).await?;
    Ok(())
}

pub(super) async fn prune(
    transaction: &Transaction,
    of: &Writable,
    rule: &PruneRule,
    at: Timestamp,
) -> Result<(u64, Vec<EntryId>), StoreError> {
    let narrows = rule.older_than.is_some()
        || rule.min_importance.is_some()
        || rule.min_strength.is_some()
        || rule.keep.is_some();
    if !narrows {
        return Ok((0, Vec::new()));
    }
    let tenant = of.namespace().tenant().as_str().to_owned();
    let owner = owner_name(of.namespace().owner());
    let mut ledger = Ledger::lock(transaction, &tenant, std::slice::from_ref(&owner)).await?;
    let (sql, arguments) = weak(of, rule, at);
    let rows = transaction.query(&sql, &arguments.list()).await?;
    let ids: Vec<Uuid> = rows
        .iter()
        .map(|row| value(row, "id"))
        .collect::<Result<_, _>>()?;
    let first = ids.iter().take(PruneRule::MAX_IDS).copied().map(id);
    let first = first.collect();
    let count = ids.len() as u64;
    if !rule.dry_run && !ids.is_empty() {
        for (owner, gone) in remove(transaction, &tenant, &ids).await? {
            ledger.change(&owner, &Counts::default(), &gone);
        }
        ledger.save(transaction).await?;
    }
    Ok((count, first))
}

/// The ids of the memories a rule lets go of.
fn weak(of: &Writable, rule: &PruneRule, at: Timestamp) -> (String, Arguments) {
    let mut arguments = within(of);
    let area = arguments.add(Area::Memories.number(), Type::INT2);
    let mut considered = visible(&mut arguments, of.clearance(), at);
    if let Some(agent) = &rule.agent {
        let agent = arguments.add(column(agent).into_owned(), Type::TEXT);
        considered.push_str(&format!(" AND e.agent = {agent}"));
    }
    let now = arguments.add(at.as_micros(), Type::INT8);
    let half_life = arguments.add(
        signed(PruneRule::STRENGTH_HALF_LIFE).saturating_mul(SECOND),
        Type::INT8,
    );
    let mut parts = vec!["true".to_owned()];
    if let Some(bound) = rule.older_than {
        let bound = arguments.add(bound.as_micros(), Type::INT8);
        parts.push(format!("w.last < {bound}"));
    }
    if let Some(least) = rule.min_importance {
        let least = arguments.add(i16::from(least), Type::INT2);
        parts.push(format!("w.importance < {least}"));
    }
    if let Some(least) = rule.min_strength {
        let least = arguments.add(least, Type::FLOAT8);
        parts.push(format!("w.strength < {least}"));
    }
    if let Some(keep) = rule.keep {
        let keep = arguments.add(signed(keep), Type::INT8);
        parts.push(format!("w.place > {keep}"));
    }
    let sql = format!(
        "WITH ages AS ( \
             SELECT e.id, e.importance, e.created_at, e.strength AS full_strength, \
                 greatest(e.last_accessed, e.updated_at) AS last \
             FROM fabric_memory.entries e \
             WHERE e.tenant = $1 AND e.owner = $2 AND e.area = {area} AND {considered} \
         ), strengths AS ( \
             SELECT a.*, a.full_strength \
                 * power(0.5::float8, greatest({now} - a.last, 0)::float8 / {half_life}) AS strength \
             FROM ages a \
         ), ranked AS ( \
             SELECT s.*, row_number() OVER ( \
                 ORDER BY s.strength DESC, s.importance DESC, s.created_at DESC, s.id DESC \
             ) AS place FROM strengths s \
         ) SELECT w.id FROM ranked w WHERE {} ORDER BY w.place",
        parts.join(" AND ")
    );
    (sql, arguments)
}

pub(super) async fn sweep(
    transaction: &Transaction,
    tenant: &TenantScope,
    limit: u32,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let tenant = tenant.tenant().as_str();
    // Looked for without a lock first: most of the time nothing has expired.
    let (at, limit) = (at.as_micros(), i64::from(limit));
    let sql = "SELECT e.id, e.owner FROM fabric_memory.entries e \
         WHERE e.tenant = $1 AND e.expires_at <= $2 ORDER BY e.expires_at, e.id LIMIT $3";
    let arguments: [Argument<'_>; 3] = [
        (&tenant, Type::TEXT),
        (&at, Type::INT8),
        (&limit, Type::INT8),
    ];
    let found = transaction.query(sql, &arguments).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let mut owners: Vec<String> = found
        .iter()
        .map(|row| value(row, "owner"))
        .collect::<Result<_, _>>()?;
    owners.sort_unstable();
    owners.dedup();
    let mut ledger = Ledger::lock(transaction, tenant, &owners).await?;
    // Once more, under the lock: one may have been written since, and lives on.
    let candidates: Vec<Uuid> = found
        .iter()
        .map(|row| value(row, "id"))
        .collect::<Result<_, _>>()?;
    let sql = "SELECT e.id FROM fabric_memory.entries e \
         WHERE e.tenant = $1 AND e.id = ANY($2) AND e.expires_at <= $3";
    let arguments: [Argument<'_>; 3] = [
        (&tenant, Type::TEXT),
        (&candidates, Type::UUID_ARRAY),
        (&at, Type::INT8),
    ];
    let expired = transaction.query(sql, &arguments).await?;
    let expired: Vec<Uuid> = expired
        .iter()
        .map(|row| value(row, "id"))
        .collect::<Result<_, _>>()?;
    for (owner, gone) in remove(transaction, tenant, &expired).await? {
        ledger.change(&owner, &Counts::default(), &gone);
    }
    ledger.save(transaction).await?;
    Ok(expired.len() as u64)
}

/// How long an erasure may take, in milliseconds: a tenant of a million entries takes minutes.
const ERASURE: &str = "SELECT set_config('statement_timeout', '900000', true)";

pub(super) async fn erase_tenant(
    transaction: &Transaction,
    right: &TenantErasure,
) -> Result<Erased, StoreError> {
    let tenant = right.tenant().as_str();
    transaction.query_one(ERASURE, &[]).await?;
    let held = Ledger::lock(transaction, tenant, &[]).await?.of(WHOLE);
    for table in [
        "postings",
        "documents",
        "embeddings",
        "versions",
        "entries",
        "counters",
    ] {
        let sql = format!("DELETE FROM fabric_memory.{table} WHERE tenant = $1");
        transaction.execute(&sql, &[(&tenant, Type::TEXT)]).await?;
    }
    Ok(Erased {
        entries: held.entries,
        bytes: held.bytes,
        anonymised: 0,
    })
}

pub(super) async fn erase_user(
    transaction: &Transaction,
    right: &UserErasure,
) -> Result<Erased, StoreError> {
    let tenant = right.tenant().as_str();
    let owner = owner_name(right.namespace().owner());
    transaction.query_one(ERASURE, &[]).await?;
    let mut ledger = Ledger::lock(transaction, tenant, std::slice::from_ref(&owner)).await?;
    let held = ledger.of(&owner);
    let arguments: [Argument<'_>; 2] = [(&tenant, Type::TEXT), (&owner, Type::TEXT)];
    for table in [
        "postings",
        "documents",
        "embeddings",
        "versions",
        "entries",
        "counters",
    ] {
        let sql = format!("DELETE FROM fabric_memory.{table} WHERE tenant = $1 AND owner = $2");
        transaction.execute(&sql, &arguments).await?;
    }
    ledger.change(&owner, &Counts::default(), &held);
    ledger.save(transaction).await?;
    // What the user wrote elsewhere is the tenant's; who wrote it is the user's.
    let author = right.user().as_str();
    let arguments: [Argument<'_>; 2] = [(&tenant, Type::TEXT), (&author, Type::TEXT)];
    let mut anonymised = 0;
    for table in ["entries", "versions"] {
        let sql = format!(
            "UPDATE fabric_memory.{table} SET author = NULL WHERE tenant = $1 AND author = $2"
        );
        anonymised += transaction.execute(&sql, &arguments).await?;
    }
    Ok(Erased {
        entries: held.entries,
        bytes: held.bytes,
        anonymised,
    })
}

//! Reading entries.

use tokio_postgres::types::Type;

use super::narrow::{at_path, filtered, visible};
use super::rows::{
    Arguments, ENTRY, column, entry, named_owner, owner_name, owner_names, owner_of, place,
    text_of, unsigned, uuid, value, version,
};
use super::session::Transaction;
use crate::clock::Timestamp;
use crate::memory::{
    Address, Area, Confidentiality, Entry, EntryId, Filter, NamespaceUse, Order, Oversight, Owner,
    Page, Partition, PathFilter, Reach, StoreError, Version,
};

/// Arguments of a statement that begins with the tenant, `$1`, and the owners of the reach, `$2`.
pub(super) fn reached(of: &Reach) -> Arguments {
    let mut arguments = Arguments::default();
    arguments.add(of.tenant().as_str().to_owned(), Type::TEXT);
    arguments.add(owner_names(&of.namespaces()), Type::TEXT_ARRAY);
    arguments
}

pub(super) async fn get(
    transaction: &Transaction,
    of: &Reach,
    id: EntryId,
    at: Timestamp,
) -> Result<Option<Entry>, StoreError> {
    let mut arguments = reached(of);
    let id = arguments.add(uuid(id), Type::UUID);
    let visible = visible(&mut arguments, of.clearance(), at);
    let sql = format!(
        "SELECT {ENTRY} FROM fabric_memory.entries e \
         WHERE e.tenant = $1 AND e.owner = ANY($2) AND e.id = {id} AND {visible}"
    );
    let rows = transaction.query(&sql, &arguments.list()).await?;
    let namespaces = of.namespaces();
    rows.first().map(|row| entry(row, &namespaces)).transpose()
}

pub(super) async fn find(
    transaction: &Transaction,
    of: &Reach,
    address: &Address,
    at: Timestamp,
) -> Result<Vec<Entry>, StoreError> {
    // What has no key is found by its id only.
    let Some(place) = place(address) else {
        return Ok(Vec::new());
    };
    let mut arguments = reached(of);
    let area = arguments.add(address.area.number(), Type::INT2);
    let place = arguments.add(place, Type::BYTEA);
    let visible = visible(&mut arguments, of.clearance(), at);
    let sql = format!(
        "SELECT {ENTRY} FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.owner = ANY($2) \
         AND e.area = {area} AND e.place = {place} AND {visible} \
         ORDER BY array_position($2, e.owner)"
    );
    entries(transaction, &sql, &arguments, of).await
}

pub(super) async fn list(
    transaction: &Transaction,
    of: &Reach,
    filter: &Filter,
    page: &Page,
    at: Timestamp,
) -> Result<Vec<Entry>, StoreError> {
    let mut arguments = reached(of);
    let mut condition = visible(&mut arguments, of.clearance(), at);
    condition.push_str(" AND ");
    condition.push_str(&filtered(&mut arguments, filter));
    let order = match page.order {
        Order::NewestFirst => "e.created_at DESC, e.id DESC",
        Order::LastWrittenFirst => "e.updated_at DESC, e.id DESC",
        Order::ByAddress => "e.path, e.key NULLS FIRST, e.id",
    };
    if let (Some(after), Order::NewestFirst) = (&page.after, page.order) {
        let created = arguments.add(after.created_at.as_micros(), Type::INT8);
        let id = arguments.add(uuid(after.id), Type::UUID);
        condition.push_str(&format!(" AND (e.created_at, e.id) < ({created}, {id})"));
    }
    let needed = i64::from(page.limit) + i64::from(page.skip);
    let needed = arguments.add(needed, Type::INT8);
    let skip = arguments.add(i64::from(page.skip), Type::INT8);
    let limit = arguments.add(i64::from(page.limit), Type::INT8);
    // Owner by owner, so that an index gives each in order; then the few are sorted together.
    let sql = format!(
        "SELECT {ENTRY} FROM unnest($2) AS o(owner) CROSS JOIN LATERAL ( \
             SELECT * FROM fabric_memory.entries e \
             WHERE e.tenant = $1 AND e.owner = o.owner AND {condition} \
             ORDER BY {order} LIMIT {needed} \
         ) e ORDER BY {order} OFFSET {skip} LIMIT {limit}"
    );
    entries(transaction, &sql, &arguments, of).await
}

pub(super) async fn history(
    transaction: &Transaction,
    of: &Reach,
    id: EntryId,
    at: Timestamp,
) -> Result<Option<Vec<Version>>, StoreError> {
    let Some(present) = get(transaction, of, id, at).await? else {
        return Ok(None);
    };
    let mut versions = vec![Version {
        version: present.version,
        fields: present.fields,
        address: present.address,
        author: present.author,
        at: present.updated_at,
    }];
    let mut arguments = reached(of);
    let id = arguments.add(uuid(id), Type::UUID);
    let rank = arguments.add(i16::from(of.clearance().rank()), Type::INT2);
    let sql = format!(
        "SELECT version, area, path, key, fields, embedding, author, at \
         FROM fabric_memory.versions \
         WHERE tenant = $1 AND owner = ANY($2) AND entry = {id} AND rank <= {rank} \
         ORDER BY version DESC"
    );
    for row in transaction.query(&sql, &arguments.list()).await? {
        versions.push(version(&row)?);
    }
    Ok(Some(versions))
}

pub(super) async fn dimensions(
    transaction: &Transaction,
    of: &Reach,
) -> Result<Vec<(Owner, usize)>, StoreError> {
    let sql = "SELECT owner, dimensions FROM fabric_memory.counters \
         WHERE tenant = $1 AND owner = ANY($2) AND dimensions IS NOT NULL \
         ORDER BY array_position($2, owner)";
    let namespaces = of.namespaces();
    let rows = transaction.query(sql, &reached(of).list()).await?;
    rows.iter()
        .map(|row| {
            let owner = owner_of(&value::<String>(row, "owner")?, &namespaces)?;
            let dimensions: i32 = value(row, "dimensions")?;
            Ok((owner, usize::try_from(dimensions).unwrap_or_default()))
        })
        .collect()
}

pub(super) async fn paths(
    transaction: &Transaction,
    of: &Reach,
    area: Area,
    paths: &PathFilter,
    at: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut arguments = reached(of);
    let area = arguments.add(area.number(), Type::INT2);
    let visible = visible(&mut arguments, of.clearance(), at);
    let there = at_path(&mut arguments, paths);
    let sql = format!(
        "SELECT DISTINCT e.path FROM fabric_memory.entries e WHERE e.tenant = $1 \
         AND e.owner = ANY($2) AND e.area = {area} AND {visible} AND {there} ORDER BY e.path"
    );
    let rows = transaction.query(&sql, &arguments.list()).await?;
    rows.iter()
        .map(|row| value(row, "path").map(text_of))
        .collect()
}

pub(super) async fn partitions(
    transaction: &Transaction,
    of: &Reach,
    at: Timestamp,
) -> Result<Vec<Partition>, StoreError> {
    let mut arguments = reached(of);
    let area = arguments.add(Area::Memories.number(), Type::INT2);
    let visible = visible(&mut arguments, of.clearance(), at);
    let sql = format!(
        "SELECT e.owner, e.agent, e.session, count(*) AS entries \
         FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.owner = ANY($2) \
         AND e.area = {area} AND {visible} GROUP BY e.owner, e.agent, e.session \
         ORDER BY array_position($2, e.owner), e.agent NULLS FIRST, e.session NULLS FIRST"
    );
    let namespaces = of.namespaces();
    let rows = transaction.query(&sql, &arguments.list()).await?;
    rows.iter()
        .map(|row| {
            Ok(Partition {
                owner: owner_of(&value::<String>(row, "owner")?, &namespaces)?,
                agent: value::<Option<String>>(row, "agent")?.map(text_of),
                session: value::<Option<String>>(row, "session")?.map(text_of),
                entries: unsigned(value(row, "entries")?),
            })
        })
        .collect()
}

pub(super) async fn owners(
    transaction: &Transaction,
    over: &Oversight,
) -> Result<Vec<Owner>, StoreError> {
    let sql = "SELECT owner FROM fabric_memory.counters WHERE tenant = $1 AND owner <> ''";
    let tenant = over.tenant().as_str();
    let rows = transaction.query(sql, &[(&tenant, Type::TEXT)]).await?;
    let owners = rows
        .iter()
        .map(|row| named_owner(&value::<String>(row, "owner")?));
    owners.collect()
}

pub(super) async fn usage(
    transaction: &Transaction,
    of: &Reach,
) -> Result<Vec<NamespaceUse>, StoreError> {
    let sql = "SELECT owner, entries, bytes FROM fabric_memory.counters \
         WHERE tenant = $1 AND owner = ANY($2)";
    let rows = transaction.query(sql, &reached(of).list()).await?;
    let mut uses = Vec::new();
    for namespace in of.namespaces() {
        let name = owner_name(namespace.owner());
        let mut used = NamespaceUse {
            namespace,
            entries: 0,
            bytes: 0,
        };
        for row in &rows {
            if value::<String>(row, "owner")? == name {
                used.entries = unsigned(value(row, "entries")?);
                used.bytes = unsigned(value(row, "bytes")?);
            }
        }
        if *used.namespace.owner() == Owner::Shared && of.clearance() < Confidentiality::Restricted
        {
            (used.entries, used.bytes) = seen(transaction, of, &name).await?;
        }
        uses.push(used);
    }
    Ok(uses)
}

/// How many entries of a namespace are not above the caller's clearance, and their bytes with those
/// of what they were before that is not above it either.
async fn seen(
    transaction: &Transaction,
    of: &Reach,
    owner: &str,
) -> Result<(u64, u64), StoreError> {
    let mut arguments = Arguments::default();
    arguments.add(of.tenant().as_str().to_owned(), Type::TEXT);
    arguments.add(owner.to_owned(), Type::TEXT);
    arguments.add(i16::from(of.clearance().rank()), Type::INT2);
    let sql = "SELECT count(*) AS entries, coalesce(sum(e.bytes + ( \
             SELECT coalesce(sum(v.bytes), 0) FROM fabric_memory.versions v \
             WHERE v.tenant = e.tenant AND v.entry = e.id AND v.rank <= $3)), 0)::bigint AS bytes \
         FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.owner = $2 AND e.rank <= $3";
    let row = transaction.query_one(sql, &arguments.list()).await?;
    Ok((
        unsigned(value(&row, "entries")?),
        unsigned(value(&row, "bytes")?),
    ))
}

/// The entries a query gives.
pub(super) async fn entries(
    transaction: &Transaction,
    sql: &str,
    arguments: &Arguments,
    of: &Reach,
) -> Result<Vec<Entry>, StoreError> {
    let namespaces = of.namespaces();
    let rows = transaction.query(sql, &arguments.list()).await?;
    rows.iter().map(|row| entry(row, &namespaces)).collect()
}

/// The argument of a text column.
pub(super) fn optional(text: Option<&str>) -> Option<String> {
    text.map(|text| column(text).into_owned())
}

//! What namespaces hold, kept in step with every write.
//!
//! The tenant's row is locked first, by whoever writes: so writers of one tenant come one after the
//! other, a quota is never passed by two at once, and no two wait for each other.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::rows::{signed, unsigned, value};
use super::session::Transaction;
use crate::memory::{Quotas, StoreError, WriteErrorKind};

/// The name of the row that counts for the whole tenant.
pub(super) const WHOLE: &str = "";

/// What one row counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) length: u64,
    pub(super) vectors: u64,
    pub(super) dimensions: Option<usize>,
}

impl Counts {
    pub(super) fn add(&mut self, more: &Self) {
        self.entries += more.entries;
        self.bytes += more.bytes;
        self.length += more.length;
        self.vectors += more.vectors;
        if more.dimensions.is_some() {
            self.dimensions = more.dimensions;
        }
    }

    pub(super) fn subtract(&mut self, less: &Self) {
        self.entries = self.entries.saturating_sub(less.entries);
        self.bytes = self.bytes.saturating_sub(less.bytes);
        self.length = self.length.saturating_sub(less.length);
        self.vectors = self.vectors.saturating_sub(less.vectors);
        if self.vectors == 0 {
            self.dimensions = None;
        }
    }
}

/// The rows of a tenant that a write is about, locked.
#[derive(Debug)]
pub(super) struct Ledger {
    tenant: String,
    /// The whole tenant, then each owner.
    rows: Vec<(String, Counts)>,
}

impl Ledger {
    /// Waits for other writers of the tenant, then reads what its owners hold.
    pub(super) async fn lock(
        transaction: &Transaction,
        tenant: &str,
        owners: &[String],
    ) -> Result<Self, StoreError> {
        let mut names = vec![WHOLE.to_owned()];
        names.extend(owners.iter().cloned());
        let lock = "SELECT owner, entries, bytes, total_length, vectors, dimensions \
             FROM fabric_memory.counters WHERE tenant = $1 AND owner = ANY($2) \
             ORDER BY owner FOR UPDATE";
        let arguments: [super::session::Argument<'_>; 2] =
            [(&tenant, Type::TEXT), (&names, Type::TEXT_ARRAY)];
        let mut rows = transaction.query(lock, &arguments).await?;
        if rows.len() < names.len() {
            let make = "INSERT INTO fabric_memory.counters (tenant, owner) \
                 SELECT $1, o.owner FROM unnest($2) AS o(owner) ORDER BY o.owner \
                 ON CONFLICT DO NOTHING";
            transaction.execute(make, &arguments).await?;
            rows = transaction.query(lock, &arguments).await?;
        }
        let rows = rows.iter().map(|row| {
            let count = |name| value::<i64>(row, name).map(unsigned);
            let dimensions: Option<i32> = value(row, "dimensions")?;
            let counts = Counts {
                entries: count("entries")?,
                bytes: count("bytes")?,
                length: count("total_length")?,
                vectors: count("vectors")?,
                dimensions: dimensions.and_then(|number| usize::try_from(number).ok()),
            };
            Ok((value(row, "owner")?, counts))
        });
        Ok(Self {
            tenant: tenant.to_owned(),
            rows: rows.collect::<Result<_, StoreError>>()?,
        })
    }

    /// What an owner holds.
    pub(super) fn of(&self, owner: &str) -> Counts {
        let found = self.rows.iter().find(|(name, _)| name == owner);
        found.map(|(_, counts)| counts.clone()).unwrap_or_default()
    }

    /// Counts what came to an owner and what went.
    pub(super) fn change(&mut self, owner: &str, come: &Counts, gone: &Counts) {
        for (name, counts) in &mut self.rows {
            if name == owner || name == WHOLE {
                counts.subtract(gone);
                counts.add(come);
            }
        }
    }

    /// Refuses what grew past a quota since `before`.
    pub(super) fn within(
        &self,
        quotas: &Quotas,
        owner: &str,
        is_user: bool,
        before: &[Counts; 2],
    ) -> Result<(), WriteErrorKind> {
        let [whole_before, own_before] = before;
        let (whole, own) = (self.of(WHOLE), self.of(owner));
        let for_users = |limit: Option<u64>| limit.filter(|_| is_user);
        let bounds = [
            (
                "bytes_per_tenant",
                quotas.tenant_bytes,
                whole_before.bytes,
                whole.bytes,
            ),
            (
                "entries_per_tenant",
                quotas.tenant_entries,
                whole_before.entries,
                whole.entries,
            ),
            (
                "bytes_per_user",
                for_users(quotas.user_bytes),
                own_before.bytes,
                own.bytes,
            ),
            (
                "entries_per_user",
                for_users(quotas.user_entries),
                own_before.entries,
                own.entries,
            ),
        ];
        for (quota, limit, before, after) in bounds {
            if let Some(limit) = limit
                && after > limit
                && after > before
            {
                return Err(WriteErrorKind::Quota { quota, limit });
            }
        }
        Ok(())
    }

    /// Writes the counts back.
    pub(super) async fn save(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let column = |of: fn(&Counts) -> u64| -> Vec<i64> {
            self.rows
                .iter()
                .map(|(_, counts)| signed(of(counts)))
                .collect()
        };
        let owners: Vec<&str> = self.rows.iter().map(|(owner, _)| owner.as_str()).collect();
        let dimensions: Vec<Option<i32>> = self
            .rows
            .iter()
            .map(|(owner, counts)| {
                let number = counts.dimensions.filter(|_| owner != WHOLE)?;
                i32::try_from(number).ok()
            })
            .collect();
        let sql = "UPDATE fabric_memory.counters c SET entries = n.entries, bytes = n.bytes, \
             total_length = n.length, vectors = n.vectors, dimensions = n.dimensions \
             FROM unnest($2, $3, $4, $5, $6, $7) \
                 AS n(owner, entries, bytes, length, vectors, dimensions) \
             WHERE c.tenant = $1 AND c.owner = n.owner";
        let counts = [
            column(|counts| counts.entries),
            column(|counts| counts.bytes),
            column(|counts| counts.length),
            column(|counts| counts.vectors),
        ];
        let mut arguments: Vec<super::session::Argument<'_>> =
            vec![(&self.tenant, Type::TEXT), (&owners, Type::TEXT_ARRAY)];
        for counts in &counts {
            arguments.push((counts, Type::INT8_ARRAY));
        }
        arguments.push((&dimensions, Type::INT4_ARRAY));
        transaction.execute(sql, &arguments).await?;
        Ok(())
    }
}

/// Removes entries with all that belongs to them; answers what each owner lost.
pub(super) async fn remove(
    transaction: &Transaction,
    tenant: &str,
    ids: &[Uuid],
) -> Result<Vec<(String, Counts)>, StoreError> {
    let sql = "
        WITH gone AS (
            DELETE FROM fabric_memory.entries e WHERE e.tenant = $1 AND e.id = ANY($2)
            RETURNING e.owner, e.id, e.bytes
        ), old AS (
            DELETE FROM fabric_memory.versions v WHERE v.tenant = $1 AND v.entry = ANY($2)
            RETURNING v.owner, v.bytes
        ), documents AS (
            DELETE FROM fabric_memory.documents d WHERE d.tenant = $1 AND d.entry = ANY($2)
            RETURNING d.owner, d.entry, d.terms, d.length
        ), postings AS (
            DELETE FROM fabric_memory.postings p
            USING (SELECT d.owner, d.entry, unnest(d.terms) AS term FROM documents d) t
            WHERE p.tenant = $1 AND p.owner = t.owner AND p.term = t.term AND p.entry = t.entry
        ), vectors AS (
            DELETE FROM fabric_memory.embeddings v USING gone g
            WHERE v.tenant = $1 AND v.owner = g.owner AND v.entry = g.id
            RETURNING v.owner
        )
        SELECT a.owner, sum(a.entries)::bigint AS entries, sum(a.bytes)::bigint AS bytes,
            sum(a.length)::bigint AS length, sum(a.vectors)::bigint AS vectors
        FROM (
            SELECT owner, 1 AS entries, bytes, 0 AS length, 0 AS vectors FROM gone
            UNION ALL SELECT owner, 0, bytes, 0, 0 FROM old
            UNION ALL SELECT owner, 0, 0, length, 0 FROM documents
            UNION ALL SELECT owner, 0, 0, 0, 1 FROM vectors
        ) a GROUP BY a.owner";
    let ids = ids.to_vec();
    let arguments: [super::session::Argument<'_>; 2] =
        [(&tenant, Type::TEXT), (&ids, Type::UUID_ARRAY)];
    let rows = transaction.query(sql, &arguments).await?;
    rows.iter()
        .map(|row| {
            let count = |name| value::<i64>(row, name).map(unsigned);
            let counts = Counts {
                entries: count("entries")?,
                bytes: count("bytes")?,
                length: count("length")?,
                vectors: count("vectors")?,
                dimensions: None,
            };
            Ok((value(row, "owner")?, counts))
        })
        .collect()
}

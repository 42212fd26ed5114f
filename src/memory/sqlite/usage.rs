//! What a namespace and its tenant hold, and what they may.

use rusqlite::{Connection, params};

use super::scope::Place;
use crate::memory::{Owner, Quotas, WriteErrorKind};

/// What a namespace holds, and its tenant, in the midst of a write.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) entries: i64,
    pub(super) bytes: i64,
    /// The lengths of all entries.
    pub(super) terms: i64,
    pub(super) vectors: i64,
    /// Of each vector.
    pub(super) dimensions: i64,
    tenant_entries: i64,
    tenant_bytes: i64,
}

impl Usage {
    pub(super) fn read(connection: &Connection, place: &Place) -> rusqlite::Result<Self> {
        connection
            .prepare_cached(
                "SELECT o.entries, o.bytes, o.terms, o.vectors, o.dimensions, t.entries, t.bytes \
                 FROM owners o, tenant t WHERE o.owner = ?1",
            )?
            .query_row([place.number], |row| {
                Ok(Self {
                    entries: row.get(0)?,
                    bytes: row.get(1)?,
                    terms: row.get(2)?,
                    vectors: row.get(3)?,
                    dimensions: row.get(4)?,
                    tenant_entries: row.get(5)?,
                    tenant_bytes: row.get(6)?,
                })
            })
    }

    pub(super) fn write(&self, connection: &Connection, place: &Place) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE owners SET entries = ?2, bytes = ?3, terms = ?4, vectors = ?5, \
                 dimensions = ?6 WHERE owner = ?1",
            )?
            .execute(params![
                place.number,
                self.entries,
                self.bytes,
                self.terms,
                self.vectors,
                self.dimensions
            ])?;
        connection
            .prepare_cached("UPDATE tenant SET entries = ?1, bytes = ?2")?
            .execute([self.tenant_entries, self.tenant_bytes])?;
        Ok(())
    }

    pub(super) fn add(&mut self, entries: i64, bytes: i64) {
        self.entries += entries;
        self.bytes += bytes;
        self.tenant_entries += entries;
        self.tenant_bytes += bytes;
    }

    /// Whether something more is within the quotas. What only shrinks is, however much there is.
    pub(super) fn judge(
        &self,
        before: &Self,
        owner: &Owner,
        quotas: &Quotas,
    ) -> Result<(), WriteErrorKind> {
        let user = |quota: Option<u64>| quota.filter(|_| matches!(owner, Owner::User(_)));
        let all = [
            (
                "bytes_per_tenant",
                quotas.tenant_bytes,
                before.tenant_bytes,
                self.tenant_bytes,
            ),
            (
                "entries_per_tenant",
                quotas.tenant_entries,
                before.tenant_entries,
                self.tenant_entries,
            ),
            (
                "bytes_per_user",
                user(quotas.user_bytes),
                before.bytes,
                self.bytes,
            ),
            (
                "entries_per_user",
                user(quotas.user_entries),
                before.entries,
                self.entries,
            ),
        ];
        for (quota, limit, before, after) in all {
            if let Some(limit) = limit
                && after > before
                && after.cast_unsigned() > limit
            {
                return Err(WriteErrorKind::Quota { quota, limit });
            }
        }
        Ok(())
    }
}

//! A store that is plainly right: everything in one list behind a lock, every question answered by
//! looking at all of it. The real stores are compared with it, and routes are tested on it.

#![allow(dead_code, reason = "each concern uses a part of it")]

mod matching;
mod pruning;
mod reading;
mod text;
mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use fabric_gate::clock::Timestamp;
use fabric_gate::memory::{
    Address, Area, Change, Confidentiality, Embedding, Entry, EntryId, Erased, Fields, Filter,
    MemoryStore, NamespaceUse, Outcome, Oversight, Owner, Page, Partition, PathFilter, PruneRule,
    Quotas, Reach, Scored, StoreError, TenantErasure, TenantScope, UserErasure, Version, Writable,
    WriteError,
};
use fabric_gate::tenant::TenantId;

/// The store.
#[derive(Debug, Default)]
pub(crate) struct ReferenceStore {
    tenants: Mutex<HashMap<TenantId, Tenant>>,
}

/// All rows of a tenant.
#[derive(Clone, Debug, Default)]
struct Tenant {
    rows: Vec<Row>,
}

/// An entry with what belongs to it.
#[derive(Clone, Debug)]
struct Row {
    entry: Entry,
    /// The digest of the fields it was created with.
    created_with: [u8; 32],
    /// First to present.
    versions: Vec<Version>,
}

impl ReferenceStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Tenant>> {
        self.tenants.lock().unwrap()
    }

    /// The tenant as it is; nothing if there is none.
    fn tenant(&self, id: &TenantId) -> Tenant {
        self.lock().get(id).cloned().unwrap_or_default()
    }
}

impl Tenant {
    /// Entries, and their bytes with those of their versions, of those rows that are of `owner`, or
    /// of all.
    fn usage(&self, owner: Option<&Owner>) -> (u64, u64) {
        let of_owner = |row: &&Row| owner.is_none_or(|owner| row.entry.owner == *owner);
        let rows: Vec<_> = self.rows.iter().filter(of_owner).collect();
        let bytes = rows.iter().map(|row| row.bytes()).sum();
        (rows.len() as u64, bytes)
    }

    /// The same of what is not above `clearance` in shared memory.
    fn seen(&self, clearance: Confidentiality) -> (u64, u64) {
        let is_seen = |fields: &Fields| fields.confidentiality <= clearance;
        let rows = self
            .rows
            .iter()
            .filter(|row| row.entry.owner == Owner::Shared);
        let rows: Vec<_> = rows.filter(|row| is_seen(&row.entry.fields)).collect();
        let versions = rows.iter().flat_map(|row| &row.versions);
        let versions = versions.filter(|version| is_seen(&version.fields));
        let bytes = versions.map(|version| version.fields.bytes() + version.address.row_bytes());
        (rows.len() as u64, bytes.sum())
    }
}

impl Row {
    fn bytes(&self) -> u64 {
        let versions = self.versions.iter();
        versions
            .map(|version| version.fields.bytes() + version.address.row_bytes())
            .sum()
    }
}

#[async_trait]
impl MemoryStore for ReferenceStore {
    async fn write(
        &self,
        to: &Writable,
        changes: Vec<Change>,
        quotas: &Quotas,
        at: Timestamp,
    ) -> Result<Vec<Outcome>, WriteError> {
        let mut tenants = self.lock();
        let tenant = tenants.entry(to.namespace().tenant().clone()).or_default();
        let mut changed = tenant.clone();
        let mut outcomes = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            let outcome = changed.apply(to, change, quotas, at);
            outcomes.push(outcome.map_err(|kind| WriteError { index, kind })?);
        }
        *tenant = changed;
        Ok(outcomes)
    }

    async fn get(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let mut there = self.tenant(of.tenant()).visible(of, at);
        there.retain(|row| row.entry.id == id);
        Ok(there.pop().map(|row| row.entry))
    }

    async fn find(
        &self,
        of: &Reach,
        address: &Address,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        if address.key.is_none() {
            return Ok(Vec::new());
        }
        let there = self.tenant(of.tenant()).visible(of, at);
        let mut found: Vec<_> = there.into_iter().map(|row| row.entry).collect();
        found.retain(|entry| entry.address == *address);
        found.sort_by_key(|entry| entry.owner == Owner::Shared);
        Ok(found)
    }

    async fn list(
        &self,
        of: &Reach,
        filter: &Filter,
        page: &Page,
        at: Timestamp,
    ) -> Result<Vec<Entry>, StoreError> {
        Ok(self.tenant(of.tenant()).list(of, filter, page, at))
    }

    async fn history(
        &self,
        of: &Reach,
        id: EntryId,
        at: Timestamp,
    ) -> Result<Option<Vec<Version>>, StoreError> {
        let there = self.tenant(of.tenant()).visible(of, at);
        let row = there.into_iter().find(|row| row.entry.id == id);
        Ok(row.map(|row| {
            let mut versions = row.versions;
            versions.retain(|version| version.fields.confidentiality <= of.clearance());
            versions.reverse();
            versions
        }))
    }

    async fn by_text(
        &self,
        of: &Reach,
        filter: &Filter,
        terms: &[String],
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        let tenant = self.tenant(of.tenant());
        let score = |entry: &Entry| {
            let owner = &entry.owner;
            let namespace = tenant.rows.iter().filter(|row| row.entry.owner == *owner);
            text::bm25(entry, namespace.map(|row| &row.entry), terms)
        };
        Ok(tenant.best(of, filter, limit, at, score))
    }

    async fn by_vector(
        &self,
        of: &Reach,
        filter: &Filter,
        embedding: &Embedding,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<Scored>, StoreError> {
        let score = |entry: &Entry| {
            let other = entry.fields.embedding.as_ref()?;
            (other.dimensions() == embedding.dimensions()).then(|| cosine(other, embedding))
        };
        let tenant = self.tenant(of.tenant());
        Ok(tenant.best(of, filter, limit, at, score))
    }

    async fn dimensions(&self, of: &Reach) -> Result<Vec<(Owner, usize)>, StoreError> {
        let tenant = self.tenant(of.tenant());
        let owners = of.namespaces().into_iter().map(|it| it.owner().clone());
        Ok(owners
            .filter_map(|owner| tenant.dimensions(&owner, None).map(|it| (owner, it)))
            .collect())
    }

    async fn paths(
        &self,
        of: &Reach,
        area: Area,
        paths: &PathFilter,
        at: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        Ok(self.tenant(of.tenant()).paths(of, area, paths, at))
    }

    async fn partitions(&self, of: &Reach, at: Timestamp) -> Result<Vec<Partition>, StoreError> {
        Ok(self.tenant(of.tenant()).partitions(of, at))
    }

    async fn usage(&self, of: &Reach) -> Result<Vec<NamespaceUse>, StoreError> {
        let tenant = self.tenant(of.tenant());
        let each = of.namespaces().into_iter().map(|namespace| {
            let (entries, bytes) = match namespace.owner() {
                Owner::Shared => tenant.seen(of.clearance()),
                owner => tenant.usage(Some(owner)),
            };
            NamespaceUse {
                namespace,
                entries,
                bytes,
            }
        });
        Ok(each.collect())
    }

    async fn owners(&self, over: &Oversight) -> Result<Vec<Owner>, StoreError> {
        let rows = self.tenant(over.tenant()).rows;
        let owners: HashSet<Owner> = rows.into_iter().map(|row| row.entry.owner).collect();
        Ok(owners.into_iter().collect())
    }

    async fn touch(
        &self,
        tenant: &TenantScope,
        recalled: &[(EntryId, Timestamp)],
    ) -> Result<(), StoreError> {
        let mut tenants = self.lock();
        let rows = tenants.entry(tenant.tenant().clone()).or_default();
        for (id, when) in recalled {
            for row in rows.rows.iter_mut().filter(|row| row.entry.id == *id) {
                row.entry.access_count += 1;
                row.entry.last_accessed = row.entry.last_accessed.max(*when);
            }
        }
        Ok(())
    }

    async fn refresh(
        &self,
        of: &Writable,
        ids: &[EntryId],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tenants = self.lock();
        let tenant = tenants.entry(of.namespace().tenant().clone()).or_default();
        for id in ids {
            if let Some(row) = tenant.writable(of, *id, at) {
                row.entry.expires_at = writing::expiry(&row.entry.fields, at);
            }
        }
        Ok(())
    }

    async fn prune(
        &self,
        of: &Writable,
        rule: &PruneRule,
        at: Timestamp,
    ) -> Result<(u64, Vec<EntryId>), StoreError> {
        let mut tenants = self.lock();
        let tenant = tenants.entry(of.namespace().tenant().clone()).or_default();
        let mut gone = tenant.let_go(of, rule, at);
        if !rule.dry_run {
            tenant.rows.retain(|row| !gone.contains(&row.entry.id));
        }
        let count = gone.len() as u64;
        gone.truncate(PruneRule::MAX_IDS);
        Ok((count, gone))
    }

    async fn sweep(
        &self,
        tenant: &TenantScope,
        limit: u32,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tenants = self.lock();
        let tenant = tenants.entry(tenant.tenant().clone()).or_default();
        let mut left = u64::from(limit);
        let removed = &mut left;
        tenant.rows.retain(|row| {
            let goes = *removed > 0 && row.expired(at);
            *removed -= u64::from(goes);
            !goes
        });
        Ok(u64::from(limit) - left)
    }

    async fn erase_tenant(&self, right: &TenantErasure) -> Result<Erased, StoreError> {
        let erased = self.lock().remove(right.tenant()).unwrap_or_default();
        let (entries, bytes) = erased.usage(None);
        Ok(Erased {
            entries,
            bytes,
            anonymised: 0,
        })
    }

    async fn erase_user(&self, right: &UserErasure) -> Result<Erased, StoreError> {
        let mut tenants = self.lock();
        let tenant = tenants.entry(right.tenant().clone()).or_default();
        let owner = right.namespace().owner().clone();
        let (entries, bytes) = tenant.usage(Some(&owner));
        tenant.rows.retain(|row| row.entry.owner != owner);
        let anonymised = tenant.anonymise(right.user());
        Ok(Erased {
            entries,
            bytes,
            anonymised,
        })
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}

fn cosine(one: &Embedding, other: &Embedding) -> f64 {
    let pairs = || one.as_slice().iter().zip(other.as_slice());
    let dot: f64 = pairs().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let length = |it: &Embedding| {
        let squares = it.as_slice().iter().map(|a| f64::from(*a) * f64::from(*a));
        squares.sum::<f64>().sqrt()
    };
    dot / (length(one) * length(other))
}

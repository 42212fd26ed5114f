//! Owners in memory, for tests and measurements: gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::statements::claimable;
use crate::budget::models::settings::{Chosen, LlmSettingsStore, News, Seen};
use crate::clock::Timestamp;
use crate::decision::StateUnavailable;
use crate::ownership::{
    Counted, Day, Held, Invalidation, Owner, Ownership, OwnershipStore, Place, Resource,
    ResourceKey, Selection, Swept, Taking,
};
use crate::tenant::TenantId;

/// A store without a disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<ResourceKey, Option<Row>>>,
}

#[derive(Clone, Debug)]
struct Row {
    owner: Owner,
    since: Timestamp,
    used: Day,
}

impl MemoryStore {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<ResourceKey, Option<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held(rows: &BTreeMap<ResourceKey, Option<Row>>, key: &ResourceKey) -> Held {
    match rows.get(key) {
        None => Held::Unknown,
        Some(None) => Held::Retired,
        Some(Some(row)) => Held::Owned(row.owner.clone(), row.used),
    }
}

/// Nobody chose anything, and nobody can.
#[async_trait]
impl LlmSettingsStore for MemoryStore {
    async fn news(&self, since: Seen) -> Result<News, StateUnavailable> {
        Ok(News {
            chosen: Vec::new(),
            is_all: false,
            seen: since,
        })
    }

    async fn replace(&self, _chosen: Chosen) -> Result<Option<u64>, StateUnavailable> {
        Err(StateUnavailable::Closed)
    }

    async fn forget(&self, _tenant: TenantId) -> Result<bool, StateUnavailable> {
        Ok(false)
    }
}

#[async_trait]
impl OwnershipStore for MemoryStore {
    async fn find(&self, keys: Vec<ResourceKey>) -> Result<Vec<Held>, StateUnavailable> {
        let rows = self.rows();
        Ok(keys.iter().map(|key| held(&rows, key)).collect())
    }

    async fn take(
        &self,
        wanted: Vec<(ResourceKey, Owner)>,
        taking: Taking,
        at: Timestamp,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        let mut rows = self.rows();
        let now = |rows: &BTreeMap<_, _>| -> Vec<Ownership> {
            let held = wanted.iter().map(|(key, _)| held(rows, key).into());
            held.collect()
        };
        if taking == Taking::Claimed && !claimable(&wanted, &now(&rows)) {
            return Ok(now(&rows));
        }
        for (key, owner) in &wanted {
            let row = rows.entry(key.clone()).or_default();
            let row = row.get_or_insert_with(|| Row {
                owner: owner.clone(),
                since: Timestamp::from_seconds(at.as_seconds()),
                used: Day::of(at),
            });
            row.used = row.used.max(Day::of(at));
        }
        Ok(now(&rows))
    }

    async fn release(
        &self,
        key: ResourceKey,
        by: TenantId,
        _done: Invalidation,
    ) -> Result<bool, StateUnavailable> {
        let mut rows = self.rows();
        let owned = matches!(rows.get(&key), Some(Some(row)) if row.owner.tenant == by);
        if owned {
            rows.remove(&key);
        }
        Ok(owned)
    }

    async fn used(&self, uses: Vec<(ResourceKey, Day)>) -> Result<(), StateUnavailable> {
        let mut rows = self.rows();
        for (key, on) in &uses {
            if let Some(Some(row)) = rows.get_mut(key) {
                row.used = row.used.max(*on);
            }
        }
        Ok(())
    }

    async fn retire_tenant(
        &self,
        tenant: TenantId,
        _done: Invalidation,
    ) -> Result<u64, StateUnavailable> {
        let mut rows = self.rows();
        let owned = rows
            .values_mut()
            .filter(|row| matches!(row, Some(row) if row.owner.tenant == tenant));
        Ok(owned.map(|row| *row = None).count() as u64)
    }

    async fn retire_unused(
        &self,
        before: Day,
        _after: Option<ResourceKey>,
        _done: Invalidation,
    ) -> Result<Swept, StateUnavailable> {
        let mut rows = self.rows();
        let unused = rows
            .values_mut()
            .filter(|row| matches!(row, Some(row) if row.used < before));
        Ok(Swept {
            retired: unused.map(|row| *row = None).count() as u64,
            next: None,
        })
    }

    async fn page(&self, selection: Selection) -> Result<Vec<Resource>, StateUnavailable> {
        let rows = self.rows();
        let mut owned: Vec<_> = rows
            .iter()
            .filter_map(|(key, row)| Some((key, row.as_ref()?)))
            .filter(|(_, row)| row.owner.tenant == selection.tenant)
            .filter(|(key, _)| {
                selection
                    .kind
                    .as_deref()
                    .is_none_or(|kind| kind == key.kind())
            })
            .collect();
        owned.sort_by_key(|(key, row)| (row.owner.user.as_str(), *key));
        let behind = |user: &str, key: &ResourceKey| match &selection.after {
            Some(Place {
                user: last,
                key: at,
            }) => (user, key) > (last.as_str(), at),
            None => true,
        };
        Ok(owned
            .into_iter()
            .filter(|(key, row)| behind(row.owner.user.as_str(), key))
            .take(selection.limit)
            .map(|(key, row)| Resource {
                key: key.clone(),
                owner: row.owner.clone(),
                since: row.since,
                used: row.used,
            })
            .collect())
    }

    async fn count(&self, counted: Counted) -> Result<u64, StateUnavailable> {
        let rows = self.rows();
        let owned = rows
            .iter()
            .filter(|(key, _)| key.upstream() == &*counted.upstream && key.kind() == &*counted.kind)
            .filter_map(|(_, row)| row.as_ref())
            .filter(|row| row.owner.tenant == counted.tenant)
            .filter(|row| {
                counted
                    .user
                    .as_ref()
                    .is_none_or(|user| *user == row.owner.user)
            });
        Ok(owned.count() as u64)
    }

    fn removals_elsewhere(&self) -> u64 {
        0
    }

    async fn probe(&self) -> Result<(), StateUnavailable> {
        Ok(())
    }

    fn close(&self) {}
}

//! What is peculiar to this store: its files, its handles, its index. What every store does is in
//! the behavioural suite.

mod damage;
mod index;
mod life;
mod removal;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{OpenError, Settings, SqliteStore, backup_beside};
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::memory::{
    Address, Caller, Change, Confidentiality, Entry, Fields, Filter, MemoryStore, Outcome, Page,
    Quotas, Rules, Scope,
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct World {
    folder: TempDir,
    store: SqliteStore,
}

impl World {
    fn new() -> Self {
        Self::with(|_settings| {})
    }

    fn with(set: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut settings = Settings::new(folder.path().join("memory"));
        set(&mut settings);
        let store = SqliteStore::open(&settings).unwrap();
        Self { folder, store }
    }

    /// Copies a tenant's database as `fabric-memory backup` does, beside the store.
    fn backup(&self, caller: &Caller, target: &Path) -> Result<bool, OpenError> {
        backup_beside(&self.folder.path().join("memory"), caller.tenant(), target)
    }

    fn file(&self, tenant: &str) -> PathBuf {
        self.folder
            .path()
            .join("memory")
            .join(tenant)
            .join("memory.db")
    }

    /// As after an end of the process.
    async fn reopened(self) -> Self {
        self.store.close().await;
        drop(self.store);
        let settings = Settings::new(self.folder.path().join("memory"));
        Self {
            store: SqliteStore::open(&settings).unwrap(),
            folder: self.folder,
        }
    }

    async fn remember(&self, caller: &Caller, content: &str) -> Entry {
        self.keep(caller, Fields::new(content)).await
    }

    async fn keep(&self, caller: &Caller, fields: Fields) -> Entry {
        let outcomes = self
            .store
            .write(&caller.own(), vec![created(fields)], &quotas(), NOW)
            .await
            .unwrap();
        match outcomes.into_iter().next().unwrap() {
            Outcome::Created(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    async fn contents(&self, caller: &Caller) -> Vec<String> {
        let listed = self
            .store
            .list(
                &caller.reach(Scope::All),
                &Filter::all(crate::memory::Area::Memories),
                &Page::first(1000),
                NOW,
            )
            .await
            .unwrap();
        let mut contents: Vec<String> = listed
            .into_iter()
            .map(|entry| entry.fields.content)
            .collect();
        contents.sort();
        contents
    }
}

fn created(fields: Fields) -> Change {
    Change::Create {
        address: Address::memory(None),
        fields,
        created_at: None,
    }
}

fn quotas() -> Quotas {
    Quotas {
        versions: 10,
        ..Quotas::default()
    }
}

fn caller(tenant: &str, user: &str) -> Caller {
    let principal = Principal::made_up(tenant, user, &["lead", "tenant-admin"], &[], None);
    let rules = Rules {
        shared_write_roles: vec!["lead".to_owned()],
        tenant_admin_roles: vec!["tenant-admin".to_owned()],
        default_clearance: Confidentiality::Restricted,
        clearances: Vec::new(),
    };
    Caller::new(&principal, &rules)
}

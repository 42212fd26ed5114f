//! A database in a folder of its own, and short ways to name things.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_gate::clock::{ManualClock, SharedClock, Timestamp};
use fabric_gate::identity::UserId;
use fabric_gate::ownership::{Owner, Ownership, Registry, ResourceId, ResourceKey};
use fabric_gate::state::{MemoryStore, SqliteStore};
use fabric_gate::tenant::TenantId;

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Room for resources in memory.
pub(crate) const CACHED: usize = 1_000;

/// A folder with a database, and a clock that stands still.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000))),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("state/gate.db")
    }

    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(&self.path()).unwrap())
    }

    /// A registry on the database, as a process that starts has one.
    pub(crate) fn open(&self) -> Arc<Registry> {
        Registry::new(self.store(), self.clock.clone() as SharedClock, CACHED)
    }

    /// A registry whose store forgets with it.
    pub(crate) fn in_memory(&self) -> Arc<Registry> {
        let store = Arc::new(MemoryStore::default());
        Registry::new(store, self.clock.clone() as SharedClock, CACHED)
    }

    /// Another look at the file, past the store.
    pub(crate) fn sql(&self, statement: &str) -> Vec<Vec<rusqlite::types::Value>> {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare(statement).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

pub(crate) fn session(id: &str) -> ResourceKey {
    key("harness", "session", id)
}

pub(crate) fn key(upstream: &str, kind: &str, id: &str) -> ResourceKey {
    ResourceKey::new(upstream.into(), kind.into(), ResourceId::exact(id).unwrap())
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn owner(tenant_name: &str, user: &str) -> Owner {
    Owner {
        tenant: tenant(tenant_name),
        user: UserId::parse(user).unwrap(),
    }
}

pub(crate) fn owned(tenant_name: &str, user: &str) -> Ownership {
    Ownership::Owned(owner(tenant_name, user))
}

/// Does it on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

//! What is PostgreSQL's alone: that it keeps tenants apart against a mistake in our own SQL, that
//! the service refuses a server which would not, and that its connections carry no tenant on.

mod encrypted;
mod isolation;
mod migration;
mod plans;
mod pool;
mod portable;
mod refusals;
mod vectors;

use fabric_gate::memory::postgres::{PoolSettings, PostgresStore};
use fabric_gate::memory::{
    Address, Area, Caller, Change, Embedding, Entry, Fields, Filter, MemoryStore, Outcome, Page,
    Quotas, Scope, StoreError,
};

use crate::people::{NOW, caller};
use crate::postgres_server::TestDatabase;

/// All tables.
const TABLES: [&str; 6] = [
    "counters",
    "entries",
    "versions",
    "documents",
    "postings",
    "embeddings",
];

/// The store of a database, as the service opens it.
async fn store(database: &TestDatabase) -> PostgresStore {
    store_of(database, 4).await
}

async fn store_of(database: &TestDatabase, connections: usize) -> PostgresStore {
    let settings = PoolSettings {
        connections,
        ..PoolSettings::default()
    };
    let url = database.url().parse().unwrap();
    PostgresStore::open(&url, settings).await.unwrap()
}

fn quotas() -> Quotas {
    Quotas {
        versions: 5,
        ..Quotas::default()
    }
}

/// Keeps a text of the caller's own.
async fn keep(store: &PostgresStore, who: &Caller, text: &str) -> Result<Entry, StoreError> {
    let create = Change::Create {
        address: Address::memory(None),
        fields: Fields::new(text),
        created_at: None,
    };
    let written = store.write(&who.own(), vec![create], &quotas(), NOW).await;
    match written {
        Ok(outcomes) => match outcomes.into_iter().next() {
            Some(Outcome::Created(entry)) => Ok(entry),
            other => panic!("{other:?}"),
        },
        Err(error) => match error.kind {
            fabric_gate::memory::WriteErrorKind::Store(error) => Err(error),
            other => panic!("{other:?}"),
        },
    }
}

/// Writes something into every table: two versions of an entry with a key, terms and a vector.
async fn fill(store: &PostgresStore, who: &Caller, canary: &str) {
    for text in ["before", "after"] {
        let mut fields = Fields::new(format!("{text} {canary}"));
        fields.agent = Some(canary.to_owned());
        fields.embedding = Some(Embedding::new(vec![1.0, 2.0, 3.0]).unwrap());
        let put = Change::Put {
            address: Address::memory(Some("key".to_owned())),
            fields,
            expected: fabric_gate::memory::Expected::Anything,
        };
        let written = store.write(&who.own(), vec![put], &quotas(), NOW).await;
        written.unwrap();
    }
}

/// The contents of all that a caller sees of its own.
async fn texts(store: &PostgresStore, who: &Caller) -> Vec<String> {
    let reach = who.reach(Scope::All);
    let all = Filter::all(Area::Memories);
    let listed = store.list(&reach, &all, &Page::first(1000), NOW).await;
    let listed = listed.unwrap().into_iter();
    listed.map(|entry| entry.fields.content).collect()
}

fn alice_of(tenant: &str) -> Caller {
    caller(tenant, "alice", &["lead"])
}

//! A store to try, with the words that the cases are written in.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fabric_gate::clock::Timestamp;
use fabric_gate::memory::postgres::{PoolSettings, PostgresStore};
use fabric_gate::memory::search::terms::query_terms;
use fabric_gate::memory::sqlite::{self, SqliteStore};
use fabric_gate::memory::{
    Address, Area, Caller, Change, Embedding, Entry, EntryId, Expected, Fields, Filter,
    MemoryStore, Outcome, Page, Quotas, Reach, Scope, Scored, Writable, WriteErrorKind,
};

pub(crate) use fabric_gate::memory::ROW_BYTES;

use crate::people::{NOW, caller};
use crate::postgres_server::TestDatabase;
use crate::reference::ReferenceStore;

/// No quota, and more versions than a case writes unless it is about that.
pub(crate) const OPEN: Quotas = Quotas {
    tenant_bytes: None,
    tenant_entries: None,
    user_bytes: None,
    user_entries: None,
    versions: 20,
};

/// How long a call may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store and whatever has to live as long as it.
pub(crate) struct Stage {
    pub(crate) store: Arc<dyn MemoryStore>,
    _ground: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(formatter)
    }
}

impl Stage {
    pub(crate) async fn reference() -> Self {
        Self {
            store: ReferenceStore::new(),
            _ground: Box::new(()),
        }
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = sqlite::Settings::new(folder.path());
        settings.deadline = PATIENCE;
        Self {
            store: Arc::new(SqliteStore::open(&settings).unwrap()),
            _ground: Box::new(folder),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let database = TestDatabase::make().await;
        let url = database.url().parse().unwrap();
        let settings = PoolSettings {
            wait: PATIENCE,
            statement: PATIENCE,
            lock: PATIENCE,
            ..PoolSettings::default()
        };
        let store = PostgresStore::open(&url, settings).await.unwrap();
        Self {
            store: Arc::new(store),
            _ground: Box::new(database),
        }
    }

    /// Makes one change.
    pub(crate) async fn write_at(
        &self,
        to: &Writable,
        change: Change,
        at: Timestamp,
    ) -> Result<Outcome, WriteErrorKind> {
        let written = self.store.write(to, vec![change], &OPEN, at).await;
        let mut outcomes = written.map_err(|error| error.kind)?;
        assert_eq!(outcomes.len(), 1, "one outcome for each change");
        Ok(outcomes.remove(0))
    }

    pub(crate) async fn write(
        &self,
        to: &Writable,
        change: Change,
    ) -> Result<Outcome, WriteErrorKind> {
        self.write_at(to, change, NOW).await
    }

    /// A new memory.
    pub(crate) async fn make(&self, to: &Writable, fields: Fields) -> Entry {
        created(self.write(to, create(None, fields)).await)
    }

    /// A new memory with a key.
    pub(crate) async fn keep(&self, to: &Writable, key: &str, fields: Fields) -> Entry {
        created(self.write(to, create(Some(key), fields)).await)
    }

    /// A new entry anywhere.
    pub(crate) async fn place(&self, to: &Writable, address: Address, text: &str) -> Entry {
        let change = Change::Create {
            address,
            fields: Fields::new(text),
            created_at: None,
        };
        created(self.write(to, change).await)
    }

    pub(crate) async fn get(&self, of: &Reach, id: EntryId) -> Option<Entry> {
        self.store.get(of, id, NOW).await.unwrap()
    }

    pub(crate) async fn find(&self, of: &Reach, address: &Address) -> Vec<Entry> {
        self.store.find(of, address, NOW).await.unwrap()
    }

    /// The contents of what fits, in the order of their bytes.
    pub(crate) async fn fitting(&self, of: &Reach, filter: &Filter) -> Vec<String> {
        let listed = self.store.list(of, filter, &Page::first(1000), NOW).await;
        let mut texts = contents(&listed.unwrap());
        texts.sort();
        texts
    }

    /// The contents of all memories in reach.
    pub(crate) async fn all(&self, of: &Reach) -> Vec<String> {
        self.fitting(of, &Filter::all(Area::Memories)).await
    }

    pub(crate) async fn search_at(&self, of: &Reach, query: &str, at: Timestamp) -> Vec<Scored> {
        let filter = Filter::all(Area::Memories);
        let terms = query_terms(query);
        let found = self.store.by_text(of, &filter, &terms, 100, at).await;
        found.unwrap()
    }

    /// The contents found by a text, best first.
    pub(crate) async fn search(&self, of: &Reach, query: &str) -> Vec<String> {
        texts(&self.search_at(of, query, NOW).await)
    }

    pub(crate) async fn near_at(&self, of: &Reach, numbers: &[f32], at: Timestamp) -> Vec<Scored> {
        let filter = Filter::all(Area::Memories);
        let near = vector(numbers);
        let found = self.store.by_vector(of, &filter, &near, 100, at).await;
        found.unwrap()
    }

    /// The contents nearest to a vector, best first.
    pub(crate) async fn near(&self, of: &Reach, numbers: &[f32]) -> Vec<String> {
        texts(&self.near_at(of, numbers, NOW).await)
    }

    /// Entries and bytes of the one namespace in reach.
    pub(crate) async fn usage(&self, of: &Reach) -> (u64, u64) {
        let used = self.store.usage(of).await.unwrap();
        assert_eq!(used.len(), 1, "one for each namespace");
        (used[0].entries, used[0].bytes)
    }
}

/// Alice of acme, who writes shared memory.
pub(crate) fn alice() -> Caller {
    caller("acme", "alice", &["lead"])
}

/// Bob of acme, without a role.
pub(crate) fn bob() -> Caller {
    caller("acme", "bob", &[])
}

/// Whose id is alice as well, in another tenant.
pub(crate) fn stranger() -> Caller {
    caller("globex", "alice", &["lead"])
}

pub(crate) fn own(caller: &Caller) -> Reach {
    caller.reach(Scope::User)
}

pub(crate) fn all(caller: &Caller) -> Reach {
    caller.reach(Scope::All)
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

pub(crate) fn micros(micros: i64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() + micros)
}

pub(crate) fn vector(numbers: &[f32]) -> Embedding {
    Embedding::new(numbers.to_vec()).unwrap()
}

/// Fields with this content and this vector.
pub(crate) fn embedded(content: &str, numbers: &[f32]) -> Fields {
    let mut fields = Fields::new(content);
    fields.embedding = Some(vector(numbers));
    fields
}

/// Fields with this content, after `change`.
pub(crate) fn with(content: &str, change: impl FnOnce(&mut Fields)) -> Fields {
    let mut fields = Fields::new(content);
    change(&mut fields);
    fields
}

pub(crate) fn create(key: Option<&str>, fields: Fields) -> Change {
    Change::Create {
        address: Address::memory(key.map(str::to_owned)),
        fields,
        created_at: None,
    }
}

pub(crate) fn put(key: &str, content: &str, expected: Expected) -> Change {
    Change::Put {
        address: Address::memory(Some(key.to_owned())),
        fields: Fields::new(content),
        expected,
    }
}

pub(crate) fn replace(id: EntryId, content: &str, expected: Expected) -> Change {
    replace_with(id, Fields::new(content), expected)
}

pub(crate) fn replace_with(id: EntryId, fields: Fields, expected: Expected) -> Change {
    Change::Replace {
        id,
        fields,
        key: None,
        expected,
    }
}

pub(crate) fn rekey(id: EntryId, key: Option<&str>) -> Change {
    Change::Replace {
        id,
        fields: Fields::new("rekeyed"),
        key: Some(key.map(str::to_owned)),
        expected: Expected::Anything,
    }
}

pub(crate) fn relocate(id: EntryId, address: Address) -> Change {
    Change::Move {
        id,
        address,
        expected: Expected::Anything,
    }
}

pub(crate) fn delete(id: EntryId) -> Change {
    Change::Delete {
        id,
        expected: Expected::Anything,
    }
}

pub(crate) fn at(area: Area, path: &str, key: &str) -> Address {
    Address {
        area,
        path: path.to_owned(),
        key: Some(key.to_owned()),
    }
}

pub(crate) fn created(outcome: Result<Outcome, WriteErrorKind>) -> Entry {
    match outcome {
        Ok(Outcome::Created(entry)) => entry,
        other => panic!("not created: {other:?}"),
    }
}

pub(crate) fn updated(outcome: Result<Outcome, WriteErrorKind>) -> Entry {
    match outcome {
        Ok(Outcome::Updated(entry)) => entry,
        other => panic!("not updated: {other:?}"),
    }
}

pub(crate) fn contents(entries: &[Entry]) -> Vec<String> {
    let each = entries.iter().map(|entry| entry.fields.content.clone());
    each.collect()
}

pub(crate) fn texts(scored: &[Scored]) -> Vec<String> {
    let each = scored.iter().map(|it| it.entry.fields.content.clone());
    each.collect()
}

/// Asserts that a result is an error of this kind.
macro_rules! refused {
    ($result:expr, $kind:pat) => {
        match $result {
            Err($kind) => {}
            other => panic!("not refused by {}: {other:?}", stringify!($kind)),
        }
    };
}
pub(crate) use refused;

//! What a memory costs to write, read, list and search, on both stores and beside the same on the
//! databases below them without a service: `cargo bench --bench memory [-- ENTRIES [VECTORS]]`.
//!
//! A thousand tenants of twenty entries first, then one tenant of ENTRIES (20,000), then VECTORS
//! (2,000) of 384 dimensions. The plain tables are what people build: one table of all tenants, an
//! index, FTS5 or a GIN index over `tsvector`, and a condition that must not be forgotten.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a program that prints figures"
)]

#[path = "../tests/memory/people.rs"]
mod people;
#[path = "../tests/support/postgres.rs"]
mod postgres_server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fabric_gate::memory::postgres::{PoolSettings, PostgresStore};
use fabric_gate::memory::search::terms::query_terms;
use fabric_gate::memory::sqlite::{Settings, SqliteStore};
use fabric_gate::memory::{
    Address, Area, Caller, Change, Embedding, EntryId, Fields, Filter, MemoryStore, Outcome, Page,
    Quotas, Scope,
};
use people::{NOW, caller};
use postgres_server::{TestDatabase, TestServer};

/// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each thing is done.
const TIMES: u64 = 300;

const DIMENSIONS: usize = 384;

const QUOTAS: Quotas = Quotas {
    tenant_bytes: Some(1 << 40),
    tenant_entries: Some(1 << 40),
    user_bytes: Some(1 << 40),
    user_entries: Some(1 << 40),
    versions: 20,
};

/// Something that keeps texts for users of tenants. Ids are 16 bytes.
#[async_trait]
trait Keeper {
    /// Writes many at once, durably; answers their ids.
    async fn fill(&mut self, who: &Caller, texts: Vec<String>) -> Vec<[u8; 16]>;
    async fn get(&mut self, who: &Caller, id: [u8; 16]) -> bool;
    /// The newest 50.
    async fn list(&mut self, who: &Caller) -> usize;
    /// The best 10.
    async fn search(&mut self, who: &Caller, words: &str) -> usize;
}

struct Service(Arc<dyn MemoryStore>);

#[async_trait]
impl Keeper for Service {
    async fn fill(&mut self, who: &Caller, texts: Vec<String>) -> Vec<[u8; 16]> {
        let changes = texts.into_iter().map(|text| create(Fields::new(text)));
        let written = self
            .0
            .write(&who.own(), changes.collect(), &QUOTAS, NOW)
            .await;
        let ids = written.unwrap().into_iter().map(|outcome| match outcome {
            Outcome::Created(entry) => *entry.id.as_bytes(),
            other => panic!("{other:?}"),
        });
        ids.collect()
    }

    async fn get(&mut self, who: &Caller, id: [u8; 16]) -> bool {
        let (of, id) = (who.reach(Scope::All), EntryId::from_bytes(id));
        self.0.get(&of, id, NOW).await.unwrap().is_some()
    }

    async fn list(&mut self, who: &Caller) -> usize {
        let (of, filter) = (who.reach(Scope::All), Filter::all(Area::Memories));
        let listed = self.0.list(&of, &filter, &Page::first(50), NOW).await;
        listed.unwrap().len()
    }

    async fn search(&mut self, who: &Caller, words: &str) -> usize {
        let (of, filter) = (who.reach(Scope::All), Filter::all(Area::Memories));
        let terms = query_terms(words);
        let found = self.0.by_text(&of, &filter, &terms, 10, NOW).await;
        found.unwrap().len()
    }
}

fn create(fields: Fields) -> Change {
    Change::Create {
        address: Address::memory(None),
        fields,
        created_at: None,
    }
}

/// One SQLite file for all tenants.
struct PlainSqlite(rusqlite::Connection);

impl PlainSqlite {
    fn open(file: &std::path::Path) -> Self {
        let database = rusqlite::Connection::open(file).unwrap();
        let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE memories (number INTEGER PRIMARY KEY, id BLOB UNIQUE, tenant TEXT,
                 user TEXT, content TEXT, created_at INTEGER);
             CREATE INDEX newest ON memories (tenant, user, created_at DESC, id DESC);
             CREATE VIRTUAL TABLE words USING fts5 (content);";
        database.execute_batch(schema).unwrap();
        Self(database)
    }
}

#[async_trait]
impl Keeper for PlainSqlite {
    async fn fill(&mut self, who: &Caller, texts: Vec<String>) -> Vec<[u8; 16]> {
        let transaction = self.0.transaction().unwrap();
        let mut ids = Vec::new();
        for text in texts {
            let id = *EntryId::mint().as_bytes();
            let (tenant, user) = (who.tenant().as_str(), who.user().as_str());
            let insert = "INSERT INTO memories (id, tenant, user, content, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = transaction.prepare_cached(insert).unwrap();
            let at = NOW.as_micros();
            insert.execute((id, tenant, user, &text, at)).unwrap();
            let insert = "INSERT INTO words (rowid, content) VALUES (last_insert_rowid(), ?1)";
            let mut insert = transaction.prepare_cached(insert).unwrap();
            insert.execute([text]).unwrap();
            ids.push(id);
        }
        transaction.commit().unwrap();
        ids
    }

    async fn get(&mut self, who: &Caller, id: [u8; 16]) -> bool {
        let select = "SELECT content FROM memories WHERE tenant = ?1 AND user = ?2 AND id = ?3";
        let mut select = self.0.prepare_cached(select).unwrap();
        let of = (who.tenant().as_str(), who.user().as_str(), id);
        select.query_row(of, |row| row.get::<_, String>(0)).is_ok()
    }

    async fn list(&mut self, who: &Caller) -> usize {
        let select = "SELECT id, content FROM memories WHERE tenant = ?1 AND user = ?2
             ORDER BY created_at DESC, id DESC LIMIT 50";
        let mut select = self.0.prepare_cached(select).unwrap();
        let of = (who.tenant().as_str(), who.user().as_str());
        let rows = select.query_map(of, |row| row.get::<_, String>(1)).unwrap();
        rows.map(Result::unwrap).count()
    }

    async fn search(&mut self, who: &Caller, words: &str) -> usize {
        let select = "SELECT m.id, m.content FROM words w JOIN memories m ON m.number = w.rowid
             WHERE words MATCH ?1 AND m.tenant = ?2 AND m.user = ?3 ORDER BY w.rank LIMIT 10";
        let mut select = self.0.prepare_cached(select).unwrap();
        let any = words.replace(' ', " OR ");
        let of = (any, who.tenant().as_str(), who.user().as_str());
        let rows = select.query_map(of, |row| row.get::<_, String>(1)).unwrap();
        rows.map(Result::unwrap).count()
    }
}

/// One PostgreSQL table for all tenants, without row-level security.
struct PlainPostgres {
    client: tokio_postgres::Client,
    insert: tokio_postgres::Statement,
    get: tokio_postgres::Statement,
    list: tokio_postgres::Statement,
    search: tokio_postgres::Statement,
}

impl PlainPostgres {
    async fn open(database: &TestDatabase) -> Self {
        let client = database.superuser().await;
        let schema = "CREATE TABLE memories (id uuid PRIMARY KEY, tenant text, usr text,
                 content text, created_at bigint,
                 words tsvector GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED);
             CREATE INDEX ON memories (tenant, usr, created_at DESC, id DESC);
             CREATE INDEX ON memories USING gin (words);";
        client.batch_execute(schema).await.unwrap();
        let insert = "INSERT INTO memories (id, tenant, usr, content, created_at)
             SELECT id, $1, $2, content, $3 FROM unnest($4::uuid[], $5::text[]) AS t (id, content)";
        let get = "SELECT content FROM memories WHERE tenant = $1 AND usr = $2 AND id = $3";
        let list = "SELECT id, content FROM memories WHERE tenant = $1 AND usr = $2
             ORDER BY created_at DESC, id DESC LIMIT 50";
        let search = "SELECT id, content FROM memories, to_tsquery('simple', $3) AS query
             WHERE tenant = $1 AND usr = $2 AND words @@ query
             ORDER BY ts_rank(words, query) DESC, id LIMIT 10";
        Self {
            insert: client.prepare(insert).await.unwrap(),
            get: client.prepare(get).await.unwrap(),
            list: client.prepare(list).await.unwrap(),
            search: client.prepare(search).await.unwrap(),
            client,
        }
    }
}

#[async_trait]
impl Keeper for PlainPostgres {
    async fn fill(&mut self, who: &Caller, texts: Vec<String>) -> Vec<[u8; 16]> {
        let ids: Vec<_> = texts.iter().map(|_| *EntryId::mint().as_bytes()).collect();
        let uuids: Vec<_> = ids.iter().copied().map(uuid::Uuid::from_bytes).collect();
        let (tenant, user, at) = (who.tenant().as_str(), who.user().as_str(), NOW.as_micros());
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&tenant, &user, &at, &uuids, &texts];
        self.client.execute(&self.insert, &row).await.unwrap();
        ids
    }

    async fn get(&mut self, who: &Caller, id: [u8; 16]) -> bool {
        let (tenant, user) = (who.tenant().as_str(), who.user().as_str());
        let id = uuid::Uuid::from_bytes(id);
        let found = self
            .client
            .query_opt(&self.get, &[&tenant, &user, &id])
            .await;
        found.unwrap().is_some()
    }

    async fn list(&mut self, who: &Caller) -> usize {
        let (tenant, user) = (who.tenant().as_str(), who.user().as_str());
        let listed = self.client.query(&self.list, &[&tenant, &user]).await;
        listed.unwrap().len()
    }

    async fn search(&mut self, who: &Caller, words: &str) -> usize {
        let (tenant, user) = (who.tenant().as_str(), who.user().as_str());
        let any = words.replace(' ', " | ");
        let found = self
            .client
            .query(&self.search, &[&tenant, &user, &any])
            .await;
        found.unwrap().len()
    }
}

/// Numbers that look drawn by lot, the same in every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }

    /// A word of 10,000, the first ones far more often than the last.
    fn word(&mut self) -> String {
        let (one, other) = (self.below(100), self.below(100));
        format!("word{}", one * other)
    }

    fn text(&mut self) -> String {
        let words: Vec<_> = (0..25).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn vector(&mut self) -> Embedding {
        let number = |lot: &mut Self| lot.below(2001) as f32 / 1000.0 - 1.0;
        Embedding::new((0..DIMENSIONS).map(|_| number(self)).collect()).unwrap()
    }
}

#[tokio::main]
async fn main() {
    let mut sizes = std::env::args()
        .skip(1)
        .filter_map(|it| it.parse::<u64>().ok());
    let entries = sizes.next().unwrap_or(20_000);
    let vectors = sizes.next().unwrap_or(2_000);
    for (name, tenants, each) in [("1,000 tenants", 1_000, 20), ("one tenant", 1, entries)] {
        println!("{name}, {} entries; p50 / p99 in µs", tenants * each);
        println!("| | write | get | list 50 | search, best 10 |\n| --- | --- | --- | --- | --- |");
        let folder = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open(&patient(folder.path())).unwrap();
        let sqlite = Service(Arc::new(sqlite));
        row("SQLite, the store", sqlite, tenants, each).await;
        let plain = PlainSqlite::open(&folder.path().join("plain.db"));
        row("SQLite, a table", plain, tenants, each).await;
        let database = TestDatabase::on(TestServer::own(&[]).await).await;
        row(
            "PostgreSQL, the store",
            postgres(&database).await,
            tenants,
            each,
        )
        .await;
        let plain = PlainPostgres::open(&database).await;
        row("PostgreSQL, a table", plain, tenants, each).await;
    }
    println!(
        "one tenant, {vectors} vectors of {DIMENSIONS} dimensions; the nearest 10, p50 / p99 in µs"
    );
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&patient(folder.path())).unwrap();
    nearest("SQLite, the store", &sqlite, vectors).await;
    let database = TestDatabase::on(TestServer::own(&[]).await).await;
    nearest(
        "PostgreSQL, the store",
        &*postgres(&database).await.0,
        vectors,
    )
    .await;
}

/// Nobody is told to come later while a bench loads.
fn patient(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::new(folder);
    settings.deadline = Duration::from_secs(60);
    settings
}

async fn postgres(database: &TestDatabase) -> Service {
    let settings = PoolSettings {
        statement: Duration::from_secs(60),
        ..PoolSettings::default()
    };
    let store = PostgresStore::open(&database.url().parse().unwrap(), settings).await;
    Service(Arc::new(store.unwrap()))
}

fn owner(number: u64) -> Caller {
    caller(&format!("tenant-{number}"), "alice", &[])
}

/// Fills a keeper, then times one caller that does one thing after the other.
async fn row(name: &str, mut keeper: impl Keeper, tenants: u64, each: u64) {
    let mut lot = Lot(1);
    let mut ids = Vec::new();
    for tenant in 0..tenants {
        let who = owner(tenant);
        let mut left = each;
        while left > 0 {
            let some = left.min(500);
            let texts = (0..some).map(|_| lot.text()).collect();
            let made = keeper.fill(&who, texts).await;
            ids.extend(made.into_iter().map(|id| (tenant, id)));
            left -= some;
        }
    }
    let mut times: [Vec<u128>; 4] = Default::default();
    for _ in 0..TIMES {
        let (tenant, id) = ids[lot.below(ids.len() as u64) as usize];
        let who = owner(tenant);
        let (text, words) = (lot.text(), format!("{} {}", lot.word(), lot.word()));
        let began = Instant::now();
        keeper.fill(&who, vec![text]).await;
        times[0].push(began.elapsed().as_micros());
        let began = Instant::now();
        assert!(keeper.get(&who, id).await);
        times[1].push(began.elapsed().as_micros());
        let began = Instant::now();
        assert!(keeper.list(&who).await > 0);
        times[2].push(began.elapsed().as_micros());
        let began = Instant::now();
        keeper.search(&who, &words).await;
        times[3].push(began.elapsed().as_micros());
    }
    let cells: Vec<_> = times.iter_mut().map(|it| shares(it)).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

async fn nearest(name: &str, store: &dyn MemoryStore, vectors: u64) {
    let (who, mut lot, mut left) = (owner(0), Lot(1), vectors);
    while left > 0 {
        let some = left.min(500);
        let change = |lot: &mut Lot| {
            let mut fields = Fields::new(lot.text());
            fields.embedding = Some(lot.vector());
            create(fields)
        };
        let changes = (0..some).map(|_| change(&mut lot)).collect();
        store
            .write(&who.own(), changes, &QUOTAS, NOW)
            .await
            .unwrap();
        left -= some;
    }
    let (of, filter) = (who.reach(Scope::All), Filter::all(Area::Memories));
    let mut times = Vec::new();
    for _ in 0..TIMES / 5 {
        let vector = lot.vector();
        let began = Instant::now();
        let found = store.by_vector(&of, &filter, &vector, 10, NOW).await;
        assert_eq!(found.unwrap().len(), 10);
        times.push(began.elapsed().as_micros());
    }
    println!("| {name} | {} |", shares(&mut times));
}

fn shares(times: &mut [u128]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    format!("{} / {}", at(0.5), at(0.99))
}

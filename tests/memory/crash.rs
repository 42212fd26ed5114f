//! A process that is killed at any moment has lost nothing that it was told is kept, and leaves
//! nothing half done.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fabric_gate::memory::postgres::{PoolSettings, PostgresStore};
use fabric_gate::memory::search::terms::query_terms;
use fabric_gate::memory::sqlite::{Settings, SqliteStore};
use fabric_gate::memory::{
    Address, Area, Caller, Change, Entry, Expected, Fields, Filter, MemoryStore, Outcome, Page,
    Quotas, Scope,
};

use crate::people::{NOW, caller};
use crate::postgres_server::{TestDatabase, TestServer};

/// Where the child finds its store: a folder, or a URL.
const STORE: &str = "FABRIC_TEST_MEMORY";

const TENANTS: [&str; 4] = ["acme", "globex", "initech", "umbrella"];

const QUOTAS: Quotas = Quotas {
    tenant_bytes: None,
    tenant_entries: None,
    user_bytes: None,
    user_entries: None,
    versions: 3,
};

async fn open(place: &str) -> Arc<dyn MemoryStore> {
    if place.starts_with("postgres") {
        let url = place.parse().unwrap();
        let store = PostgresStore::open(&url, PoolSettings::default()).await;
        Arc::new(store.unwrap())
    } else {
        Arc::new(SqliteStore::open(&Settings::new(place)).unwrap())
    }
}

fn user(tenant: &str) -> Caller {
    caller(tenant, "alice", &[])
}

/// Not a test of its own: the process that is killed. For each tenant a task creates an entry,
/// writes it anew, deletes every other one, and prints each of these once it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests below"]
async fn child_that_is_killed() {
    let Ok(place) = std::env::var(STORE) else {
        return;
    };
    let store = open(&place).await;
    let mut writing = tokio::task::JoinSet::new();
    for tenant in TENANTS {
        writing.spawn(write_for_ever(Arc::clone(&store), tenant));
    }
    writing.join_all().await;
}

async fn write_for_ever(store: Arc<dyn MemoryStore>, tenant: &str) {
    let to = user(tenant).own();
    for number in 0_u64.. {
        let key = format!("{}-{number}", std::process::id());
        let put = |content: &str| Change::Put {
            address: Address::memory(Some(key.clone())),
            fields: Fields::new(format!("common {content} {key}")),
            expected: Expected::Anything,
        };
        let write = |change| store.write(&to, vec![change], &QUOTAS, NOW);
        let Ok(made) = write(put("first")).await else {
            continue;
        };
        say(&format!("{tenant} {key} 1"));
        if write(put("second")).await.is_err() {
            continue;
        }
        say(&format!("{tenant} {key} 2"));
        if let (0, [Outcome::Created(entry)]) = (number % 2, made.as_slice()) {
            let change = Change::Delete {
                id: entry.id,
                expected: Expected::Anything,
            };
            if write(change).await.is_ok() {
                say(&format!("{tenant} {key} 3"));
            }
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

fn start(place: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(STORE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Of each tenant, how far each key was told to have come: 1 made, 2 written anew, 3 deleted.
#[derive(Default)]
struct Told(BTreeMap<String, BTreeMap<String, u8>>);

impl Told {
    /// Hears a process until it has done `writes`, kills it, and hears the rest. A line that was cut
    /// off was not told.
    fn of(&mut self, place: &str, writes: usize) {
        let mut child = start(place);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            if let Some(told) = line.strip_suffix('\n')
                && self.hear(told)
            {
                heard += 1;
                if heard == writes {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        assert!(heard >= writes, "the process ended by itself");
        child.wait().unwrap();
    }

    fn hear(&mut self, line: &str) -> bool {
        let words: Vec<_> = line.split(' ').collect();
        let [tenant, key, phase @ ("1" | "2" | "3")] = words[..] else {
            // Of the harness.
            return false;
        };
        let keys = self.0.entry(tenant.to_owned()).or_default();
        keys.insert(key.to_owned(), phase.parse().unwrap());
        true
    }

    fn len(&self) -> usize {
        let phases = self.0.values().flat_map(BTreeMap::values);
        phases.map(|phase| usize::from(*phase)).sum()
    }

    /// All that was told is there, and what is there was told or was the next to come.
    async fn holds(&self, store: &dyn MemoryStore) {
        for (tenant, keys) in &self.0 {
            let of = user(tenant).reach(Scope::User);
            let there = entries(store, tenant).await;
            for (key, told) in keys {
                let has = there.get(key).map(|entry| entry.version);
                let right = match told {
                    1 => has.is_some(),
                    2 => matches!(has, Some(2) | None) && (has.is_some() || is_even(key)),
                    _ => has.is_none(),
                };
                assert!(right, "{tenant} {key}: told {told}, at version {has:?}");
            }
            let used = store.usage(&of).await.unwrap();
            assert_eq!(
                used[0].entries,
                there.len() as u64,
                "{tenant} is counted right"
            );
            let mut bytes = 0;
            for entry in there.values() {
                let history = store.history(&of, entry.id, NOW).await.unwrap().unwrap();
                assert_eq!(history.len() as u64, entry.version);
                let each = history.iter();
                let each = each.map(|version| version.fields.bytes() + version.address.row_bytes());
                bytes += each.sum::<u64>();
            }
            assert_eq!(used[0].bytes, bytes, "{tenant} is counted right");
            let (filter, terms) = (Filter::all(Area::Memories), query_terms("common"));
            let found = store.by_text(&of, &filter, &terms, 1_000_000, NOW).await;
            assert_eq!(
                found.unwrap().len(),
                there.len(),
                "{tenant} is indexed right"
            );
        }
    }
}

/// Only those are deleted.
fn is_even(key: &str) -> bool {
    key.rsplit('-').next().unwrap().parse::<u64>().unwrap() % 2 == 0
}

async fn entries(store: &dyn MemoryStore, tenant: &str) -> BTreeMap<String, Entry> {
    let of = user(tenant).reach(Scope::User);
    let filter = Filter::all(Area::Memories);
    let listed = store.list(&of, &filter, &Page::first(1_000_000), NOW).await;
    let keyed = listed.unwrap().into_iter().map(|entry| {
        let key = entry.address.key.clone().unwrap();
        (key, entry)
    });
    keyed.collect()
}

/// How many writes a round waits for before it kills: not the same in any two.
fn writes(round: usize, most: usize) -> usize {
    1 + round * 7919 % most
}

async fn kills_of_the_sqlite_store(rounds: usize, most: usize) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let mut told = Told::default();
    for round in 0..rounds {
        told.of(place, writes(round, most));
        let store = open(place).await;
        if round % 10 == 0 || round + 1 == rounds {
            told.holds(&*store).await;
        }
        store.close().await;
        drop(store);
        for tenant in TENANTS {
            let file = folder.path().join(tenant).join("memory.db");
            if file.exists() {
                let database = rusqlite::Connection::open(&file).unwrap();
                let check = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
                let sound = database.query_row("PRAGMA integrity_check", [], check);
                assert_eq!(sound.unwrap(), "ok", "{tenant}");
            }
        }
    }
    println!("{rounds} kills, {} writes told, all there", told.len());
}

/// Every third time the server is killed as well.
async fn kills_of_the_postgres_store(rounds: usize, most: usize) {
    let server = TestServer::own(&[]).await;
    let database = TestDatabase::on(server).await;
    let place = database.url();
    let mut told = Told::default();
    for round in 0..rounds {
        told.of(&place, writes(round, most));
        if round % 3 == 2 {
            database.server().crash_and_recover().await;
        }
        if round % 10 == 0 || round + 1 == rounds {
            let store = open(&place).await;
            told.holds(&*store).await;
            store.close().await;
        }
    }
    println!("{rounds} kills, {} writes told, all there", told.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_all_it_acknowledged_in_sqlite() {
    kills_of_the_sqlite_store(4, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_all_it_acknowledged_in_postgres() {
    kills_of_the_postgres_store(4, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a soak"]
async fn soak_a_hundred_kills_in_sqlite() {
    kills_of_the_sqlite_store(100, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a soak"]
async fn soak_a_hundred_kills_in_postgres() {
    kills_of_the_postgres_store(100, 400).await;
}

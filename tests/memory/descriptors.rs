//! Experiment R39: more tenants than a process may have files open, in random order.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::memory::sqlite::{Settings, SqliteStore};
use fabric_gate::memory::{
    Address, Area, Change, Fields, Filter, MemoryStore, Page, Quotas, Scope,
};
use tokio::task::JoinSet;

use crate::people::{NOW, caller};

/// The process that is given few descriptors, and how many tenants it serves.
const TENANTS: &str = "FABRIC_TEST_TENANTS";

/// Callers at a time.
const CALLERS: usize = 32;

#[test]
fn more_tenants_are_served_than_there_are_descriptors_for() {
    in_a_process_with(128, 600);
}

#[test]
#[ignore = "R39 in full: takes minutes"]
fn ten_thousand_tenants_are_served_with_4096_descriptors() {
    in_a_process_with(4_096, 10_000);
}

fn in_a_process_with(descriptors: u32, tenants: u32) {
    let limited = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "descriptors::tenants_in_random_order"])
        .args(["--ignored", "--nocapture"])
        .env(TENANTS, tenants.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{errors}");
    assert!(said.contains("p99"), "the child has done its part: {said}");
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run by the tests above, in a process that may open few files"]
async fn tenants_in_random_order() {
    let Ok(tenants) = std::env::var(TENANTS) else {
        return;
    };
    let tenants: u64 = tenants.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    settings.deadline = Duration::from_secs(60);
    let store = Arc::new(SqliteStore::open(&settings).unwrap());
    let mut took = Vec::new();
    // Each is written first; then some are written and some are read, whichever chance has next.
    let first: Vec<u64> = (0..tenants).collect();
    let mut drawn = 0x9e37_79b9_7f4a_7c15_u64;
    let then = (0..tenants * 2).map(|_| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        drawn % tenants
    });
    let order: Vec<u64> = first.into_iter().chain(then).collect();
    let mut at_work = JoinSet::new();
    for (turn, tenant) in order.into_iter().enumerate() {
        if turn == tenants as usize {
            while let Some(done) = at_work.join_next().await {
                took.push(done.unwrap());
            }
        }
        let store = Arc::clone(&store);
        let writes = turn < tenants as usize || turn % 2 == 0;
        at_work.spawn(async move { once(&*store, tenant, writes).await });
        if at_work.len() >= CALLERS {
            took.push(at_work.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(done) = at_work.join_next().await {
        took.push(done.unwrap());
    }
    took.sort_unstable();
    let share = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!(
        "{tenants} tenants, {} calls: p50 {:?}, p99 {:?}, descriptors at the end {}, of {}, resident {}",
        took.len(),
        share(50),
        share(99),
        std::fs::read_dir("/proc/self/fd").unwrap().count(),
        limit("Max open files"),
        resident()
    );
}

/// One call of one tenant; how long it took.
async fn once(store: &dyn MemoryStore, tenant: u64, writes: bool) -> Duration {
    let caller = caller(&format!("tenant-{tenant}"), "alice", &[]);
    let since = Instant::now();
    if writes {
        let change = Change::Create {
            address: Address::memory(None),
            fields: Fields::new(format!("a memory of tenant {tenant}")),
            created_at: None,
        };
        let quotas = Quotas {
            versions: 1,
            ..Quotas::default()
        };
        store
            .write(&caller.own(), vec![change], &quotas, NOW)
            .await
            .unwrap();
    } else {
        let reach = caller.reach(Scope::All);
        let listed = store
            .list(&reach, &Filter::all(Area::Memories), &Page::first(10), NOW)
            .await
            .unwrap();
        let own = format!("a memory of tenant {tenant}");
        assert!(!listed.is_empty(), "tenant {tenant} has written before");
        let contents: Vec<_> = listed.iter().map(|entry| &entry.fields.content).collect();
        assert!(
            contents.iter().all(|content| **content == own),
            "{tenant}: {contents:?}"
        );
    }
    since.elapsed()
}

fn limit(name: &str) -> String {
    line_of("/proc/self/limits", name)
}

fn resident() -> String {
    line_of("/proc/self/status", "VmRSS")
}

fn line_of(path: impl AsRef<Path>, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

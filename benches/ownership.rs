//! What it costs to know who owns what: `cargo bench --bench ownership [-- IDS [FOLDER]]`. Figures:
//! `benches/README.md`. The folder, on the disk that is to be measured, keeps the filled database
//! for the next run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program that prints figures"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::clock::SystemClock;
use fabric_gate::identity::UserId;
use fabric_gate::ownership::{Owner, Ownership, Registry, ResourceId, ResourceKey};
use fabric_gate::state::SqliteStore;
use tokio::runtime::Runtime;

/// As the gate has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOKUPS: u64 = 200_000;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let ids = arguments
        .next()
        .map_or(10_000_000, |ids| ids.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments
        .next()
        .map_or(temporary.path().to_owned(), PathBuf::from);
    let path = folder.join(format!("owners-{ids}.db"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    fill(&runtime, &path, ids);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{ids} ids: {:.0} bytes of file each",
        bytes as f64 / ids as f64
    );
    lookups(&runtime, &path, ids);
    memory(&runtime, &path, ids);
    for callers in [1, 8, 64, 512] {
        claims(&runtime, &folder, callers);
    }
}

fn open(path: &Path, cached: usize) -> Arc<Registry> {
    let store = Arc::new(SqliteStore::open(path).unwrap());
    Registry::new(store, Arc::new(SystemClock), cached)
}

/// Looks random and is the same in every run (SplitMix64's finalizer).
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The first half of a key's UUID.
fn first_word(number: u64) -> u64 {
    mixed(number + 1)
}

/// A UUID of its own for every number.
fn key(number: u64) -> ResourceKey {
    let (high, low) = (first_word(number), mixed(number + 0x9e37_79b9_7f4a_7c15));
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    ResourceKey::new(
        "harness".into(),
        "session".into(),
        ResourceId::exact(&text).unwrap(),
    )
}

/// A thousand tenants of ten users each.
fn owner(number: u64) -> Owner {
    Owner {
        tenant: format!("tenant-{}", number % 1_000).parse().unwrap(),
        user: UserId::parse(&format!("user-{}@example.com", number / 1_000 % 10)).unwrap(),
    }
}

fn fill(runtime: &Runtime, path: &Path, ids: u64) {
    if path.exists() {
        return;
    }
    let registry = open(path, 1);
    // In the order of ids: otherwise each row is a page of its own to write, and a large file takes
    // hours to fill.
    let mut numbers: Vec<_> = (0..ids)
        .map(|number| (first_word(number), number))
        .collect();
    numbers.sort_unstable();
    let began = Instant::now();
    runtime.block_on(async {
        for some in numbers.chunks(5_000) {
            let made: Vec<_> = some.iter().map(|(_, id)| (key(*id), owner(*id))).collect();
            while registry.mint_all(&made).await.is_err() {}
        }
        registry.close().await;
    });
    println!("filled in {:.0} s", began.elapsed().as_secs_f64());
}

fn lookups(runtime: &Runtime, path: &Path, ids: u64) {
    let registry = open(path, 1_000_000);
    let spread = |turn: u64| key(turn.wrapping_mul(0x9e37_79b9) % ids);
    time(
        runtime,
        "first look, from the file",
        LOOKUPS,
        async |turn| {
            let found = registry.owner(&spread(turn)).await.unwrap();
            assert!(matches!(found, Ownership::Owned(_)));
        },
    );
    time(runtime, "again, from memory", LOOKUPS, async |turn| {
        let found = registry.owner(&spread(turn)).await.unwrap();
        assert!(matches!(found, Ownership::Owned(_)));
    });
    time(runtime, "a made-up id", LOOKUPS, async |turn| {
        let found = registry.owner(&key(ids + turn)).await.unwrap();
        assert_eq!(found, Ownership::Unknown);
    });
    runtime.block_on(registry.close());
}

/// The key is made within the time that is measured; its cost is measured by itself.
fn time(runtime: &Runtime, what: &str, turns: u64, look: impl AsyncFn(u64)) {
    let mut nanos = Vec::with_capacity(turns as usize);
    runtime.block_on(async {
        for turn in 0..turns {
            let began = Instant::now();
            look(turn).await;
            nanos.push(began.elapsed().as_nanos());
        }
    });
    let began = Instant::now();
    for turn in 0..turns {
        std::hint::black_box(key(turn));
    }
    let making = began.elapsed().as_nanos() / u128::from(turns);
    nanos.sort_unstable();
    println!(
        "{what}: p50 {} ns, p99 {} ns, p99.9 {} ns (of it {making} ns to make the key)",
        nanos[nanos.len() / 2],
        nanos[nanos.len() * 99 / 100],
        nanos[nanos.len() * 999 / 1000],
    );
}

fn memory(runtime: &Runtime, path: &Path, ids: u64) {
    let registry = open(path, ids as usize + ids as usize / 10);
    let before = resident();
    let mut worst = 0;
    runtime.block_on(async {
        let mut next = 0;
        while next < ids {
            let end = ids.min(next + 2_000);
            let keys: Vec<_> = (next..end).map(key).collect();
            if registry.owners(&keys).await.is_ok() {
                next = end;
            }
            worst = worst.max(resident());
        }
    });
    let held = registry.cached() as u64;
    println!(
        "{held} owners in memory: {} MiB more, {} bytes each",
        (resident() - before) >> 20,
        (resident() - before) / held
    );
    time(
        runtime,
        "from memory with all in it",
        LOOKUPS,
        async |turn| {
            let number = turn.wrapping_mul(0x9e37_79b9) % ids;
            let _found = registry.owner(&key(number)).await.unwrap();
        },
    );
    println!("  most at any time: {} MiB", worst >> 20);
    runtime.block_on(registry.close());
}

fn claims(runtime: &Runtime, folder: &Path, callers: u64) {
    const FOR: Duration = Duration::from_secs(3);
    let path = folder.join(format!("claims-{callers}-{}.db", std::process::id()));
    let registry = open(&path, 1_000);
    let began = Instant::now();
    let mut nanos: Vec<u128> = runtime.block_on(async {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                let registry = Arc::clone(&registry);
                tokio::spawn(async move {
                    let mut nanos = Vec::new();
                    for turn in 0.. {
                        if began.elapsed() >= FOR {
                            break;
                        }
                        let key = key((caller << 32) | turn);
                        let one = Instant::now();
                        registry.claim(&key, &owner(caller)).await.unwrap();
                        nanos.push(one.elapsed().as_nanos());
                    }
                    nanos
                })
            })
            .collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.await.unwrap());
        }
        all
    });
    let took = began.elapsed();
    nanos.sort_unstable();
    println!(
        "{callers} callers: {:.0} durable claims a second; p50 {} µs, p99 {} µs",
        nanos.len() as f64 / took.as_secs_f64(),
        nanos[nanos.len() / 2] / 1_000,
        nanos[nanos.len() * 99 / 100] / 1_000,
    );
    runtime.block_on(registry.close());
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        drop(std::fs::remove_file(name));
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

//! What it costs to set money aside and to settle it: `cargo bench --bench ledger [-- FOLDER]`.
//! Figures: `benches/README.md`. The folder is on the disk that is to be measured.
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

use fabric_gate::budget::ledger::{ChargeFacts, Ledger, LedgerSettings, Request};
use fabric_gate::budget::{Ceiling, CeilingScope, Spender};
use fabric_gate::clock::{Clock, SystemClock};
use fabric_gate::money::NanoUsd;
use fabric_gate::state::open_ledger;
use jiff::tz::TimeZone;

/// As the gate has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For how long each row runs.
const FOR: Duration = Duration::from_secs(4);

fn main() {
    let folder = std::env::args().skip(1).find(|it| it != "--bench");
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder.map_or(temporary.path().to_owned(), PathBuf::from);
    for tenants in [10, 1_000, 100_000] {
        let folder = folder.join(format!("ledger-{tenants}-{}", std::process::id()));
        pairs(&folder, tenants);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

fn open(folder: &Path) -> Arc<Ledger> {
    open_ledger(folder, LedgerSettings::default(), Arc::new(SystemClock)).unwrap()
}

fn ceilings() -> Vec<Ceiling> {
    let ceiling = |scope, window: &str| Ceiling {
        scope,
        window: window.parse().unwrap(),
        limit: NanoUsd::MAX,
        timezone: TimeZone::get("Europe/Paris").unwrap(),
        warn_at: Arc::new([500, 800]),
    };
    vec![
        ceiling(CeilingScope::Tenant, "month"),
        ceiling(CeilingScope::User, "day"),
    ]
}

fn spender(number: u64) -> Spender {
    Spender {
        tenant: format!("tenant-{number}").parse().unwrap(),
        user: format!("user-{number}@example.com").into(),
        agent: "".into(),
        route: "chat.completions".into(),
        session: "".into(),
    }
}

/// One thread that sets aside and settles, each tenant in turn; the ledger's own syncs beside it.
fn pairs(folder: &Path, tenants: u64) {
    let before = resident();
    let ledger = open(folder);
    let ceilings = ceilings();
    let spenders: Vec<_> = (0..tenants).map(spender).collect();
    let kept = resident() - before;
    let facts = ChargeFacts {
        model: Some("gpt-4o-2024-11-20".into()),
        price_revision: Some("2026-11-01".into()),
        input: Some(1_234),
        output: Some(567),
        ..ChargeFacts::default()
    };
    let step = |turn: u64| {
        let spender = &spenders[(turn.wrapping_mul(7_919) % tenants) as usize];
        ledger
            .reserve(&Request {
                request_id: "0192f0c1-2b3c-7d4e-8f90-a1b2c3d4e5f6",
                at: SystemClock.now(),
                spender,
                ceilings: &ceilings,
                amount: NanoUsd::from_nanos(50_000_000),
            })
            .unwrap()
    };
    for turn in 0..tenants {
        step(turn).release();
    }
    let lines = resident() - before - kept;
    let (mut reserving, mut settling) = (Vec::new(), Vec::new());
    let (mut turn, cpu, began) = (0, processor(), Instant::now());
    while began.elapsed() < FOR {
        let first = Instant::now();
        let held = step(turn);
        let second = Instant::now();
        held.settle(NanoUsd::from_nanos(12_345_678), facts.clone());
        // Every pair is timed as a whole, and some by their halves.
        if turn % 16 == 0 {
            reserving.push((second - first).as_nanos());
            settling.push(second.elapsed().as_nanos());
        }
        turn += 1;
    }
    let took = began.elapsed();
    println!(
        "{tenants} tenants: {:.0} pairs a second ({:.0} a second of CPU, syncing counted); reserve p50 {} p99 {} p99.9 {} ns; settle p50 {} p99 {} p99.9 {} ns; {} MiB of lines",
        turn as f64 / took.as_secs_f64(),
        turn as f64 / (processor() - cpu),
        at(&mut reserving, 0.5),
        at(&mut reserving, 0.99),
        at(&mut reserving, 0.999),
        at(&mut settling, 0.5),
        at(&mut settling, 0.99),
        at(&mut settling, 0.999),
        lines >> 20,
    );
    ledger.close();
    drop(ledger);
    let began = Instant::now();
    let ledger = open(folder);
    println!(
        "  opened again in {:.0} ms",
        began.elapsed().as_secs_f64() * 1_000.0
    );
    ledger.close();
}

fn at(nanos: &mut [u128], share: f64) -> u128 {
    nanos.sort_unstable();
    nanos[(nanos.len() as f64 * share) as usize]
}

/// Seconds of CPU that this process used.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

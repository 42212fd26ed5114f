//! What the audit log costs: `cargo bench --bench audit`. Figures and how they are read:
//! `docs/decisions/0003-audit-durability.md`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program that prints figures"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_gate::audit::{
    AuditLog, Caller, RecordedDecision, RecordedPath, RequestRecord, Settings, verify,
};
use fabric_gate::clock::{Clock, SystemClock};
use fabric_gate::identity::{Delegation, PrincipalKind, UserId};
use fabric_gate::tenant::TenantId;

const RECORDS: u32 = 1_000_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("batch"));
    let log = AuditLog::open(&settings, Arc::new(SystemClock)).unwrap();
    let caller = Someone::new();

    let mut nanos = Vec::with_capacity(RECORDS as usize);
    let began = Instant::now();
    for _ in 0..RECORDS {
        while log.ready().is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let one = Instant::now();
        let _ = std::hint::black_box(caller.append(&log));
        nanos.push(one.elapsed().as_nanos());
    }
    let handed_over = began.elapsed();
    log.shutdown().unwrap();
    let on_disk = began.elapsed();
    nanos.sort_unstable();
    println!(
        "batch, one thread: handed over {:.0}/s, on disk {:.0}/s; append p50 {} ns, p99 {} ns, p99.9 {} ns",
        f64::from(RECORDS) / handed_over.as_secs_f64(),
        f64::from(RECORDS) / on_disk.as_secs_f64(),
        nanos[nanos.len() / 2],
        nanos[nanos.len() * 99 / 100],
        nanos[nanos.len() * 999 / 1000],
    );

    let bytes: u64 = std::fs::read_dir(&settings.directory)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let began = Instant::now();
    let report = verify(&settings).unwrap();
    assert!(report.is_good(), "{report:?}");
    println!(
        "verify: {} records, {} bytes each, in {:.2} s",
        report.records,
        bytes / report.records,
        began.elapsed().as_secs_f64()
    );

    for threads in [1, 8, 64] {
        sync(folder.path(), threads);
    }
}

/// What a request waits when its answer has to wait for the disk.
fn sync(folder: &std::path::Path, threads: usize) {
    let settings = Settings::new(folder.join(format!("sync-{threads}")));
    let log = AuditLog::open(&settings, Arc::new(SystemClock)).unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    let waits: Vec<Vec<Duration>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let caller = Someone::new();
                    let mut waits = Vec::new();
                    while Instant::now() < until {
                        let one = Instant::now();
                        let ticket = caller.append(&log);
                        log.wait_durable_blocking(ticket).unwrap();
                        waits.push(one.elapsed());
                    }
                    waits
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut waits: Vec<_> = waits.into_iter().flatten().collect();
    waits.sort_unstable();
    println!(
        "sync, {threads} waiting: {:.0}/s, p50 {:?}, p99 {:?}",
        waits.len() as f64 / 2.0,
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );
}

struct Someone {
    tenant: TenantId,
    user: UserId,
    roles: [Arc<str>; 2],
    delegation: Delegation,
}

impl Someone {
    fn new() -> Self {
        Self {
            tenant: "acme".parse().unwrap(),
            user: UserId::parse("alice@example.com").unwrap(),
            roles: [Arc::from("lead"), Arc::from("reviewer")],
            delegation: Delegation::default(),
        }
    }

    fn append(&self, log: &AuditLog) -> fabric_gate::audit::Ticket {
        log.append(&RequestRecord {
            ts: SystemClock.now(),
            request_id: "01JD8Z6T5W3M9QK2V7B4N8XRCA",
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            caller: Some(Caller {
                tenant: &self.tenant,
                user: &self.user,
                kind: PrincipalKind::User,
                roles: &self.roles,
                scopes: &[],
                delegation: &self.delegation,
                auth_method: "jwt:corp",
                token_id: Some("0f5c7a52-6a53-4d7e-9a35-7e6f3f6d8a11"),
            }),
            method: "GET",
            path: RecordedPath::Template("/sessions/{id}"),
            route: Some("session.read"),
            action: Some("read"),
            resource: None,
            tool: None,
            model: None,
            decision: RecordedDecision::Permit,
            reason: "ok",
            rule: None,
            alert: None,
            enforced: true,
            would_deny: &[],
            declared_tenant: None,
            status: Some(200),
            upstream: Some("harness"),
            upstream_status: Some(200),
            cost_usd: None,
            tokens: None,
            price_revision: None,
            latency_us: 812,
            bytes_in: 0,
            bytes_out: 2048,
            policy_revision: Some("0123456789abcdef"),
        })
        .unwrap()
    }
}

//! A log in a temporary folder, and records to put into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_gate::audit::{
    AuditLog, Caller, RecordedDecision, RecordedPath, RequestRecord, Settings, verify,
};
use fabric_gate::clock::{SystemClock, Timestamp};
use fabric_gate::identity::{Delegation, PrincipalKind, UserId};
use fabric_gate::tenant::TenantId;
use tempfile::TempDir;

pub(crate) struct Sample {
    pub(crate) settings: Settings,
    _folder: TempDir,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("audit"));
        settings.flush = Duration::from_millis(1);
        Self {
            settings,
            _folder: folder,
        }
    }

    pub(crate) fn open(&self) -> AuditLog {
        AuditLog::open(&self.settings, Arc::new(SystemClock)).unwrap()
    }

    /// Opens the log, writes `count` records of alternating tenants, and closes it.
    pub(crate) fn write(&self, count: u64) {
        let log = self.open();
        for number in 0..count {
            let tenant = if number % 2 == 0 { "acme" } else { "globex" };
            append(&log, tenant, number);
        }
        log.shutdown().unwrap();
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(&self.settings.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        files.sort();
        files
    }

    /// All lines, as JSON.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.files()
            .iter()
            .flat_map(|file| {
                let text = std::fs::read_to_string(file).unwrap();
                text.lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub(crate) fn assert_good(&self) {
        let report = verify(&self.settings).unwrap();
        assert!(report.is_good(), "{:?}", report.first_bad);
    }
}

pub(crate) fn append(log: &AuditLog, tenant: &str, number: u64) {
    let tenant: TenantId = tenant.parse().unwrap();
    let user = UserId::parse("alice").unwrap();
    let roles = [Arc::from("lead")];
    let delegation = Delegation::default();
    let id = format!("request-{number}");
    let ticket = log
        .append(&RequestRecord {
            caller: Some(Caller {
                tenant: &tenant,
                user: &user,
                kind: PrincipalKind::User,
                roles: &roles,
                scopes: &[],
                delegation: &delegation,
                auth_method: "jwt:corp",
                token_id: Some("jti-1"),
            }),
            ..request(&id)
        })
        .unwrap();
    // Most tests wait for the end of the log instead.
    let _ = ticket;
}

pub(crate) fn request(id: &str) -> RequestRecord<'_> {
    RequestRecord {
        ts: Timestamp::from_seconds(1_795_305_600),
        request_id: id,
        trace_id: None,
        caller: None,
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
        bytes_out: 99,
        policy_revision: Some("0123456789abcdef"),
    }
}

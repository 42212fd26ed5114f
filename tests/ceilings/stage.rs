//! A gate before one backend that costs money, and callers of tenants with ceilings.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fabric_gate::money::NanoUsd;
use serde_json::Value;

use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawResponse};
use crate::support::tokens::{SigningKey, claims};
use crate::support::{DEADLINE, within};

/// Prices that are easy to add up: 2 and 8 thousand nano-USD a token.
pub const PRICES: &str = r#"
[[prices]]
model = "gauge-1"
input = "2.00"
output = "8.00"
cache_read = "0.50"
cache_write = "2.50"
"#;

/// A running gate, and what signs its callers' tokens.
pub struct Stage {
    /// The process.
    pub gate: GateProcess,
    key: SigningKey,
    policies: Vec<String>,
}

/// Somebody who calls, by a token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What its `Authorization` says.
    pub authorization: String,
}

/// A tenant's stanza with these ceilings, each by [`ceiling`].
pub fn tenant(id: &str, ceilings: &[String]) -> String {
    format!("[[tenants]]\nid = \"{id}\"\n{}", ceilings.concat())
}

/// A ceiling of the tenant whose stanza stands before it.
pub fn ceiling(scope: &str, window: &str, usd: &str) -> String {
    format!("[[tenants.ceilings]]\nscope = \"{scope}\"\nwindow = \"{window}\"\nusd = \"{usd}\"\n")
}

/// An amount.
pub fn usd(text: &str) -> NanoUsd {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// What a record, or any other document, says under `cost_usd`; nothing where it says none.
pub fn cost_of(record: &Value) -> NanoUsd {
    record["cost_usd"].as_str().map_or(NanoUsd::ZERO, usd)
}

impl Stage {
    /// A gate with the backend at `url` as the upstream `backend`, and this policy: tenants, routes,
    /// prices.
    pub async fn start(url: &str, policy: &str) -> Self {
        Self::start_with(url, policy, |builder| builder).await
    }

    /// The same, with a gate that `change` changes before it starts.
    pub async fn start_with(
        url: &str,
        policy: &str,
        change: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        let upstream = format!("[[upstreams]]\nname = \"backend\"\nurl = \"{url}\"\n");
        let policies = vec![key.policy(&jwks), upstream, policy.to_owned()];
        let builder = policies.iter().fold(builder, GateBuilder::policy);
        Self {
            gate: change(builder).start().await,
            key,
            policies,
        }
    }

    /// Another gate with the same policies and the same state, and everything else its own.
    pub async fn another_gate(&self) -> GateProcess {
        self.another_gate_with(|builder| builder).await
    }

    /// The same, with a gate that `change` changes before it starts.
    pub async fn another_gate_with(
        &self,
        change: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> GateProcess {
        let state = format!("url = \"sqlite:{}\"", self.database().display());
        let builder = GateProcess::builder().section("state", &state);
        let builder = self.policies.iter().fold(builder, GateBuilder::policy);
        change(builder).start().await
    }

    /// The database; the ledger is beside it.
    pub fn database(&self) -> PathBuf {
        self.gate.folder().join("data/gate.db")
    }

    /// The folder of the ledger.
    pub fn ledger(&self) -> PathBuf {
        self.gate.folder().join("data/gate.ledger")
    }

    /// A caller.
    pub fn caller(&self, tenant: &str, user: &str) -> Caller {
        self.caller_with(tenant, user, &[])
    }

    /// A caller with these roles.
    pub fn caller_with(&self, tenant: &str, user: &str, roles: &[&str]) -> Caller {
        let token = self.key.sign(&claims(tenant, user, roles));
        Caller {
            authorization: format!("Bearer {token}"),
        }
    }

    /// Alice of acme.
    pub fn alice(&self) -> Caller {
        self.caller("acme", "alice")
    }

    /// Bob of globex.
    pub fn bob(&self) -> Caller {
        self.caller("globex", "bob")
    }

    /// One request on a connection of its own.
    pub async fn ask(
        &self,
        caller: &Caller,
        method: &str,
        target: &str,
        body: impl AsRef<[u8]>,
    ) -> RawResponse {
        self.ask_with(caller, method, target, &[], body).await
    }

    /// The same with further headers.
    pub async fn ask_with(
        &self,
        caller: &Caller,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> RawResponse {
        let request = caller.request(method, target, headers, body);
        raw_client::exchange(self.gate.address(), request).await
    }

    /// The audit log's lines so far: requests' records and events.
    pub fn audit(&self) -> Vec<Value> {
        audit_of(&self.gate)
    }

    /// The audit records of requests on this route so far.
    pub fn records(&self, route: &str) -> Vec<Value> {
        let mut records = self.audit();
        records.retain(|record| record["route"] == route);
        records
    }

    /// The audit records of so many requests on this route, once they are written.
    pub async fn records_of(&self, route: &str, count: usize) -> Vec<Value> {
        let enough = || {
            let records = self.records(route);
            (records.len() >= count).then_some(records)
        };
        until("audit records", async || enough()).await
    }

    /// What the audit log says a tenant's requests and late settlements cost.
    pub fn audited(&self, tenant: &str) -> NanoUsd {
        let records = self.audit().into_iter();
        let own = records.filter(|record| record["tenant_id"] == tenant);
        own.map(|record| cost_of(&record)).sum()
    }

    /// Waits until the audit log says that a tenant's requests and late settlements cost this.
    pub async fn audit_adds_up_to(&self, tenant: &str, cost: NanoUsd) {
        self.audit_adds_up_within(DEADLINE, tenant, cost).await;
    }

    /// The same, with a wait of its own.
    pub async fn audit_adds_up_within(&self, patience: Duration, tenant: &str, cost: NanoUsd) {
        let deadline = Instant::now() + patience;
        while self.audited(tenant) != cost {
            let audited = self.audited(tenant);
            assert!(
                Instant::now() < deadline,
                "{audited} in the log, {cost} in the ledger"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `GET /v1/tenants/{id}/spend`.
    pub async fn spend(&self, tenant: &str) -> Value {
        let answer = self.gate.admin("GET", &spend_page(tenant), b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The line of a ceiling: how it stands for one value of its scope (`""` for the tenant's).
    pub async fn line(&self, tenant: &str, scope: &str, value: &str) -> Line {
        let spend = self.spend(tenant).await;
        let lines = spend["ceilings"].as_array().into_iter().flatten();
        let mut own = lines.filter(|line| {
            line["scope"] == scope && line["value"].as_str().unwrap_or_default() == value
        });
        let line = own
            .next()
            .unwrap_or_else(|| panic!("no line of {scope} `{value}` in {spend:#}"));
        let amount = |key: &str| usd(line[key].as_str().unwrap_or_else(|| panic!("{line:#}")));
        Line {
            limit: amount("limit_usd"),
            spent: amount("spent_usd"),
            reserved: amount("reserved_usd"),
        }
    }

    /// The line of a ceiling once nothing is reserved on it any more.
    pub async fn settled_line(&self, tenant: &str, scope: &str, value: &str) -> Line {
        let settled = async || {
            let line = self.line(tenant, scope, value).await;
            line.reserved.is_zero().then_some(line)
        };
        until("settlement", settled).await
    }
}

/// How a ceiling stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The most.
    pub limit: NanoUsd,
    /// What was spent.
    pub spent: NanoUsd,
    /// What is reserved.
    pub reserved: NanoUsd,
}

impl Caller {
    /// The bytes of a request.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Vec<u8> {
        let mut all = vec![
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        all.extend_from_slice(headers);
        raw_client::request(method, target, &all, body.as_ref())
    }
}

/// Asks until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, asking).await
}

/// The lines of a gate's audit log, in the order of time. Of lines that several threads leave at once
/// the log has one thread's behind the other's.
pub fn audit_of(gate: &GateProcess) -> Vec<Value> {
    let Ok(files) = fs::read_dir(gate.folder().join("audit")) else {
        return Vec::new();
    };
    let mut lines: Vec<Value> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .flat_map(|text| {
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines.collect::<Vec<Value>>()
        })
        .filter(|line| line["seq"].is_u64())
        .collect();
    lines.sort_by_key(|line| line["ts"].as_str().map(str::to_owned));
    lines
}

fn spend_page(tenant: &str) -> String {
    format!("/v1/tenants/{tenant}/spend")
}

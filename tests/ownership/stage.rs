//! A gate before one backend that has no notion of tenants, and callers of two tenants.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawResponse};
use crate::support::tokens::{Claims, SigningKey, claims};
use crate::support::within;

/// A running gate, and what signs its callers' tokens.
pub struct Stage {
    /// The process.
    pub gate: GateProcess,
    key: SigningKey,
}

/// Somebody who calls, by a token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What its `Authorization` says.
    pub authorization: String,
}

impl Stage {
    /// A gate with the backend at `url` as the upstream `backend`, and these routes.
    pub async fn start(url: &str, routes: &str) -> Self {
        Self::start_with(url, routes, |builder| builder).await
    }

    /// The same, with a gate that `change` changes before it starts.
    pub async fn start_with(
        url: &str,
        routes: &str,
        change: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        let identity = key.policy(&jwks);
        let upstream = format!("[[upstreams]]\nname = \"backend\"\nurl = \"{url}\"\n");
        let tenants = "[[tenants]]\nid = \"acme\"\n[[tenants]]\nid = \"globex\"\n";
        let builder = builder
            .policy(identity)
            .policy(tenants)
            .policy(upstream)
            .policy(routes);
        Self {
            gate: change(builder).start().await,
            key,
        }
    }

    /// A caller with these roles.
    pub fn caller(&self, tenant: &str, user: &str, roles: &[&str]) -> Caller {
        self.caller_by(&claims(tenant, user, roles))
    }

    /// A caller whose token says this.
    pub fn caller_by(&self, claims: &Claims) -> Caller {
        let token = self.key.sign(claims);
        Caller {
            authorization: format!("Bearer {token}"),
        }
    }

    /// Alice of acme.
    pub fn alice(&self) -> Caller {
        self.caller("acme", "alice", &[])
    }

    /// Bob of globex.
    pub fn bob(&self) -> Caller {
        self.caller("globex", "bob", &[])
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
        let mut all = vec![("Authorization", caller.authorization.as_str())];
        all.extend_from_slice(headers);
        let request = raw_client::request(method, target, &all, body.as_ref());
        raw_client::exchange(self.gate.address(), request).await
    }

    /// The audit records of requests on this route so far, in the order of the requests. Of records
    /// that several threads leave at once the log has one thread's behind the other's.
    pub fn records(&self, route: &str) -> Vec<Value> {
        let files = fs::read_dir(self.gate.folder().join("audit")).unwrap();
        let mut records: Vec<Value> = files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .flat_map(|text| {
                let lines: Vec<Value> = text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect();
                lines
            })
            .filter(|record: &Value| record["route"] == route)
            .collect();
        records.sort_by_key(|record| record["ts"].as_str().map(str::to_owned));
        records
    }

    /// The audit records of so many requests on this route, once they are written.
    pub async fn records_of(&self, route: &str, count: usize) -> Vec<Value> {
        let written = async {
            loop {
                let records = self.records(route);
                if records.len() >= count {
                    return records;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("audit records", written).await
    }

    /// The audit record of the only request on this route, once it is written.
    pub async fn record(&self, route: &str) -> Value {
        let mut records = self.records_of(route, 1).await;
        assert_eq!(records.len(), 1, "records of `{route}`: {records:#?}");
        records.remove(0)
    }
}

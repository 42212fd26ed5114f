//! One case, as it is written.

use serde_json::Value;

use crate::explain::Described;
use crate::money::NanoUsd;

/// A request, who makes it, and what has to become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its file and line: `policies/dev.cases.toml:12`.
    pub at: String,
    /// The request and its caller.
    pub described: Described,
    /// What is owned.
    pub owned: Vec<OwnedFixture>,
    /// What is spent.
    pub spent: Vec<SpentFixture>,
    /// What has to become of it.
    pub expect: Expectation,
}

/// Somebody owns something.
#[derive(Clone, Debug)]
pub struct OwnedFixture {
    /// On which backend; on any where it is not said.
    pub upstream: Option<String>,
    /// What.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Whose.
    pub tenant: String,
    /// Of which user of the tenant.
    pub user: String,
}

/// Something is spent.
#[derive(Clone, Debug)]
pub struct SpentFixture {
    /// By which tenant.
    pub tenant: String,
    /// `tenant`, `user`, `agent`, `route` or `session`.
    pub scope: String,
    /// Which of them; empty for the tenant itself.
    pub value: String,
    /// How much.
    pub amount: NanoUsd,
}

/// What has to become of a request; what is not said may be anything.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in an explanation")]
pub struct Expectation {
    pub decision: Option<String>,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub route: Option<String>,
    pub rule: Option<String>,
    pub would_deny: Option<Vec<String>>,
    pub tenant: Option<String>,
    pub user: Option<String>,
    pub model: Option<String>,
    pub reserve_usd: Option<NanoUsd>,
    pub backend: Option<ExpectedBackend>,
}

/// What the backend has to get.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in an explanation")]
pub struct ExpectedBackend {
    pub method: Option<String>,
    pub target: Option<String>,
    /// Fields with their values.
    pub headers: Vec<(String, String)>,
    /// Fields that may not be there.
    pub absent: Vec<String>,
    /// A text as it is; anything else as JSON.
    pub body: Option<Value>,
}

//! The answer: what would become of the request, and why.

use serde::Serialize;

/// What would become of a request, and why. Amounts are decimal text in USD.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explanation {
    /// `permit` or `deny`.
    pub decision: &'static str,
    /// Status of the gate's own answer; `None` where the backend answers.
    pub status: Option<u16>,
    /// The refusal's code.
    pub code: Option<String>,
    /// What the caller would be told beside it.
    pub detail: Option<String>,
    /// Revision of the policy that decided.
    pub policy_revision: String,
    /// The route.
    pub route: Option<RouteFacts>,
    /// Routes that nearly matched, where none did.
    pub near: Vec<NearRoute>,
    /// Who calls.
    pub principal: Option<PrincipalFacts>,
    /// What says the tenant.
    pub tenant_from: Option<String>,
    /// A tenant that the request names and that is not the caller's.
    pub declared_tenant: Option<String>,
    /// Roles of which the route asks for one.
    pub roles_asked: Vec<String>,
    /// Scopes of which the route asks for all.
    pub scopes_asked: Vec<String>,
    /// The rule that made the difference.
    pub rule: Option<String>,
    /// Shadow rules that would have refused it.
    pub would_deny: Vec<String>,
    /// The tool that it calls.
    pub tool: Option<String>,
    /// The model that it asks for, or is made to.
    pub model: Option<String>,
    /// What that costs, in USD per million tokens.
    pub price: Option<String>,
    /// Things that the request names.
    pub resources: Vec<ResourceFacts>,
    /// Limits on requests, as they would stand with this one under way.
    pub limits: Vec<String>,
    /// Ceilings that apply, as they stand without this request.
    pub ceilings: Vec<CeilingFacts>,
    /// What would be held.
    pub reserve_usd: Option<String>,
    /// What the backend would get.
    pub backend: Option<BackendFacts>,
    /// What was asked, in order.
    pub steps: Vec<StepFacts>,
    /// What was not asked, and so can differ.
    pub not_asked: Vec<String>,
}

/// A route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteFacts {
    /// Its name.
    pub name: String,
    /// Its backend.
    pub upstream: String,
    /// Its template.
    pub path: String,
    /// What records call it.
    pub action: String,
}

/// A route that nearly matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearRoute {
    /// Its name.
    pub name: String,
    /// Its template.
    pub path: String,
    /// Its methods.
    pub methods: Vec<String>,
    /// What is in the way.
    pub why: String,
}

/// Who calls.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as in audit records")]
pub struct PrincipalFacts {
    pub tenant: String,
    pub user: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub kind: &'static str,
    pub auth_method: String,
    pub delegation: Vec<String>,
}

/// A thing that the request names.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceFacts {
    /// What it is.
    pub kind: String,
    /// Its id, as the request spells it.
    pub id: String,
    /// `caller`, `another`, `nobody`, `retired`, or `not asked`.
    pub owner: &'static str,
    /// Sending the request would make it the caller's.
    pub claims: bool,
}

/// A ceiling that applies.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as `fabric-gate spend` has them")]
pub struct CeilingFacts {
    pub scope: &'static str,
    pub value: String,
    pub window: String,
    pub limit_usd: String,
    pub spent_usd: String,
    pub reserved_usd: String,
    pub resets_at: Option<String>,
}

/// What the backend would get. A credential is shown as `…`.
#[derive(Clone, Debug, Serialize)]
pub struct BackendFacts {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Every field, in the order of names.
    pub headers: Vec<(String, String)>,
    /// Fields of the caller's that go no further, or are said anew.
    pub stripped: Vec<String>,
    /// The body, where it is text.
    pub body: Option<String>,
    /// Where it is not what came: JSON pointers, or `form:NAME`.
    pub body_changed_at: Vec<String>,
    /// The request waits for its turn behind others of its `serialize` line.
    pub in_line: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepFacts {
    /// Its name.
    pub step: &'static str,
    /// `passed`, `refused` or `skipped`.
    pub outcome: &'static str,
    /// What was found, in words.
    pub says: String,
}

impl Explanation {
    /// Whether the request would go to its backend, or be answered by the gate as asked.
    pub fn permits(&self) -> bool {
        self.decision == "permit"
    }
}

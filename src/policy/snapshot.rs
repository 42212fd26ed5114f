//! One compiled generation of the policy files.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::LinePolicy;
use super::cost::{Ceilings, CostPolicy, CostSettings};
use super::limits::TenantLimits;
use super::ownership::{
    CreatesRule, ErrorShape, ListRule, ResourceRule, StatedAbsence, UnknownResource,
};
use super::rewriting::Rewriting;
use super::shared_memory::SharedMemoryWrite;
use super::upstream::UpstreamPolicy;
use crate::budget::models::ModelPolicy;
use crate::budget::prices::PriceTable;
use crate::identity::RoutePattern;
use crate::identity::settings::{
    ApiKeySettings, ClaimPath, ClientCertificateSettings, DevelopmentSettings, IssuerSettings,
    WebhookSettings,
};
use crate::identity::webhook::WebhookTarget;
use crate::tenant::{TenantGrammar, TenantId};

/// Digest of the policy files: 32 bytes, printed as the first 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    digest: [u8; 32],
    text: Arc<str>,
}

impl Revision {
    /// The revision with this digest.
    pub fn new(digest: [u8; 32]) -> Self {
        let text = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        Self {
            digest,
            text: text.into(),
        }
    }

    /// All 32 bytes.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The printed form, to keep.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

/// All policy files, compiled.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// Which files these were.
    pub revision: Revision,
    /// `[[issuers]]`.
    pub issuers: Vec<IssuerSettings>,
    /// `[[api_keys]]`.
    pub api_keys: Vec<ApiKeySettings>,
    /// `[[webhooks]]`.
    pub webhooks: Vec<WebhookSettings>,
    /// `[[client_certificates]]`.
    pub client_certificates: Vec<ClientCertificateSettings>,
    /// `[development]`.
    pub development: Option<DevelopmentSettings>,
    /// `[tenancy]`.
    pub tenancy: Tenancy,
    /// `[[tenants]]`, by id.
    pub tenants: HashMap<TenantId, TenantPolicy>,
    /// `[defaults]`.
    pub defaults: TenantLimits,
    /// What tenants spend under that state no ceilings of their own.
    pub default_ceilings: Ceilings,
    /// Which models tenants may use that say nothing of their own.
    pub default_models: Arc<ModelPolicy>,
    /// `[costs]`.
    pub costs: CostSettings,
    /// Who is written to when a ceiling is spent: `alerts` of `[costs]`.
    pub alerts: Option<Arc<WebhookTarget>>,
    /// The page on which a tenant's administrators change which models it uses, where `[costs]
    /// llm_admin_roles` names any.
    pub settings_page: Option<Arc<RoutePolicy>>,
    /// What models cost.
    pub prices: Arc<PriceTable>,
    /// `[[upstreams]]`.
    pub upstreams: Vec<Arc<UpstreamPolicy>>,
    /// `[[routes]]`.
    pub routes: Vec<Arc<RoutePolicy>>,
    /// Path and method to route.
    pub router: super::Router,
    /// `[[rules]]`.
    pub rules: Vec<Rule>,
    /// `[memory] shared_write_roles`.
    pub shared_write_roles: Vec<Arc<str>>,
}

impl PolicySnapshot {
    /// The metadata of a protected resource that is served at a path (RFC 9728). Where there is one
    /// resource only, clients that look at the root find it as well.
    pub fn resource_metadata(&self, path: &str) -> Option<&Arc<[u8]>> {
        if !path.starts_with(super::METADATA_PATH) {
            return None;
        }
        let resources = || {
            let upstreams = self.upstreams.iter();
            upstreams.filter_map(|upstream| upstream.protected_resource.as_ref())
        };
        let exact = resources().find(|it| it.metadata_path() == path);
        let only = resources().next().filter(|first| {
            path == super::METADATA_PATH
                && resources().all(|it| it.metadata_path() == first.metadata_path())
        });
        exact.or(only).map(|resource| resource.document())
    }
}

impl PolicySnapshot {
    /// The page of a tenant's settings that a path without a route leads to, and the tenant as the
    /// path has it.
    pub fn settings_page<'path>(
        &self,
        path: &'path str,
    ) -> Option<(&Arc<RoutePolicy>, &'path str)> {
        let page = self.settings_page.as_ref()?;
        let (before, after) = LLM_SETTINGS_PATH.split_once("{id}")?;
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some((page, id))
    }

    /// Which models a tenant may use, as the files have it.
    pub fn models(&self, tenant: &TenantId) -> &Arc<ModelPolicy> {
        let own = self.tenants.get(tenant);
        own.and_then(|policy| policy.models.as_ref())
            .unwrap_or(&self.default_models)
    }

    /// What a tenant spends under.
    pub fn ceilings(&self, tenant: &TenantId) -> &Ceilings {
        let own = self.tenants.get(tenant);
        own.and_then(|policy| policy.ceilings.as_ref())
            .unwrap_or(&self.default_ceilings)
    }

    /// The limits of a tenant, and of its users.
    pub fn limits(&self, tenant: &TenantId) -> TenantLimits {
        let own = self.tenants.get(tenant).map(|policy| policy.limits);
        own.unwrap_or_default().over(self.defaults)
    }

    /// The claims that routes name, each once: what is kept of a token beside who calls.
    pub fn claims(&self) -> Arc<[ClaimPath]> {
        let mut claims: Vec<ClaimPath> = Vec::new();
        for claim in self.routes.iter().flat_map(|route| route.claims()) {
            if !claims.contains(claim) {
                claims.push(claim.clone());
            }
        }
        claims.into()
    }

    /// Whether some rule is about resources of MCP servers, by their URIs.
    pub fn judges_resource_uris(&self) -> bool {
        let uses = self.rules.iter().filter_map(|rule| rule.uses.as_ref());
        uses.into_iter().any(|uses| !uses.resources.is_empty())
    }
}

/// Where the settings of a tenant's models are, on both listeners.
pub const LLM_SETTINGS_PATH: &str = "/v1/tenants/{id}/llm";

/// `[tenancy]`.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// Grammar of tenant ids.
    pub grammar: TenantGrammar,
    /// What to do with a valid credential of an unlisted tenant.
    pub unknown: UnknownTenant,
    /// Hardened mode by policy file (the environment can force it as well).
    pub header_required: bool,
}

/// What becomes of a tenant that no file lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTenant {
    /// `tenant_unknown`.
    Deny,
    /// It gets the defaults.
    Provision,
}

/// `[[tenants]]`.
#[derive(Clone, Debug)]
pub struct TenantPolicy {
    /// Refused whatever the credential says.
    pub suspended: bool,
    /// Its own limits over the defaults.
    pub limits: TenantLimits,
    /// What it spends under; `None` is what the defaults say.
    pub ceilings: Option<Ceilings>,
    /// Which models it may use, with what the defaults say where it says nothing; `None` where it says
    /// nothing at all.
    pub models: Option<Arc<ModelPolicy>>,
}

/// Ambiguous spellings of a path that a route may opt into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathAllowances {
    /// `%2F` inside a segment.
    pub encoded_slash: bool,
    /// `;` parameters.
    pub semicolon: bool,
    /// `//`.
    pub double_slash: bool,
    /// `%25`: a percent sign in an id, which a second decoding would take for an escape.
    pub encoded_percent: bool,
    /// Escapes of characters that need none (`%41`).
    pub needless_escape: bool,
}

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Extractor {
    /// A `{parameter}` of the route's path.
    Path(String),
    /// A query parameter.
    Query(String),
    /// A header, in lower case.
    Header(String),
    /// A place in a JSON body (RFC 6901 reference tokens; `*` is every element of an array).
    Body(Vec<String>),
    /// A field of an url-encoded or multipart form.
    Form(String),
    /// A place in the data of a server-sent event.
    Event(Vec<String>),
    /// A claim of the caller's token.
    Claim(ClaimPath),
    /// A place in each text message that a WebSocket client sends.
    Message(Vec<String>),
}

impl Extractor {
    /// Whether it takes from a request's body.
    pub fn reads_body(&self) -> bool {
        match self {
            Self::Body(_) | Self::Form(_) => true,
            Self::Path(_)
            | Self::Query(_)
            | Self::Header(_)
            | Self::Event(_)
            | Self::Message(_)
            | Self::Claim(_) => false,
        }
    }
}

/// Where a credential may stand in a request of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CredentialPlace {
    /// `Authorization: Bearer`.
    Bearer,
    /// `X-Api-Key`.
    ApiKeyHeader,
    /// The TLS client certificate.
    ClientCertificate,
    /// A query parameter of this name; it is removed before the request is forwarded.
    Query(String),
}

/// `[[routes]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePolicy {
    /// Name: `session.read`.
    pub name: Arc<str>,
    /// Index into [`PolicySnapshot::upstreams`].
    pub upstream: Arc<UpstreamPolicy>,
    /// Methods; never empty.
    pub methods: Vec<Method>,
    /// Path template in matchit syntax.
    pub path: Arc<str>,
    /// Any of these roles; empty is anyone.
    pub roles: Vec<Arc<str>>,
    /// All of these scopes.
    pub scopes: Vec<Arc<str>>,
    /// No credential is asked.
    pub public: bool,
    /// A health page: may stay public in hardened mode.
    pub health: bool,
    /// Upgrades to WebSocket are passed.
    pub websocket: bool,
    /// Whether the route writes memory that the whole tenant shares.
    pub shared_memory_write: SharedMemoryWrite,
    /// Bodies are messages of the Model Context Protocol: rules about tools, prompts and resources
    /// hold.
    pub mcp: bool,
    /// Other places that declare the tenant.
    pub tenant_from: Vec<Extractor>,
    /// The answer must not name another tenant here.
    pub guard_tenant: Vec<Extractor>,
    /// Ids the request names.
    pub resources: Vec<ResourceRule>,
    /// What becomes of an id without a known owner.
    pub unknown: UnknownResource,
    /// Ids the answer mints.
    pub creates: Vec<CreatesRule>,
    /// A success releases the ids of the request.
    pub deletes: bool,
    /// The answer lists resources.
    pub list: Option<ListRule>,
    /// The backend's words for what does not exist, stated.
    pub not_found: Option<StatedAbsence>,
    /// In whose words refusals are written.
    pub errors: ErrorShape,
    /// The JSON-RPC methods this route is for; empty is all of its path.
    pub rpc_methods: Vec<Arc<str>>,
    /// What is changed in a request.
    pub rewriting: Rewriting,
    /// Where a credential may stand.
    pub credentials: Vec<CredentialPlace>,
    /// Ambiguous spellings the backend needs.
    pub path_allows: PathAllowances,
    /// Longest wait for the backend's answer to begin.
    pub timeout: Duration,
    /// Longest silence inside an answer.
    pub stream_idle: Duration,
    /// Largest request body; the tenant's limit holds as well.
    pub body_bytes: Option<u64>,
    /// Requests that go one at a time.
    pub line: Option<LinePolicy>,
    /// How what its requests cost is known; `None` is that they cost nothing.
    pub cost: Option<CostPolicy>,
    /// What audit records call it, where the policy says so.
    pub action: Option<Arc<str>>,
}

impl RoutePolicy {
    /// What audit records call a request by `method`: the policy's word for it, else `read`,
    /// `write` or `delete`.
    pub fn action_of(&self, method: &Method) -> &str {
        match &self.action {
            Some(action) => action,
            None if method.is_safe() => "read",
            None if *method == Method::DELETE => "delete",
            None => "write",
        }
    }

    /// Whether the request body has to be read before the decision.
    pub fn needs_request_body(&self) -> bool {
        let ids = self.resources.iter().flat_map(|rule| &rule.ids);
        let cost = self.cost.as_ref();
        !self.rpc_methods.is_empty()
            || self.rewriting.reads_request_body()
            || cost.is_some_and(CostPolicy::reads_request_body)
            || self
                .tenant_from
                .iter()
                .chain(self.shared_memory_write.places())
                .chain(ids)
                .any(Extractor::reads_body)
    }

    /// The claims in which it looks for ids, tenants and models.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimPath> {
        let ids = self.resources.iter().flat_map(|rule| &rule.ids);
        let of_cost = self.cost.iter().flat_map(CostPolicy::places);
        let places = ids.chain(&self.tenant_from).chain(of_cost);
        places.filter_map(|place| match place {
            Extractor::Claim(claim) => Some(claim),
            Extractor::Path(_)
            | Extractor::Query(_)
            | Extractor::Header(_)
            | Extractor::Body(_)
            | Extractor::Form(_)
            | Extractor::Event(_)
            | Extractor::Message(_) => None,
        })
    }

    /// Whether only a token can call it: it has an id of each request, and claims alone have that.
    pub fn needs_claim(&self) -> bool {
        let in_token = |place: &Extractor| matches!(place, Extractor::Claim(_));
        let mut rules = self.resources.iter();
        rules.any(|rule| !rule.optional && rule.ids.iter().all(in_token))
    }

    /// Whether requests of this route are known to ask for a model.
    pub fn names_models(&self) -> bool {
        self.cost.as_ref().is_some_and(|cost| cost.model.is_some())
    }

    /// Whether the messages of its sockets name resources.
    pub fn reads_messages(&self) -> bool {
        let mut ids = self.resources.iter().flat_map(|rule| &rule.ids);
        ids.any(|place| matches!(place, Extractor::Message(_)))
    }

    /// Whether the answer's body has to be read before its status is sent.
    pub fn needs_response_body(&self) -> bool {
        let minted = self.creates.iter().flat_map(|rule| &rule.ids);
        !self.guard_tenant.is_empty()
            || self.list.is_some()
            || minted.into_iter().any(Extractor::reads_body)
    }
}

/// Whether a rule permits or forbids. A forbid wins over every permit (deny-overrides,
/// XACML 3.0 appendix C.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Stands in for the route's `roles`; scopes and tenancy hold all the same.
    Permit,
    /// Refused, whatever roles and permits say.
    Forbid,
}

/// Whether a rule takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleMode {
    /// It does.
    Enforce,
    /// It is recorded as would-deny only.
    Shadow,
}

/// `[[rules]]`. Every condition that is present has to hold; each is a list of alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name.
    pub name: Arc<str>,
    /// Permit or forbid.
    pub effect: Effect,
    /// Enforced or recorded only.
    pub mode: RuleMode,
    /// Route names.
    pub routes: Option<Vec<RoutePattern>>,
    /// Methods.
    pub methods: Option<Vec<Method>>,
    /// Tenants.
    pub tenants: Option<Vec<TenantId>>,
    /// Users.
    pub users: Option<Vec<Arc<str>>>,
    /// Roles: the caller has any of them.
    pub roles: Option<Vec<Arc<str>>>,
    /// Tools, prompts and resources: then the rule is about the use of these, not about the request.
    pub uses: Option<super::UsePatterns>,
    /// Models: then the rule is about requests that are known to ask for one of them.
    pub models: Option<Vec<super::Glob>>,
}

impl Rule {
    /// Whether the rule is about requests as such, whatever they ask for.
    pub fn is_about_requests(&self) -> bool {
        self.uses.is_none() && self.models.is_none()
    }
}

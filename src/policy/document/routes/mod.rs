//! `[[routes]]`: what is served, by whom, for whom.

mod cost;
mod follow;
mod list;
mod ownership;
pub(super) mod rewriting;
mod shared_memory;

use std::sync::Arc;
use std::time::Duration;

use http::Method;

pub(super) use self::cost::cost_of;
pub(super) use self::follow::{
    EVERY_SECONDS, MAX_EVERY_SECONDS, MAX_SECONDS as MAX_FOLLOW_SECONDS, SECONDS as FOLLOW_SECONDS,
};
pub(super) use self::list::PAGES;
use self::ownership::{OwnershipKeys, check_parameter};
use self::shared_memory::shared_memory_write;
use super::line::line;
use super::reader::Fields;
use super::tenants::MAX_BODY_BYTES;
use super::{bare, values};
use crate::policy::problem::{Located, ProblemKind};
use crate::policy::{
    CostPolicy, CredentialPlace, Extractor, LinePolicy, PathAllowances, Rewriting, RoutePolicy,
    SharedMemoryWrite, UpstreamPolicy,
};

/// Longest wait for an answer to begin when the file does not say, in seconds.
pub(super) const TIMEOUT_SECONDS: u64 = 60;

/// Longest silence inside an answer when the file does not say, in seconds.
pub(super) const STREAM_IDLE_SECONDS: u64 = 300;

/// Longest wait that can be configured, in seconds: one day.
pub(super) const MAX_SECONDS: u64 = 86_400;

/// Paths of public pages that stay public in hardened mode when the file does not say.
const HEALTH_PAGES: [&str; 6] = [
    "/health", "/healthz", "/live", "/livez", "/ready", "/readyz",
];

/// Keys that mean nothing where no credential is asked.
pub(super) const NOT_PUBLIC: [&str; 19] = [
    "roles",
    "scopes",
    "credentials",
    "tenant_from",
    "guard",
    "shared_memory_write",
    "resource",
    "unknown",
    "creates",
    "deletes",
    "list",
    "not_found",
    "set",
    "prefix",
    "remove",
    "scoped",
    "workspace_paths",
    "mcp",
    "cost",
];

/// One entry, whose upstream is still only a name.
#[derive(Debug)]
pub(in crate::policy) struct RouteEntry {
    pub(in crate::policy) upstream: Located<Arc<str>>,
    pub(in crate::policy) path: Located<Arc<str>>,
    pub(in crate::policy) methods: Vec<Method>,
    pub(in crate::policy) public: bool,
    pub(in crate::policy) shared_memory_write: SharedMemoryWrite,
    pub(in crate::policy) mcp: bool,
    name: Arc<str>,
    roles: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    health: bool,
    websocket: bool,
    tenant_from: Vec<Extractor>,
    guard_tenant: Vec<Extractor>,
    ownership: OwnershipKeys,
    pub(in crate::policy) rewriting: Rewriting,
    rpc_methods: Vec<Arc<str>>,
    credentials: Vec<CredentialPlace>,
    path_allows: PathAllowances,
    timeout: Duration,
    stream_idle: Duration,
    body_bytes: Option<u64>,
    line: Option<LinePolicy>,
    pub(in crate::policy) cost: Option<CostPolicy>,
    action: Option<Arc<str>>,
}

impl RouteEntry {
    /// Whether its list is put together from several answers of the backend.
    pub(in crate::policy) fn reads_page_by_page(&self) -> bool {
        let list = self.ownership.list.as_ref();
        list.is_some_and(|list| list.paging.is_some())
    }

    /// Whether its requests are known to ask for a model.
    pub(in crate::policy) fn names_models(&self) -> bool {
        self.cost.as_ref().is_some_and(|cost| cost.model.is_some())
    }

    /// The route, with the upstream its name stands for.
    pub(in crate::policy) fn to_policy(&self, upstream: Arc<UpstreamPolicy>) -> RoutePolicy {
        let ownership = self.ownership.clone();
        RoutePolicy {
            resources: ownership.resources,
            unknown: ownership.unknown,
            creates: ownership.creates,
            deletes: ownership.deletes,
            list: ownership.list,
            not_found: ownership.not_found,
            errors: ownership.errors,
            rpc_methods: self.rpc_methods.clone(),
            rewriting: self.rewriting.clone(),
            name: Arc::clone(&self.name),
            upstream,
            methods: self.methods.clone(),
            path: Arc::clone(&self.path.value),
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            public: self.public,
            health: self.health,
            websocket: self.websocket,
            shared_memory_write: self.shared_memory_write.clone(),
            mcp: self.mcp,
            tenant_from: self.tenant_from.clone(),
            guard_tenant: self.guard_tenant.clone(),
            credentials: self.credentials.clone(),
            path_allows: self.path_allows,
            timeout: self.timeout,
            stream_idle: self.stream_idle,
            body_bytes: self.body_bytes,
            line: self.line,
            cost: self.cost.clone(),
            action: self.action.clone(),
        }
    }
}

/// Reads one entry.
pub(super) fn route(fields: &Fields<'_>) -> Option<RouteEntry> {
    fields.require("upstream");
    fields.require("path");
    let public = fields.flag("public", false);
    let websocket = fields.flag("websocket", false);
    let shared_memory_write = shared_memory_write(fields);
    let mcp = fields.flag("mcp", false);
    let upstream = fields.parsed("upstream", values::name);
    let path_allows = path_allows(fields);
    let path = path(fields, path_allows);
    let methods = methods(fields, public);
    let known = path
        .as_ref()
        .is_some_and(|path| HEALTH_PAGES.contains(&&*path.value));
    let usual = public && known && methods == [Method::GET];
    let health = fields.stated_flag("health").unwrap_or(usual);
    let action = fields.parsed("action", values::name);
    let timeout = fields.integer("timeout_seconds", 1..=MAX_SECONDS);
    let stream_idle = fields.integer("stream_idle_seconds", 1..=MAX_SECONDS);
    let ownership = ownership::ownership(fields, path.as_ref(), &methods);
    let ownership = match mcp {
        true => ownership.with_mcp_sessions(fields, &methods),
        false => ownership,
    };
    let entry = RouteEntry {
        roles: bare(fields.all_parsed("roles", values::role)),
        scopes: bare(fields.all_parsed("scopes", values::scope)),
        tenant_from: tenant_from(fields, path.as_ref()),
        guard_tenant: guard_tenant(fields),
        rewriting: rewriting::rewriting(fields, path.as_ref(), &ownership.resources),
        ownership,
        rpc_methods: bare(
            fields
                .some_parsed("rpc_methods", values::rpc_method)
                .unwrap_or_default(),
        ),
        credentials: credentials(fields),
        body_bytes: fields.integer("body_bytes", 0..=MAX_BODY_BYTES),
        line: line(fields, public),
        cost: cost::cost(fields, path.as_ref()),
        name: fields.text("name")?.value.into(),
        upstream: upstream?,
        path: path?,
        methods,
        public,
        health,
        websocket,
        shared_memory_write,
        mcp,
        path_allows,
        timeout: Duration::from_secs(timeout.unwrap_or(TIMEOUT_SECONDS)),
        stream_idle: Duration::from_secs(stream_idle.unwrap_or(STREAM_IDLE_SECONDS)),
        action: action.map(|action| action.value),
    };
    refuse_contradictions(fields, &entry);
    Some(entry)
}

fn refuse_contradictions(fields: &Fields<'_>, entry: &RouteEntry) {
    let refuse = |message: String| {
        fields
            .report()
            .add(fields.place(), ProblemKind::Conflict, message);
    };
    for key in NOT_PUBLIC {
        if entry.public && fields.has(key) {
            refuse(format!(
                "a public route asks for no credential, so `{key}` means nothing"
            ));
        }
    }
    if entry.health && !entry.public {
        refuse("`health = true` is for public routes".to_owned());
    }
    if entry.mcp && entry.websocket {
        refuse("`mcp = true` is for streamable HTTP, which has no WebSocket".to_owned());
    }
    if entry.websocket && entry.cost.is_some() {
        refuse("what a WebSocket costs is not metered: leave `cost` or `websocket` out".to_owned());
    }
    let follows = entry
        .cost
        .as_ref()
        .is_some_and(|cost| cost.follow.is_some());
    if follows && entry.ownership.creates.is_empty() {
        refuse("`cost.follow` keeps what is reserved under the id that `creates` finds".to_owned());
    }
    let reports = entry.cost.as_ref().is_some_and(|cost| !cost.charges());
    if reports && entry.ownership.resources.is_empty() && entry.ownership.list.is_none() {
        refuse(
            "`cost.reports` tells of the thing that `resource` or `list` names, and there is none"
                .to_owned(),
        );
    }
    if entry.websocket && !entry.methods.contains(&Method::GET) {
        refuse("a WebSocket handshake is a GET (RFC 6455 section 4.1)".to_owned());
    }
    let token = |place: &CredentialPlace| {
        matches!(place, CredentialPlace::Bearer | CredentialPlace::Query(_))
    };
    let mut ids = entry.ownership.resources.iter().flat_map(|rule| &rule.ids);
    if !entry.credentials.iter().any(token) && ids.any(|place| matches!(place, Extractor::Claim(_)))
    {
        refuse("`claim:` leads into a token, and `credentials` takes none".to_owned());
    }
    let mut ids = entry.ownership.resources.iter().flat_map(|rule| &rule.ids);
    if !entry.websocket && ids.any(|place| matches!(place, Extractor::Message(_))) {
        refuse("ids in `message:` are for routes with `websocket = true`".to_owned());
    }
}

/// The methods. A route that asks for a credential has to say them; a public one is GET alone
/// unless it says more.
fn methods(fields: &Fields<'_>, public: bool) -> Vec<Method> {
    if !public {
        fields.require("methods");
    }
    let Some(listed) = fields.some_parsed("methods", values::method) else {
        return vec![Method::GET];
    };
    let mut methods = Vec::new();
    for method in listed {
        if methods.contains(&method.value) {
            fields.report().add(
                &method.place,
                ProblemKind::Duplicate,
                format!("`{}` stands in the list twice", method.value),
            );
        } else {
            methods.push(method.value);
        }
    }
    methods
}

/// The path template. Its fixed text has to be in the form in which requests are matched, or the
/// route would never match.
fn path(fields: &Fields<'_>, allows: PathAllowances) -> Option<Located<Arc<str>>> {
    let path = fields.parsed("path", |text| {
        if text.starts_with('/') {
            Ok(Arc::<str>::from(text))
        } else {
            Err("a path begins with `/`")
        }
    })?;
    if let Some(reason) = unreachable_template(&path.value, allows) {
        fields
            .report()
            .add(&path.place, ProblemKind::NeverMatches, reason);
    }
    Some(path)
}

fn unreachable_template(template: &str, allows: PathAllowances) -> Option<&'static str> {
    let refused = |byte: u8| !byte.is_ascii_graphic() || b"\\\"#?<>^|`".contains(&byte);
    if template.bytes().any(refused) {
        return Some("no accepted path holds blanks, controls or one of \\ \" # ? < > ^ | `");
    }
    if template
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
    {
        return Some("no accepted path holds a `.` or `..` segment");
    }
    if template.contains("//") && !allows.double_slash {
        return Some("a path with `//` is refused unless `path_allows` has `double-slash`");
    }
    if template.contains(';') && !allows.semicolon {
        return Some("a path with `;` is refused unless `path_allows` has `semicolon`");
    }
    None
}

/// The parameter names of a template, `{name}` and `{*name}`; `{{` is a brace of its own.
fn parameters(template: &str) -> Vec<String> {
    let plain = template.replace("{{", "").replace("}}", "");
    plain
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name.trim_start_matches('*').to_owned())
        .collect()
}

/// Whether a parameter takes the rest of the path, `{*name}`.
fn is_tail(template: &str, name: &str) -> bool {
    template.ends_with(&format!("{{*{name}}}"))
}

fn path_allows(fields: &Fields<'_>) -> PathAllowances {
    let mut allows = PathAllowances::default();
    for text in fields.texts("path_allows").unwrap_or_default() {
        let allowance = fields.choose::<fn(&mut PathAllowances)>(
            &text,
            &[
                ("encoded-slash", |allows| allows.encoded_slash = true),
                ("semicolon", |allows| allows.semicolon = true),
                ("double-slash", |allows| allows.double_slash = true),
                ("encoded-percent", |allows| allows.encoded_percent = true),
                ("needless-escape", |allows| allows.needless_escape = true),
            ],
        );
        if let Some(allow) = allowance {
            allow(&mut allows);
        }
    }
    allows
}

fn tenant_from(fields: &Fields<'_>, path: Option<&Located<Arc<str>>>) -> Vec<Extractor> {
    let texts = fields.texts("tenant_from").unwrap_or_default();
    let found: Vec<_> = texts
        .into_iter()
        .filter_map(|text| extractor(fields, text))
        .collect();
    for extractor in &found {
        match &extractor.value {
            Extractor::Path(name) => check_parameter(fields, extractor, name, path),
            Extractor::Query(_)
            | Extractor::Header(_)
            | Extractor::Body(_)
            | Extractor::Form(_)
            | Extractor::Claim(_) => {}
            Extractor::Event(_) | Extractor::Message(_) => fields.report().add(
                &extractor.place,
                ProblemKind::BadValue,
                "a request declares a tenant at `path:`, `query:`, `header:`, `body:`, `form:` or `claim:`",
            ),
        }
    }
    bare(found)
}

fn extractor(fields: &Fields<'_>, text: Located<&str>) -> Option<Located<Extractor>> {
    fields.parse(text, values::extractor)
}

fn guard_tenant(fields: &Fields<'_>) -> Vec<Extractor> {
    let Some(guard) = fields.table("guard") else {
        return Vec::new();
    };
    guard.require("tenant");
    let texts = guard.one_or_more("tenant").into_iter();
    texts
        .filter_map(|text| {
            let extractor = extractor(&guard, text)?;
            if matches!(extractor.value, Extractor::Body(_)) {
                return Some(extractor.value);
            }
            guard.report().add(
                &extractor.place,
                ProblemKind::BadValue,
                "an answer is guarded by its body: `body:/json/pointer`",
            );
            None
        })
        .collect()
}

fn credentials(fields: &Fields<'_>) -> Vec<CredentialPlace> {
    match fields.some_parsed("credentials", values::credential) {
        Some(places) => bare(places),
        None => vec![
            CredentialPlace::Bearer,
            CredentialPlace::ApiKeyHeader,
            CredentialPlace::ClientCertificate,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_template_are_found() {
        assert_eq!(
            parameters("/a/{id}/x-{kind}/{*rest}"),
            ["id", "kind", "rest"]
        );
        assert_eq!(parameters("/a/{{id}}"), Vec::<String>::new());
    }

    #[test]
    fn a_template_outside_the_canonical_form_can_match_nothing() {
        let strict = PathAllowances::default();
        for template in ["/a?b", "/a b", "/a/../b", "/a//b", "/a;v=1", "/a#b", "/ü"] {
            assert!(
                unreachable_template(template, strict).is_some(),
                "{template}"
            );
        }
        let allows = PathAllowances {
            semicolon: true,
            double_slash: true,
            ..strict
        };
        for template in ["/a//b", "/a;v=1"] {
            assert!(
                unreachable_template(template, allows).is_none(),
                "{template}"
            );
        }
    }
}

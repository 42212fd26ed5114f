//! From policy files to a [`PolicySnapshot`], or to everything that is wrong with them.
//!
//! [`Document`](super::document) has judged each entry alone. Here is what takes several: names
//! given twice, references to nothing, routes in each other's way, conditions that can never hold.
//! A rule that can't match is refused rather than carried along, because whoever wrote it believes
//! that it protects something.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use http::Method;
use secrecy::{ExposeSecret, SecretString};

use super::document::{Document, Entry, RouteEntry};
use super::problem::{Located, Place, Problem, ProblemKind, Report, closest};
use super::router::{RouteConflict, Router, serves};
use super::{
    PolicyDirectory, PolicySnapshot, Revision, RouteMatch, RoutePolicy, Rule, UnknownTenant,
    UpstreamPolicy,
};
use crate::identity::RoutePattern;
use crate::identity::settings::{
    ApiKeySettings, ClientCertificateSettings, DevelopmentSettings, WebhookSettings,
};
use crate::secret::{SecretError, SecretReference, SecretResolver};
use crate::tenant::TenantId;

/// Compiles a directory of policies. Beside the directory's content only the secrets it refers to
/// are looked at.
///
/// # Errors
/// Every problem there is, in order of file and line.
pub fn compile(
    directory: &PolicyDirectory,
    secrets: &SecretResolver,
) -> Result<PolicySnapshot, Vec<Problem>> {
    Compilation::of(directory, secrets).outcome
}

/// What compiling came to, with the files that a later look has to include.
pub(super) struct Compilation {
    pub(super) outcome: Result<PolicySnapshot, Vec<Problem>>,
    /// The secrets the policies refer to, as they were found.
    pub(super) secrets: Vec<NotedSecret>,
}

impl Compilation {
    pub(super) fn of(directory: &PolicyDirectory, secrets: &SecretResolver) -> Self {
        let report = Report::default();
        let Some(document) = Document::read(directory, &report) else {
            return Self {
                outcome: Err(report.into_problems()),
                secrets: Vec::new(),
            };
        };
        let compiler = Compiler {
            document: &document,
            report: &report,
            noted: RefCell::default(),
        };
        let snapshot = compiler.snapshot(directory, secrets);
        let secrets = compiler.noted.into_inner();
        let outcome = match snapshot {
            Some(snapshot) if report.is_clean() => Ok(snapshot),
            _ => Err(report.into_problems()),
        };
        Self { outcome, secrets }
    }
}

/// A secret that policies refer to, and a digest of what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotedSecret {
    pub(super) reference: SecretReference,
    pub(super) digest: [u8; 32],
}

impl NotedSecret {
    fn of(reference: &SecretReference, found: &Result<SecretString, SecretError>) -> Self {
        let digest = match found {
            Ok(secret) => blake3::hash(secret.expose_secret().as_bytes()),
            Err(error) => blake3::hash(error.to_string().as_bytes()),
        };
        Self {
            reference: reference.clone(),
            digest: *digest.as_bytes(),
        }
    }

    /// The same secret looked up again.
    pub(super) fn again(&self, secrets: &SecretResolver) -> Self {
        Self::of(&self.reference, &secrets.resolve(&self.reference))
    }
}

struct Compiler<'a> {
    document: &'a Document,
    report: &'a Report,
    noted: RefCell<Vec<NotedSecret>>,
}

impl Compiler<'_> {
    /// `None` only with something in the report.
    fn snapshot(
        &self,
        directory: &PolicyDirectory,
        secrets: &SecretResolver,
    ) -> Option<PolicySnapshot> {
        let document = self.document;
        self.refuse_duplicates();
        let upstreams: Vec<_> = document
            .upstreams
            .iter()
            .filter_map(|entry| entry.value.clone())
            .map(Arc::new)
            .collect();
        let (routes, router) = self.routes(&upstreams);
        self.check_holders();
        self.check_shared_memory();
        let rules = self.rules();
        let api_keys = self.api_keys();
        let client_certificates = self.client_certificates();
        let webhooks = self.webhooks(&router, secrets);
        let issuers = document.issuers.iter();
        Some(PolicySnapshot {
            revision: revision(directory, &self.noted.borrow()),
            issuers: issuers
                .map(|entry| entry.value.clone())
                .collect::<Option<_>>()?,
            api_keys,
            webhooks,
            client_certificates,
            development: document
                .development
                .as_ref()
                .map(|entry| DevelopmentSettings {
                    tenant: entry.tenant.value.clone(),
                    user: entry.user.clone(),
                    roles: Arc::clone(&entry.roles),
                }),
            tenancy: document.tenancy.clone(),
            tenants: document
                .tenants
                .iter()
                .map(|entry| (entry.id.value.clone(), entry.policy.clone()))
                .collect(),
            defaults: document.defaults,
            upstreams,
            routes,
            router,
            rules,
            shared_write_roles: document.shared_write_roles.clone(),
        })
    }

    fn refuse_duplicates(&self) {
        let document = self.document;
        self.unique_names(&document.issuers);
        self.unique_names(&document.api_keys);
        self.unique_names(&document.webhooks);
        self.unique_names(&document.client_certificates);
        self.unique_names(&document.upstreams);
        self.unique_names(&document.routes);
        self.unique_names(&document.rules);
        self.unique(
            document.tenants.iter().map(|tenant| &tenant.id),
            "the tenant is listed",
        );
        // Two entries for one credential would leave it to their order which tenant it means.
        let issuers = document.issuers.iter().filter_map(|entry| {
            let issuer = entry.value.as_ref()?.issuer.clone();
            Some(entry.name.with(issuer))
        });
        self.unique(
            issuers.collect::<Vec<_>>().iter(),
            "the same `issuer` is in an entry",
        );
        let keys = values(&document.api_keys).map(|(_, key)| &key.sha256);
        self.unique(keys, "the same key is in an entry");
        let paths = values(&document.webhooks).map(|(_, webhook)| &webhook.path);
        self.unique(paths, "the same path is in an entry");
        let matches = values(&document.client_certificates).map(|(_, entry)| &entry.matches);
        self.unique(matches, "the same certificate is in an entry");
    }

    fn unique_names<T>(&self, entries: &[Entry<T>]) {
        self.unique(
            entries.iter().map(|entry| &entry.name),
            "the name is given to an entry",
        );
    }

    fn unique<'d, T: Eq + Hash + 'd>(
        &self,
        values: impl Iterator<Item = &'d Located<T>>,
        what: &str,
    ) {
        let mut seen: HashMap<&T, &Place> = HashMap::new();
        for located in values {
            match seen.get(&located.value) {
                Some(first) => self.report.add(
                    &located.place,
                    ProblemKind::Duplicate,
                    format!("{what} in {} already", first.short()),
                ),
                None => {
                    seen.insert(&located.value, &located.place);
                }
            }
        }
    }

    fn routes(&self, upstreams: &[Arc<UpstreamPolicy>]) -> (Vec<Arc<RoutePolicy>>, Router) {
        let mut entries = Vec::new();
        let mut routes = Vec::new();
        for (_, entry) in values(&self.document.routes) {
            let wanted = &entry.upstream;
            match upstreams.iter().find(|found| found.name == wanted.value) {
                Some(upstream) => {
                    routes.push(Arc::new(entry.to_policy(Arc::clone(upstream))));
                    entries.push(entry);
                }
                None => self.check_there(wanted, &self.document.upstreams, "upstream"),
            }
        }
        let (router, conflicts) = Router::build(&routes);
        for (index, conflict) in conflicts {
            if let Some(entry) = entries.get(index) {
                let kind = match conflict {
                    RouteConflict::Template(_) => ProblemKind::BadValue,
                    RouteConflict::Taken { .. } | RouteConflict::Overlaps { .. } => {
                        ProblemKind::Conflict
                    }
                };
                self.report
                    .add(&entry.path.place, kind, conflict.to_string());
            }
        }
        (routes, router)
    }

    /// Reports a reference to nothing, unless the thing is there and broken.
    fn check_there<T>(&self, wanted: &Located<Arc<str>>, entries: &[Entry<T>], what: &str) {
        let names = || entries.iter().map(|entry| &*entry.name.value);
        if !names().any(|name| *name == *wanted.value) {
            self.report.add_suggesting(
                &wanted.place,
                ProblemKind::NothingThere,
                format!("there is no {what} `{}`", wanted.value),
                closest(&wanted.value, names()),
            );
        }
    }

    fn check_holders(&self) {
        let document = self.document;
        let of_keys = values(&document.api_keys).map(|(_, entry)| &entry.holder.tenant);
        let of_webhooks = values(&document.webhooks).map(|(_, entry)| &entry.holder.tenant);
        let of_certificates =
            values(&document.client_certificates).map(|(_, entry)| &entry.holder.tenant);
        let of_development = document.development.iter().map(|entry| &entry.tenant);
        of_keys
            .chain(of_webhooks)
            .chain(of_certificates)
            .chain(of_development)
            .for_each(|tenant| self.check_tenant(tenant));
    }

    /// Under `unknown = "deny"` an unlisted tenant is refused, so naming one is a mistake.
    fn check_tenant(&self, tenant: &Located<TenantId>) {
        let listed = || self.document.tenants.iter().map(|entry| &entry.id.value);
        let admitted = match self.document.tenancy.unknown {
            UnknownTenant::Provision => true,
            UnknownTenant::Deny => listed().any(|id| *id == tenant.value),
        };
        if !admitted {
            self.report.add_suggesting(
                &tenant.place,
                ProblemKind::NothingThere,
                format!(
                    "the tenant `{}` is not listed, and unlisted tenants are denied",
                    tenant.value
                ),
                closest(tenant.value.as_str(), listed().map(TenantId::as_str)),
            );
        }
    }

    fn check_shared_memory(&self) {
        if !self.document.shared_write_roles.is_empty() {
            return;
        }
        for (name, route) in values(&self.document.routes) {
            if route.shared_memory_write {
                self.report.add(
                    &name.place,
                    ProblemKind::NothingThere,
                    "writes shared memory, and no `[memory] shared_write_roles` says who may",
                );
            }
        }
    }

    fn check_patterns(&self, patterns: &[Located<RoutePattern>]) {
        let names = || self.document.routes.iter().map(|entry| &*entry.name.value);
        for pattern in patterns {
            if !names().any(|name| pattern.value.matches(name)) {
                let text = pattern.value.as_str();
                self.report.add_suggesting(
                    &pattern.place,
                    ProblemKind::NeverMatches,
                    format!("no route is called `{text}`"),
                    closest(text, names()),
                );
            }
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let known_roles = self.roles_that_exist();
        let mut rules = Vec::new();
        for (name, rule) in values(&self.document.rules) {
            self.check_patterns(rule.routes.as_deref().unwrap_or_default());
            for tenant in rule.tenants.iter().flatten() {
                self.check_tenant(tenant);
            }
            for method in rule.methods.iter().flatten() {
                self.check_method(method, rule.routes.as_deref());
            }
            for role in rule.roles.iter().flatten() {
                self.check_role(role, known_roles.as_ref());
            }
            rules.push(Rule {
                name: Arc::clone(&name.value),
                effect: rule.effect,
                mode: rule.mode,
                routes: bare(rule.routes.as_ref()),
                methods: bare(rule.methods.as_ref()),
                tenants: bare(rule.tenants.as_ref()),
                users: bare(rule.users.as_ref()),
                roles: bare(rule.roles.as_ref()),
            });
        }
        rules
    }

    fn check_method(&self, method: &Located<Method>, patterns: Option<&[Located<RoutePattern>]>) {
        let covers = |entry: &&Entry<RouteEntry>| {
            patterns.is_none_or(|patterns| {
                let name = &entry.name.value;
                patterns.iter().any(|pattern| pattern.value.matches(name))
            })
        };
        let mut covered = self.document.routes.iter().filter(covers).peekable();
        // A pattern that covers nothing is reported as that.
        if covered.peek().is_none() {
            return;
        }
        let takes = |entry: &Entry<RouteEntry>| {
            let route = entry.value.as_ref();
            route.is_none_or(|route| serves(&route.methods, &method.value))
        };
        if !covered.any(takes) {
            self.report.add(
                &method.place,
                ProblemKind::NeverMatches,
                format!("no route that the rule covers takes {}", method.value),
            );
        }
    }

    /// Every role a caller can have, if the files alone decide that: an issuer can give any role.
    fn roles_that_exist(&self) -> Option<HashSet<&str>> {
        let document = self.document;
        if !document.issuers.is_empty() {
            return None;
        }
        let holders = values(&document.api_keys)
            .map(|(_, entry)| &entry.holder)
            .chain(values(&document.webhooks).map(|(_, entry)| &entry.holder))
            .chain(values(&document.client_certificates).map(|(_, entry)| &entry.holder));
        let development = document.development.iter().map(|entry| &entry.roles);
        let roles = holders.map(|holder| &holder.roles).chain(development);
        Some(
            roles
                .flat_map(|roles| roles.iter().map(|role| &**role))
                .collect(),
        )
    }

    fn check_role(&self, role: &Located<Arc<str>>, known: Option<&HashSet<&str>>) {
        if let Some(known) = known
            && !known.contains(&*role.value)
        {
            self.report.add_suggesting(
                &role.place,
                ProblemKind::NeverMatches,
                format!("no credential carries the role `{}`", role.value),
                closest(&role.value, known.iter().copied()),
            );
        }
    }

    fn api_keys(&self) -> Vec<ApiKeySettings> {
        let keys = values(&self.document.api_keys);
        keys.map(|(name, key)| {
            self.check_patterns(key.routes.as_deref().unwrap_or_default());
            ApiKeySettings {
                name: name.value.to_string(),
                sha256: key.sha256.value,
                tenant: key.holder.tenant.value.clone(),
                user: key.holder.user.clone(),
                roles: Arc::clone(&key.holder.roles),
                scopes: Arc::clone(&key.holder.scopes),
                expires_at: key.expires_at,
                routes: bare(key.routes.as_ref()).map(Arc::from),
            }
        })
        .collect()
    }

    fn client_certificates(&self) -> Vec<ClientCertificateSettings> {
        let entries = values(&self.document.client_certificates);
        entries
            .map(|(name, entry)| ClientCertificateSettings {
                name: name.value.to_string(),
                matches: entry.matches.value.clone(),
                tenant: entry.holder.tenant.value.clone(),
                user: entry.holder.user.clone(),
                roles: Arc::clone(&entry.holder.roles),
                scopes: Arc::clone(&entry.holder.scopes),
            })
            .collect()
    }

    fn webhooks(&self, router: &Router, secrets: &SecretResolver) -> Vec<WebhookSettings> {
        let mut webhooks = Vec::new();
        for (name, webhook) in values(&self.document.webhooks) {
            self.check_webhook_path(&webhook.path, router);
            let Some(secret) = self.secret(&webhook.secret, secrets) else {
                continue;
            };
            webhooks.push(WebhookSettings {
                name: name.value.to_string(),
                path: webhook.path.value.clone(),
                scheme: webhook.scheme,
                secret,
                tenant: webhook.holder.tenant.value.clone(),
                user: webhook.holder.user.clone(),
                roles: Arc::clone(&webhook.holder.roles),
                tolerance: webhook.tolerance,
            });
        }
        webhooks
    }

    /// A delivery is a POST. Where the route is public nobody would look at the signature.
    fn check_webhook_path(&self, path: &Located<String>, router: &Router) {
        let problem = match router.route(&Method::POST, &path.value) {
            RouteMatch::Found { route, .. } if route.public => Some((
                ProblemKind::Conflict,
                format!(
                    "the route `{}` is public, so no signature is asked",
                    route.name
                ),
            )),
            RouteMatch::Found { .. } => None,
            RouteMatch::MethodNotAllowed { .. } => Some((
                ProblemKind::NothingThere,
                "no route takes a POST to this path".to_owned(),
            )),
            // A route that is broken was reported, and may be the one.
            RouteMatch::NotFound if !self.report.is_clean() => None,
            RouteMatch::NotFound => Some((
                ProblemKind::NothingThere,
                "no route has this path".to_owned(),
            )),
        };
        if let Some((kind, message)) = problem {
            self.report.add(&path.place, kind, message);
        }
    }

    fn secret(
        &self,
        reference: &Located<SecretReference>,
        secrets: &SecretResolver,
    ) -> Option<SecretString> {
        let resolved = secrets.resolve(&reference.value);
        let noted = NotedSecret::of(&reference.value, &resolved);
        self.noted.borrow_mut().push(noted);
        if let Err(error) = &resolved {
            self.report
                .add(&reference.place, ProblemKind::Secret, error.to_string());
        }
        resolved.ok()
    }
}

/// A digest over the files and the secrets they refer to: a rotated secret is another policy.
fn revision(directory: &PolicyDirectory, secrets: &[NotedSecret]) -> Revision {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&directory.digest());
    for secret in secrets {
        hasher.update(&secret.digest);
    }
    Revision::new(*hasher.finalize().as_bytes())
}

/// Name and value of the entries that could be read.
fn values<T>(entries: &[Entry<T>]) -> impl Iterator<Item = (&Located<Arc<str>>, &T)> {
    entries
        .iter()
        .filter_map(|entry| Some((&entry.name, entry.value.as_ref()?)))
}

fn bare<T: Clone>(located: Option<&Vec<Located<T>>>) -> Option<Vec<T>> {
    let located = located?;
    Some(located.iter().map(|item| item.value.clone()).collect())
}

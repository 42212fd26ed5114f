//! From policy files to a [`PolicySnapshot`], or to everything that is wrong with them.
//!
//! [`Document`](crate::policy::document) has judged each entry alone. What takes several is judged
//! in [`references`], and routes in each other's way by the [`Router`]. A rule that can't match is
//! refused rather than carried along, because whoever wrote it believes that it protects something.
//!
//! The revision is a digest over the files *and* the secrets they refer to, so that a rotated
//! secret shows. Somebody who has the files and guesses the secret can check the guess against it;
//! secrets of webhooks are random keys, for which that is no help.

mod alerts;
mod costs;
mod follow;
mod models;
mod prices;
mod references;

use std::cell::RefCell;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::budget::prices::PriceTable;
use crate::identity::settings::{
    ApiKeySettings, ClientCertificateSettings, DevelopmentSettings, WebhookSettings,
};
use crate::identity::webhook::WebhookTable;
use crate::policy::document::{Document, Entry};
use crate::policy::problem::{Located, Problem, ProblemKind, Report};
use crate::policy::router::{RouteConflict, Router};
use crate::policy::{
    PolicyDirectory, PolicySnapshot, Revision, RoutePolicy, Rule, TenantPolicy, UpstreamPolicy,
};
use crate::secret::{SecretError, SecretReference, SecretResolver};

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
pub(in crate::policy) struct Compilation {
    pub(in crate::policy) outcome: Result<PolicySnapshot, Vec<Problem>>,
    /// The secrets the policies refer to, as they were found.
    pub(in crate::policy) secrets: Vec<NotedSecret>,
}

impl Compilation {
    pub(in crate::policy) fn of(directory: &PolicyDirectory, secrets: &SecretResolver) -> Self {
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
pub(in crate::policy) struct NotedSecret {
    pub(in crate::policy) reference: SecretReference,
    pub(in crate::policy) digest: [u8; 32],
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
    pub(in crate::policy) fn again(&self, secrets: &SecretResolver) -> Self {
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
        self.check_followed(&routes);
        self.check_holders();
        self.check_shared_memory();
        self.check_costs();
        self.check_models();
        let prices = self.prices();
        let rules = self.rules();
        let api_keys = self.api_keys();
        let client_certificates = self.client_certificates();
        let webhooks = self.webhooks(&router, secrets);
        let alerts = self.alerts(secrets);
        let issuers = document.issuers.iter();
        Some(PolicySnapshot {
            revision: revision(directory, &upstreams, &prices, &self.noted.borrow()),
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
                .map(|entry| {
                    let policy = TenantPolicy {
                        models: self.models_of(entry),
                        ..entry.policy.clone()
                    };
                    (entry.id.value.clone(), policy)
                })
                .collect(),
            defaults: document.defaults.limits,
            default_ceilings: self.default_ceilings(),
            default_models: self.default_models(),
            costs: document.costs.clone(),
            alerts,
            settings_page: self.settings_page(&router),
            prices: Arc::new(prices),
            upstreams,
            routes,
            router,
            rules,
            shared_write_roles: document.shared_write_roles.clone(),
        })
    }

    fn routes(&self, upstreams: &[Arc<UpstreamPolicy>]) -> (Vec<Arc<RoutePolicy>>, Router) {
        let mut entries = Vec::new();
        let mut routes = Vec::new();
        for (_, entry) in values(&self.document.routes) {
            let wanted = &entry.upstream;
            match upstreams.iter().find(|found| found.name == wanted.value) {
                Some(upstream) => {
                    if upstream.workspace.is_none() && !entry.rewriting.workspace_paths.is_empty() {
                        self.report.add(
                            &wanted.place,
                            ProblemKind::NothingThere,
                            "`workspace_paths` are held against the `workspace` of the upstream, \
                             and it has none",
                        );
                    }
                    if upstream.outbound(&entry.path.value).is_none() {
                        let prefix = upstream.strip_prefix.as_deref().unwrap_or_default();
                        self.report.add(
                            &entry.path.place,
                            ProblemKind::Conflict,
                            format!(
                                "every path of the upstream has to begin with `{prefix}/`, which is \
                                 taken off before a request goes on"
                            ),
                        );
                    }
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
                    RouteConflict::Taken { .. }
                    | RouteConflict::Sibling { .. }
                    | RouteConflict::Overlaps { .. } => ProblemKind::Conflict,
                };
                self.report
                    .add(&entry.path.place, kind, conflict.to_string());
            }
        }
        (routes, router)
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
            if let Some(uses) = &rule.uses {
                self.check_uses(uses, rule.routes.as_deref());
            }
            if let Some(model) = rule.models.iter().flatten().next() {
                self.check_rule_of_models(model, rule.routes.as_deref());
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
                uses: rule.uses.as_ref().map(|uses| uses.value.clone()),
                models: bare(rule.models.as_ref()),
            });
        }
        rules
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
            let settings = WebhookSettings {
                name: name.value.to_string(),
                path: webhook.path.value.clone(),
                scheme: webhook.scheme,
                secret,
                tenant: webhook.holder.tenant.value.clone(),
                user: webhook.holder.user.clone(),
                roles: Arc::clone(&webhook.holder.roles),
                tolerance: webhook.tolerance,
            };
            if let Err(error) = WebhookTable::new(std::slice::from_ref(&settings)) {
                let place = &webhook.secret.place;
                self.report
                    .add(place, ProblemKind::Secret, error.to_string());
            }
            webhooks.push(settings);
        }
        webhooks
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

/// A digest over the files, the profiles, the prices and the secrets they refer to: a rotated secret
/// is another policy, and so is a program that brings other routes or prices.
fn revision(
    directory: &PolicyDirectory,
    upstreams: &[Arc<UpstreamPolicy>],
    prices: &PriceTable,
    secrets: &[NotedSecret],
) -> Revision {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&directory.digest());
    hasher.update(prices.revision().as_bytes());
    for profile in upstreams.iter().filter_map(|upstream| upstream.profile) {
        hasher.update(blake3::hash(profile.text.as_bytes()).as_bytes());
    }
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

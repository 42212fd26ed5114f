//! What takes two entries to judge: names given twice, references to nothing, conditions that can
//! never hold.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use http::Method;

use super::{Compiler, values};
use crate::identity::RoutePattern;
use crate::policy::document::{Entry, RouteEntry};
use crate::policy::problem::{Located, Place, ProblemKind, closest};
use crate::policy::router::{Router, serves};
use crate::policy::{RouteMatch, UnknownTenant, UsePatterns};
use crate::tenant::TenantId;

impl Compiler<'_> {
    pub(super) fn refuse_duplicates(&self) {
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
            "this tenant is listed",
        );
        // Two entries for one credential would leave it to their order which tenant it means.
        let issuers = document.issuers.iter().filter_map(|entry| {
            let issuer = entry.value.as_ref()?.issuer.clone();
            Some(entry.name.with(issuer))
        });
        self.unique(
            issuers.collect::<Vec<_>>().iter(),
            "another entry has this `issuer`",
        );
        let keys = values(&document.api_keys).map(|(_, key)| &key.sha256);
        self.unique(keys, "another entry has this key");
        let paths = values(&document.webhooks).map(|(_, webhook)| &webhook.path);
        self.unique(paths, "another webhook has this path");
        // Two documents at one address would leave it to their order where clients go for a token.
        let resources = values(&document.upstreams).filter_map(|(name, upstream)| {
            let resource = upstream.protected_resource.as_ref()?;
            Some(name.with(Arc::clone(resource.metadata_url())))
        });
        self.unique(
            resources.collect::<Vec<_>>().iter(),
            "another entry has this `protected_resource`",
        );
        let matches = values(&document.client_certificates).map(|(_, entry)| &entry.matches);
        self.unique(matches, "another entry has this certificate");
    }

    fn unique_names<T>(&self, entries: &[Entry<T>]) {
        self.unique(
            entries.iter().map(|entry| &entry.name),
            "another entry has this name",
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
                    format!("{what} already, in {}", first.short()),
                ),
                None => {
                    seen.insert(&located.value, &located.place);
                }
            }
        }
    }

    /// Reports a reference to nothing, unless the thing is there and broken.
    pub(super) fn check_there<T>(
        &self,
        wanted: &Located<Arc<str>>,
        entries: &[Entry<T>],
        what: &str,
    ) {
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

    pub(super) fn check_holders(&self) {
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
    pub(super) fn check_tenant(&self, tenant: &Located<TenantId>) {
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

    pub(super) fn check_shared_memory(&self) {
        if !self.document.shared_write_roles.is_empty() {
            return;
        }
        for (name, route) in values(&self.document.routes) {
            if route.shared_memory_write.may_happen() {
                self.report.add(
                    &name.place,
                    ProblemKind::NothingThere,
                    "writes shared memory, and no `[memory] shared_write_roles` says who may",
                );
            }
        }
    }

    pub(super) fn check_patterns(&self, patterns: &[Located<RoutePattern>]) {
        let names = || self.document.routes.iter().map(|entry| &*entry.name.value);
        for pattern in patterns {
            if !names().any(|name| pattern.value.matches(name)) {
                let text = pattern.value.as_str();
                // `session.*` stands for every name that begins so.
                let mut known: Vec<String> = names().map(str::to_owned).collect();
                if text.ends_with('*') {
                    let groups = names().filter_map(|name| Some(name.split_once('.')?.0));
                    known.extend(groups.map(|group| format!("{group}.*")));
                }
                let meant = closest(text, known.iter().map(String::as_str));
                let message = match text.strip_suffix('*') {
                    Some(start) => format!("no route has a name that begins with `{start}`"),
                    None => format!("no route is called `{text}`"),
                };
                self.report.add_suggesting(
                    &pattern.place,
                    ProblemKind::NeverMatches,
                    message,
                    meant,
                );
            }
        }
    }

    pub(super) fn check_method(
        &self,
        method: &Located<Method>,
        patterns: Option<&[Located<RoutePattern>]>,
    ) {
        let mut covered = self.covered(patterns).peekable();
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

    /// The routes that a rule is about.
    pub(super) fn covered(
        &self,
        patterns: Option<&[Located<RoutePattern>]>,
    ) -> impl Iterator<Item = &Entry<RouteEntry>> {
        self.document.routes.iter().filter(move |entry| {
            patterns.is_none_or(|patterns| {
                let name = &entry.name.value;
                patterns.iter().any(|pattern| pattern.value.matches(name))
            })
        })
    }

    /// Only where `mcp = true` says what the body is does anybody see tools in it.
    pub(super) fn check_uses(
        &self,
        uses: &Located<UsePatterns>,
        patterns: Option<&[Located<RoutePattern>]>,
    ) {
        let mut covered = self.covered(patterns).peekable();
        // A pattern that covers nothing is reported as that.
        if patterns.is_some() && covered.peek().is_none() {
            return;
        }
        let speaks = |entry: &Entry<RouteEntry>| {
            let route = entry.value.as_ref();
            route.is_none_or(|route| route.mcp)
        };
        if !covered.any(speaks) {
            self.report.add(
                &uses.place,
                ProblemKind::NeverMatches,
                "no route that the rule covers has `mcp = true`",
            );
        }
    }

    /// Every role a caller can have, if the files alone decide that: an issuer can give any role.
    pub(super) fn roles_that_exist(&self) -> Option<HashSet<&str>> {
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

    pub(super) fn check_role(&self, role: &Located<Arc<str>>, known: Option<&HashSet<&str>>) {
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

    /// A delivery is a POST. Where the route is public nobody would look at the signature.
    pub(super) fn check_webhook_path(&self, path: &Located<String>, router: &Router) {
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
}

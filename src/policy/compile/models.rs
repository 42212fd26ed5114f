//! What the models of tenants need of each other: a default that may be used, and routes whose
//! models are known.

use std::sync::Arc;

use http::Method;

use super::{Compiler, values};
use crate::budget::models::ModelPolicy;
use crate::identity::RoutePattern;
use crate::policy::document::{Entry, ModelsEntry, RouteEntry, TenantEntry, llm};
use crate::policy::problem::{Located, ProblemKind};
use crate::policy::router::Router;
use crate::policy::{Glob, LLM_SETTINGS_PATH, RouteMatch, RoutePolicy};

impl Compiler<'_> {
    /// Which models tenants may use that say nothing themselves.
    pub(super) fn default_models(&self) -> Arc<ModelPolicy> {
        let stated = self.document.defaults.models.as_ref();
        Arc::new(stated.map(|entry| entry.policy.clone()).unwrap_or_default())
    }

    /// Which models a tenant may use that says something itself.
    pub(super) fn models_of(&self, tenant: &TenantEntry) -> Option<Arc<ModelPolicy>> {
        let own = tenant.models.as_ref()?;
        Some(Arc::new(own.policy.or(&self.default_models())))
    }

    pub(super) fn check_models(&self) {
        let document = self.document;
        let tenants = || document.tenants.iter();
        let defaults = document.defaults.models.as_ref();
        let stated = tenants().filter_map(|tenant| tenant.models.as_ref());
        let sees_models = values(&document.routes).any(|(_, route)| route.names_models());
        for entry in stated.chain(defaults) {
            self.check_default(entry, &entry.policy.or(&self.default_models()));
            if !sees_models {
                self.report.add(
                    &entry.place,
                    ProblemKind::NeverMatches,
                    "no route has a `cost` by which its model is known, so nothing would ever be \
                     held against this",
                );
            }
        }
    }

    /// A default that may not be used would have every request refused that relies on it.
    fn check_default(&self, entry: &ModelsEntry, merged: &ModelPolicy) {
        let default = merged.default.as_deref();
        if let Some(model) = default.filter(|model| !merged.allows(model)) {
            self.report.add(
                &entry.place,
                ProblemKind::Conflict,
                format!("the `default` is `{model}`, and `allow` does not have it"),
            );
        }
    }

    /// Only where a route says how its cost is known does anybody know its model.
    pub(super) fn check_rule_of_models(
        &self,
        model: &Located<Glob>,
        patterns: Option<&[Located<RoutePattern>]>,
    ) {
        let mut covered = self.covered(patterns).peekable();
        // A pattern that covers nothing is reported as that.
        if patterns.is_some() && covered.peek().is_none() {
            return;
        }
        let sees = |entry: &Entry<RouteEntry>| {
            let route = entry.value.as_ref();
            route.is_none_or(RouteEntry::names_models)
        };
        if !covered.any(sees) {
            self.report.add(
                &model.place,
                ProblemKind::NeverMatches,
                "no route that the rule covers has a `cost` by which its model is known",
            );
        }
    }

    /// The page that `[costs] llm_admin_roles` opens, unless a route has its path: a backend's own
    /// page stays the backend's, and whoever named the roles has to hear that they open nothing.
    pub(super) fn settings_page(&self, router: &Router) -> Option<Arc<RoutePolicy>> {
        let roles = &self.document.llm_admin_roles;
        let first = roles.first()?;
        let known = self.roles_that_exist();
        for role in roles {
            self.check_role(role, known.as_ref());
        }
        let path = LLM_SETTINGS_PATH.replace("{id}", "tenant");
        for method in [Method::GET, Method::PATCH] {
            let taken = match router.route(&method, &path) {
                RouteMatch::Found { route, .. } => format!("the route `{}` takes it", route.name),
                RouteMatch::MethodNotAllowed { .. } => "a route takes it".to_owned(),
                RouteMatch::NotFound => continue,
            };
            self.report.add(
                &first.place,
                ProblemKind::Conflict,
                format!("these roles open {LLM_SETTINGS_PATH}, and {taken}"),
            );
            return None;
        }
        llm::settings_page(roles, self.report)
    }
}

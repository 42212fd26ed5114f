//! Callers that a policy file names itself, and which routes they may call.

use std::sync::Arc;

use super::{Spot, Subject};
use crate::identity::RoutePattern;
use crate::policy::{CredentialPlace, Effect, RoutePolicy, Rule, RuleMode};
use crate::tenant::TenantId;

/// A credential of the files.
pub(super) struct Caller<'s> {
    pub(super) section: &'static str,
    pub(super) name: &'s str,
    pub(super) tenant: &'s TenantId,
    user: &'s str,
    pub(super) roles: &'s [Arc<str>],
    scopes: &'s [Arc<str>],
    confined: Option<&'s [RoutePattern]>,
    by: Way<'s>,
}

/// How a credential comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'s> {
    /// A token of an issuer.
    Token,
    /// An API key.
    ApiKey,
    /// The certificate of a TLS client.
    Certificate,
    /// The signature of a delivery to this path.
    Webhook(&'s str),
    /// No credential at all.
    Nothing,
}

impl Way<'_> {
    /// Whether a route takes it. One that looks for an id in the caller's token takes nothing else.
    pub(super) fn is_taken_by(self, route: &RoutePolicy) -> bool {
        if route.needs_claim() && !matches!(self, Self::Token) {
            return false;
        }
        let takes = |wanted: fn(&CredentialPlace) -> bool| route.credentials.iter().any(wanted);
        match self {
            Self::Token => {
                takes(|it| matches!(it, CredentialPlace::Bearer | CredentialPlace::Query(_)))
            }
            Self::ApiKey => takes(|it| !matches!(it, CredentialPlace::ClientCertificate)),
            Self::Certificate => takes(|it| matches!(it, CredentialPlace::ClientCertificate)),
            Self::Webhook(_) | Self::Nothing => true,
        }
    }
}

impl Caller<'_> {
    /// Where it stands.
    pub(super) fn spot<'p>(&self, subject: &'p Subject<'_>) -> Option<Spot<'p>> {
        match self.by {
            Way::Nothing => subject.places.plain(self.section),
            Way::Token | Way::ApiKey | Way::Certificate | Way::Webhook(_) => {
                subject.places.entry(self.section, self.name)
            }
        }
    }

    /// Whether it may call a route that its way leads to.
    pub(super) fn may_call(&self, subject: &Subject<'_>, route: &RoutePolicy) -> bool {
        let confined = self.confined;
        let reaches = confined.is_none_or(|it| it.iter().any(|it| it.matches(&route.name)));
        let scoped = route.scopes.iter().all(|scope| self.scopes.contains(scope));
        let permitted = |rule: &Rule| {
            stands_in(rule, route)
                && any(rule.tenants.as_deref(), |tenant| tenant == self.tenant)
                && any(rule.users.as_deref(), |user| **user == *self.user)
                && any(rule.roles.as_deref(), |role| self.roles.contains(role))
        };
        let has_role = route.roles.is_empty()
            || route.roles.iter().any(|role| self.roles.contains(role))
            || subject.snapshot.rules.iter().any(permitted);
        reaches && scoped && has_role && self.by.is_taken_by(route)
    }

    /// The path it comes in at, where only one is signed for.
    pub(super) fn path(&self) -> Option<&str> {
        match self.by {
            Way::Webhook(path) => Some(path),
            Way::Token | Way::ApiKey | Way::Certificate | Way::Nothing => None,
        }
    }
}

/// Whether a permit stands in for the roles of a route, for some callers.
pub(super) fn stands_in(rule: &Rule, route: &RoutePolicy) -> bool {
    rule.effect == Effect::Permit
        && rule.mode == RuleMode::Enforce
        && any(rule.routes.as_deref(), |it| it.matches(&route.name))
        && (rule.uses.is_none() || route.mcp)
        && (rule.models.is_none() || route.names_models())
}

fn any<T>(alternatives: Option<&[T]>, holds: impl Fn(&T) -> bool) -> bool {
    alternatives.is_none_or(|alternatives| alternatives.iter().any(holds))
}

/// Every caller that the files name.
pub(super) fn callers<'s>(subject: &Subject<'s>) -> Vec<Caller<'s>> {
    let snapshot = subject.snapshot;
    let mut callers = Vec::new();
    callers.extend(snapshot.api_keys.iter().map(|key| Caller {
        section: "api_keys",
        name: &key.name,
        tenant: &key.tenant,
        user: key.user.as_str(),
        roles: &key.roles,
        scopes: &key.scopes,
        confined: key.routes.as_deref(),
        by: Way::ApiKey,
    }));
    callers.extend(snapshot.webhooks.iter().map(|webhook| Caller {
        section: "webhooks",
        name: &webhook.name,
        tenant: &webhook.tenant,
        user: webhook.user.as_str(),
        roles: &webhook.roles,
        scopes: &[],
        confined: None,
        by: Way::Webhook(&webhook.path),
    }));
    callers.extend(snapshot.client_certificates.iter().map(|entry| Caller {
        section: "client_certificates",
        name: &entry.name,
        tenant: &entry.tenant,
        user: entry.user.as_str(),
        roles: &entry.roles,
        scopes: &entry.scopes,
        confined: None,
        by: Way::Certificate,
    }));
    callers.extend(snapshot.development.iter().map(|entry| Caller {
        section: "development",
        name: "development",
        tenant: &entry.tenant,
        user: entry.user.as_str(),
        roles: &entry.roles,
        scopes: &[],
        confined: None,
        by: Way::Nothing,
    }));
    callers
}

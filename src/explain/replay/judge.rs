//! One record, judged by a policy.

use std::sync::Arc;

use http::Method;

use super::record::Recorded;
use crate::budget::models::ModelPolicy;
use crate::decision::{Denial, DenialCode};
use crate::identity::{Principal, PrincipalKind, RoutePattern, Supposed, UserId};
use crate::inspect::mcp::{Subject, Use};
use crate::policy::{
    Extractor, Glob, PolicySnapshot, RouteMatch, RoutePolicy, SharedMemoryWrite, authorize,
    authorize_models, authorize_use, may_write_shared_memory, tenant_status,
};
use crate::tenant::TenantId;

/// What a policy says about a recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// It may pass, as far as the record tells.
    Permit,
    /// It is refused.
    Deny {
        /// With this code.
        code: &'static str,
        /// By this rule.
        rule: Option<Arc<str>>,
    },
    /// The record does not hold what decides, in words.
    Unknown(&'static str),
}

/// Judges records by one policy.
#[derive(Debug)]
pub struct Judge<'policy> {
    snapshot: &'policy PolicySnapshot,
}

/// Whoever a record says called, as the policy has it.
enum Caller {
    Known(Principal),
    /// Its credential is none any more.
    Gone,
    Unknown(&'static str),
}

const ANSWERED: &str = "the record holds the model that answered, not the one that was asked for";
const NO_CALLER: &str = "the record does not say who called";

impl<'policy> Judge<'policy> {
    /// A judge by this policy.
    pub fn new(snapshot: &'policy PolicySnapshot) -> Self {
        Self { snapshot }
    }

    /// What the policy says about the request of a record.
    pub fn judge(&self, record: &Recorded<'_>) -> After {
        let Ok(method) = Method::from_bytes(record.method.as_bytes()) else {
            return After::Unknown("the method is none that is served");
        };
        let path = instance(&record.path);
        let route = match self.route(record, &method, &path) {
            Ok(route) => route,
            Err(after) => return after,
        };
        if route.public {
            return After::Permit;
        }
        if record.tenant_id.is_none() && record.decision == "permit" {
            return denied(&Denial::new(DenialCode::CredentialsMissing));
        }
        let principal = match self.caller(record) {
            Caller::Known(principal) => principal,
            Caller::Gone => return denied(&Denial::new(DenialCode::TokenInvalid)),
            Caller::Unknown(why) => return After::Unknown(why),
        };
        if let Err(denial) = tenant_status(self.snapshot, principal.tenant()) {
            return denied(&denial);
        }
        let by_token = principal_is_token(record);
        let outcome = authorize(self.snapshot, route, &principal, &method);
        if let Err(denial) = outcome.decision {
            let scopes_lack = denial.code == DenialCode::ScopeRequired;
            return match scopes_lack && by_token && record.scopes.is_none() {
                true => After::Unknown("the record holds no scopes, and the route asks for some"),
                false => denied(&denial),
            };
        }
        let standing = outcome.standing;
        if let (Some(tool), true) = (&record.tool, route.mcp) {
            let used = Use {
                subject: Subject::Tool,
                name: tool.to_string(),
            };
            let outcome = authorize_use(self.snapshot, route, &principal, &method, standing, &used);
            if let Err(denial) = outcome.decision {
                return denied(&denial);
            }
        }
        if let (Some(model), true) = (&record.model, route.names_models()) {
            let models = [model.to_string()];
            let allowed = self.snapshot.models(principal.tenant());
            if !allowed.allows(model) {
                return match self.may_be_another(allowed, model) {
                    true => After::Unknown(ANSWERED),
                    false => denied(&Denial::new(DenialCode::ModelForbidden)),
                };
            }
            let outcome =
                authorize_models(self.snapshot, route, &principal, &method, standing, &models);
            if let Err(denial) = outcome.decision {
                return denied(&denial);
            }
        }
        if route.needs_claim() && !by_token {
            return denied(&Denial::new(DenialCode::RequestRejected));
        }
        if by_token && is_about_claims(route) {
            return After::Unknown(
                "what it is about its token says, and no claims are in the record",
            );
        }
        let by_its_body = matches!(route.shared_memory_write, SharedMemoryWrite::Unless { .. });
        if by_its_body && may_write_shared_memory(self.snapshot, &principal).is_err() {
            return After::Unknown(
                "whether it writes shared memory its body says, which is not in the record",
            );
        }
        After::Permit
    }

    /// Whether a recorded model may be the answer to one that is allowed: `gpt-4o` is answered by
    /// `gpt-4o-2024-08-06`, and the record holds what answered.
    fn may_be_another(&self, allowed: &ModelPolicy, answered: &str) -> bool {
        let begins = |pattern: &Glob| answered.starts_with(pattern.as_str());
        let mut lists = allowed.allow.iter();
        lists.all(|list| list.iter().any(|it| it.matches(answered) || begins(it)))
    }

    fn route(
        &self,
        record: &Recorded<'_>,
        method: &Method,
        path: &str,
    ) -> Result<&'policy Arc<RoutePolicy>, After> {
        let snapshot = self.snapshot;
        match snapshot.router.route(method, path) {
            RouteMatch::Found {
                route, siblings, ..
            } => match (siblings.len(), &record.route) {
                (0 | 1, _) => Ok(route),
                (_, Some(name)) => {
                    let same = siblings.iter().find(|sibling| *sibling.name == **name);
                    same.ok_or(After::Unknown(
                        "the JSON-RPC method that chooses the route is not in the record",
                    ))
                }
                (_, None) => Err(After::Unknown(
                    "the JSON-RPC method that chooses the route is not in the record",
                )),
            },
            RouteMatch::NotFound | RouteMatch::MethodNotAllowed { .. }
                if record.route.is_none() && record.path.contains('…') =>
            {
                Err(After::Unknown("the path is cut short in the record"))
            }
            RouteMatch::NotFound if snapshot.settings_page(path).is_some() => {
                Err(After::Unknown("a page of the gate's own"))
            }
            RouteMatch::MethodNotAllowed { .. } => {
                Err(denied(&Denial::new(DenialCode::MethodNotAllowed)))
            }
            RouteMatch::NotFound => Err(denied(&Denial::new(DenialCode::NotFound))),
        }
    }

    /// Who called. What a policy says of a credential counts; what a token says is in the record.
    fn caller(&self, record: &Recorded<'_>) -> Caller {
        let (Some(tenant), Some(user), Some(method)) =
            (&record.tenant_id, &record.user_id, &record.auth_method)
        else {
            return Caller::Unknown(NO_CALLER);
        };
        let (Ok(tenant), Ok(user)) = (TenantId::kept(tenant), UserId::parse(user)) else {
            return Caller::Unknown(NO_CALLER);
        };
        let names = |names: &[std::borrow::Cow<'_, str>]| -> Vec<Arc<str>> {
            names.iter().map(|name| Arc::from(&**name)).collect()
        };
        let scopes = record.scopes.as_deref().unwrap_or_default();
        let mut supposed = Supposed {
            tenant,
            user,
            kind: match record.principal.as_deref() {
                Some("machine") => PrincipalKind::Machine,
                Some("webhook") => PrincipalKind::Webhook,
                Some("development") => PrincipalKind::Development,
                _ => PrincipalKind::User,
            },
            roles: names(&record.roles),
            scopes: names(scopes),
            actors: Vec::new(),
            routes: None,
            claims: None,
        };
        let (kind, name) = method.split_once(':').unwrap_or((method, ""));
        let snapshot = self.snapshot;
        type Entry<'a> = (&'a [Arc<str>], &'a [Arc<str>], Option<Arc<[RoutePattern]>>);
        let none: &[Arc<str>] = &[];
        let entry: Option<Entry<'_>> = match kind {
            "jwt" => {
                return match snapshot.issuers.iter().any(|issuer| issuer.name == name) {
                    true => Caller::Known(Principal::supposed(supposed)),
                    false => Caller::Gone,
                };
            }
            "api_key" => {
                let key = snapshot.api_keys.iter().find(|key| key.name == name);
                key.map(|key| (&*key.roles, &*key.scopes, key.routes.clone()))
            }
            "mtls" => {
                let entries = snapshot.client_certificates.iter();
                let mut entries = entries.filter(|entry| entry.name == name);
                entries.next().map(|it| (&*it.roles, &*it.scopes, None))
            }
            "webhook" => {
                let hook = snapshot.webhooks.iter().find(|hook| hook.name == name);
                hook.map(|hook| (&*hook.roles, none, None))
            }
            "development" => {
                let development = snapshot.development.as_ref();
                development.map(|it| (&*it.roles, none, None))
            }
            _ => return Caller::Unknown("the record names no credential that policies know"),
        };
        let Some((roles, scopes, routes)) = entry else {
            return Caller::Gone;
        };
        (supposed.roles, supposed.scopes) = (roles.to_vec(), scopes.to_vec());
        supposed.routes = routes;
        Caller::Known(Principal::supposed(supposed))
    }
}

fn principal_is_token(record: &Recorded<'_>) -> bool {
    let method = record.auth_method.as_deref();
    method.is_some_and(|method| method.starts_with("jwt:"))
}

/// Whether claims name what its requests are about. A model that one names is in the record.
fn is_about_claims(route: &RoutePolicy) -> bool {
    let ids = route.resources.iter().flat_map(|rule| &rule.ids);
    ids.chain(&route.tenant_from)
        .any(|place| matches!(place, Extractor::Claim(_)))
}

fn denied(denial: &Denial) -> After {
    After::Deny {
        code: denial.code.facts().code,
        rule: denial.rule.clone(),
    }
}

/// A path that a template takes: each parameter is a word that no route has for its own.
fn instance(template: &str) -> String {
    let mut path = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push('~');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path.push_str(rest);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_a_path_that_it_takes() {
        assert_eq!(instance("/a/{id}/b"), "/a/~/b");
        assert_eq!(instance("/{*rest}"), "/~");
        assert_eq!(instance("/a/{id}.json"), "/a/~.json");
        assert_eq!(instance("/plain"), "/plain");
    }
}

//! Credentials that open nothing, and routes that nothing opens.

use http::Method;

use super::caller::{Caller, Way, callers};
use super::{Findings, Lint, Subject};
use crate::policy::RouteMatch;

pub(super) static API_KEY_EXPIRED: Lint = Lint {
    name: "api-key-expired",
    what: "an API key whose `expires_at` has passed",
    why: "every request with it is refused with `api_key_expired`; the entry only looks alive",
    remedy: "make another key with `fabric-gate key new`, or delete the entry",
    look: expired,
};

pub(super) static CREDENTIAL_REACHES_NOTHING: Lint = Lint {
    name: "credential-reaches-nothing",
    what: "an API key, webhook, client certificate or issuer whose callers can call no route",
    why: "its roles, scopes, `routes` and the routes' `credentials` together leave nothing: whoever uses \
          it is always refused",
    remedy: "give the credential a role that some route asks for, or the route its `credentials`",
    look: reaches_nothing,
};

pub(super) static SUSPENDED_TENANT_WITH_CREDENTIAL: Lint = Lint {
    name: "suspended-tenant-with-credential",
    what: "a credential of a tenant that is suspended",
    why: "it is refused with `tenant_suspended` for as long as the tenant is, and works at once when the \
          tenant comes back",
    remedy: "delete the credential if the tenant is gone for good",
    look: suspended,
};

pub(super) static ROUTE_WITHOUT_CREDENTIAL: Lint = Lint {
    name: "route-without-credential",
    what: "a route whose `credentials` nobody can present",
    why: "it takes API keys only and there are none, or client certificates only and there are none: every \
          request to it is refused",
    remedy: "add the kind of credential that the route takes, or let it take another",
    look: without_credential,
};

fn expired(subject: &Subject<'_>, findings: &mut Findings) {
    for key in &subject.snapshot.api_keys {
        if let Some(end) = key.expires_at.filter(|end| *end <= subject.now) {
            let spot = subject.places.entry("api_keys", &key.name);
            let message = format!("the key expired at {end}");
            findings.add(spot.map(|spot| spot.key("expires_at")), message);
        }
    }
}

fn reaches_nothing(subject: &Subject<'_>, findings: &mut Findings) {
    for caller in callers(subject) {
        if opens_nothing(subject, &caller) {
            let message = match (caller.path(), caller.roles) {
                (Some(path), []) => {
                    format!("it has no `roles`, and the route of `{path}` asks for some")
                }
                (Some(path), _) => format!("the route of `{path}` lets none of its roles in"),
                (None, []) => "it has no `roles`, and no route that it may use does without".into(),
                (None, _) => {
                    "no route lets it in, by its `roles`, `scopes` and `routes` together".to_owned()
                }
            };
            let spot = caller.spot(subject);
            findings.add(spot.map(|spot| spot.key("roles")), message);
        }
    }
    let tokens_pass = subject
        .guarded_routes()
        .any(|route| Way::Token.is_taken_by(route));
    for issuer in subject.snapshot.issuers.iter().filter(|_| !tokens_pass) {
        findings.add(
            subject.places.entry("issuers", &issuer.name),
            "no route takes a token: none that asks for a credential has `bearer` or `query:…` among its \
             `credentials`",
        );
    }
}

fn opens_nothing(subject: &Subject<'_>, caller: &Caller<'_>) -> bool {
    match caller.path() {
        Some(path) => match subject.snapshot.router.route(&Method::POST, path) {
            RouteMatch::Found { siblings, .. } => {
                let mut siblings = siblings.iter();
                !siblings.any(|route| caller.may_call(subject, route))
            }
            RouteMatch::MethodNotAllowed { .. } | RouteMatch::NotFound => false,
        },
        None => {
            let mut routes = subject.guarded_routes();
            !routes.any(|route| caller.may_call(subject, route))
        }
    }
}

fn suspended(subject: &Subject<'_>, findings: &mut Findings) {
    for caller in callers(subject) {
        let tenant = subject.snapshot.tenants.get(caller.tenant);
        if tenant.is_some_and(|tenant| tenant.suspended) {
            let spot = caller.spot(subject);
            let message = format!("the tenant `{}` is suspended", caller.tenant);
            findings.add(spot.map(|spot| spot.key("tenant")), message);
        }
    }
}

fn without_credential(subject: &Subject<'_>, findings: &mut Findings) {
    let snapshot = subject.snapshot;
    let ways = [
        (Way::Token, !snapshot.issuers.is_empty()),
        (Way::ApiKey, !snapshot.api_keys.is_empty()),
        (Way::Certificate, !snapshot.client_certificates.is_empty()),
        (Way::Nothing, snapshot.development.is_some()),
    ];
    let deliveries: Vec<_> = snapshot
        .webhooks
        .iter()
        .filter_map(
            |webhook| match snapshot.router.route(&Method::POST, &webhook.path) {
                RouteMatch::Found { route, .. } => Some(&route.name),
                RouteMatch::MethodNotAllowed { .. } | RouteMatch::NotFound => None,
            },
        )
        .collect();
    // Where nobody can call anything that is one mistake, not one of each route.
    if ways.iter().all(|(_, there)| !there) && deliveries.is_empty() {
        let first = subject
            .guarded_routes()
            .find_map(|route| subject.route(route));
        findings.add(
            first,
            "there is no issuer, API key, webhook, client certificate or development identity, so that \
             nobody can call a route that asks who calls",
        );
        return;
    }
    for route in subject.guarded_routes() {
        let opened = ways
            .into_iter()
            .any(|(way, there)| there && way.is_taken_by(route))
            || deliveries.contains(&&route.name);
        // A route of a profile takes whatever there is, so that its being shut is told of own ones.
        if let Some(spot) = subject.own_route(route).filter(|_| !opened) {
            findings.add(
                Some(spot.key("credentials")),
                "there is no credential of any kind that the route takes",
            );
        }
    }
}

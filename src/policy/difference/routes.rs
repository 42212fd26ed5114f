//! `[[upstreams]]` and `[[routes]]`.

use std::sync::Arc;

use super::{Found, Risk, listed, paired, texts};
use crate::policy::{
    PolicySnapshot, RoutePolicy, SharedMemoryWrite, UnknownResource, UpstreamAuthorization,
    UpstreamPolicy,
};

const ROUTES: &str = "routes";
const UPSTREAMS: &str = "upstreams";

pub(super) fn compare(old: &PolicySnapshot, new: &PolicySnapshot, found: &mut Found) {
    let name = |upstream: &Arc<UpstreamPolicy>| Arc::clone(&upstream.name);
    for upstream in &new.upstreams {
        match old.upstreams.iter().find(|it| name(it) == upstream.name) {
            None => found.put(Risk::Other, UPSTREAMS, &upstream.name, "is new"),
            Some(before) => upstreams(before, upstream, found),
        }
    }
    for upstream in &old.upstreams {
        if !new.upstreams.iter().any(|it| name(it) == upstream.name) {
            found.put(Risk::Closes, UPSTREAMS, &upstream.name, "is gone");
        }
    }
    let (added, gone, pairs) = paired(&old.routes, &new.routes, |route| &route.name);
    for route in added {
        let says = format!("is new: {}, for {}", place(route), who(route));
        found.put(Risk::Opens, ROUTES, &route.name, says);
    }
    for route in gone {
        found.put(
            Risk::Closes,
            ROUTES,
            &route.name,
            format!("is gone: {}", place(route)),
        );
    }
    for (before, after) in pairs {
        if before != after {
            routes(before, after, found);
        }
    }
}

fn upstreams(old: &UpstreamPolicy, new: &UpstreamPolicy, found: &mut Found) {
    if old == new {
        return;
    }
    let before = found.0.len();
    let at = (UPSTREAMS, &*new.name);
    let address = |it: &UpstreamPolicy| format!("{:?}", it.address);
    found.changed(Risk::Unclear, at, "address", (address(old), address(new)));
    let credential = |it: &UpstreamPolicy| match &it.authorization {
        UpstreamAuthorization::Forward => "forward".to_owned(),
        UpstreamAuthorization::Strip => "strip".to_owned(),
        UpstreamAuthorization::Handle(handle) => format!("handle:{handle}"),
    };
    let credentials = (credential(old), credential(new));
    found.changed(Risk::Unclear, at, "authorization", credentials);
    let asserts = |it: &UpstreamPolicy| it.assertion == Some(true);
    found.changed(Risk::Unclear, at, "assertion", (asserts(old), asserts(new)));
    let names = (&*old.identity_headers, &*new.identity_headers);
    found.list((Risk::Closes, Risk::Opens), at, "identity_headers", names);
    if found.0.len() == before {
        found.put(Risk::Unclear, at.0, at.1, "says something else");
    }
}

fn place(route: &RoutePolicy) -> String {
    let methods = texts(&route.methods).join(",");
    format!("{methods} {} of `{}`", route.path, route.upstream.name)
}

/// Who reaches a route.
fn who(route: &RoutePolicy) -> String {
    if route.public {
        return "everybody, without a credential".to_owned();
    }
    let mut who = match route.roles.is_empty() {
        true => "every caller of a known tenant".to_owned(),
        false => format!("any of {}", texts(&route.roles).join(", ")),
    };
    if !route.scopes.is_empty() {
        who.push_str(&format!(" with {}", texts(&route.scopes).join(", ")));
    }
    who
}

fn routes(old: &RoutePolicy, new: &RoutePolicy, found: &mut Found) {
    let before = found.0.len();
    let at = (ROUTES, &*new.name);
    if old.public != new.public {
        let (risk, says) = match new.public {
            true => (Risk::Opens, "asks for no credential any more"),
            false => (Risk::Closes, "asks for a credential"),
        };
        found.put(risk, at.0, at.1, says);
    }
    roles(old, new, found);
    let scopes = (&*texts(&old.scopes), &*texts(&new.scopes));
    found.list((Risk::Closes, Risk::Opens), at, "scopes", scopes);
    let methods = (&*texts(&old.methods), &*texts(&new.methods));
    found.list((Risk::Opens, Risk::Closes), at, "methods", methods);
    found.changed(Risk::Unclear, at, "path", (&*old.path, &*new.path));
    let upstream = (&*old.upstream.name, &*new.upstream.name);
    found.changed(Risk::Unclear, at, "upstream", upstream);
    let kinds = |it: &RoutePolicy| -> Vec<String> {
        it.resources
            .iter()
            .map(|rule| rule.kind.to_string())
            .collect()
    };
    let resources = (&*kinds(old), &*kinds(new));
    found.list((Risk::Closes, Risk::Opens), at, "held resources", resources);
    if old.resources != new.resources && kinds(old) == kinds(new) {
        found.put(Risk::Unclear, at.0, at.1, "holds its resources otherwise");
    }
    if old.unknown != new.unknown {
        let risk = match new.unknown {
            UnknownResource::Deny => Risk::Closes,
            UnknownResource::Adopt | UnknownResource::Pass => Risk::Opens,
        };
        let says = format!("unknown ids: {:?} -> {:?}", old.unknown, new.unknown);
        found.put(risk, at.0, at.1, says.to_lowercase());
    }
    let guards = |it: &RoutePolicy| {
        texts(
            &it.guard_tenant
                .iter()
                .map(|it| format!("{it:?}"))
                .collect::<Vec<_>>(),
        )
    };
    let guarded = (&*guards(old), &*guards(new));
    found.list((Risk::Closes, Risk::Opens), at, "guard", guarded);
    if old.list != new.list {
        let (risk, says) = match (&old.list, &new.list) {
            (Some(_), None) => (Risk::Opens, "shows its list unfiltered"),
            (None, Some(_)) => (Risk::Closes, "filters its list"),
            _ => (Risk::Unclear, "filters its list otherwise"),
        };
        found.put(risk, at.0, at.1, says);
    }
    if old.shared_memory_write != new.shared_memory_write {
        let risk = match new.shared_memory_write {
            SharedMemoryWrite::Always => Risk::Closes,
            SharedMemoryWrite::Never => Risk::Opens,
            SharedMemoryWrite::Unless { .. } => Risk::Unclear,
        };
        found.put(
            risk,
            at.0,
            at.1,
            "asks otherwise for the role to write shared memory",
        );
    }
    if old.rewriting != new.rewriting {
        found.put(Risk::Unclear, at.0, at.1, "rewrites requests otherwise");
    }
    if old.cost != new.cost {
        let (risk, says) = match (&old.cost, &new.cost) {
            (Some(_), None) => (Risk::Opens, "costs nothing any more"),
            (None, Some(_)) => (Risk::Closes, "costs something"),
            _ => (Risk::Unclear, "costs something else"),
        };
        found.put(risk, at.0, at.1, says);
    }
    if old.credentials != new.credentials {
        found.put(
            Risk::Unclear,
            at.0,
            at.1,
            "takes credentials in other places",
        );
    }
    if old.websocket != new.websocket {
        let (risk, says) = match new.websocket {
            true => (Risk::Opens, "takes WebSockets"),
            false => (Risk::Closes, "takes no WebSocket any more"),
        };
        found.put(risk, at.0, at.1, says);
    }
    // What is said of its upstream is said there.
    let alike = RoutePolicy {
        upstream: Arc::clone(&new.upstream),
        ..old.clone()
    };
    if found.0.len() == before && alike != *new {
        found.put(
            Risk::Other,
            at.0,
            at.1,
            "says something else (limits, timeouts, wording)",
        );
    }
}

/// Any of its roles lets a caller in, so that the first one closes and the last one that goes opens.
fn roles(old: &RoutePolicy, new: &RoutePolicy, found: &mut Found) {
    let (before, after) = (texts(&old.roles), texts(&new.roles));
    let at = (ROUTES, &*new.name);
    match (before.is_empty(), after.is_empty()) {
        (true, false) => {
            let says = format!(
                "is for {} only, and was for every caller",
                listed(&after, "")
            );
            found.put(Risk::Closes, at.0, at.1, says);
        }
        (false, true) => {
            let says = format!("is for every caller, and was for {}", listed(&before, ""));
            found.put(Risk::Opens, at.0, at.1, says);
        }
        _ => found.list((Risk::Opens, Risk::Closes), at, "roles", (&before, &after)),
    }
}

//! Routes whose paths a more specific route takes.

use http::Method;

use super::{Findings, Lint, Subject, listed};
use crate::policy::RoutePolicy;

pub(super) static LINT: Lint = Lint {
    name: "route-hidden",
    what: "a path that a more specific route takes from one with `{*rest}`, for fewer methods",
    why: "the most specific path is taken whatever the method: the methods that it leaves out are answered \
          405 and never reach the wider route",
    remedy: "add a route of the more specific path with the methods that are missing",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let routes = &subject.snapshot.routes;
    for wide in routes
        .iter()
        .filter(|route| subject.own_route(route).is_some())
    {
        let Some(prefix) = before_the_rest(&wide.path) else {
            continue;
        };
        let mut told: Vec<&str> = Vec::new();
        for narrow in routes.iter().filter(|route| is_below(&route.path, prefix)) {
            if narrow.path == wide.path || told.contains(&&*narrow.path) {
                continue;
            }
            told.push(&narrow.path);
            let lost: Vec<_> = lost(routes, wide, narrow);
            if let Some(spot) = subject.own_route(narrow).filter(|_| !lost.is_empty()) {
                let message = format!(
                    "`{}` of the route `{}` would take {} here, and this path hides it: they are answered 405",
                    wide.path,
                    wide.name,
                    listed(lost.iter().map(|method| method.as_str())),
                );
                findings.add(Some(spot.key("path")), message);
            }
        }
    }
}

/// The methods of the wide route that no route of the narrow path takes.
fn lost<'r>(
    routes: &[std::sync::Arc<RoutePolicy>],
    wide: &'r RoutePolicy,
    narrow: &RoutePolicy,
) -> Vec<&'r Method> {
    let taken = |method: &Method| {
        let mut same_path = routes.iter().filter(|route| route.path == narrow.path);
        same_path.any(|route| route.methods.contains(method))
    };
    let methods = wide.methods.iter();
    methods.filter(|method| !taken(method)).collect()
}

/// The segments before a tail: `/v1` of `/v1/{*rest}`.
fn before_the_rest(path: &str) -> Option<&str> {
    let (prefix, tail) = path.rsplit_once('/')?;
    tail.starts_with("{*").then_some(prefix)
}

/// Whether every path of a template begins with what a prefix stands for.
fn is_below(path: &str, prefix: &str) -> bool {
    let mut segments = path.split('/');
    let same = prefix.split('/').all(|wanted| {
        segments.next().is_some_and(|segment| {
            segment == wanted || (segment.starts_with('{') && wanted.starts_with('{'))
        })
    });
    same && segments.next().is_some()
}

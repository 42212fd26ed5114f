//! From method and path to route.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::Method;

use super::RoutePolicy;

/// The compiled routes of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Router {
    paths: matchit::Router<PathEntry>,
}

/// The routes that share one path template, by method.
#[derive(Clone, Debug, Default)]
struct PathEntry {
    by_method: HashMap<Method, Vec<Arc<RoutePolicy>>>,
    allow: Arc<str>,
}

/// What a method and path lead to.
#[derive(Debug)]
pub enum RouteMatch<'router, 'path> {
    /// A route, with the parameters of its path.
    Found {
        /// The route; the first of those that share path and method.
        route: &'router Arc<RoutePolicy>,
        /// All that share path and method, where the body's JSON-RPC method tells them apart
        /// ([`RoutePolicy::rpc_methods`]); just the one route otherwise.
        siblings: &'router [Arc<RoutePolicy>],
        /// `{name}` to its raw text in the path.
        params: matchit::Params<'router, 'path>,
    },
    /// The path exists for other methods only.
    MethodNotAllowed {
        /// Methods it takes, for `Allow`.
        allow: &'router Arc<str>,
    },
    /// No route.
    NotFound,
}

/// Why a route can't be reached beside the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteConflict {
    /// Another route has the same path and method.
    #[error("{method} on this path is taken by the route `{by}`")]
    Taken {
        /// The method.
        method: Method,
        /// The other route.
        by: Arc<str>,
    },
    /// Another route of this path and method is for the same JSON-RPC method, or differs in what
    /// has to be known before the body is read.
    #[error(
        "beside the route `{by}`, which has this path and method, it needs other `rpc_methods` and \
         the same `credentials`, `tenant_from`, `path_allows`, `public` and `body_bytes`"
    )]
    Sibling {
        /// The other route.
        by: Arc<str>,
    },
    /// Another route's template matches the same paths by other names.
    #[error(
        "some requests fit this path and `{path}` of the route `{by}` alike: call what stands in one place \
         by one name in both"
    )]
    Overlaps {
        /// The other template.
        path: String,
        /// The other route.
        by: Arc<str>,
    },
    /// The template is not well-formed.
    #[error(
        "the path is no template: a parameter is `{{name}}`, one in a segment, and `{{*name}}` at the end \
         takes the rest"
    )]
    Template(#[source] matchit::InsertError),
}

impl Router {
    /// The router over `routes`, and what is wrong with which of them (by index). A route that is
    /// in conflict is left out.
    pub fn build(routes: &[Arc<RoutePolicy>]) -> (Self, Vec<(usize, RouteConflict)>) {
        let mut conflicts = Vec::new();
        let mut entries: BTreeMap<&str, (usize, PathEntry)> = BTreeMap::new();
        for (index, route) in routes.iter().enumerate() {
            let (_, entry) = entries
                .entry(&route.path)
                .or_insert((index, PathEntry::default()));
            for method in &route.methods {
                let siblings = entry.by_method.entry(method.clone()).or_default();
                match in_the_way(siblings, route, method) {
                    Some(conflict) => conflicts.push((index, conflict)),
                    None => siblings.push(Arc::clone(route)),
                }
            }
        }
        // In order of writing, so that the later of two routes is the one that is refused.
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(_, (index, _))| *index);
        let mut paths = matchit::Router::new();
        for (path, (index, mut entry)) in entries {
            entry.allow = allow(entry.by_method.keys());
            if let Err(error) = paths.insert(path, entry) {
                conflicts.push((index, conflict(error, routes)));
            }
        }
        (Self { paths }, conflicts)
    }

    /// What `method` and `path` lead to. A GET route serves HEAD too (RFC 9110 section 9.3.2).
    pub fn route<'router, 'path>(
        &'router self,
        method: &Method,
        path: &'path str,
    ) -> RouteMatch<'router, 'path> {
        let Ok(found) = self.paths.at(path) else {
            return RouteMatch::NotFound;
        };
        let entry = found.value;
        let siblings = entry.by_method.get(method).or_else(|| {
            (method == Method::HEAD)
                .then(|| entry.by_method.get(&Method::GET))
                .flatten()
        });
        let siblings = siblings.map(Vec::as_slice).unwrap_or_default();
        match siblings.first() {
            Some(route) => RouteMatch::Found {
                route,
                siblings,
                params: found.params,
            },
            None => RouteMatch::MethodNotAllowed {
                allow: &entry.allow,
            },
        }
    }
}

/// Whether a route with these methods takes `method`; GET includes HEAD.
pub fn serves(methods: &[Method], method: &Method) -> bool {
    methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

/// Why a route can't stand beside those of its path and method, if it can't.
fn in_the_way(
    siblings: &[Arc<RoutePolicy>],
    route: &RoutePolicy,
    method: &Method,
) -> Option<RouteConflict> {
    siblings.iter().find_map(|other| {
        let by = Arc::clone(&other.name);
        if other.rpc_methods.is_empty() || route.rpc_methods.is_empty() {
            let method = method.clone();
            return Some(RouteConflict::Taken { method, by });
        }
        let shared = other
            .rpc_methods
            .iter()
            .any(|name| route.rpc_methods.contains(name));
        let alike = other.credentials == route.credentials
            && other.tenant_from == route.tenant_from
            && other.path_allows == route.path_allows
            && other.public == route.public
            && other.body_bytes == route.body_bytes;
        (shared || !alike).then_some(RouteConflict::Sibling { by })
    })
}

/// The `Allow` value of a path (RFC 9110 section 10.2.1), in alphabetical order.
fn allow<'m>(methods: impl Iterator<Item = &'m Method>) -> Arc<str> {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ").into()
}

fn conflict(error: matchit::InsertError, routes: &[Arc<RoutePolicy>]) -> RouteConflict {
    let matchit::InsertError::Conflict { with } = &error else {
        return RouteConflict::Template(error);
    };
    match routes.iter().find(|route| *route.path == **with) {
        Some(route) => RouteConflict::Overlaps {
            path: with.clone(),
            by: Arc::clone(&route.name),
        },
        None => RouteConflict::Template(error),
    }
}

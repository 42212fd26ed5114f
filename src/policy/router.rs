//! From method and path to route.

use std::collections::HashMap;
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
    by_method: HashMap<Method, Arc<RoutePolicy>>,
    allow: Arc<str>,
}

/// What a method and path lead to.
#[derive(Debug)]
pub enum RouteMatch<'router, 'path> {
    /// A route, with the parameters of its path.
    Found {
        /// The route.
        route: &'router Arc<RoutePolicy>,
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

impl Router {
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
        let route = entry.by_method.get(method).or_else(|| {
            (method == Method::HEAD)
                .then(|| entry.by_method.get(&Method::GET))
                .flatten()
        });
        match route {
            Some(route) => RouteMatch::Found {
                route,
                params: found.params,
            },
            None => RouteMatch::MethodNotAllowed {
                allow: &entry.allow,
            },
        }
    }
}

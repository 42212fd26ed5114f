//! Routes that share path and method, told apart by the JSON-RPC method in the body.

use std::sync::Arc;

use super::extract::{Found, Source};
use crate::decision::{Denial, DenialCode};
use crate::policy::{Extractor, RoutePolicy};

/// The one of `siblings` that the request is for; `None` until its body was read.
///
/// # Errors
/// `request_rejected` for a body without one method, a batch among them: its calls could be for
/// several routes. `not_found` for a method that no route has.
pub(super) fn among<'routes>(
    route: &'routes Arc<RoutePolicy>,
    siblings: &'routes [Arc<RoutePolicy>],
    source: &Source<'_, '_>,
) -> Result<Option<&'routes Arc<RoutePolicy>>, Denial> {
    if route.rpc_methods.is_empty() {
        return Ok(Some(route));
    }
    if source.body.is_none() {
        return Ok(None);
    }
    let method = Extractor::Body(vec!["method".to_owned()]);
    let values = source.values(&method)?;
    let [Found::Text(name)] = values.as_slice() else {
        let detail = "the body is no single JSON-RPC request: it has no `method`";
        return Err(Denial::because(DenialCode::RequestRejected, detail));
    };
    let mut siblings = siblings.iter();
    siblings
        .find(|route| route.rpc_methods.iter().any(|known| **known == **name))
        .map(Some)
        .ok_or_else(|| {
            let detail = format!("no route is for the JSON-RPC method `{name}`");
            Denial::because(DenialCode::MethodUnknown, detail)
        })
}

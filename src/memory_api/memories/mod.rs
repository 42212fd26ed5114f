//! `/v1`: memories, what a caller has of them, moving and erasing them.

mod answers;
mod asked;
mod bulk;
mod conditions;
mod cursor;
mod erasure;
mod export;
mod id;
mod import;
mod lines;
mod many;
mod one;
mod own;
mod problems;
mod prune;
mod schema;
mod search;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(many::create, many::list))
        .routes(routes!(bulk::run))
        .routes(routes!(search::run))
        .routes(routes!(prune::run))
        .routes(routes!(one::read, one::replace, one::patch, one::delete))
        .routes(routes!(one::history))
        .routes(routes!(one::promote))
        .routes(routes!(own::namespaces))
        .routes(routes!(own::stats))
        .routes(routes!(export::run))
        .routes(routes!(import::run))
        .routes(routes!(erasure::tenant))
        .routes(routes!(erasure::user))
}

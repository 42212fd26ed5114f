//! The store of LangGraph's API, as its stock SDKs call it: `client.store` of `langgraph-sdk` and of
//! `@langchain/langgraph-sdk` work unmodified.
//!
//! An item is an entry of [`Area::Items`] in the caller's *own* namespace: whatever labels a caller
//! names, they lie inside `tenant:{tid}:user:{uid}:`, so there is no label that leads to another
//! user's items or to shared memory, which is read and written by the other routes only. Labels are
//! the entry's path, the value is its metadata, and its content is the text of the value, by which
//! it is searched.
//!
//! Where this differs from LangGraph's own server:
//! * Without an embedding service the query of a search finds words (`memory::search`); items it
//!   does not find follow without a score, as they do there for items that are not embedded.
//! * A filter compares an order between two numbers or between two texts, and nothing else; an
//!   absent member is equal to nothing, `null` included.
//! * Sizes are bounded: labels, keys, pages, and items by the quotas of all entries.

mod body;
mod items;
mod labels;
mod namespaces;
mod search;
mod texts;
mod wording;

use axum::middleware::map_response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// The routes of the store.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(items::put, items::read, items::delete))
        .routes(routes!(search::search))
        .routes(routes!(namespaces::list))
        .layer(map_response(wording::in_langgraphs_words))
}

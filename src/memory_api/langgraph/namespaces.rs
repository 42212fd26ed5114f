//! `POST /store/namespaces`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::BodyOf;
use super::labels::{Labels, refused};
use crate::memory::{Area, Caller, MemoryError, Scope};
use crate::memory_api::{AppState, Problem};

/// Namespaces of a page where nobody says how many.
const USUAL_LIMIT: usize = 100;

/// Which namespaces.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AskedNamespaces {
    /// Labels they begin with; `*` is any.
    prefix: Option<Vec<String>>,
    /// Labels they end with; `*` is any.
    suffix: Option<Vec<String>>,
    /// Only so many labels of each; those that are the same then are told once.
    max_depth: Option<usize>,
    /// At most so many; 100.
    limit: Option<usize>,
    /// How many to leave out.
    offset: Option<usize>,
}

/// The namespaces that hold items, by label.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundNamespaces {
    namespaces: Vec<Vec<String>>,
}

/// Lists the namespaces in which the caller keeps items.
#[utoipa::path(post, path = "/store/namespaces", operation_id = "list_item_namespaces", tag = "langgraph", request_body = AskedNamespaces,
    responses((status = 200, body = FoundNamespaces)))]
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    BodyOf(asked): BodyOf<AskedNamespaces>,
) -> Result<Json<FoundNamespaces>, Problem> {
    let prefix = Labels::parse(asked.prefix.unwrap_or_default())?;
    let suffix = Labels::parse(asked.suffix.unwrap_or_default())?;
    if asked.max_depth == Some(0) {
        return Err(refused("`max_depth`: 1 or more"));
    }
    let own = caller.reach(Scope::User);
    let under = prefix.fixed().under();
    let paths = state.memory.store();
    let paths = paths.paths(&own, Area::Items, &under, state.memory.now());
    let mut found = BTreeSet::new();
    for path in paths.await.map_err(MemoryError::from)? {
        let labels = Labels::of_path(&path)?;
        if labels.begins_with(&prefix) && labels.ends_with(&suffix) {
            found.insert(labels.cut(asked.max_depth.unwrap_or(usize::MAX)));
        }
    }
    let page = found
        .into_iter()
        .skip(asked.offset.unwrap_or(0))
        .take(asked.limit.unwrap_or(USUAL_LIMIT));
    Ok(Json(FoundNamespaces {
        namespaces: page.map(Labels::into_texts).collect(),
    }))
}

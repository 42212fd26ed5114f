//! `POST /store/items/search`.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::BodyOf;
use super::items::{Item, refresh_read};
use super::labels::{Labels, refused};
use crate::memory::search::fuse::Weights;
use crate::memory::{
    Area, Caller, Condition, Entry, Filter, MOST_RECALLED, MemoryError, Order, Page, Question,
    Scope,
};
use crate::memory_api::{AppState, Problem};

/// Items of a page where nobody says how many.
const USUAL_LIMIT: u32 = 10;

/// LangGraph orders by how well items fit, by nothing else.
const FIT_ALONE: Weights = Weights {
    half_life: std::time::Duration::ZERO,
    taken_by_age: 0.0,
    taken_by_unimportance: 0.0,
};

/// What is searched for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SearchItems {
    /// The labels that the namespaces of the items begin with.
    namespace_prefix: Vec<String>,
    /// What members of the value have to be: `{"color": "red", "size": {"$gte": 2}}`.
    #[schema(value_type = Option<Object>)]
    filter: Option<Map<String, Value>>,
    /// At most so many; 10.
    limit: Option<u32>,
    /// How many to leave out.
    offset: Option<u32>,
    /// Words to find.
    query: Option<String>,
    /// `false`: being found does not put off when an item is forgotten.
    refresh_ttl: Option<bool>,
}

/// The items that were found, best first, or those written last first if nothing was searched for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundItems {
    items: Vec<FoundItem>,
}

/// An item and how well it fits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundItem {
    #[serde(flatten)]
    item: Item,
    /// 0 to 1; absent words have none.
    score: Option<f64>,
}

/// Searches items, or lists them.
#[utoipa::path(post, path = "/store/items/search", operation_id = "search_items", tag = "langgraph", request_body = SearchItems,
    responses((status = 200, body = FoundItems)))]
pub(super) async fn search(
    State(state): State<AppState>,
    caller: Caller,
    BodyOf(wanted): BodyOf<SearchItems>,
) -> Result<Json<FoundItems>, Problem> {
    let mut filter = Filter::all(Area::Items);
    filter.path = Labels::parse(wanted.namespace_prefix)?.under();
    if let Some(stated) = &wanted.filter {
        filter.conditions = Condition::all_of(stated, "filter")?;
    }
    let limit = wanted
        .limit
        .filter(|limit| *limit > 0)
        .unwrap_or(USUAL_LIMIT);
    let skip = wanted.offset.unwrap_or(0);
    let query = wanted.query.filter(|query| !query.is_empty());
    let most = match query {
        // What is searched is searched up to the end of the page.
        Some(_) => limit.saturating_add(skip),
        None => limit,
    };
    if most > MOST_RECALLED {
        return Err(refused(format!(
            "`limit`: at most {MOST_RECALLED}, with a `query` together with `offset`"
        )));
    }
    let (entries, scores) = match query {
        None => (
            list(&state, &caller, &filter, skip, limit).await?,
            Vec::new(),
        ),
        Some(query) => find(&state, &caller, filter, query, (skip, limit)).await?,
    };
    refresh_read(&state, &caller, &entries, wanted.refresh_ttl).await?;
    let scores = scores.into_iter().map(Some).chain(std::iter::repeat(None));
    let items = entries.into_iter().zip(scores).map(|(entry, score)| {
        let item = Item::of(entry)?;
        Ok(FoundItem { item, score })
    });
    let items = items.collect::<Result<_, Problem>>()?;
    Ok(Json(FoundItems { items }))
}

async fn list(
    state: &AppState,
    caller: &Caller,
    filter: &Filter,
    skip: u32,
    limit: u32,
) -> Result<Vec<Entry>, Problem> {
    let page = Page {
        order: Order::LastWrittenFirst,
        after: None,
        skip,
        limit,
    };
    let own = caller.reach(Scope::User);
    let listed = state
        .memory
        .store()
        .list(&own, filter, &page, state.memory.now());
    Ok(listed.await.map_err(MemoryError::from)?)
}

/// The page of what fits by the query, and behind all of that what fits the filter only; with the
/// scores of the former.
async fn find(
    state: &AppState,
    caller: &Caller,
    filter: Filter,
    query: String,
    (skip, limit): (u32, u32),
) -> Result<(Vec<Entry>, Vec<f64>), Problem> {
    let question = Question {
        query: Some(query),
        embedding: None,
        filter,
        limit: skip.saturating_add(limit),
        min_score: 0.0,
        weights: FIT_ALONE,
    };
    let found = state.memory.recall(caller, Scope::User, &question).await?;
    let (mut entries, mut scores) = (Vec::new(), Vec::new());
    let mut known = HashSet::with_capacity(found.len());
    for recalled in found {
        known.insert(recalled.entry.id);
        entries.push(recalled.entry);
        scores.push(recalled.score);
    }
    if entries.len() < question.limit as usize {
        let others = list(state, caller, &question.filter, 0, question.limit).await?;
        let others = others
            .into_iter()
            .filter(|entry| !known.contains(&entry.id));
        entries.extend(others.take(question.limit as usize - known.len()));
    }
    let skip = skip as usize;
    entries.drain(..skip.min(entries.len()));
    scores.drain(..skip.min(scores.len()));
    Ok((entries, scores))
}

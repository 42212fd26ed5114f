//! `POST /v1/memories/search`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::memory::{Asked, Caller, EntryDocument, Names};
use crate::memory_api::{AppState, ObjectBody, Problem};

/// What was found, best first.
#[derive(Serialize)]
struct Found<'entry> {
    memories: Vec<Scored<'entry>>,
}

/// A memory and how well it fits.
#[derive(Serialize)]
struct Scored<'entry> {
    #[serde(flatten)]
    memory: EntryDocument<'entry>,
    score: f64,
    relevance: f64,
}

/// Finds memories by words, by a vector, or by both, best first.
///
/// `query` finds words in any script; `embedding` finds what is near, among memories that were stored
/// with one of as many dimensions; with both, the two are fused by rank. Each memory is answered with
/// its `relevance`, 0 to 1, which is how well it fits by itself and what `min_score` is held against,
/// and its `score`, 0 to 1, by which the answer is ordered: age since the last recall (`half_life_days`,
/// 30) and low importance take up to a fifth each. What is answered counts as recalled.
#[utoipa::path(
    post,
    path = "/v1/memories/search",
    operation_id = "search_memories",
    tag = "memories",
    request_body(
        content = Object,
        example = json!({
            "query": "what does Ann drink?",
            "embedding": [0.12, -0.5],
            "scope": "user",
            "limit": 10,
            "min_score": 0.2,
            "half_life_days": 30,
            "include": "embedding",
            "filter": {
                "agent": "support", "session": "s-1", "category": "taste", "key": "tea",
                "tags": ["all", "of", "these"], "any_tags": ["one", "of", "these"],
                "memory_type": "semantic", "min_importance": 3,
                "created_from": "2026-11-22T09:30:00Z", "created_before": "2026-12-01T00:00:00Z",
                "metadata": {"color": "red", "size": {"$gte": 2, "$lt": 9}}
            }
        })
    ),
    responses((status = 200, description = "`{\"memories\": […]}`, each with `score` and `relevance`"))
)]
pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody,
) -> Result<Response, Problem> {
    let asked = Asked::read(body)?;
    let found = state.memory.recall(&caller, asked.scope, &asked.question);
    let found = found.await?;
    let names = Names::of(&caller.reach(asked.scope));
    let memories = found.iter().map(|recalled| Scored {
        memory: EntryDocument::new(&recalled.entry, &names, asked.embeddings),
        score: recalled.score,
        relevance: recalled.relevance,
    });
    let memories = memories.collect();
    Ok(Json(Found { memories }).into_response())
}

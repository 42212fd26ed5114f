//! `/v1/memories`: making and listing.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::answers;
use super::asked::Asked;
use super::cursor::ListDigest;
use super::problems::invalid;
use super::schema::{MemoryDocument, MemoryPage, MemoryWanted};
use crate::memory::{
    Area, Caller, EntryDocument, Filter, Memory, MemoryType, Names, Outcome, Page, Scope, Wanted,
};
use crate::memory_api::{AppState, ObjectBody, Problem, ProblemCode};

/// Memories of a page where the caller names no number.
const LIMIT: u32 = 50;

/// Most memories of a page.
const MOST: u32 = 200;

const PARAMETERS: [&str; 10] = [
    "scope",
    "agent",
    "session",
    "tag",
    "category",
    "memory_type",
    "key",
    "limit",
    "cursor",
    "include",
];

/// Remembers something. With a `key` it can be asked for again: the memory that the same request has
/// made is answered with 200.
#[utoipa::path(
    post,
    path = "/v1/memories",
    operation_id = "create_memory",
    tag = "memories",
    request_body = MemoryWanted,
    responses(
        (status = 201, description = "It is remembered; `Location` and `ETag` name it", body = MemoryDocument),
        (status = 200, description = "It had been made by the same request", body = MemoryDocument),
        (status = 403, description = "`role_required`: shared memory is written by other roles; `forbidden`: above the caller's clearance"),
        (status = 409, description = "`key_taken`: another memory has the key"),
        (status = 413, description = "`entry_too_large`"),
        (status = 507, description = "`quota_exceeded`, with `quota` and `limit`")
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    ObjectBody(body): ObjectBody,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(body)?;
    let outcome = state.memory.create(&caller, wanted).await?;
    if matches!(outcome, Outcome::Created(_)) {
        state.metrics.written(1);
    }
    let response = answers::made(&outcome, &answers::names(&caller), "memories/");
    response.ok_or_else(|| Problem::new(ProblemCode::Internal))
}

/// Memories that fit all parameters, newest first, of the caller and of shared memory.
#[utoipa::path(
    get,
    path = "/v1/memories",
    operation_id = "list_memories",
    tag = "memories",
    params(
        ("scope" = Option<String>, Query, description = "`user` or `shared`; both when absent"),
        ("agent" = Option<String>, Query),
        ("session" = Option<String>, Query),
        ("tag" = Option<Vec<String>>, Query, description = "Each of these tags; may be repeated"),
        ("category" = Option<String>, Query),
        ("memory_type" = Option<String>, Query),
        ("key" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("include" = Option<String>, Query, description = "`embedding` shows embeddings")
    ),
    responses((status = 200, description = "A page", body = MemoryPage))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let asked = Asked::read(query.as_deref(), &PARAMETERS)?;
    let reach = caller.reach(asked.scope()?.unwrap_or(Scope::All));
    let filter = filter(&state.memory, &asked)?;
    let digest = ListDigest::of(&reach, &filter);
    let limit = limit(asked.one("limit"))?;
    let mut page = Page::first(limit + 1);
    if let Some(cursor) = asked.one("cursor") {
        page.after = Some(digest.position(cursor)?);
    }
    let embedding = asked.with_embedding()?;
    let memory = &state.memory;
    let mut entries = memory
        .store()
        .list(&reach, &filter, &page, memory.now())
        .await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|it| digest.after(it));
    let names = Names::of(&reach);
    let documents = entries
        .iter()
        .map(|it| EntryDocument::new(it, &names, embedding));
    Ok(Json(json!({
        "memories": documents.collect::<Vec<_>>(),
        "next_cursor": next,
    })))
}

fn filter(memory: &Memory, asked: &Asked) -> Result<Filter, Problem> {
    let name = |field: &'static str| match asked.one(field) {
        None => Ok(None),
        Some(text) => memory
            .bounds()
            .judge_name(field, text)
            .map(|()| Some(text.to_owned())),
    };
    let mut filter = Filter::all(Area::Memories);
    filter.agent = name("agent")?;
    filter.session = name("session")?;
    filter.category = name("category")?;
    filter.key = name("key")?;
    for tag in asked.all("tag") {
        memory.bounds().judge_name("tag", tag)?;
        filter.tags.push(tag.to_owned());
    }
    if filter.tags.len() > memory.bounds().names {
        return Err(invalid("tag", "fewer of them"));
    }
    filter.memory_type = match asked.one("memory_type") {
        None => None,
        Some("episodic") => Some(MemoryType::Episodic),
        Some("semantic") => Some(MemoryType::Semantic),
        Some("reflection") => Some(MemoryType::Reflection),
        Some(_) => {
            let reason = "`episodic`, `semantic` or `reflection`";
            return Err(invalid("memory_type", reason));
        }
    };
    Ok(filter)
}

fn limit(text: Option<&str>) -> Result<u32, Problem> {
    let limit = match text {
        None => Some(LIMIT),
        Some(text) => text.parse().ok().filter(|limit| (1..=MOST).contains(limit)),
    };
    limit.ok_or_else(|| invalid("limit", "a whole number from 1 to 200"))
}

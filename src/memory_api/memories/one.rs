//! `/v1/memories/{id}`: one memory.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answers;
use super::asked::Asked;
use super::conditions::{Conditions, Reading, tag};
use super::id::IdOf;
use super::schema::{MemoryDocument, MemoryPatch, MemoryVersions, MemoryWanted};
use crate::memory::{Caller, Outcome, Scope, VersionDocument, Wanted};
use crate::memory_api::{AppState, ObjectBody, Problem, ProblemCode};

/// One memory.
#[utoipa::path(
    get,
    path = "/v1/memories/{id}",
    operation_id = "get_memory",
    tag = "memories",
    params(
        ("id" = String, Path),
        ("include" = Option<String>, Query, description = "`embedding` shows the embedding"),
        ("If-None-Match" = Option<String>, Header, description = "304 while this is its `ETag`")
    ),
    responses(
        (status = 200, description = "The memory, its version in `ETag`", body = MemoryDocument),
        (status = 304, description = "It is at that version"),
        (status = 404, description = "There is none for the caller")
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
    conditions: Conditions,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref(), &["include"])?;
    let embedding = asked.with_embedding()?;
    let entry = state.memory.read(&caller.reach(Scope::All), id).await?;
    Ok(match conditions.reading(&entry)? {
        Reading::Whole => answers::entry(&entry, &answers::names(&caller), embedding),
        Reading::Unchanged => {
            (StatusCode::NOT_MODIFIED, [(header::ETAG, tag(&entry))]).into_response()
        }
    })
}

/// Replaces all that a writer says of a memory. Its key and scope stay unless the key is said;
/// `null` takes it away.
#[utoipa::path(
    put,
    path = "/v1/memories/{id}",
    operation_id = "put_memory",
    tag = "memories",
    params(
        ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "412 unless this is its `ETag`")
    ),
    request_body = MemoryWanted,
    responses(
        (status = 200, description = "The memory as it is", body = MemoryDocument),
        (status = 403, description = "`role_required`: it is shared memory"),
        (status = 404, description = "There is none for the caller"),
        (status = 409, description = "`key_taken`"),
        (status = 412, description = "`precondition_failed`: it is at another version")
    )
)]
pub(super) async fn replace(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
    conditions: Conditions,
    ObjectBody(body): ObjectBody,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(body)?;
    let expected = conditions.expected()?;
    let entry = state.memory.replace(&caller, id, wanted, expected).await?;
    state.metrics.written(1);
    Ok(answers::entry(&entry, &answers::names(&caller), false))
}

/// Changes what is said and leaves the rest: a JSON Merge Patch (RFC 7396). A `null` removes.
#[utoipa::path(
    patch,
    path = "/v1/memories/{id}",
    operation_id = "patch_memory",
    tag = "memories",
    params(
        ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "412 unless this is its `ETag`")
    ),
    request_body(content = MemoryPatch, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The memory as it is", body = MemoryDocument),
        (status = 403, description = "`role_required`: it is shared memory"),
        (status = 404, description = "There is none for the caller"),
        (status = 409, description = "`key_taken`; `conflict`: others kept changing it"),
        (status = 412, description = "`precondition_failed`: it is at another version")
    )
)]
pub(super) async fn patch(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
    conditions: Conditions,
    ObjectBody(body): ObjectBody,
) -> Result<Response, Problem> {
    let expected = conditions.expected()?;
    let entry = state.memory.patch(&caller, id, &body, expected).await?;
    state.metrics.written(1);
    Ok(answers::entry(&entry, &answers::names(&caller), false))
}

/// Forgets a memory and its history.
#[utoipa::path(
    delete,
    path = "/v1/memories/{id}",
    operation_id = "delete_memory",
    tag = "memories",
    params(
        ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "412 unless this is its `ETag`")
    ),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 403, description = "`role_required`: it is shared memory"),
        (status = 404, description = "There is none for the caller"),
        (status = 412, description = "`precondition_failed`: it is at another version")
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    let expected = conditions.expected()?;
    state.memory.delete(&caller, id, expected).await?;
    state.metrics.deleted(1);
    Ok(StatusCode::NO_CONTENT)
}

/// The versions of a memory, an item or a file that are kept, last first, with who wrote each.
#[utoipa::path(
    get,
    path = "/v1/memories/{id}/history",
    operation_id = "get_memory_history",
    tag = "memories",
    params(
        ("id" = String, Path),
        ("include" = Option<String>, Query, description = "`embedding` shows embeddings")
    ),
    responses(
        (status = 200, description = "Its versions", body = MemoryVersions),
        (status = 404, description = "There is none for the caller")
    )
)]
pub(super) async fn history(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let asked = Asked::read(query.as_deref(), &["include"])?;
    let embedding = asked.with_embedding()?;
    let memory = &state.memory;
    let reach = caller.reach(Scope::All);
    let versions = memory.store().history(&reach, id, memory.now()).await?;
    let versions = versions.ok_or_else(|| Problem::new(ProblemCode::NotFound))?;
    let documents = versions
        .iter()
        .map(|it| VersionDocument::new(it, embedding));
    Ok(Json(json!({ "versions": documents.collect::<Vec<_>>() })))
}

/// Copies a memory of the caller's own into shared memory; the original stays. Promoted again, the
/// copy that is there is answered with 200.
#[utoipa::path(
    post,
    path = "/v1/memories/{id}/promote",
    operation_id = "promote_memory",
    tag = "memories",
    params(("id" = String, Path)),
    responses(
        (status = 201, description = "The copy", body = MemoryDocument),
        (status = 200, description = "The copy that was there", body = MemoryDocument),
        (status = 403, description = "`role_required`"),
        (status = 404, description = "There is none for the caller")
    )
)]
pub(super) async fn promote(
    State(state): State<AppState>,
    caller: Caller,
    IdOf(id): IdOf,
) -> Result<Response, Problem> {
    let outcome = state.memory.promote(&caller, id).await?;
    if matches!(outcome, Outcome::Created(_)) {
        state.metrics.written(1);
    }
    let response = answers::made(&outcome, &answers::names(&caller), "../");
    response.ok_or_else(|| Problem::new(ProblemCode::Internal))
}

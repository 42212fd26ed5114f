//! `DELETE /v1/tenants/{tid}` and `DELETE /v1/users/{uid}`: erasing all there is, with a receipt.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::problems::invalid;
use super::schema::ErasureReceipt;
use crate::identity::UserId;
use crate::memory::{Caller, MemoryError, Receipt};
use crate::memory_api::{AppState, PathOf, Problem, ProblemCode};

/// Erases everything of the caller's tenant. Any other tenant is not there.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tid}",
    operation_id = "erase_tenant",
    tag = "erasure",
    params(("tid" = String, Path, description = "The caller's own tenant")),
    responses(
        (status = 200, description = "The receipt", body = ErasureReceipt),
        (status = 403, description = "`role_required`"),
        (status = 404, description = "It is not the caller's tenant")
    )
)]
pub(super) async fn tenant(
    State(state): State<AppState>,
    caller: Caller,
    PathOf(tid): PathOf<String>,
) -> Result<Json<Value>, Problem> {
    if tid != caller.tenant().as_str() {
        return Err(Problem::new(ProblemCode::NotFound));
    }
    let right = caller.tenant_erasure().map_err(MemoryError::from)?;
    let receipt = state.memory.erase_tenant(caller.user(), &right).await?;
    Ok(answer(&state, &receipt))
}

/// Erases a user of the caller's tenant: its own memory, and its name from what it wrote into shared
/// memory, which stays. The answer is the same kind of receipt for a user who kept nothing.
#[utoipa::path(
    delete,
    path = "/v1/users/{uid}",
    operation_id = "erase_user",
    tag = "erasure",
    params(("uid" = String, Path, description = "A user of the caller's tenant")),
    responses(
        (status = 200, description = "The receipt", body = ErasureReceipt),
        (status = 403, description = "`role_required`")
    )
)]
pub(super) async fn user(
    State(state): State<AppState>,
    caller: Caller,
    PathOf(uid): PathOf<String>,
) -> Result<Json<Value>, Problem> {
    let user = UserId::parse(&uid).map_err(|error| invalid("uid", &error.to_string()))?;
    let right = caller.user_erasure(&user).map_err(MemoryError::from)?;
    let receipt = state.memory.erase_user(caller.user(), &right).await?;
    Ok(answer(&state, &receipt))
}

fn answer(state: &AppState, receipt: &Receipt) -> Json<Value> {
    state.metrics.deleted(receipt.erased.entries);
    Json(receipt.document())
}

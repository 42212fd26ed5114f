//! `/v1/caller`: whom the service takes a caller for. What an agent's developer asks first when
//! something is not there.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use crate::memory::{Caller, Namespace, Scope};

/// The routes of this page.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Who calls, as the verified credential says.
#[derive(Debug, Serialize, ToSchema)]
struct CallerDocument {
    /// The tenant.
    tenant: String,
    /// The user inside the tenant.
    user: String,
    /// The highest confidentiality the caller reads and writes.
    #[schema(example = "internal")]
    clearance: &'static str,
    /// Whether the caller writes shared memory.
    writes_shared: bool,
    /// What the caller reads.
    #[schema(example = json!(["tenant:acme:user:alice:", "tenant:acme:shared:"]))]
    namespaces: Vec<String>,
}

/// Whom the service takes the caller for.
#[utoipa::path(
    get,
    path = "/v1/caller",
    operation_id = "get_caller",
    tag = "caller",
    responses((status = 200, description = "The caller", body = CallerDocument))
)]
async fn show(caller: Caller) -> Json<CallerDocument> {
    let namespaces = caller.reach(Scope::All).namespaces();
    Json(CallerDocument {
        tenant: caller.tenant().to_string(),
        user: caller.user().to_string(),
        clearance: caller.clearance().as_str(),
        writes_shared: caller.writes_shared(),
        namespaces: namespaces.iter().map(Namespace::to_string).collect(),
    })
}

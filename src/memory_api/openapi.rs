//! The API as it is routed and as it is described: one declaration.

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::HeaderValue};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;

use super::{
    AppState, Problem, ProblemCode, authenticate, caller, exchange, files, langgraph, mcp,
    memories, operations,
};

/// Path of the document.
pub(super) const PATH: &str = "/openapi.json";

/// What is said once for all routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Fabric memory",
        description = "Memories of agents, one namespace for each tenant and user. Who calls is \
                       known from the gate's assertion or an issuer's token and from nothing else.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("assertion" = []), ("bearer" = [])),
    modifiers(&Identities)
)]
struct Description;

/// The two ways to say who calls.
struct Identities;

impl Modify for Identities {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "assertion",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Fabric-Assertion",
                "A JWT that the gate signed, made out to this service.",
            ))),
        );
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(bearer.bearer_format("JWT").build()),
        );
    }
}

/// Every route that asks for an identity. Each folder of routes is merged here.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(caller::routes())
        .merge(memories::routes())
        .merge(langgraph::routes())
        .merge(files::routes())
        .merge(mcp::routes())
}

/// The description of the API (OpenAPI 3.1).
pub fn document() -> OpenApi {
    routes().split_for_parts().1
}

/// The routes of the public listener.
pub fn router(state: &AppState) -> Router {
    let (routes, document) = routes().split_for_parts();
    let document = document.to_json().unwrap_or_default();
    let described = move || {
        let document = document.clone();
        async move { described(document) }
    };
    routes
        .layer(DefaultBodyLimit::max(state.limits.body_bytes))
        .route_layer(from_fn_with_state(state.clone(), authenticate::require))
        .route(PATH, get(described))
        .fallback(async || Problem::new(ProblemCode::NotFound))
        .method_not_allowed_fallback(async || Problem::new(ProblemCode::MethodNotAllowed))
        .layer(from_fn_with_state(state.clone(), exchange::run))
        .merge(operations::health())
        .with_state(state.clone())
}

fn described(document: String) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], document).into_response()
}

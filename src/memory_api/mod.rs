//! What the memory service answers over HTTP.
//!
//! ```text
//! server ──> exchange ──> authenticate ──> a route ──> memory
//!  bytes      request id,   exactly one     its body,    rules and
//!             limits, log   identity        query, path  stores
//! ```
//!
//! # Adding a route
//!
//! A handler takes what it needs by extractors, in this order, and answers `Result<_, Problem>`:
//!
//! ```text
//! #[utoipa::path(get, path = "/v1/memories/{id}", tag = "memories",
//!     params(("id" = String, Path)),
//!     responses((status = 200, body = EntryDocument)))]
//! async fn read(
//!     State(state): State<AppState>,        // the service's parts
//!     caller: Caller,                       // who calls: the only source of a namespace
//!     PathOf(id): PathOf<String>,           // these three refuse with a problem document
//!     QueryOf(asked): QueryOf<Asked>,
//!     JsonBody(wanted): JsonBody<Wanted>,   // last, for it reads the body
//! ) -> Result<Json<EntryDocument>, Problem>
//! ```
//!
//! The folder of the route collects its handlers: `pub(super) fn routes() -> OpenApiRouter<AppState>
//! { OpenApiRouter::new().routes(routes!(list, store)).routes(routes!(read)) }`, one `routes!` for
//! each path, and [`openapi`] merges the folders. So the document that is served and the router are
//! one declaration. Whatever is merged there asks for an identity, has the body limit, the time limit
//! and the caller's `Cache-Control`, and is logged and counted, without doing anything for it. A route
//! that takes a larger body sets `DefaultBodyLimit` on a router of its own; what reads a body by
//! itself, without an extractor, has to bound it by itself.
//!
//! A [`Problem`] is a plain value until [`exchange`] writes it down with the request's id. A facade
//! that speaks another protocol takes the value from the response's extensions and answers in its
//! own words; the code in the log and in the metrics stays.

mod authenticate;
mod caller;
mod exchange;
mod extract;
mod files;
mod held;
mod langgraph;
mod mcp;
mod memories;
mod metrics;
mod object_body;
mod openapi;
mod operations;
mod problem;
mod request_id;
pub mod server;
mod shares;
mod state;

pub use authenticate::{Authenticator, assertion_issuer};
pub use exchange::RequestId;
pub use extract::{JsonBody, PathOf, QueryOf};
pub use metrics::{MemoryMetrics, MetricsError};
pub use object_body::ObjectBody;
pub use openapi::{document, router};
pub use operations::router as operations_router;
pub use problem::{Problem, ProblemCode};
pub use state::{ApiLimits, ApiParts, AppState, Stopping};

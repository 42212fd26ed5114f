//! Refusals as LangGraph's server words them: the SDKs look for `detail`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::Problem;

/// Puts a problem into `{"detail": …}`. What is malformed is 422 there, not 400.
pub(super) async fn in_langgraphs_words(response: Response) -> Response {
    let Some(problem) = response.extensions().get::<Problem>() else {
        return response;
    };
    let status = match problem.status() {
        StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
        other => other,
    };
    let words = json!({"detail": problem.message(), "code": problem.code()});
    let mut worded = Json(words).into_response();
    let (mut parts, _empty) = response.into_parts();
    for name in worded.headers().keys() {
        parts.headers.remove(name);
    }
    worded.headers_mut().extend(parts.headers);
    *worded.extensions_mut() = parts.extensions;
    *worded.status_mut() = status;
    worded
}

//! What a request says, or the problem document that says what is wrong with it.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{Problem, ProblemCode};

/// The body as JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

/// The query.
#[derive(Clone, Copy, Debug)]
pub struct QueryOf<T>(pub T);

/// The variables of the path.
#[derive(Clone, Copy, Debug)]
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_body(&rejection)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<_, QueryRejection> = Query::from_request_parts(parts, state).await;
        match query {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(rejected(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<_, PathRejection> = Path::from_request_parts(parts, state).await;
        match path {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(rejected(rejection.body_text())),
        }
    }
}

/// `serde_json` says line, column and field; the caller wrote all of it.
fn refused_body(rejection: &JsonRejection) -> Problem {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(ProblemCode::BodyTooLarge);
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let detail = "the body has to be JSON: `Content-Type: application/json`";
        return Problem::because(ProblemCode::MediaTypeUnsupported, detail);
    }
    rejected(rejection.body_text())
}

fn rejected(detail: String) -> Problem {
    Problem::because(ProblemCode::RequestRejected, detail)
}

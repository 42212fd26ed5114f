//! A memory as an answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::conditions::tag;
use crate::memory::{Caller, Entry, EntryDocument, Names, Outcome, Scope};

/// The names of everything a caller reads.
pub(super) fn names(caller: &Caller) -> Names {
    Names::of(&caller.reach(Scope::All))
}

/// A memory with its entity tag.
pub(super) fn entry(entry: &Entry, names: &Names, embedding: bool) -> Response {
    let document = EntryDocument::new(entry, names, embedding);
    ([(header::ETAG, tag(entry))], Json(document)).into_response()
}

/// A memory that was asked to be made: 201 if it was, 200 if it had been before. `folder` leads from
/// the request's path to where memories are: a reference that holds behind any prefix that a gate
/// has taken off (RFC 9110 section 10.2.2).
pub(super) fn made(outcome: &Outcome, names: &Names, folder: &str) -> Option<Response> {
    let (status, made) = match outcome {
        Outcome::Created(made) => (StatusCode::CREATED, made),
        Outcome::Existed(made) | Outcome::Updated(made) => (StatusCode::OK, made),
        Outcome::Deleted(_) => return None,
    };
    let mut response = entry(made, names, false);
    *response.status_mut() = status;
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::from_str(&format!("{folder}{}", made.id))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Some(response)
}

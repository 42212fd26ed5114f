//! The id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::memory::EntryId;
use crate::memory_api::{Problem, ProblemCode};

/// The memory that a path names. A text that is no id names none, and is answered as an id that was
/// never given: how an id looks says nothing about what there is.
#[derive(Debug)]
pub(super) struct IdOf(pub(super) EntryId);

impl<S: Send + Sync> FromRequestParts<S> for IdOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self)
            .ok_or_else(|| Problem::new(ProblemCode::NotFound))
    }
}

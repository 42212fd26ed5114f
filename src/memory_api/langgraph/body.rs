//! A body as the SDKs send it.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::labels::refused;
use crate::memory_api::{ObjectBody, Problem};

/// A JSON object in which no name stands twice, as a value. Members that are not known are left out,
/// as LangGraph's server leaves them out: a later SDK may send more.
#[derive(Debug)]
pub(super) struct BodyOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for BodyOf<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let ObjectBody(members) = ObjectBody::from_request(request, state).await?;
        match T::deserialize(Value::Object(members)) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(refused(error.to_string())),
        }
    }
}

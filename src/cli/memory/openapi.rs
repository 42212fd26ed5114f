//! `fabric-memory openapi`: the description of the API, as it is served.

use super::{CommandError, say};
use crate::memory_api::document;

pub(super) fn run() -> Result<(), CommandError> {
    let text = document()
        .to_pretty_json()
        .map_err(|error| CommandError::unusable("the description", &error))?;
    say(&text);
    Ok(())
}

//! Pages of what a tenant owns.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::resource::{ResourceId, ResourceKey};
use super::store::{Place, Resource};
use crate::identity::UserId;

/// Some of a tenant's resources.
#[derive(Clone, Debug)]
pub struct Page {
    /// The rows.
    pub resources: Vec<Resource>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Where a page begins, as opaque text. It names no tenant: whoever asks is told of the tenant it
/// asks for and of no other, wherever the page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) Place);

/// A text is no cursor that a page gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is none that a page gave")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { user, key } = &self.0;
        let parts = [user.as_str(), key.upstream(), key.kind(), key.id().as_str()];
        let text = serde_json::to_string(&parts).map_err(|_never| fmt::Error)?;
        formatter.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_bad| CursorError)?;
        let [user, upstream, kind, id]: [String; 4] =
            serde_json::from_slice(&bytes).map_err(|_bad| CursorError)?;
        let id = ResourceId::exact(&id).map_err(|_bad| CursorError)?;
        Ok(Self(Place {
            user: UserId::parse(&user).map_err(|_bad| CursorError)?,
            key: ResourceKey::new(Arc::from(upstream), Arc::from(kind), id),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_whatever_the_names_hold() {
        let key = ResourceKey::new(
            Arc::from("a\"b"),
            Arc::from("x,y"),
            ResourceId::exact("\u{0}é]").unwrap(),
        );
        let user = UserId::parse("bob:1 [x]").unwrap();
        let cursor = Cursor(Place { user, key });
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn what_no_page_gave_is_no_cursor() {
        for text in ["", "x", "W10", "????", "WyJhIiwiYiIsImMiLCIiXQ"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}

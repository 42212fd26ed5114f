//! What is kept beside a reservation that outlives its request.

use serde::{Deserialize, Serialize};

/// The form that is written.
const VERSION: u32 = 1;

/// What it takes to settle work later, and to ask for it on behalf of whoever began it. Who that is
/// stands in the ledger beside it. No credential is among it: what is asked later is asked with the
/// backend's own, or with none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    version: u32,
    /// The model the request asked for, where an answer names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Roles of who began it, for the identity headers.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether a program began it for its user.
    #[serde(default)]
    pub machine: bool,
    /// Kind of the resource.
    pub kind: String,
    /// Its id, in the one spelling it is known by.
    pub id: String,
}

/// A note that another version wrote, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is kept of work that is followed can't be read by this version")]
pub struct UnknownNote;

impl Followed {
    /// A note about the resource of this kind and id.
    pub fn new(kind: String, id: String) -> Self {
        Self {
            version: VERSION,
            model: None,
            roles: Vec::new(),
            machine: false,
            kind,
            id,
        }
    }

    /// The bytes to keep.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// See [`UnknownNote`]. Such work is settled when its time is up.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnknownNote> {
        let note: Self = serde_json::from_slice(bytes).map_err(|_| UnknownNote)?;
        (note.version == VERSION).then_some(note).ok_or(UnknownNote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_kept() {
        let note = Followed {
            model: Some("gpt-5".into()),
            roles: vec!["lead".into()],
            machine: true,
            ..Followed::new("task".into(), "a/b \"c\" \u{fc}".into())
        };
        assert_eq!(Followed::from_bytes(&note.to_bytes()), Ok(note));
    }

    #[test]
    fn what_another_version_kept_is_not_guessed_at() {
        let other = r#"{"version":2,"kind":"task","id":"1"}"#;
        for text in [other, "", "{}", "null", r#"{"version":1,"kind":"task"}"#] {
            assert_eq!(
                Followed::from_bytes(text.as_bytes()),
                Err(UnknownNote),
                "{text}"
            );
        }
    }
}

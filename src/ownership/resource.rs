//! What is owned, and by whom.
//!
//! A backend is free to take several spellings for one id. What the registry is asked about is a
//! [`ResourceId`], which has one spelling only: two keys that differ name two resources.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::identity::UserId;
use crate::tenant::TenantId;

/// Longest id in bytes. What a backend mints is far shorter, and what a caller makes up is kept for
/// as long as the backend keeps the resource.
pub const MAX_ID_LENGTH: usize = 1024;

/// The id of a resource in the one spelling it is known by.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// The id `text`, byte for byte.
    ///
    /// # Errors
    /// It is empty or longer than [`MAX_ID_LENGTH`].
    pub fn exact(text: &str) -> Result<Self, ResourceIdError> {
        match text.len() {
            0 => Err(ResourceIdError::Empty),
            length if length > MAX_ID_LENGTH => Err(ResourceIdError::TooLong),
            _ => Ok(Self(text.into())),
        }
    }

    /// The UUID (RFC 9562) that `text` spells, by [`fold_uuid`].
    ///
    /// # Errors
    /// It is none in any spelling. Such an id is nobody's and must not become anybody's: a backend
    /// with more fantasy than [`fold_uuid`] could take it for another tenant's.
    pub fn uuid(text: &str) -> Result<Self, ResourceIdError> {
        let folded = fold_uuid(text);
        if is_canonical(&folded) {
            Ok(Self(folded.as_ref().into()))
        } else {
            Err(ResourceIdError::NotUuid)
        }
    }

    /// The UUID that `text` spells, or the name that it is: backends take names of what they came
    /// with beside the UUIDs that they mint.
    ///
    /// # Errors
    /// It is neither a UUID by [`fold_uuid`] nor a text that no parser can take for one: shorter
    /// than the digits of a UUID, or with a letter that is none of them. Python's parser takes
    /// `_` and digits of any script for digits, so that a text without such a letter can be a UUID.
    pub fn uuid_or_name(text: &str) -> Result<Self, ResourceIdError> {
        Self::uuid(text).or_else(|not_uuid| {
            let lower = text.to_ascii_lowercase();
            let bare = lower
                .replace("urn:", "")
                .replace("uuid:", "")
                .replace("0x", "");
            if text.len() < DIGITS || bare.bytes().any(|byte| matches!(byte, b'g'..=b'z')) {
                Self::exact(text)
            } else {
                Err(not_uuid)
            }
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ResourceId({:?})", self.0)
    }
}

/// Why a text is no id of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceIdError {
    /// There is no text.
    #[error("an id is not empty")]
    Empty,
    /// It is longer than [`MAX_ID_LENGTH`].
    #[error("an id is at most {MAX_ID_LENGTH} bytes")]
    TooLong,
    /// The route says that its ids are UUIDs.
    #[error("the id is not a UUID")]
    NotUuid,
}

/// A resource: an id of one kind on one upstream.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    upstream: Arc<str>,
    kind: Arc<str>,
    id: ResourceId,
}

impl ResourceKey {
    /// The resource `id` of the given kind on the named upstream.
    pub fn new(upstream: Arc<str>, kind: Arc<str>, id: ResourceId) -> Self {
        Self { upstream, kind, id }
    }

    /// Name of the upstream.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// What it is: a session, a task.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its id.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, kind, id } = self;
        write!(formatter, "{upstream}/{kind}/{:?}", id.as_str())
    }
}

/// Whose a resource is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The tenant; it does not exist for any other.
    pub tenant: TenantId,
    /// Who in the tenant came first.
    pub user: UserId,
}

/// What is known of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody owns it.
    Unknown,
    /// It belongs to somebody.
    Owned(Owner),
    /// It belonged to somebody whose name is no longer kept. The backend may still hold what was
    /// theirs, so nobody can claim it.
    Retired,
}

/// The usual spelling of the UUID that `text` spells: lower case, five groups. Text that spells
/// none is returned as it is.
///
/// Backends' parsers are generous: Python's takes hyphens, braces, `urn:` and `uuid:` anywhere,
/// Go's any character around the 36, .NET's also parentheses and `0x`. So does this: once `urn:`,
/// `uuid:` and `0x` are taken off, 32 hexadecimal digits make a UUID whatever stands between them.
/// To fold too much makes two ids one, which denies; to fold too little makes one id two, which
/// would let a second tenant claim it.
pub fn fold_uuid(text: &str) -> Cow<'_, str> {
    if is_canonical(text) {
        return Cow::Borrowed(text);
    }
    match spelled_uuid(text) {
        Some(folded) => Cow::Owned(folded),
        None => Cow::Borrowed(text),
    }
}

/// Digits of a UUID.
const DIGITS: usize = 32;
/// Places of the hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Longest text that is looked at: .NET's longest form has 68 characters.
const LONGEST_SPELLING: usize = 128;

fn is_canonical(text: &str) -> bool {
    text.len() == DIGITS + HYPHENS.len()
        && text.bytes().enumerate().all(|(place, byte)| {
            if HYPHENS.contains(&place) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}

fn spelled_uuid(text: &str) -> Option<String> {
    if !text.is_ascii() || text.len() > LONGEST_SPELLING {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    // One character at either end, whatever it is.
    if let Some(inner) = lower.get(1..lower.len().saturating_sub(1))
        && is_canonical(inner)
    {
        return Some(inner.to_owned());
    }
    let bare = lower
        .replace("urn:", "")
        .replace("uuid:", "")
        .replace("0x", "");
    let mut folded = String::with_capacity(DIGITS + HYPHENS.len());
    let mut digits = 0;
    for digit in bare.chars().filter(char::is_ascii_hexdigit) {
        if HYPHENS.contains(&folded.len()) {
            folded.push('-');
        }
        folded.push(digit);
        digits += 1;
        if digits > DIGITS {
            return None;
        }
    }
    (digits == DIGITS).then_some(folded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

    #[test]
    fn a_name_is_no_text_that_some_parser_takes_for_a_uuid() {
        for name in [
            "agent",
            "cafe",
            "a-graph-with-a-name-of-more-than-32-letters",
        ] {
            assert_eq!(ResourceId::uuid_or_name(name).unwrap().as_str(), name);
        }
        let spelled = format!("urn:uuid:{}", UUID.to_uppercase());
        assert_eq!(ResourceId::uuid_or_name(&spelled).unwrap().as_str(), UUID);
        for text in [
            // What Python takes for the UUID with a zero before it, and for one in wide digits.
            "1a_201b6763f74d89b6c6894683cdc55",
            "\u{ff11}a201b6763f74d89b6c6894683cdc5555",
            "",
        ] {
            assert!(ResourceId::uuid_or_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spellings_that_backends_take_for_one_uuid_are_one_id() {
        for spelling in [
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "{{6ba7b8109dad-11d180b400c04fd430c8}}",
            "(6ba7b810-9dad-11d1-80b4-00c04fd430c8)",
            "x6ba7b810-9dad-11d1-80b4-00c04fd430c8a",
            "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "URN:UUID:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "uuid:urn:{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "6-b-a-7-b810-9dad-11d1-80b4-00c04fd430c8",
            " 6ba7b810-9dad-11d1-80b4-00c04fd430c8\n",
            "{0x6ba7b810,0x9dad,0x11d1,{0x80,0xb4,0x00,0xc0,0x4f,0xd4,0x30,0xc8}}",
        ] {
            assert_eq!(fold_uuid(spelling), UUID, "{spelling}");
            assert_eq!(ResourceId::uuid(spelling).unwrap().as_str(), UUID);
        }
    }

    #[test]
    fn text_that_spells_no_uuid_stays_and_is_no_uuid() {
        for text in [
            "",
            "latest",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8f0",
            "0x0ba7b810-9dad-11d1-80b4-00c04fd430",
            "\u{ff16}ba7b810-9dad-11d1-80b4-00c04fd430c8",
            &"-".repeat(200),
        ] {
            assert!(
                matches!(fold_uuid(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
            assert_eq!(
                ResourceId::uuid(text),
                Err(ResourceIdError::NotUuid),
                "{text}"
            );
        }
    }

    #[test]
    fn an_id_is_bounded_and_not_empty() {
        assert_eq!(ResourceId::exact(""), Err(ResourceIdError::Empty));
        let longest = "x".repeat(MAX_ID_LENGTH);
        assert_eq!(ResourceId::exact(&longest).unwrap().as_str(), longest);
        let longer = "x".repeat(MAX_ID_LENGTH + 1);
        assert_eq!(ResourceId::exact(&longer), Err(ResourceIdError::TooLong));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in ".{0,80}") {
            let once = fold_uuid(&text).into_owned();
            prop_assert_eq!(fold_uuid(&once), once.as_str());
        }

        #[test]
        fn any_separators_and_case_fold_to_the_same_id(
            number in any::<u128>(),
            places in proptest::collection::vec((0usize..32, "[-{}() _]"), 0..8),
            upper in any::<bool>(),
        ) {
            let plain = format!("{number:032x}");
            let mut spelling = if upper { plain.to_uppercase() } else { plain.clone() };
            for (place, separator) in places {
                spelling.insert_str(place, &separator);
            }
            prop_assert_eq!(fold_uuid(&spelling), fold_uuid(&plain));
        }
    }
}

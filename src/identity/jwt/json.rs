//! JSON of strangers, read strictly: a member name may stand only once in an object.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 leave it to the reader whether duplicate names are
//! refused or the last one wins. Two readers that choose differently see two tokens in one, so they
//! are refused here at every depth, after unescaping: `"\u0073ub"` is `sub`. Text is borrowed from
//! the input where it has no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Most members of one object. It bounds the search for duplicates, which is quadratic: that is the
/// quickest way for the dozen members a token has.
const MAX_MEMBERS: usize = 128;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

impl Json<'_> {
    /// The text, if this is a string.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Float(_)
            | Self::Array(_)
            | Self::Object(_) => None,
        }
    }
}

/// A JSON object whose member names are distinct.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// Parses a document that is an object.
    ///
    /// # Errors
    /// Not JSON, not an object, anything behind it, a name twice, or more than 128 members.
    pub(super) fn parse(document: &'a [u8]) -> Result<Self, serde_json::Error> {
        match serde_json::from_slice(document)? {
            Json::Object(object) => Ok(object),
            Json::Null
            | Json::Bool(_)
            | Json::Integer(_)
            | Json::Float(_)
            | Json::Text(_)
            | Json::Array(_) => Err(serde_json::Error::custom("not an object")),
        }
    }

    /// The member called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0
            .iter()
            .find_map(|(held, value)| (held == name).then_some(value))
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // As a number past 64 bits comes too: what is not exact here must not pass for a whole number.
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            if object.iter().any(|(held, _)| *held == name) {
                return Err(A::Error::custom("a member name stands twice"));
            }
            if object.len() == MAX_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            object.push((name, members.next_value()?));
        }
        Ok(Json::Object(Object(object)))
    }
}

/// A member name, borrowed where it can be; serde's own `Cow` always copies.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member name")
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(value)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(value.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_refused_at_every_depth_and_in_every_spelling() {
        for document in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"\u0073ub":"a","s\u0075b":"b"}"#,
            r#"{"act":{"sub":"a","sub":"a"}}"#,
            r#"{"list":[{"a":1,"a":1}]}"#,
        ] {
            assert!(Object::parse(document.as_bytes()).is_err(), "{document}");
        }
        let twin = Object::parse(br#"{"sub":"a","Sub":"b","act":{"sub":"c"}}"#).unwrap();
        assert_eq!(twin.get("sub").and_then(Json::as_text), Some("a"));
    }

    #[test]
    fn only_one_whole_object_is_a_document() {
        for document in [
            "[]",
            "1",
            "",
            "{}{}",
            "{} x",
            "{",
            r#"{"a":1,}"#,
            "\u{feff}{}",
        ] {
            assert!(Object::parse(document.as_bytes()).is_err(), "`{document}`");
        }
        assert!(Object::parse(b" {} ").is_ok());
    }

    #[test]
    fn an_object_of_too_many_members_is_refused() {
        let members = |count: usize| {
            let list: Vec<String> = (0..count).map(|index| format!("\"m{index}\":0")).collect();
            format!("{{{}}}", list.join(","))
        };
        assert!(Object::parse(members(MAX_MEMBERS).as_bytes()).is_ok());
        assert!(Object::parse(members(MAX_MEMBERS + 1).as_bytes()).is_err());
    }
}

//! What a token says beyond who calls: the claims that a policy's routes name, and no others.
//!
//! A token has two dozen claims, and most policies name none of them as a place of an id. What is
//! named is kept with the caller, in the cache too, so that it costs no second look at the token.

use std::sync::Arc;

use super::json::{Json, Object};
use super::principal::find;
use crate::identity::settings::ClaimPath;

/// Most values of one claim.
const MAX_VALUES: usize = 100;

/// Longest text that can name something, in bytes.
const MAX_LENGTH: usize = 1024;

/// A value of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// A text, or a whole number as it is written.
    Text(Box<str>),
    /// Nothing that could name anything.
    Other,
}

/// The values of claims that routes name.
#[derive(Debug)]
pub struct KeptClaims {
    /// Shared by every token of a policy.
    asked: Arc<[ClaimPath]>,
    /// One list for each of those.
    values: Box<[Box<[ClaimValue]>]>,
}

impl KeptClaims {
    /// What a token says at these places; `None` where it says nothing at any.
    pub(super) fn of(members: &Object<'_>, asked: &Arc<[ClaimPath]>) -> Option<Arc<Self>> {
        let values = asked.iter().map(|path| values(find(members, path)));
        let values: Box<[_]> = values.collect();
        let says_something = values.iter().any(|of_one| !of_one.is_empty());
        says_something.then(|| {
            Arc::new(Self {
                asked: Arc::clone(asked),
                values,
            })
        })
    }

    /// What a token with these claims, a JSON object, would say.
    ///
    /// # Errors
    /// No token could hold them: `document` is no object, or one of too many members.
    pub(crate) fn described(
        document: &str,
        asked: &Arc<[ClaimPath]>,
    ) -> Result<Option<Arc<Self>>, serde_json::Error> {
        let members = Object::parse(document.as_bytes())?;
        Ok(Self::of(&members, asked))
    }

    /// The values of a claim; none of one that the token does not have.
    pub fn at(&self, path: &ClaimPath) -> &[ClaimValue] {
        let place = self.asked.iter().position(|asked| asked == path);
        let found = place.and_then(|place| self.values.get(place));
        found.map_or(&[], |of_one| of_one)
    }
}

/// The values of one claim: one of a text or a whole number, those of an array's elements. An array
/// of which one element is no value has none that is: who reads half of it might read the wrong half.
fn values(claim: Option<&Json<'_>>) -> Box<[ClaimValue]> {
    match claim {
        None | Some(Json::Null) => Box::default(),
        Some(Json::Array(elements)) => {
            let values: Box<[_]> = elements.iter().map(value).collect();
            match values.len() > MAX_VALUES || values.contains(&ClaimValue::Other) {
                true => Box::new([ClaimValue::Other]),
                false => values,
            }
        }
        Some(one) => Box::new([value(one)]),
    }
}

fn value(claim: &Json<'_>) -> ClaimValue {
    match claim {
        Json::Text(text) if text.len() <= MAX_LENGTH => ClaimValue::Text((&**text).into()),
        Json::Integer(number) => ClaimValue::Text(number.to_string().into()),
        Json::Text(_)
        | Json::Null
        | Json::Bool(_)
        | Json::Float(_)
        | Json::Array(_)
        | Json::Object(_) => ClaimValue::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the claim `it`, joined; `!` is one that names nothing.
    fn said(json: &str) -> String {
        let path = ClaimPath::Name("it".to_owned());
        let asked: Arc<[ClaimPath]> = [ClaimPath::Name("other".to_owned()), path.clone()].into();
        let document = format!("{{\"other\":\"x\",\"it\":{json}}}");
        let kept = KeptClaims::described(&document, &asked).unwrap().unwrap();
        let values = kept.at(&path).iter().map(|value| match value {
            ClaimValue::Text(text) => text.to_string(),
            ClaimValue::Other => "!".to_owned(),
        });
        values.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_text_a_whole_number_and_the_elements_of_an_array_are_values() {
        assert_eq!(said("\"s-1\""), "s-1");
        assert_eq!(said("\"s-1 s-2\""), "s-1 s-2", "one text is one value");
        assert_eq!(said("17"), "17");
        assert_eq!(said("9223372036854775807"), "9223372036854775807");
        assert_eq!(said("[\"s-1\",\"s-2\",3]"), "s-1|s-2|3");
        assert_eq!(said("null"), "");
        assert_eq!(said("[]"), "");
    }

    #[test]
    fn what_could_be_read_in_two_ways_names_nothing() {
        // Past 64 bits with a sign a number is no longer exact, and two tokens could name one id.
        let large = "9223372036854775808";
        for other in [
            "true",
            "1.0",
            "1e3",
            "-0",
            "{}",
            large,
            "[[\"s\"]]",
            "[{}]",
            "[null]",
        ] {
            assert_eq!(said(other), "!", "{other}");
        }
        assert_eq!(said("[\"s-1\",{}]"), "!", "no half of an array");
    }

    #[test]
    fn a_hundred_values_of_a_kibibyte_are_kept_and_more_name_nothing() {
        let many = |count: usize| format!("[{}]", vec!["\"s\""; count].join(","));
        assert_eq!(said(&many(MAX_VALUES)).len(), 2 * MAX_VALUES - 1);
        assert_eq!(said(&many(MAX_VALUES + 1)), "!");
        let long = |length: usize| format!("\"{}\"", "s".repeat(length));
        assert_eq!(said(&long(MAX_LENGTH)).len(), MAX_LENGTH);
        assert_eq!(said(&long(MAX_LENGTH + 1)), "!");
    }

    #[test]
    fn a_token_that_says_nothing_of_it_holds_nothing() {
        let asked: Arc<[ClaimPath]> = [ClaimPath::Name("it".to_owned())].into();
        for document in ["{}", "{\"it\":null}", "{\"it\":[]}", "{\"other\":\"x\"}"] {
            let kept = KeptClaims::described(document, &asked).unwrap();
            assert!(kept.is_none(), "{document}");
        }
        let none: Arc<[ClaimPath]> = [].into();
        let kept = KeptClaims::described("{\"it\":\"x\"}", &none).unwrap();
        assert!(kept.is_none(), "nobody asks");
    }
}

//! Members that are put into a document where they are missing.

use std::borrow::Cow;

use super::quoted;
use super::splice::Splices;
use crate::inspect::json::{JsonFault, Value};

/// One member to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The object of the document's object that it belongs into; `None` is the document's own.
    pub inside: Option<Cow<'static, str>>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value, as JSON text.
    pub json: String,
}

/// The document with these members. Each comes last in its object, in the order given, or takes the
/// place of a `null`; an object that is missing or `null` is made. Every other byte stays.
///
/// `root` is the value of `document`, which was checked. No two members are one place.
///
/// # Errors
/// [`JsonFault::Misplaced`] where there is no object to put one into, or another value in its place;
/// [`JsonFault::NameCase`] as in [`Value::member`].
pub fn put(document: &str, root: Value<'_>, members: &[Member]) -> Result<Vec<u8>, JsonFault> {
    let mut changes = Changes {
        document,
        found: Vec::new(),
    };
    let own = members.iter().filter(|member| member.inside.is_none());
    let mut missing: Vec<(&str, String)> = Vec::new();
    let mut fresh = Vec::new();
    for member in own {
        changes.put(root, member, &mut fresh)?;
    }
    let mut done: Vec<&str> = Vec::new();
    for inside in members.iter().filter_map(|it| it.inside.as_deref()) {
        if done.contains(&inside) {
            continue;
        }
        done.push(inside);
        let those = || {
            members
                .iter()
                .filter(|it| it.inside.as_deref() == Some(inside))
        };
        match root.member(inside)? {
            Some(object) if object.raw() != "null" => {
                let mut fresh = Vec::new();
                for member in those() {
                    changes.put(object, member, &mut fresh)?;
                }
                changes.append(object, &fresh);
            }
            place => {
                let all: Vec<_> = those().map(written).collect();
                let json = format!("{{{}}}", all.join(","));
                match place {
                    Some(null) => changes.replace(null, json),
                    None => missing.push((inside, json)),
                }
            }
        }
    }
    let made = missing
        .into_iter()
        .map(|(name, json)| format!("{}:{json}", quoted(name)));
    fresh.extend(made);
    if !root.is_object() {
        return Err(JsonFault::Misplaced);
    }
    changes.append(root, &fresh);
    Ok(changes.applied())
}

struct Changes<'text> {
    document: &'text str,
    /// What comes in place of which bytes.
    found: Vec<(std::ops::Range<usize>, String)>,
}

impl<'text> Changes<'text> {
    /// Puts a member into `object`: in place of its `null`, or among what comes behind the others.
    fn put(
        &mut self,
        object: Value<'text>,
        member: &Member,
        fresh: &mut Vec<String>,
    ) -> Result<(), JsonFault> {
        if !object.is_object() {
            return Err(JsonFault::Misplaced);
        }
        match object.member(&member.name)? {
            Some(null) if null.raw() == "null" => self.replace(null, member.json.clone()),
            Some(_) => return Err(JsonFault::Misplaced),
            None => fresh.push(written(member)),
        }
        Ok(())
    }

    fn replace(&mut self, value: Value<'text>, json: String) {
        let start = value.offset_in(self.document);
        self.found.push((start..start + value.raw().len(), json));
    }

    fn append(&mut self, object: Value<'text>, fresh: &[String]) {
        if fresh.is_empty() {
            return;
        }
        let fresh = fresh.join(",");
        let (at, text) = match object.members().last() {
            Some((_, last)) => (
                last.offset_in(self.document) + last.raw().len(),
                format!(",{fresh}"),
            ),
            None => (object.offset_in(self.document) + 1, fresh),
        };
        self.found.push((at..at, text));
    }

    fn applied(mut self) -> Vec<u8> {
        // What is put behind the last member of all begins where the change of that member ends.
        self.found
            .sort_by_key(|(range, _)| (range.end, range.start));
        let mut splices = Splices::default();
        for (range, text) in self.found {
            splices.replace(range, text);
        }
        let document = self.document.as_bytes();
        splices.apply(document).unwrap_or_else(|| document.to_vec())
    }
}

fn written(member: &Member) -> String {
    format!("{}:{}", quoted(&member.name), member.json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::json::Limits;

    fn member(place: &'static str, json: &str) -> Member {
        let (inside, name) = match place.split_once('/') {
            Some((inside, name)) => (Some(inside.into()), name),
            None => (None, place),
        };
        Member {
            inside,
            name: name.into(),
            json: json.to_owned(),
        }
    }

    fn put_into(document: &str, members: &[Member]) -> Result<String, JsonFault> {
        let root = Value::parse(document.as_bytes(), &Limits::default()).unwrap();
        put(document, root, members).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_member_comes_last_and_every_other_byte_stays() {
        let one = [member("b", "7")];
        for (before, after) in [
            ("{}", "{\"b\":7}"),
            (" { } ", " {\"b\":7 } "),
            ("{\"a\" : 1.50 }\n", "{\"a\" : 1.50,\"b\":7 }\n"),
            ("{\"b\":null,\"a\":[]}", "{\"b\":7,\"a\":[]}"),
            ("{\"a\":1, \"b\" : null }", "{\"a\":1, \"b\" : 7 }"),
        ] {
            assert_eq!(put_into(before, &one).unwrap(), after, "{before}");
        }
    }

    #[test]
    fn members_of_one_object_share_it_where_it_has_to_be_made() {
        let three = [
            member("g/x", "1"),
            member("c", "\"m\""),
            member("g/y", "0.7"),
        ];
        for (before, after) in [
            ("{}", r#"{"c":"m","g":{"x":1,"y":0.7}}"#),
            (r#"{"g":null}"#, r#"{"g":{"x":1,"y":0.7},"c":"m"}"#),
            (r#"{"g":{ }}"#, r#"{"g":{"x":1,"y":0.7 },"c":"m"}"#),
            (
                r#"{"g":{"x":null,"z":[1]},"d":0}"#,
                r#"{"g":{"x":1,"z":[1],"y":0.7},"d":0,"c":"m"}"#,
            ),
            (
                r#"{"g":{"z":1,"x":null}}"#,
                r#"{"g":{"z":1,"x":1,"y":0.7},"c":"m"}"#,
            ),
        ] {
            assert_eq!(put_into(before, &three).unwrap(), after, "{before}");
        }
    }

    #[test]
    fn where_something_else_stands_nothing_is_put() {
        for (document, place) in [
            (r#"{"b":1}"#, "b"),
            (r#"{"g":"x"}"#, "g/x"),
            (r#"{"g":[]}"#, "g/x"),
            ("[]", "b"),
            ("[]", "g/x"),
        ] {
            let refused = put_into(document, &[member(place, "7")]);
            assert_eq!(refused, Err(JsonFault::Misplaced), "{document}");
        }
        let refused = put_into(r#"{"B":1}"#, &[member("b", "7")]);
        assert_eq!(refused, Err(JsonFault::NameCase));
    }
}

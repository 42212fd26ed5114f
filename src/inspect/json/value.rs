//! Walking through a document whose text was checked.

use std::borrow::Cow;

use super::scan::{Scanner, same_but_for_case, unescape};
use super::{JsonFault, Limits};

/// A value of a checked document: a piece of its text, without the blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'text>(&'text str);

impl<'text> Value<'text> {
    /// Checks a whole document and returns its value.
    ///
    /// # Errors
    /// As [`super::pointer_values`]: no JSON text, a repeated member name anywhere, or past a limit.
    pub fn parse(document: &'text [u8], limits: &Limits) -> Result<Self, JsonFault> {
        let text = std::str::from_utf8(document).map_err(|_| JsonFault::NotUtf8)?;
        Scanner::new(text, limits).check()?;
        Ok(Self(text.trim_matches(BLANKS)))
    }

    /// The text of the value, as it stands in the document.
    pub fn raw(self) -> &'text str {
        self.0
    }

    /// Where the value begins in the text it was found in, in bytes.
    pub fn offset_in(self, document: &str) -> usize {
        let start = document.as_ptr().addr();
        self.0.as_ptr().addr().saturating_sub(start)
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether the value is an array.
    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether the value is a number.
    pub fn is_number(self) -> bool {
        self.0
            .starts_with(|first: char| first == '-' || first.is_ascii_digit())
    }

    /// A string, unescaped; `None` for any other kind of value.
    pub fn text(self) -> Option<Cow<'text, str>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        unescape(inside.as_bytes()).ok()
    }

    /// The members of an object, in order; of any other kind of value, none.
    pub fn members(self) -> Members<'text> {
        Members(Items::of(self.0, '{'))
    }

    /// The elements of an array, in order; of any other kind of value, none.
    pub fn elements(self) -> Elements<'text> {
        Elements(Items::of(self.0, '['))
    }

    /// The member of this name; `None` where there is none or the value is no object.
    ///
    /// # Errors
    /// [`JsonFault::NameCase`] when a name differs from it in case only: a reader that folds case
    /// would find another value, or one where there is none.
    pub fn member(self, wanted: &str) -> Result<Option<Value<'text>>, JsonFault> {
        let mut found = None;
        for (name, value) in self.members() {
            if name == wanted {
                found = Some(value);
            } else if same_but_for_case(wanted, &name) {
                return Err(JsonFault::NameCase);
            }
        }
        Ok(found)
    }

    /// The value that a path of member names leads to.
    ///
    /// # Errors
    /// As [`Value::member`], for every name on the way.
    pub fn at(self, path: &[&str]) -> Result<Option<Value<'text>>, JsonFault> {
        let mut value = self;
        for name in path {
            match value.member(name)? {
                Some(inner) => value = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

/// RFC 8259 section 2.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// See [`Value::members`].
#[derive(Clone, Debug)]
pub struct Members<'text>(Items<'text>);

impl<'text> Iterator for Members<'text> {
    type Item = (Cow<'text, str>, Value<'text>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.piece()?;
        self.0.skip(':');
        let value = self.0.piece()?;
        self.0.skip(',');
        Some((Value(name).text()?, Value(value)))
    }
}

/// See [`Value::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'text>(Items<'text>);

impl<'text> Iterator for Elements<'text> {
    type Item = Value<'text>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.0.piece()?;
        self.0.skip(',');
        Some(Value(value))
    }
}

/// What is between the brackets of a container and was not visited yet.
///
/// INVARIANT: the text was checked, so every quote and bracket has its partner.
#[derive(Clone, Debug)]
struct Items<'text>(&'text str);

impl<'text> Items<'text> {
    fn of(container: &'text str, open: char) -> Self {
        let close = if open == '{' { '}' } else { ']' };
        let inside = container
            .strip_prefix(open)
            .and_then(|inside| inside.strip_suffix(close));
        Self(inside.unwrap_or_default().trim_start_matches(BLANKS))
    }

    /// Takes one name or value.
    fn piece(&mut self) -> Option<&'text str> {
        let (piece, rest) = self.0.split_at_checked(length_of_first(self.0))?;
        self.0 = rest.trim_start_matches(BLANKS);
        (!piece.is_empty()).then_some(piece)
    }

    fn skip(&mut self, separator: char) {
        let rest = self.0.strip_prefix(separator).unwrap_or(self.0);
        self.0 = rest.trim_start_matches(BLANKS);
    }
}

/// How many bytes the value takes that the text begins with.
fn length_of_first(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => continue,
            }
            if depth == 0 && !quoted {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Value<'_>, JsonFault> {
        Value::parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn members_and_elements_are_the_text_as_it_stands() {
        let document = " { \"a\\u0062\" : [ 1 , {\"x\":\"],}\\\"\"} , -2.50e1 ] , \"c\" : null } ";
        let value = parse(document).unwrap();
        let members: Vec<_> = value
            .members()
            .map(|(name, value)| (name.into_owned(), value.raw()))
            .collect();
        assert_eq!(
            members,
            [
                ("ab".to_owned(), "[ 1 , {\"x\":\"],}\\\"\"} , -2.50e1 ]"),
                ("c".to_owned(), "null")
            ]
        );
        let list = value.member("ab").unwrap().unwrap();
        let elements: Vec<_> = list.elements().map(Value::raw).collect();
        assert_eq!(elements, ["1", "{\"x\":\"],}\\\"\"}", "-2.50e1"]);
        assert_eq!(list.members().count(), 0, "an array has no members");
    }

    #[test]
    fn a_name_in_another_case_is_refused_where_the_name_decides() {
        let value = parse(r#"{"params":{"Name":"a"},"METHOD":1}"#).unwrap();
        assert_eq!(value.member("method"), Err(JsonFault::NameCase));
        assert_eq!(value.at(&["params", "name"]), Err(JsonFault::NameCase));
        assert_eq!(value.member("absent"), Ok(None));
    }

    #[test]
    fn a_repeated_name_is_refused_wherever_it_stands() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"x":1,"\u0078":2}}]"#] {
            assert_eq!(parse(text), Err(JsonFault::DuplicateName), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "\\PC{0,8}[\\[\\]{}:,\"\\\\]?".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map("\\PC{0,4}[a\"\\\\]?", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn same(value: Value<'_>, model: &serde_json::Value) -> bool {
        match model {
            serde_json::Value::Object(model) => {
                value.members().count() == model.len()
                    && value
                        .members()
                        .all(|(name, value)| model.get(&*name).is_some_and(|it| same(value, it)))
            }
            serde_json::Value::Array(model) => {
                value.elements().count() == model.len()
                    && value.elements().zip(model).all(|(a, b)| same(a, b))
            }
            serde_json::Value::String(model) => value.text().as_deref() == Some(model),
            other => format!("{other}") == value.raw(),
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_another_reader_finds(model in any_json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&model).unwrap()
            } else {
                model.to_string()
            };
            prop_assert!(same(parse(&text).unwrap(), &model), "{}", text);
        }
    }
}

//! The text of an item by which it is searched.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::labels::refused;
use crate::memory_api::Problem;

/// Most paths of one item.
const MOST_PATHS: usize = 32;

/// Longest path in bytes.
const LONGEST: usize = 512;

/// `index` of an item: `false` for none of it, or the paths of what is searched; everything if
/// nobody says.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Index {
    /// Whether it is searched at all.
    Whole(bool),
    /// The parts that are: `title`, `owner.name`, `chapters[*].text`, `authors[0]`, `{title,body}`,
    /// `$` for everything.
    Paths(Vec<String>),
}

/// The text of a value, a line for each text and number it holds; names of members are not part of
/// it.
///
/// # Errors
/// A path can't be read, or there are too many.
pub(super) fn text_of(
    value: &Map<String, Value>,
    index: Option<&Index>,
) -> Result<String, Problem> {
    let mut text = String::new();
    match index {
        None | Some(Index::Whole(true)) => value.values().for_each(|it| add(it, &mut text)),
        Some(Index::Whole(false)) => {}
        Some(Index::Paths(paths)) => {
            if paths.len() > MOST_PATHS {
                return Err(refused(format!("`index` has at most {MOST_PATHS} paths")));
            }
            let value = Value::Object(value.clone());
            for path in paths {
                let steps = steps(path).ok_or_else(|| {
                    refused(format!(
                        "`index`: a path of at most {LONGEST} bytes such as `title`, `owner.name`, \
                         `chapters[*].text`, `authors[0]`, `{{title,body}}` or `$`"
                    ))
                })?;
                follow(&value, &steps, &mut text);
            }
        }
    }
    Ok(text)
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'path> {
    // INVARIANT: each name once. A path then leads to each part of a value at most once, however many
    // steps it has; a name that stood twice in each of them would double the work with each.
    Members(Vec<&'path str>),
    Every,
    Element(i64),
}

/// The steps of a path; `None` if it is none.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    if path.is_empty() || path.len() > LONGEST {
        return None;
    }
    if path == "$" {
        return Some(Vec::new());
    }
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (member, mut elements) = match part.find('[') {
            Some(at) => part.split_at_checked(at)?,
            None => (part, ""),
        };
        match member.strip_prefix('{') {
            Some(names) => {
                let names = names.strip_suffix('}')?.split(',').map(str::trim);
                let mut different = Vec::new();
                for name in names {
                    if !different.contains(&name) {
                        different.push(name);
                    }
                }
                steps.push(Step::Members(different));
            }
            None if member == "*" => steps.push(Step::Every),
            // Elements of what the path begins at, which is an object, are nothing.
            None if member.is_empty() && (elements.is_empty() || steps.is_empty()) => return None,
            None if member.is_empty() => {}
            None => steps.push(Step::Members(vec![member])),
        }
        while !elements.is_empty() {
            let (element, rest) = elements.strip_prefix('[')?.split_once(']')?;
            steps.push(match element {
                "*" => Step::Every,
                number => Step::Element(number.parse().ok()?),
            });
            elements = rest;
        }
    }
    Some(steps)
}

/// Adds the texts of what stands where the steps lead; nothing if nothing does.
fn follow(value: &Value, steps: &[Step<'_>], text: &mut String) {
    let Some((step, rest)) = steps.split_first() else {
        return add(value, text);
    };
    match (step, value) {
        (Step::Members(names), Value::Object(members)) => {
            let found = names.iter().filter_map(|name| members.get(*name));
            found.for_each(|it| follow(it, rest, text));
        }
        (Step::Every, Value::Object(members)) => {
            members.values().for_each(|it| follow(it, rest, text));
        }
        (Step::Every, Value::Array(elements)) => {
            elements.iter().for_each(|it| follow(it, rest, text));
        }
        (Step::Element(number), Value::Array(elements)) => {
            let index = match usize::try_from(*number) {
                Ok(index) => Some(index),
                Err(_negative) => usize::try_from(number.unsigned_abs())
                    .ok()
                    .and_then(|from_end| elements.len().checked_sub(from_end)),
            };
            if let Some(element) = index.and_then(|index| elements.get(index)) {
                follow(element, rest, text);
            }
        }
        _ => {}
    }
}

fn add(value: &Value, text: &mut String) {
    let line = match value {
        Value::String(line) => line.as_str(),
        Value::Number(number) => &number.to_string(),
        Value::Array(elements) => return elements.iter().for_each(|it| add(it, text)),
        Value::Object(members) => return members.values().for_each(|it| add(it, text)),
        Value::Null | Value::Bool(_) => return,
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(index: Option<Index>) -> Result<String, Problem> {
        let value = json!({
            "title": "Tea",
            "year": 1906,
            "draft": true,
            "author": {"name": "Okakura", "born": null},
            "chapters": [{"text": "one"}, {"text": "two"}, {"note": "three"}],
        });
        text_of(value.as_object().unwrap(), index.as_ref())
    }

    #[test]
    fn everything_is_searched_unless_paths_or_nothing_are_named() {
        assert_eq!(text(None).unwrap(), "Okakura\none\ntwo\nthree\nTea\n1906");
        assert_eq!(text(Some(Index::Whole(true))).unwrap(), text(None).unwrap());
        assert_eq!(text(Some(Index::Whole(false))).unwrap(), "");
        for (path, found) in [
            ("title", "Tea"),
            ("author.name", "Okakura"),
            ("author", "Okakura"),
            ("chapters[*].text", "one\ntwo"),
            ("chapters[0]", "one"),
            ("chapters[-1].note", "three"),
            ("{title,year}", "Tea\n1906"),
            ("author.*", "Okakura"),
            ("*.name", "Okakura"),
            ("$", "Okakura\none\ntwo\nthree\nTea\n1906"),
            ("chapters[9]", ""),
            ("chapters[-4]", ""),
            ("title.name", ""),
            ("missing", ""),
        ] {
            let index = Index::Paths(vec![path.to_owned()]);
            assert_eq!(text(Some(index)).unwrap(), found, "{path}");
        }
    }

    #[test]
    fn a_path_leads_to_each_part_of_a_value_once_whatever_it_repeats() {
        let mut value = json!("leaf");
        for _ in 0..85 {
            value = json!({ "a": value });
        }
        let path = vec!["{a,a}"; 85].join(".");
        let value = value.as_object().unwrap();
        let found = text_of(value, Some(&Index::Paths(vec![path])));
        assert_eq!(found.unwrap(), "leaf");
        let twice = Index::Paths(vec!["{title, title,year}".to_owned()]);
        assert_eq!(text(Some(twice)).unwrap(), "Tea\n1906");
    }

    #[test]
    fn a_path_that_is_none_is_refused() {
        for path in [
            "",
            "a..b",
            "a[",
            "a[x]",
            "a[0]b",
            "{a",
            ".a",
            "a.",
            "[0]",
            &"x".repeat(513),
        ] {
            assert!(
                text(Some(Index::Paths(vec![path.to_owned()]))).is_err(),
                "{path}"
            );
        }
        assert!(text(Some(Index::Paths(vec!["a".to_owned(); 33]))).is_err());
    }
}
